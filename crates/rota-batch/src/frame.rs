//! Frames: pieces of a channel, as L1 transactions carry them.

use crate::DecodeError;
use alloy_primitives::FixedBytes;
use rota_types::codec::Reader;

/// Identifies a channel.
pub type ChannelId = FixedBytes<16>;

/// First byte of batcher data.
pub(crate) const DERIVATION_VERSION: u8 = 0;

/// The largest piece of a channel in one frame.
const MAX_FRAME_DATA: u32 = 1_000_000;

/// A piece of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The channel.
    pub id: ChannelId,
    /// Place of this frame in the channel.
    pub number: u16,
    /// The piece.
    pub data: Vec<u8>,
    /// Whether it is the channel's last.
    pub is_last: bool,
}

impl Frame {
    /// Bytes of an encoded frame around its data.
    pub const OVERHEAD: usize = 16 + 2 + 4 + 1;

    /// Appends `id ‖ number ‖ length ‖ data ‖ is last`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.id.as_slice());
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&(self.data.len() as u32).to_be_bytes());
        out.extend_from_slice(&self.data);
        out.push(u8::from(self.is_last));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let malformed = |_| DecodeError::Malformed("frame");
        let id = reader.array().map_err(malformed)?.into();
        let number = reader.u16().map_err(malformed)?;
        let length = reader.u32().map_err(malformed)?;
        if length > MAX_FRAME_DATA {
            return Err(DecodeError::Malformed("frame length"));
        }
        let data = reader.bytes(length as usize).map_err(malformed)?.to_vec();
        let is_last = match reader.u8().map_err(malformed)? {
            0 => false,
            1 => true,
            _ => return Err(DecodeError::Malformed("frame")),
        };
        Ok(Self { id, number, data, is_last })
    }
}

/// The frames in the data of one L1 transaction: all of them must be well-formed, and those that Holocene's ordering
/// rules drop inside one transaction are left out.
pub fn parse_frames(data: &[u8]) -> Result<Vec<Frame>, DecodeError> {
    let Some((&DERIVATION_VERSION, rest)) = data.split_first() else {
        return Err(DecodeError::Malformed("batcher data"));
    };
    if rest.is_empty() {
        return Err(DecodeError::Malformed("batcher data"));
    }
    let mut reader = Reader::new(rest);
    let mut frames: Vec<Frame> = Vec::new();
    while reader.remaining() > 0 {
        let next = Frame::read(&mut reader)?;
        frames.push(next);
    }
    Ok(in_order(frames))
}

/// Frames of a channel must follow each other without a gap; a first frame discards a channel that is still open.
fn in_order(frames: Vec<Frame>) -> Vec<Frame> {
    let mut kept: Vec<Frame> = Vec::new();
    for next in frames {
        while next.number == 0 && kept.last().is_some_and(|last| last.id != next.id && !last.is_last) {
            kept.pop();
        }
        let follows = match kept.last() {
            None => true,
            Some(last) if last.id == next.id => !last.is_last && last.number.checked_add(1) == Some(next.number),
            Some(_) => next.number == 0,
        };
        if follows {
            kept.push(next);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(id: u8, number: u16, is_last: bool) -> Frame {
        Frame { id: ChannelId::repeat_byte(id), number, data: vec![id], is_last }
    }

    fn names(frames: &[Frame]) -> Vec<(u8, u16)> {
        frames.iter().map(|frame| (frame.id[0], frame.number)).collect()
    }

    fn through(frames: &[Frame]) -> Result<Vec<Frame>, DecodeError> {
        let mut data = vec![DERIVATION_VERSION];
        frames.iter().for_each(|frame| frame.encode(&mut data));
        parse_frames(&data)
    }

    #[test]
    fn frames_out_of_order_are_dropped() {
        let kept = |frames: &[Frame]| names(&through(frames).unwrap());
        let gap = [frame(1, 0, false), frame(1, 2, false), frame(1, 1, true)];
        assert_eq!(kept(&gap), [(1, 0), (1, 1)]);
        let stranger = [frame(1, 0, false), frame(2, 1, false), frame(1, 1, true)];
        assert_eq!(kept(&stranger), [(1, 0), (1, 1)]);
        let after_end = [frame(1, 0, true), frame(1, 1, false), frame(2, 0, true)];
        assert_eq!(kept(&after_end), [(1, 0), (2, 0)]);
        let unfinished = [frame(0, 0, true), frame(1, 0, false), frame(1, 1, false), frame(2, 0, true)];
        assert_eq!(kept(&unfinished), [(0, 0), (2, 0)]);
        let repeated = [frame(1, 0, false), frame(1, 0, false), frame(1, 1, true)];
        assert_eq!(kept(&repeated), [(1, 0), (1, 1)]);
    }

    #[test]
    fn malformed_data_is_refused_as_a_whole() {
        let mut good = vec![DERIVATION_VERSION];
        frame(1, 0, true).encode(&mut good);
        assert!(parse_frames(&good).is_ok());
        for cut in 0..good.len() {
            assert!(parse_frames(&good[..cut]).is_err(), "cut at {cut}");
        }
        let mut version = good.clone();
        version[0] = 1;
        assert!(parse_frames(&version).is_err());
        let mut last = good.clone();
        *last.last_mut().unwrap() = 2;
        assert!(parse_frames(&last).is_err());
        let mut length = good;
        length[19..23].copy_from_slice(&(MAX_FRAME_DATA + 1).to_be_bytes());
        assert!(parse_frames(&length).is_err());
    }

    proptest! {
        #[test]
        fn garbage_never_panics(data in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_frames(&[&[DERIVATION_VERSION], data.as_slice()].concat());
        }
    }
}
