//! Consensus on the deterministic runtime: an in-memory network of machines, each with its clock, cores and disk.

mod disk;
mod host;
mod network;
mod scheme;
mod wire;

pub use crate::config::Channel;
pub use disk::{Disk, DiskFault, SyncTime};
pub use host::{Death, Host, HostContext, block, charge};
pub use network::{Link, Network, Transport};
pub use scheme::Signing;
pub(crate) use scheme::SimScheme;
pub use wire::{Ballot, Forge, Outgoing, Tamper, Vote};
