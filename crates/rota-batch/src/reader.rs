//! The batches in a channel.

use crate::{DecodeError, SingularBatch, SpanBatch, compression};
use alloy_rlp::{Decodable, Header};

const SINGULAR: u8 = 0;
pub(crate) const SPAN: u8 = 1;

/// A batch of either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Batch {
    /// One block.
    Singular(SingularBatch),
    /// A run of blocks.
    Span(SpanBatch),
}

/// Reads the batches of a channel, in order, decoding one at a time. After [`DecodeError::Malformed`] it ends.
#[derive(Debug)]
pub struct ChannelReader {
    data: Vec<u8>,
    at: usize,
    chain_id: u64,
}

impl ChannelReader {
    /// Decompresses a complete channel.
    pub fn new(channel: &[u8], chain_id: u64) -> Result<Self, DecodeError> {
        Ok(Self { data: compression::decompress(channel)?, at: 0, chain_id })
    }

    fn decode(&mut self) -> Result<Batch, DecodeError> {
        let mut rest = &self.data[self.at..];
        let batch = Header::decode_bytes(&mut rest, false).map_err(|_| DecodeError::Malformed("batch RLP"))?;
        let (kind, mut batch) = batch.split_first().ok_or(DecodeError::Malformed("empty batch"))?;
        let at = self.data.len() - rest.len();
        let decoded = match *kind {
            SINGULAR => SingularBatch::decode(&mut batch)
                .map(Batch::Singular)
                .map_err(|_| DecodeError::Malformed("singular batch")),
            SPAN => SpanBatch::decode(batch, self.chain_id).map(Batch::Span),
            _ => Err(DecodeError::Malformed("batch type")),
        };
        self.at = at;
        decoded
    }
}

impl Iterator for ChannelReader {
    type Item = Result<Batch, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.data.len() {
            return None;
        }
        let batch = self.decode();
        if matches!(batch, Err(DecodeError::Malformed(_))) {
            self.at = self.data.len();
        }
        Some(batch)
    }
}
