//! What can go wrong in the ledger. All of it is fatal to the node: a ledger that can't append must not go on.

use alloy_primitives::B256;
use rota_execution::{EngineError, StoreError};
use rota_types::Digest;

/// Why the ledger can't be opened, appended to or read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Two flashblocks certified at one height: more than a third of the committee is Byzantine, or the disk lies.
    #[error("two flashblocks certified at height {height}: {certified} is in the ledger, {found} conflicts with it")]
    Conflict {
        /// The height.
        height: u64,
        /// What the ledger (or the certificate) has.
        certified: Digest,
        /// What came.
        found: Digest,
    },
    /// A flashblock came before its ancestors.
    #[error("flashblock of height {found} came, {expected} is next")]
    Gap {
        /// Next height.
        expected: u64,
        /// The height that came.
        found: u64,
    },
    /// The data directory belongs to another chain, lineage or rhythm.
    #[error("the data directory holds the ledger of chain {found}, this is chain {expected}")]
    OtherChain {
        /// [`rota_types::ChainSpec::id`] of the chain in the configuration.
        expected: B256,
        /// The one on disk.
        found: B256,
    },
    /// The registry on L1 names another committee at the chain's genesis than the committee file.
    #[error("at the chain's genesis the registry names committee {found:?}, the committee file {expected}")]
    OtherRegistry {
        /// Root of the committee file's.
        expected: B256,
        /// Root of the registry's; none if it has no member.
        found: Option<B256>,
    },
    /// What is on disk contradicts itself or the engine.
    #[error("corrupt ledger: {0}")]
    Corrupt(String),
}
