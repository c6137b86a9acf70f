//! Where the chain settles.

pub mod attributes;
mod blob_fee;
pub mod block;
pub mod chain;
pub mod deposits;
mod forks;
pub mod l1_info;
pub mod origins;
pub mod provider;
pub mod rules;
pub mod system_config;
pub mod upgrades;

pub use attributes::{AttributesError, attributes};
pub use block::L1Block;
pub use chain::{L1Chain, L1ChainConfig, L1Stats};
pub use deposits::DepositError;
pub use l1_info::{L1Info, L1InfoError};
pub use origins::OriginAnnouncements;
pub use provider::{InboxTransaction, L1Provider, ProviderError};
pub use rules::{OriginVerdict, Seen, check_origin, choose_origin};
pub use system_config::{ConfigUpdate, SystemConfig};
