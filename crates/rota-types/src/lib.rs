//! What operators agree on.
//!
//! The unit of agreement is the [`Flashblock`]: a fixed-width [`Header`] whose keccak256 is the [`Digest`] that
//! consensus votes on, and a [`Body`] that the header names by hash. Several flashblocks make one L2 block; the last
//! one seals it. A [`Certificate`] is a quorum's finalize vote on a digest; with [`merkle`] branches a stranger can
//! check a single transaction's outcome from a certificate and the headers between.
//!
//! In JSON, integers are plain numbers (`u64` included: a reader whose numbers are doubles is exact below 2^53, which
//! heights, views, gas and seconds stay under), byte strings are `0x` hex, names are camelCase, except in the files that
//! other programs define. JSON is for reading and configuration; hashes and signatures are over the binary encodings
//! only.

pub mod certificate;
pub mod chain_spec;
pub mod codec;
pub mod committee;
pub mod epoch;
pub mod flashblock;
pub mod header;
pub mod key_domain;
pub mod limits;
pub mod merkle;
pub mod position;
pub mod registry;
pub mod rollup_config;
pub mod stage;
pub mod strategy;
pub mod transaction;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod vectors;

pub use certificate::{Certificate, CertificateError};
pub use chain_spec::{ChainSpec, ChainSpecError, CommitteeFile, RegistrySpec};
pub use codec::CodecError;
pub use committee::{Committee, Operator};
pub use epoch::Epoch;
pub use flashblock::{Body, Flashblock, Opening};
pub use header::{Digest, Header, PROTOCOL_VERSION};
pub use key_domain::KeyDomain;
pub use limits::Limits;
pub use position::{BlockId, Position};
pub use registry::{OperatorStatus, RegistryEntry, RegistryEvent};
pub use rollup_config::RollupConfig;
pub use stage::Stage;
pub use strategy::{EpochPlan, PlanError, Seat, Standing, Strategy, TurnTable, regular_turns};
pub use transaction::{Transaction, TransactionError};

/// An operator's p2p identity: its ed25519 public key (32 bytes).
pub type Identity = alloy_primitives::B256;
