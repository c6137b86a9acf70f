//! What this node tells its peers on its own account, and who is told what they say.

use crate::{gossip::Message, health::Health, mempool::Mempool, metrics::NodeMetrics, poster::Skips};
use futures::{FutureExt, StreamExt, future::select};
use parking_lot::Mutex;
use rota_consensus::{Epochs, Gossip, GossipReceiver, Runtime, To};
use rota_l1::{L1Chain, OriginAnnouncements};
use rota_types::Identity;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// How often an origin and the clock are announced, whether they have changed or not: well within the freshness of
/// clock readings, and what a restarted peer waits for before it may adopt a new origin.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(2);

/// Tells the others the newest confirmed origin and what time it is here.
pub(crate) struct Announcer {
    pub(crate) me: Identity,
    pub(crate) operator: bool,
    pub(crate) l1: L1Chain,
    pub(crate) origins: Arc<Mutex<OriginAnnouncements>>,
    pub(crate) gossip: Arc<dyn Gossip>,
}

impl Announcer {
    pub(crate) async fn run<E: Runtime>(self, clock: E) {
        if !self.operator {
            return;
        }
        let mut announced = None;
        let mut due = clock.current();
        loop {
            let confirmed = self.l1.confirmed();
            let now = clock.current();
            if confirmed != announced || now >= due {
                announced = confirmed;
                due = now + ANNOUNCE_EVERY;
                if let Some(origin) = confirmed {
                    self.origins.lock().record(self.me, origin.number);
                    self.gossip.send(To::All, Message::Origin(origin).encode().into());
                }
                let millis = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
                self.gossip.send(To::All, Message::Clock(millis as u64).encode().into());
            }
            let changed = self.l1.changed().boxed();
            select(changed, clock.sleep_until(due).boxed()).await;
        }
    }
}

/// Hands the peers' messages to those whom they concern.
pub(crate) struct Listener {
    pub(crate) epochs: Epochs,
    pub(crate) mempool: Mempool,
    pub(crate) origins: Arc<Mutex<OriginAnnouncements>>,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<NodeMetrics>,
    pub(crate) skips: Arc<Skips>,
}

impl Listener {
    pub(crate) async fn run<E: Runtime>(self, clock: E, mut incoming: GossipReceiver) {
        while let Some((peer, bytes)) = incoming.next().await {
            let Ok(message) = Message::decode(&bytes) else {
                self.metrics.malformed();
                continue;
            };
            let member = self.epochs.is_operator(&peer);
            match message {
                Message::Transactions(transactions) => self.mempool.received(peer, transactions, clock.current()),
                Message::Acknowledge(hashes) if member => self.mempool.acknowledged(&peer, &hashes),
                Message::Origin(origin) if member => {
                    let mut origins = self.origins.lock();
                    origins.retain(|operator| self.epochs.is_operator(operator));
                    origins.record(peer, origin.number);
                }
                Message::Clock(millis) if member => {
                    // Beyond that nobody's clock is: a sum that can't overflow.
                    let theirs = Duration::from_millis(millis.min(1 << 45));
                    self.health.clock(peer, SystemTime::UNIX_EPOCH + theirs, clock.current());
                }
                Message::Skip { turn, signature } if member => {
                    if !self.skips.received(peer, turn, &signature) {
                        self.metrics.malformed();
                    }
                }
                Message::Acknowledge(_) | Message::Origin(_) | Message::Clock(_) | Message::Skip { .. } => {
                    self.metrics.malformed();
                }
            }
        }
    }
}
