//! Where the chain settles.

pub mod block;
pub mod system_config;

pub use block::L1Block;
pub use system_config::SystemConfig;
