//! How operators agree.
//!
//! The only crate that names commonware engines: simplex orders flashblocks by digest, marshal delivers them in height
//! order, a p2p network carries both. A node implements [`Application`] and calls [`Runtime::open`].
//!
//! ```text
//!            propose / check / verify           certified / report
//!  node  ◀────────── adapter (gate) ◀── simplex ──▶ tap ──▶ node
//!                        │                 │
//!                     blocks            finalizations
//!                        ▼                 ▼
//!  peers ◀──── p2p ──── marshal ──▶ delivery ──▶ orchestrator (next epoch) ──▶ node
//! ```

mod adapter;
pub mod application;
mod block;
mod channels;
mod committees;
pub mod config;
#[doc(hidden)]
pub mod decoders;
mod delivery;
mod elector;
pub mod epochs;
pub mod error;
mod gossip;
pub mod keys;
pub mod operator;
mod orchestrator;
pub mod registry;
pub mod runtime;
mod scheme;
mod served;
mod signing;
pub mod simulated;
pub mod state;
mod tap;
pub mod tcp;
#[cfg(test)]
mod tests;
mod welcome;

pub use application::{
    Ancestry, Application, Context, Event, Evidence, EvidenceKind, Gossip, GossipReceiver, MAX_GOSSIP_BYTES, To,
};
pub use config::{Config, Timing};
pub use epochs::Epochs;
pub use error::ConsensusError;
pub use keys::{IdentityKey, KeyError, VotingKey};
pub use operator::{Consensus, Monitor, Opened};
pub use registry::Registry;
pub use runtime::Runtime;
pub use state::Status;
