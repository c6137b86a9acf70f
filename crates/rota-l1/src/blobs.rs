//! Reading the batch inbox where blobs are in it: who has them, and what their data is.

use crate::provider::{InboxData, InboxTransaction, ProviderError};
use alloy_primitives::{Address, B256, Bytes};
use async_trait::async_trait;
use rota_batch::decode_blob;
use std::collections::VecDeque;

/// Has the blobs of recent L1 blocks (pools and execution clients don't).
#[async_trait]
pub trait BlobSource: std::fmt::Debug + Send + Sync + 'static {
    /// The blobs with these versioned hashes, in the order of the hashes, in the L1 block at `timestamp` (seconds).
    ///
    /// Never fewer than asked for: [`ProviderError::Unavailable`] if one is missing, [`ProviderError::Inconsistent`] if
    /// what was served has another hash. What is returned has been checked against the hashes.
    async fn blobs(&self, timestamp: u64, hashes: &[B256]) -> Result<Vec<Bytes>, ProviderError>;
}

/// The data of every inbox transaction of `batcher` in one L1 block (at `timestamp`), in order: call data as it is,
/// and one piece for each blob. As in op-node, call data beside blobs and blobs without data are ignored; a blob that
/// cannot be had is an error, because what follows depends on it.
pub async fn batcher_data(
    source: &dyn BlobSource,
    timestamp: u64,
    batcher: Address,
    transactions: &[InboxTransaction],
) -> Result<Vec<Bytes>, ProviderError> {
    let ours = || transactions.iter().filter(|transaction| transaction.from == batcher);
    let hashes: Vec<_> = ours().flat_map(|transaction| transaction.data.versioned_hashes()).copied().collect();
    let blobs = if hashes.is_empty() { Vec::new() } else { source.blobs(timestamp, &hashes).await? };
    if blobs.len() != hashes.len() {
        return Err(ProviderError::Inconsistent(format!("{} blobs for {} hashes", blobs.len(), hashes.len())));
    }
    let mut blobs = VecDeque::from(blobs);
    let mut pieces = Vec::new();
    for transaction in ours() {
        match &transaction.data {
            InboxData::Calldata(input) => pieces.push(input.clone()),
            InboxData::Blobs(hashes) => {
                for blob in blobs.drain(..hashes.len()) {
                    match decode_blob(&blob) {
                        Ok(data) => pieces.push(data.into()),
                        Err(error) => tracing::warn!(transaction = %transaction.hash, %error, "blob ignored"),
                    }
                }
            }
        }
    }
    Ok(pieces)
}
