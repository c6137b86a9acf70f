//! Scenarios on the deterministic runtime with an application that executes nothing.

mod evidence;
mod scenarios;
mod sockets;
mod vectors;
mod world;
