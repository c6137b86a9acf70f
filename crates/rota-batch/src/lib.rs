//! How the chain is written to L1.
//!
//! On the way out, [`BatchBlock`]s become a [`SpanBatch`], its RLP is compressed into a channel, the channel is cut
//! into [`Frame`]s, and each frame goes into the call data of one L1 transaction or into one blob ([`encode_blob`]). On
//! the way back [`decode_blob`], [`parse_frames`], [`ChannelAssembler`] and [`ChannelReader`] take the same steps on
//! bytes that anybody may have written: bounded, without panics, and with op-node's (v1.16.11, Holocene) verdict on
//! what counts.

pub mod bits;
pub mod blob;
pub mod channel;
pub mod compression;
pub mod frame;
pub mod reader;
pub mod singular;
pub mod span;
pub mod transaction;

pub use blob::{BLOB_BYTES, MAX_BLOB_DATA, decode_blob, encode_blob};
pub use channel::{ChannelAssembler, compress_channel, cut_channel, encode_channel};
pub use compression::Compression;
pub use frame::{ChannelId, Frame, parse_frames};
pub use reader::{Batch, ChannelReader};
pub use singular::SingularBatch;
pub use span::{BatchBlock, SpanBatch, SpanBlock};

/// The largest number of blocks, of transactions, and of bytes of one transaction in a span batch.
pub const MAX_SPAN_BATCH_ELEMENTS: u64 = 10_000_000;

/// The largest channel, compressed or not (Fjord).
pub const MAX_CHANNEL_BYTES: usize = 100_000_000;

/// Blocks that cannot be written as a batch: a mistake of the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// There are no blocks.
    #[error("no blocks")]
    Empty,
    /// The blocks do not follow each other.
    #[error("block {index} of the batch: {reason}")]
    NotContiguous {
        /// Index of the block in the batch.
        index: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// A transaction that no span batch can hold.
    #[error("transaction {index} of the batch: {reason}")]
    Transaction {
        /// Index of the transaction in the batch.
        index: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// The channel takes more frames than can be numbered.
    #[error("channel too large")]
    TooLarge,
    /// More than [`MAX_BLOB_DATA`] for one blob.
    #[error("too much data for a blob")]
    BlobTooLarge,
}

/// Bytes on L1 that are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Whatever follows cannot be read either.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// This batch makes no blocks; the ones after it may.
    #[error("batch without blocks: {0}")]
    Underivable(&'static str),
}
