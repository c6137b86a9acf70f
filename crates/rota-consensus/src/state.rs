//! What the parts of one running consensus know together: its status, and who is where.

use crate::keys::{PublicKey, identity_of};
use parking_lot::Mutex;
use rota_types::Identity;
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

/// A peer that has not spoken for this long is not counted as connected.
const SILENCE: Duration = Duration::from_secs(5);

/// Where consensus stands at this node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    /// The epoch whose engine runs.
    pub epoch: u64,
    /// The newest view with a certificate, plus one.
    pub view: u64,
    /// Whether this node signs in that epoch.
    pub signing: bool,
    /// The first epoch that this node may sign; `None` while it follows without its key.
    pub signs_from: Option<u64>,
    /// The newest height delivered in order.
    pub height: u64,
    /// The newest height known to be finalized.
    pub tip: u64,
    /// Peers heard from within 5 s.
    pub peers: usize,
}

#[derive(Default)]
pub(crate) struct State {
    status: Mutex<Status>,
    heard: Mutex<BTreeMap<PublicKey, (u64, SystemTime)>>,
}

impl State {
    /// Changes the status.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock());
    }

    /// The status, peers not counted.
    pub(crate) fn get(&self) -> Status {
        *self.status.lock()
    }

    /// The status now.
    pub(crate) fn status(&self, now: SystemTime) -> Status {
        let peers = self.peers(now).len();
        Status { peers, ..self.get() }
    }

    /// Peers heard from within 5 s.
    pub(crate) fn peers(&self, now: SystemTime) -> Vec<Identity> {
        let recent = |at: &SystemTime| now.duration_since(*at).unwrap_or_default() <= SILENCE;
        self.heard.lock().iter().filter(|(_, (_, at))| recent(at)).map(|(peer, _)| identity_of(peer)).collect()
    }

    /// A peer spoke in an epoch.
    pub(crate) fn heard(&self, peer: &PublicKey, epoch: u64, now: SystemTime) {
        match self.heard.lock().entry(peer.clone()) {
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                let (newest, at) = entry.get_mut();
                *newest = epoch.max(*newest);
                *at = now;
            }
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert((epoch, now));
            }
        }
    }

    /// How many of these peers were last heard in exactly this epoch.
    pub(crate) fn standing_in<'a>(&self, epoch: u64, peers: impl Iterator<Item = &'a PublicKey>) -> usize {
        let heard = self.heard.lock();
        peers.filter(|peer| heard.get(peer).is_some_and(|(newest, _)| *newest == epoch)).count()
    }
}
