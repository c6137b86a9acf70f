//! The batch of one block, as it was before Delta; still valid.

use alloy_primitives::{B256, Bytes};
use alloy_rlp::{RlpDecodable, RlpEncodable};

/// One L2 block without its deposits.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct SingularBatch {
    /// Hash of the parent L2 block.
    pub parent_hash: B256,
    /// L1 origin number.
    pub origin_number: u64,
    /// L1 origin hash.
    pub origin_hash: B256,
    /// Timestamp, seconds.
    pub timestamp: u64,
    /// EIP-2718 encoded transactions.
    pub transactions: Vec<Bytes>,
}
