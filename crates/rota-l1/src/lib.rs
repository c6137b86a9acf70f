//! Where the chain settles.

pub mod attributes;
mod blob_fee;
pub mod block;
pub mod chain;
pub mod deposits;
pub mod endpoints;
mod forks;
pub mod http;
pub mod http_sender;
pub mod l1_info;
pub mod memory;
pub mod origins;
pub mod provider;
mod rpc;
pub mod rules;
pub mod sender;
pub mod system_config;
pub mod upgrades;

pub use attributes::{AttributesError, attributes};
pub use block::L1Block;
pub use chain::{L1Chain, L1ChainConfig, L1Stats};
pub use deposits::DepositError;
pub use endpoints::L1Endpoints;
pub use http::HttpProvider;
pub use http_sender::HttpSender;
pub use l1_info::{L1Info, L1InfoError};
pub use memory::{MemoryL1, MemorySender, MemoryView};
pub use origins::OriginAnnouncements;
pub use provider::{InboxTransaction, L1Provider, ProviderError};
pub use rules::{OriginVerdict, Seen, check_origin, choose_origin};
pub use sender::{Fees, Inclusion, L1Sender, SendError, SendPolicy, Submission, deliver};
pub use system_config::{ConfigUpdate, SystemConfig};
