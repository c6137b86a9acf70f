//! Scenarios on the deterministic runtime with an application that executes nothing.

mod evidence;
mod far;
mod flood;
mod machine;
mod scenarios;
mod schemes;
mod served;
mod signing;
mod sockets;
mod strangers;
mod vectors;
pub(crate) mod world;
