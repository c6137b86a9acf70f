//! What a node decides about its consensus: keys, timing, retention, and how much may be in flight.

use crate::{
    Epochs,
    keys::{IdentityKey, VotingKey},
};
use rota_types::ChainSpec;
use std::{num::NonZeroUsize, sync::Arc, time::Duration};

/// One node's consensus configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The chain.
    pub spec: Arc<ChainSpec>,
    /// What its epochs run on: the node that learns it shares it.
    pub epochs: Epochs,
    /// Who this node is to its peers.
    pub identity: IdentityKey,
    /// Signs votes; a follower has none.
    pub voting: Option<VotingKey>,
    /// The operator says that this key has never signed on this chain. Only asked for on a disk without signing state.
    pub first_start: bool,
    /// Prefix of every storage partition. The lineage is appended.
    pub storage_prefix: String,
    /// Timeouts.
    pub timing: Timing,
    /// Certified heights kept for peers that catch up; at least two epochs.
    pub retention: u64,
}

impl Config {
    /// Certified heights kept by default: 14 hours of 200 ms flashblocks, about 30 MB of index in memory.
    pub const RETENTION: u64 = 1 << 18;

    /// The usual configuration of a chain's node.
    pub fn new(spec: Arc<ChainSpec>, identity: IdentityKey, voting: Option<VotingKey>) -> Self {
        let timing = Timing::new(&spec, Timing::MAX_ROUND_TRIP);
        Self {
            epochs: Epochs::new(spec.clone()),
            spec,
            identity,
            voting,
            first_start: false,
            storage_prefix: "consensus".into(),
            timing,
            retention: Self::RETENTION,
        }
    }

    /// Flashblocks delivered ahead of the application's acknowledgement: at most half an epoch, so that an epoch is
    /// entered only when the one before is well processed, and no restart goes back two epochs, whose vote journal is
    /// deleted by then. A chain spec has no epochs so short that it matters; tests have.
    pub(crate) fn pending_acks(&self) -> NonZeroUsize {
        let half = usize::try_from(self.spec.epoch_length / 2).unwrap_or(usize::MAX);
        NonZeroUsize::new(MAX_PENDING_ACKS.min(half)).expect("an epoch has at least two heights")
    }

    pub(crate) fn partition(&self, name: &str) -> String {
        format!("{}-{}-{name}", self.storage_prefix, self.spec.lineage)
    }
}

/// Timeouts of the agreement. Local policy: operators may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long a leader may take to propose, from entering its view: pace + 1.25 round trips + 100 ms. Whoever
    /// enters a view is at most one way ahead of its leader, whose proposal takes one way more; a quarter of a round trip
    /// is for jitter, the rest for disks and execution.
    pub leader: Duration,
    /// How long a view may take to be certified: max(1 s, 1.5 × leader).
    pub certification: Duration,
    /// How often an unanswered nullify vote is sent again.
    pub retry: Duration,
    /// How long a leader may be silent, while a quorum speaks, before its turns are skipped at once.
    pub skip: Duration,
    /// How long a turn may go without finalization: 1.5 × certification.
    pub stall: Duration,
}

impl Timing {
    /// Round trip between operators in one region.
    pub const MAX_ROUND_TRIP: Duration = Duration::from_millis(25);

    /// Timing for a chain whose operators are at most `max_round_trip` apart.
    pub fn new(spec: &ChainSpec, max_round_trip: Duration) -> Self {
        let leader = spec.pace() + max_round_trip * 5 / 4 + Duration::from_millis(100);
        let certification = Duration::from_secs(1).max(leader * 3 / 2);
        Self {
            leader,
            certification,
            retry: leader.max(Duration::from_millis(500)),
            skip: certification * 2,
            stall: certification * 3 / 2,
        }
    }
}

/// Views beyond the newest notarized one in which a verifier votes while a leader keeps its turn.
pub(crate) const OPTIMISTIC_VIEWS: u64 = 8;

/// Finalized views of an epoch whose votes stay in memory, so that late conflicts are noticed.
pub(crate) const VOTE_RETENTION: u64 = 256;

/// Views behind the newest finalized one whose flashblocks stay in marshal's cache, for peers that ask by view.
pub(crate) const MAX_CACHED_VIEWS: u64 = 64;

/// Messages that an internal mailbox holds.
pub(crate) const MAILBOX: usize = 1024;

/// Flashblocks delivered ahead of the application's acknowledgement in an epoch of usual length.
const MAX_PENDING_ACKS: usize = 16;

const _: () = assert!(2 * (MAX_PENDING_ACKS as u64) < ChainSpec::MIN_EPOCH_LENGTH);

/// The p2p channels, each with its own quota per peer and second. An inbound queue holds one burst of every tracked
/// peer, so the quotas bound memory too: they are some five times what a chain that catches up unpaced sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Votes of the running epoch.
    Votes = 0,
    /// Notarizations, nullifications, finalizations.
    Certificates = 1,
    /// Asks for certificates.
    Resolver = 2,
    /// Flashblocks, from their leader to everybody.
    Blocks = 3,
    /// Asks for flashblocks and finalizations.
    Backfill = 4,
    /// The node's own channel.
    Gossip = 5,
    /// Asks, at the very first start, whether a key has voted.
    Welcome = 6,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 7] =
        [Self::Votes, Self::Certificates, Self::Resolver, Self::Blocks, Self::Backfill, Self::Gossip, Self::Welcome];

    pub(crate) const fn messages_per_second(self) -> u32 {
        match self {
            Self::Votes | Self::Backfill => 512,
            Self::Certificates | Self::Resolver | Self::Gossip => 256,
            Self::Blocks => 128,
            Self::Welcome => 16,
        }
    }
}
