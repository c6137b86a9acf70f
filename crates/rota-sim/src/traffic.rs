//! Counts what operators send and write.

use rota_consensus::simulated::{Channel, Forge, Outgoing, Tamper};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What was sent and written so far. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Traffic(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    messages: AtomicU64,
    bytes: AtomicU64,
    written: AtomicU64,
}

impl Traffic {
    /// Messages, each counted once for every operator it goes to.
    pub fn messages(&self) -> u64 {
        self.0.messages.load(Ordering::Relaxed)
    }

    /// Bytes of these messages, without what encryption and transport add.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Bytes of keys and values that were written to ledgers' stores.
    pub fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    pub(crate) fn write(&self, bytes: u64) {
        self.0.written.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Changes nothing.
impl Tamper for Traffic {
    fn send(&self, _: Channel, message: Outgoing, _: &Forge) -> Vec<Outgoing> {
        let receivers = message.to.len() as u64;
        self.0.messages.fetch_add(receivers, Ordering::Relaxed);
        self.0.bytes.fetch_add(receivers * message.bytes.len() as u64, Ordering::Relaxed);
        vec![message]
    }
}
