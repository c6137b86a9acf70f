//! How operators agree.

pub mod application;
pub mod schedule;

pub use application::{
    Ancestry, Application, Context, Event, Evidence, EvidenceKind, Gossip, GossipReceiver, MAX_GOSSIP_BYTES, To,
};
pub use schedule::Schedule;
