//! An operator that says everything again, later: with each message goes one of its older ones.

use parking_lot::Mutex;
use rota_consensus::simulated::{Channel, Forge, Outgoing, Tamper};
use std::collections::VecDeque;

/// Messages of a channel that are remembered.
const MEMORY: usize = 256;

/// Repeats old messages.
#[derive(Debug, Default)]
pub struct Replay(Mutex<[VecDeque<Outgoing>; Channel::ALL.len()]>);

impl Tamper for Replay {
    fn send(&self, channel: Channel, message: Outgoing, _: &Forge) -> Vec<Outgoing> {
        let mut memory = self.0.lock();
        let old = &mut memory[channel as usize];
        old.push_back(message.clone());
        let again = (old.len() > MEMORY).then(|| old.pop_front()).flatten().or_else(|| old.front().cloned());
        std::iter::once(message).chain(again).collect()
    }
}
