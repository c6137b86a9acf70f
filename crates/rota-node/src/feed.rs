//! What happens in the node, as it happens: the one source of RPC subscriptions, transaction stages and stage metrics.

use alloy_primitives::B256;
use rota_execution::{Executed, SealedBlock};
use rota_types::{Digest, Flashblock};
use std::sync::Arc;
use tokio::sync::broadcast;

/// Something that subscribers may want to know.
#[derive(Debug, Clone)]
pub enum FeedEvent {
    /// Transactions entered the pool, in this order.
    Pooled(Arc<[B256]>),
    /// A transaction left the pool without being certified.
    Evicted(B256),
    /// A transaction was replaced by another of the same sender and nonce.
    Replaced {
        /// The one that left.
        old: B256,
        /// The one that took its place.
        new: B256,
    },
    /// A proposal was seen or made and executed here.
    Proposed(Arc<Executed>),
    /// A flashblock has 2f+1 notarize votes.
    Notarized(Digest),
    /// A proposal's view was nullified: its transactions are back in the pool.
    Nullified(Digest),
    /// A flashblock is certified and durable here.
    Certified {
        /// The flashblock.
        flashblock: Arc<Flashblock>,
        /// Its outcome.
        executed: Arc<Executed>,
    },
    /// A block is sealed, certified and durable here (follows the `Certified` of its last flashblock).
    Sealed(Arc<SealedBlock>),
    /// L2 blocks up to this number are in L1 blocks; less than before after an L1 reorg.
    Posted(u64),
    /// L2 blocks up to this number are in L1 blocks at the confirmation depth.
    Safe(u64),
    /// L2 blocks up to this number are in finalized L1 blocks.
    Finalized(u64),
}

/// Fans events out to any number of slow or fast readers; a reader that falls behind by more than the capacity loses
/// the oldest events and is told so.
#[derive(Debug, Clone)]
pub struct Feed {
    sender: broadcast::Sender<FeedEvent>,
}

impl Feed {
    /// A feed whose readers may fall behind by `capacity` events.
    pub fn new(capacity: usize) -> Self {
        Self { sender: broadcast::Sender::new(capacity) }
    }

    /// Tells everybody.
    pub fn publish(&self, event: FeedEvent) {
        // An error says that nobody listens right now.
        let _ = self.sender.send(event);
    }

    /// Events from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<FeedEvent> {
        self.sender.subscribe()
    }
}
