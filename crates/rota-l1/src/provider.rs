//! How a node reads L1: the seam between the chain's rules and an RPC endpoint or an L1 in memory.

use crate::block::L1Block;
use alloy_primitives::{Address, B256, Bytes};
use async_trait::async_trait;
use rota_types::{BlockId, RegistryEvent};
use std::sync::Arc;

/// Why L1 could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// No answer, or none that is one: try again, or another endpoint.
    #[error("L1 unavailable: {0}")]
    Unavailable(String),
    /// The answer contradicts itself (hash, a root, size): another endpoint.
    #[error("L1 endpoint lies: {0}")]
    Inconsistent(String),
    /// The block is what L1 says and cannot be derived from (a malformed deposit): nothing helps.
    #[error("L1 block unusable: {0}")]
    Unusable(String),
}

/// A transaction to the batch inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxTransaction {
    /// Its hash.
    pub hash: B256,
    /// Its recovered sender.
    pub from: Address,
    /// What it carries.
    pub data: InboxData,
}

/// What a transaction to the batch inbox carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboxData {
    /// Its call data.
    Calldata(Bytes),
    /// The versioned hashes of its blobs ([`crate::BlobSource`] has them); its call data means nothing.
    Blobs(Vec<B256>),
}

impl InboxData {
    /// The versioned hashes of the blobs, if it carries any.
    pub fn versioned_hashes(&self) -> &[B256] {
        match self {
            Self::Calldata(_) => &[],
            Self::Blobs(hashes) => hashes,
        }
    }
}

/// Reads L1. Every call ends by itself (endpoints have timeouts) and returns bounded data.
#[async_trait]
pub trait L1Provider: std::fmt::Debug + Send + Sync + 'static {
    /// The newest block.
    async fn head(&self) -> Result<BlockId, ProviderError>;

    /// The newest finalized block; `None` while L1 has none.
    async fn finalized(&self) -> Result<Option<BlockId>, ProviderError>;

    /// What each endpoint behind this provider has finalized at a number, one entry for each; `None` where it has not
    /// finalized that far or does not answer.
    async fn finalized_at(&self, number: u64) -> Vec<Option<BlockId>> {
        let ask = async {
            self.finalized().await.ok()?.filter(|finalized| finalized.number >= number)?;
            let block = self.block_by_number(number).await.ok()??;
            (block.id.number == number).then_some(block.id)
        };
        vec![ask.await]
    }

    /// The canonical block at a number; `None` if L1 isn't that far.
    async fn block_by_number(&self, number: u64) -> Result<Option<Arc<L1Block>>, ProviderError>;

    /// A block by hash; `None` if the endpoint doesn't know it.
    async fn block_by_hash(&self, hash: B256) -> Result<Option<Arc<L1Block>>, ProviderError>;

    /// What the registry said in the blocks `from..=to`, in order: how a chain learns of its first operators. (Later events
    /// come with the blocks, checked against their headers.) Empty without a registry.
    async fn registry_events(&self, from: u64, to: u64) -> Result<Vec<RegistryEvent>, ProviderError>;

    /// The transactions to the batch inbox in a block, in order; `None` if the endpoint doesn't know it. As in op-node,
    /// types beyond EIP-4844 don't count.
    async fn inbox(&self, hash: B256) -> Result<Option<Vec<InboxTransaction>>, ProviderError>;
}
