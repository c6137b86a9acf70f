//! What consensus asks of a node, in our own types.

use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use rota_types::{Certificate, Digest, Flashblock, Identity};
use std::sync::Arc;

/// The view in which a flashblock is proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Epoch.
    pub epoch: u64,
    /// View in the epoch, from 1.
    pub view: u64,
    /// Leader of the view.
    pub leader: Identity,
    /// View of the parent (0 for the first of an epoch).
    pub parent_view: u64,
    /// Digest of the parent.
    pub parent: Digest,
}

/// A flashblock's ancestors, newest (the parent) first. Older ones are fetched from peers as needed; ends at genesis
/// or where nothing older can be had.
pub type Ancestry = BoxStream<'static, Arc<Flashblock>>;

/// A provable fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Which votes conflict.
    pub kind: EvidenceKind,
    /// Epoch of the votes.
    pub epoch: u64,
    /// View of the votes.
    pub view: u64,
    /// The offender.
    pub operator: Identity,
    /// The two signed votes in the bytes that consensus writes.
    pub votes: Bytes,
}

/// Which votes conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EvidenceKind {
    /// Two notarize votes for different proposals in one view.
    ConflictingNotarize = 1,
    /// Two finalize votes for different proposals in one view.
    ConflictingFinalize = 2,
    /// A nullify and a finalize vote in one view.
    NullifyFinalize = 3,
}

/// What consensus reports as it happens; nothing here waits for the application.
#[derive(Debug, Clone)]
pub enum Event {
    /// This node runs the engine (or the certificate follower) of an epoch.
    EpochEntered {
        /// The epoch.
        epoch: u64,
        /// Whether this node signs in it.
        signing: bool,
    },
    /// This node saw a leader's proposal or made one.
    Proposed {
        /// The proposal's context.
        epoch: u64,
        /// View.
        view: u64,
        /// The flashblock.
        digest: Digest,
    },
    /// 2f+1 notarize votes.
    Notarized {
        /// Epoch.
        epoch: u64,
        /// View.
        view: u64,
        /// The flashblock.
        digest: Digest,
    },
    /// 2f+1 finalize votes, perhaps before the flashblock itself is here.
    Finalized {
        /// Epoch.
        epoch: u64,
        /// View.
        view: u64,
        /// The flashblock.
        digest: Digest,
    },
    /// A view (with a sticky leader: the rest of its turn) ended without a flashblock.
    Nullified {
        /// Epoch.
        epoch: u64,
        /// View.
        view: u64,
    },
    /// A provable fault, already verified.
    Fault(Evidence),
}

/// What consensus needs of a node. Object safe, so that the engine's generics end here.
///
/// Verdicts are stable: `false` only for what is invalid for ever for everybody; what is merely missing stays pending.
/// Every future may be dropped at any await point.
pub trait Application: Send + Sync + 'static {
    /// The flashblock at height 0.
    fn genesis(&self) -> Flashblock;

    /// Builds the next flashblock, waiting for its slot. `None` declines the turn at once.
    fn propose(&self, context: Context, ancestry: Ancestry) -> BoxFuture<'static, Option<Flashblock>>;

    /// The cheap checks that may wait (parent, timestamp, L1 origin): gate the notarize vote.
    fn check(&self, flashblock: Arc<Flashblock>, ancestry: Ancestry) -> BoxFuture<'static, bool>;

    /// Re-execution, which always ends: gates the finalize vote.
    fn verify(&self, flashblock: Arc<Flashblock>, ancestry: Ancestry) -> BoxFuture<'static, bool>;

    /// Whether this operator may vote for any flashblock now, and propose one: those that are proposed again at the
    /// end of an epoch, which nobody checks a second time, included.
    fn may_vote(&self) -> bool {
        true
    }

    /// A certified flashblock, in height order, at least once; resolves when it is durable. `certificate` is its own if
    /// it was finalized directly, else a later height brings the one that covers it.
    fn certified(&self, flashblock: Arc<Flashblock>, certificate: Option<Certificate>) -> BoxFuture<'static, ()>;

    /// Something happened.
    fn report(&self, event: Event);
}

/// Whom a message goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// Every connected peer.
    All,
    /// These peers.
    Some(Vec<Identity>),
}

/// The node's own p2p channel (transactions, acknowledgements, announced origins): authenticated sender, bounded
/// size and rate, lossy.
pub trait Gossip: Send + Sync + 'static {
    /// Queues a message of at most [`MAX_GOSSIP_BYTES`]; larger ones are refused with `false`, as is a full queue.
    fn send(&self, to: To, message: Bytes) -> bool;
}

/// Incoming messages of the node's own channel with their authenticated senders.
pub type GossipReceiver = futures::channel::mpsc::Receiver<(Identity, Bytes)>;

/// The largest message on the node's own channel.
pub const MAX_GOSSIP_BYTES: usize = 256 * 1024;
