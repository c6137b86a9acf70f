//! An operator that floods: every message a hundred times, and garbage of every size with it.

use bytes::Bytes;
use parking_lot::Mutex;
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use rota_consensus::simulated::{Channel, Forge, Outgoing, Tamper};

/// Copies of each message.
const COPIES: usize = 100;
/// Garbage messages with each message.
const GARBAGE: usize = 20;
/// Bytes of the largest of them.
const LARGEST: usize = 4096;

/// Sends everything again and again, with garbage.
#[derive(Debug)]
pub struct Flood(Mutex<StdRng>);

impl Flood {
    /// Garbage from a seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Tamper for Flood {
    fn send(&self, _: Channel, message: Outgoing, _: &Forge) -> Vec<Outgoing> {
        let mut rng = self.0.lock();
        let garbage = (0..GARBAGE).map(|_| {
            let mut bytes = vec![0; rng.random_range(0..LARGEST)];
            rng.fill_bytes(&mut bytes);
            Outgoing { to: message.to.clone(), bytes: Bytes::from(bytes) }
        });
        let garbage: Vec<_> = garbage.collect();
        std::iter::repeat_n(message, COPIES).chain(garbage).collect()
    }
}
