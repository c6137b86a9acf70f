//! Channels: from blocks to the data of L1 transactions, and from frames back to a channel.

use crate::{
    BatchBlock, ChannelId, Compression, EncodeError, Frame, MAX_CHANNEL_BYTES, SpanBatch, frame::DERIVATION_VERSION,
    reader::SPAN,
};
use alloy_primitives::Bytes;
use alloy_rlp::Encodable;
use rota_types::RollupConfig;

/// L1 blocks in which a channel must be completed (Granite).
pub const CHANNEL_TIMEOUT: u64 = 50;

/// Bytes of batcher data around the piece of a channel in it: the version and the frame's own.
pub const PAYLOAD_OVERHEAD: usize = 1 + Frame::OVERHEAD;

/// What op-node counts for each frame beside its data.
const FRAME_COST: usize = 200;

/// Writes blocks as one span batch in one compressed channel.
pub fn compress_channel(
    rollup: &RollupConfig,
    blocks: &[BatchBlock],
    compression: Compression,
) -> Result<Vec<u8>, EncodeError> {
    let mut batch = vec![SPAN];
    batch.extend_from_slice(&SpanBatch::new(rollup, blocks)?.encode(rollup.l2_chain_id)?);
    let mut rlp = Vec::with_capacity(batch.len() + 9);
    batch.as_slice().encode(&mut rlp);
    if rlp.len() > MAX_CHANNEL_BYTES {
        return Err(EncodeError::TooLarge);
    }
    Ok(compression.compress(&rlp))
}

/// Cuts a compressed channel into batcher data of at most `max_payload` bytes each, one frame in each. Each is the call
/// data of one L1 transaction, or goes into one blob; they must be included in this order.
pub fn cut_channel(channel: &[u8], id: ChannelId, max_payload: usize) -> Result<Vec<Bytes>, EncodeError> {
    let piece = max_payload.saturating_sub(PAYLOAD_OVERHEAD).clamp(1, 1_000_000);
    let frames = channel.len().div_ceil(piece);
    let mut payloads = Vec::with_capacity(frames);
    for (number, data) in channel.chunks(piece).enumerate() {
        let number = u16::try_from(number).map_err(|_| EncodeError::TooLarge)?;
        let is_last = usize::from(number) + 1 == frames;
        let mut payload = vec![DERIVATION_VERSION];
        Frame { id, number, data: data.to_vec(), is_last }.encode(&mut payload);
        payloads.push(payload.into());
    }
    Ok(payloads)
}

/// [`compress_channel`], then [`cut_channel`].
pub fn encode_channel(
    rollup: &RollupConfig,
    blocks: &[BatchBlock],
    id: ChannelId,
    compression: Compression,
    max_payload: usize,
) -> Result<Vec<Bytes>, EncodeError> {
    cut_channel(&compress_channel(rollup, blocks, compression)?, id, max_payload)
}

/// Puts a channel together from frames in L1 order, by Holocene's rules: one channel at a time, no gaps, a first frame
/// discards what is unfinished.
#[derive(Debug, Default)]
pub struct ChannelAssembler {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    id: ChannelId,
    opened_at: u64,
    next: u32,
    data: Vec<u8>,
}

impl ChannelAssembler {
    /// Takes a frame of L1 block `l1_number`; the complete channel if this was its last.
    pub fn push(&mut self, l1_number: u64, frame: Frame) -> Option<Vec<u8>> {
        if self.open.as_ref().is_some_and(|open| open.opened_at.saturating_add(CHANNEL_TIMEOUT) < l1_number) {
            self.open = None;
        }
        if frame.number == 0 {
            self.open = Some(Open { id: frame.id, opened_at: l1_number, next: 0, data: Vec::new() });
        }
        let open = self.open.as_mut().filter(|open| open.id == frame.id && open.next == u32::from(frame.number))?;
        open.next += 1;
        open.data.extend_from_slice(&frame.data);
        if open.data.len() + open.next as usize * FRAME_COST > MAX_CHANNEL_BYTES {
            self.open = None;
            return None;
        }
        if frame.is_last { self.open.take().map(|open| open.data) } else { None }
    }

    /// The L1 block in which the unfinished channel was opened.
    pub fn opened_at(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.opened_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(id: u8, number: u16, is_last: bool) -> Frame {
        Frame { id: ChannelId::repeat_byte(id), number, data: vec![id, number as u8], is_last }
    }

    #[test]
    fn frames_in_order_make_a_channel() {
        let mut assembler = ChannelAssembler::default();
        assert_eq!(assembler.push(1, frame(1, 0, false)), None);
        assert_eq!(assembler.push(1, frame(1, 2, true)), None, "a gap is dropped");
        assert_eq!(assembler.push(2, frame(2, 1, true)), None, "a stranger is dropped");
        assert_eq!(assembler.push(3, frame(1, 1, true)), Some(vec![1, 0, 1, 1]));
        assert_eq!(assembler.push(3, frame(1, 1, true)), None, "nothing is open any more");
    }

    #[test]
    fn a_first_frame_discards_the_open_channel() {
        let mut assembler = ChannelAssembler::default();
        assembler.push(1, frame(1, 0, false));
        assert_eq!(assembler.push(1, frame(2, 0, true)), Some(vec![2, 0]));
        assert_eq!(assembler.push(1, frame(1, 1, true)), None);
    }

    #[test]
    fn a_channel_times_out() {
        let mut assembler = ChannelAssembler::default();
        assembler.push(1, frame(1, 0, false));
        assert_eq!(assembler.push(1 + CHANNEL_TIMEOUT + 1, frame(1, 1, true)), None);
        assembler.push(1, frame(1, 0, false));
        assert!(assembler.push(1 + CHANNEL_TIMEOUT, frame(1, 1, true)).is_some());
    }
}
