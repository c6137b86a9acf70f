//! Looking at an L1 in memory as an operator's endpoints do: late, not at all, or without blobs.

use super::{Chain, MemoryL1, Mined, Transaction};
use crate::{
    blobs::BlobSource,
    block::L1Block,
    provider::{InboxData, InboxTransaction, L1Provider, ProviderError},
    sender::Payload,
};
use alloy_primitives::{B256, Bytes};
use async_trait::async_trait;
use rota_types::{BlockId, RegistryEvent};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// A view of a [`MemoryL1`] as an operator's endpoint gives it.
#[derive(Debug)]
pub struct MemoryView {
    chain: MemoryL1,
    lag: AtomicU64,
    offline: AtomicBool,
    blobs_offline: AtomicBool,
}

impl MemoryView {
    pub(super) const fn new(chain: MemoryL1) -> Self {
        let (offline, blobs_offline) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { chain, lag: AtomicU64::new(0), offline, blobs_offline }
    }

    /// Shows the chain without its newest `blocks` blocks.
    pub fn set_lag(&self, blocks: u64) {
        self.lag.store(blocks, Ordering::Relaxed);
    }

    /// Answers nothing while offline.
    pub fn set_offline(&self, offline: bool) {
        self.offline.store(offline, Ordering::Relaxed);
    }

    /// Has no blobs while they are offline, though it shows the blocks.
    pub fn set_blobs_offline(&self, offline: bool) {
        self.blobs_offline.store(offline, Ordering::Relaxed);
    }

    /// Runs `look` on the chain and the number of its newest visible block.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Chain, u64) -> T) -> Result<T, ProviderError> {
        if self.offline.load(Ordering::Relaxed) {
            return Err(ProviderError::Unavailable("offline".into()));
        }
        let chain = self.chain.0.lock();
        let first = chain.rollup.genesis.l1.number;
        let head = chain.head().id.number.saturating_sub(self.lag.load(Ordering::Relaxed)).max(first);
        Ok(look(&chain, head))
    }

    pub(super) fn number(chain: &Chain, head: u64, number: u64) -> Option<&Mined> {
        if number > head { None } else { chain.by_number(number) }
    }
}

#[async_trait]
impl L1Provider for MemoryView {
    async fn head(&self) -> Result<BlockId, ProviderError> {
        self.look(|chain, head| Self::number(chain, head, head).expect("the head exists").block.id)
    }

    async fn finalized(&self) -> Result<Option<BlockId>, ProviderError> {
        self.look(|chain, head| {
            let number = head.checked_sub(chain.finality_depth)?;
            Self::number(chain, head, number).map(|mined| mined.block.id)
        })
    }

    async fn block_by_number(&self, number: u64) -> Result<Option<Arc<L1Block>>, ProviderError> {
        self.look(|chain, head| Self::number(chain, head, number).map(|mined| mined.block.clone()))
    }

    async fn block_by_hash(&self, hash: B256) -> Result<Option<Arc<L1Block>>, ProviderError> {
        self.look(|chain, head| {
            let block = &chain.by_hash(hash)?.block;
            (block.id.number <= head).then(|| block.clone())
        })
    }

    async fn registry_events(&self, from: u64, to: u64) -> Result<Vec<RegistryEvent>, ProviderError> {
        self.look(|chain, head| {
            let blocks = chain.blocks.iter().map(|mined| &mined.block);
            let seen = blocks.filter(|block| (from..=to.min(head)).contains(&block.id.number));
            seen.flat_map(|block| block.registry_events.iter().cloned()).collect()
        })
    }

    async fn inbox(&self, hash: B256) -> Result<Option<Vec<InboxTransaction>>, ProviderError> {
        self.look(|chain, head| {
            let mined = chain.by_hash(hash).filter(|mined| mined.block.id.number <= head)?;
            let inbox = chain.rollup.batch_inbox_address;
            let transactions = mined.content.transactions.iter().filter(|sent| sent.submission.to == inbox);
            Some(transactions.map(inbox_transaction).collect())
        })
    }
}

#[async_trait]
impl BlobSource for MemoryView {
    async fn blobs(&self, timestamp: u64, hashes: &[B256]) -> Result<Vec<Bytes>, ProviderError> {
        if self.blobs_offline.load(Ordering::Relaxed) {
            return Err(ProviderError::Unavailable("no blobs".into()));
        }
        self.look(|chain, head| {
            let mined = chain.blocks.iter().find(|mined| mined.block.timestamp == timestamp);
            let mined = mined.filter(|mined| mined.block.id.number <= head);
            let transactions = mined.iter().flat_map(|mined| &mined.content.transactions);
            let blobs: Vec<_> = transactions.flat_map(|sent| &sent.blobs).collect();
            let find = |hash: &B256| {
                let blob = blobs.iter().find(|(known, _)| known == hash).map(|(_, blob)| blob.clone());
                blob.ok_or_else(|| ProviderError::Unavailable(format!("blob {hash} is missing")))
            };
            hashes.iter().map(find).collect()
        })?
    }
}

fn inbox_transaction(sent: &Transaction) -> InboxTransaction {
    let data = match &sent.submission.payload {
        Payload::Calldata(input) | Payload::Call { input, .. } => InboxData::Calldata(input.clone()),
        Payload::Blobs(_) => InboxData::Blobs(sent.blobs.iter().map(|(hash, _)| *hash).collect()),
    };
    InboxTransaction { hash: sent.hash, from: sent.from, data }
}
