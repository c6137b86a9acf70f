//! Why consensus does not start, or ends.

use crate::keys::KeyError;

/// Why consensus does not start, or ends. None of them heals by itself: the node should stop.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConsensusError {
    /// A committee member's keys are unusable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The voting key is not the one in the committee file.
    #[error("the voting key is not the one that the committee file names for operator {operator}")]
    WrongVotingKey {
        /// Name of the operator.
        operator: String,
    },
    /// An address in the committee file or the list of followers.
    #[error("{peer}: endpoint {endpoint:?} is not an ip:port")]
    Endpoint {
        /// Whose.
        peer: String,
        /// What is written there.
        endpoint: String,
    },
    /// A follower can't be told by its identity.
    #[error("follower {0}: identity is no ed25519 public key")]
    Follower(rota_types::Identity),
    /// The genesis flashblock can't be used.
    #[error("the genesis flashblock's leader is no key")]
    Genesis,
    /// `first_start` was given, and a peer proves that the chain exists and this key may have voted on it.
    #[error(
        "first start refused: a peer holds proof from epoch {epoch} that this chain runs; start without the flag, the \
         node then follows and signs again from an epoch that it has not voted in"
    )]
    ChainExists {
        /// Epoch of the proof.
        epoch: u64,
    },
    /// An epoch begins that the node does not know.
    #[error("epoch {0} begins and its committee is not known")]
    UnknownEpoch(u64),
    /// Storage failed; nothing may go on.
    #[error("consensus storage: {0}")]
    Storage(String),
    /// The network of the runtime refused.
    #[error("consensus network: {0}")]
    Network(String),
    /// A part of consensus ended.
    #[error("consensus {0} stopped")]
    Stopped(&'static str),
    /// The runtime ended the task.
    #[error("consensus task: {0}")]
    Runtime(String),
}
