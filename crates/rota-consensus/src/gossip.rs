//! The node's own p2p channel, with bounded bytes from every peer.

use crate::{
    Gossip, GossipReceiver, MAX_GOSSIP_BYTES, To,
    channels::Bounded,
    keys::{PublicKey, identity_of, public_key},
};
use bytes::Bytes;
use commonware_p2p::{Receiver, Recipients, Sender};
use commonware_runtime::{Metrics, Spawner, telemetry::metrics::MetricsExt as _};
use futures::channel::mpsc;
use parking_lot::Mutex;
use rota_types::Identity;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tracing::debug;

/// Bytes of one peer that may wait for the node; beyond it the peer's messages are dropped.
const MAX_WAITING_BYTES: usize = 4 << 20;

/// Messages that may wait for the node.
const MAX_WAITING: usize = 4096;

/// Recipients whose keys are remembered: more than there are ever operators.
const MAX_KEYS: usize = 1024;

/// The sending half.
pub(crate) struct Outgoing<S>(Mutex<Open<S>>);

struct Open<S> {
    sender: Bounded<S>,
    /// The keys behind identities: to decode one takes longer than to send a message.
    keys: BTreeMap<Identity, PublicKey>,
}

impl<S: Sender<PublicKey = PublicKey>> Outgoing<S> {
    pub(crate) const fn new(sender: Bounded<S>) -> Self {
        Self(Mutex::new(Open { sender, keys: BTreeMap::new() }))
    }
}

impl<S> Open<S> {
    fn key(&mut self, identity: &Identity) -> Option<PublicKey> {
        if let Some(key) = self.keys.get(identity) {
            return Some(key.clone());
        }
        let key = public_key(identity)?;
        if self.keys.len() >= MAX_KEYS {
            self.keys.clear();
        }
        self.keys.insert(*identity, key.clone());
        Some(key)
    }
}

impl<S: Sender<PublicKey = PublicKey>> Gossip for Outgoing<S> {
    fn send(&self, to: To, message: Bytes) -> bool {
        if message.len() > MAX_GOSSIP_BYTES {
            return false;
        }
        let mut open = self.0.lock();
        let recipients = match to {
            To::All => Recipients::All,
            To::Some(identities) => {
                Recipients::Some(identities.iter().filter_map(|identity| open.key(identity)).collect())
            }
        };
        !open.sender.send(recipients, message, false).is_empty()
    }
}

/// A message that counts against its sender until the node has dropped it.
struct Counted {
    message: Bytes,
    waiting: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.message
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.message.len(), Ordering::Relaxed);
    }
}

/// Starts handing incoming messages to the node; it never waits for the node. What is too large or too much is dropped
/// and counted.
pub(crate) fn receive<E: Spawner + Metrics>(
    context: E,
    mut incoming: impl Receiver<PublicKey = PublicKey>,
) -> GossipReceiver {
    let (mut sender, receiver) = mpsc::channel(MAX_WAITING);
    let dropped = context.counter("dropped", "Messages of peers that were too large or too many");
    context.spawn(move |_| async move {
        let mut waiting: BTreeMap<Identity, Arc<AtomicUsize>> = BTreeMap::new();
        while let Ok((peer, message)) = incoming.recv().await {
            let identity = identity_of(&peer);
            let message: Bytes = message.into();
            let waiting = waiting.entry(identity).or_default();
            if message.len() > MAX_GOSSIP_BYTES
                || waiting.load(Ordering::Relaxed).saturating_add(message.len()) > MAX_WAITING_BYTES
            {
                debug!(%identity, bytes = message.len(), "gossip dropped");
                dropped.inc();
                continue;
            }
            waiting.fetch_add(message.len(), Ordering::Relaxed);
            let counted = Bytes::from_owner(Counted { message, waiting: waiting.clone() });
            match sender.try_send((identity, counted)) {
                Err(refused) if refused.is_disconnected() => return,
                Err(_) => {
                    debug!(%identity, "gossip queue full, message dropped");
                    dropped.inc();
                }
                Ok(()) => {}
            }
        }
    });
    receiver
}
