//! An in-memory network: many nodes, links with latency, jitter and loss, partitions, and two nodes with one key.

use super::{
    Signing, SimScheme,
    host::HostContext,
    wire::{Forge, Reach, Speaker, Tamper, Wire},
};
use crate::{
    Config, ConsensusError, Runtime,
    committees::Committees,
    config::Channel,
    keys::{IdentityKey, PublicKey, public_key},
    operator::{self, Network as NodeNetwork, Opened, max_message_size},
};
use commonware_cryptography::Signer as _;
use commonware_p2p::{
    Manager as _, TrackedPeers,
    simulated::{self, Oracle, Receiver, Sender, SplitTarget},
};
use commonware_runtime::{Quota, Supervisor as _, deterministic::Context};
use commonware_utils::{NZUsize, Probability, ordered::Set};
use futures::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;
use rota_types::Identity;
use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

/// One direction between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Mean delay.
    pub latency: Duration,
    /// Standard deviation of the delay.
    pub jitter: Duration,
    /// Messages lost of a million.
    pub loss_ppm: u32,
}

/// The network of one simulation: every identity that it was created with, at first without links.
#[derive(Clone)]
pub struct Network {
    oracle: Oracle<PublicKey, Context>,
    peers: Arc<TrackedPeers<PublicKey>>,
    links: Arc<Mutex<BTreeSet<(Identity, Identity)>>>,
    signing: Signing,
}

impl Network {
    /// Starts the network of a chain's operators and of `followers`. `config` is any node's.
    pub fn start(context: Context, config: &Config, followers: &[Identity]) -> Self {
        let keys = |identities: &mut dyn Iterator<Item = Identity>| {
            Set::from_iter_dedup(identities.filter_map(|identity| public_key(&identity)))
        };
        let operators = keys(&mut config.spec.committee.operators().iter().map(|operator| operator.identity));
        let followers = keys(&mut followers.iter().copied());
        let (network, oracle) = simulated::Network::new(
            context.child("network"),
            simulated::Config {
                max_size: max_message_size::<SimScheme>(config),
                max_peers_per_set: NonZeroUsize::new(operators.len() + followers.len()).expect("not empty"),
                disconnect_on_block: true,
                tracked_peer_sets: NZUsize!(3),
            },
        );
        network.start();
        let peers = TrackedPeers::new(operators, followers);
        oracle.manager().track(0, peers.clone());
        Self { oracle, peers: Arc::new(peers), links: Arc::default(), signing: Signing::default() }
    }

    /// The same network, whose nodes sign with something else: to be set before the first of them starts.
    pub fn signing(self, signing: Signing) -> Self {
        Self { signing, ..self }
    }

    /// What [`Runtime::open`] needs to start (or restart) a node in this network.
    pub fn transport(&self) -> Transport {
        Transport { network: self.clone(), tamper: None, half: None }
    }

    /// Places for two nodes with one key. Each reaches, and hears, those in its set only; nodes that are in both sets
    /// have two such peers that contradict each other. To restart them, ask again.
    pub async fn twins(
        &self,
        context: &Context,
        key: &IdentityKey,
        sets: [BTreeSet<Identity>; 2],
    ) -> Result<[Transport; 2], ConsensusError> {
        let me = key.0.public_key();
        let reaches = sets.map(|set| Arc::new(Mutex::new(set)));
        let mut halves: [BTreeMap<usize, (RawSender, RawReceiver)>; 2] = Default::default();
        for channel in Channel::ALL {
            let (sender, receiver) = self.register(&me, channel).await?;
            let [first, second] = reaches.clone();
            let route = move |message: &commonware_p2p::Message<PublicKey>| {
                let from = crate::keys::identity_of(&message.0);
                match (first.lock().contains(&from), second.lock().contains(&from)) {
                    (true, true) => SplitTarget::Both,
                    (true, false) => SplitTarget::Primary,
                    (false, true) => SplitTarget::Secondary,
                    (false, false) => SplitTarget::None,
                }
            };
            let (one, other) = receiver.split_with(context.child("twins"), route);
            halves[0].insert(channel as usize, (sender.clone(), one));
            halves[1].insert(channel as usize, (sender, other));
        }
        let [one, other] = halves;
        let [first, second] = reaches;
        let place = |reach, channels| Transport { half: Some(Half { reach, channels }), ..self.transport() };
        Ok([place(first, one), place(second, other)])
    }

    async fn register(&self, me: &PublicKey, channel: Channel) -> Result<(RawSender, RawReceiver), ConsensusError> {
        let rate = NonZeroU32::new(channel.messages_per_second()).expect("not zero");
        let registered = self.oracle.control(me.clone()).register(channel as u64, Quota::per_second(rate)).await;
        registered.map_err(|error| ConsensusError::Network(error.to_string()))
    }

    /// Every identity, in canonical order.
    pub fn identities(&self) -> Vec<Identity> {
        self.keys().iter().map(crate::keys::identity_of).collect()
    }

    fn keys(&self) -> Set<PublicKey> {
        (*self.peers).clone().union()
    }

    /// Sets one direction, replacing what was there.
    pub async fn link(&self, from: Identity, to: Identity, link: Link) {
        self.unlink(from, to).await;
        let (Some(sender), Some(receiver)) = (public_key(&from), public_key(&to)) else { return };
        let arriving = 1_000_000 - u64::from(link.loss_ppm.min(1_000_000));
        let config = simulated::Link {
            latency: link.latency,
            jitter: link.jitter,
            success_rate: Probability::new(arriving, 1_000_000).expect("at most one"),
        };
        if from != to && self.oracle.add_link(sender, receiver, config).await.is_ok() {
            self.links.lock().insert((from, to));
        }
    }

    /// Cuts one direction. Messages on their way still arrive.
    pub async fn unlink(&self, from: Identity, to: Identity) {
        let (Some(sender), Some(receiver)) = (public_key(&from), public_key(&to)) else { return };
        if self.links.lock().remove(&(from, to)) {
            // An error says that the link is gone already: its end was blocked.
            let _ = self.oracle.remove_link(sender, receiver).await;
        }
    }

    /// Sets every direction between different nodes.
    pub async fn link_all(&self, link: Link) {
        for from in self.identities() {
            for to in self.identities() {
                self.link(from, to, link).await;
            }
        }
    }

    /// Cuts both directions between every two nodes that are not in one group. Nodes in no group are cut off.
    pub async fn partition(&self, groups: &[&[Identity]]) {
        let together = |a, b| groups.iter().any(|group| group.contains(&a) && group.contains(&b));
        for from in self.identities() {
            for to in self.identities() {
                if !together(from, to) {
                    self.unlink(from, to).await;
                }
            }
        }
    }

    /// Limits a node's bytes per second.
    pub async fn limit_bandwidth(&self, node: Identity, egress: Option<usize>, ingress: Option<usize>) {
        if let Some(key) = public_key(&node) {
            let _ = self.oracle.limit_bandwidth(key, egress, ingress).await;
        }
    }

    /// A node's end of one channel, without a node.
    #[cfg(test)]
    pub(crate) async fn raw(
        &self,
        identity: Identity,
        channel: Channel,
    ) -> Result<(RawSender, RawReceiver), ConsensusError> {
        self.register(&public_key(&identity).expect("an identity of the network"), channel).await
    }

    /// Pairs (who, whom) of nodes that have cut another off for misbehaving.
    pub async fn blocked(&self) -> Vec<(Identity, Identity)> {
        let identity = crate::keys::identity_of;
        let pairs = self.oracle.blocked().await.unwrap_or_default();
        pairs.iter().map(|(who, whom)| (identity(who), identity(whom))).collect()
    }
}

type RawSender = Sender<PublicKey, Context>;
type RawReceiver = Receiver<PublicKey>;

/// A place in a simulated network.
pub struct Transport {
    network: Network,
    tamper: Option<Arc<dyn Tamper>>,
    half: Option<Half>,
}

/// What one of two nodes with one key has of the network.
struct Half {
    reach: Reach,
    channels: BTreeMap<usize, (RawSender, RawReceiver)>,
}

impl Transport {
    /// What the node sends is changed.
    pub fn tampered(self, tamper: Arc<dyn Tamper>) -> Self {
        Self { tamper: Some(tamper), ..self }
    }
}

impl Runtime for HostContext {
    type Transport = Transport;

    fn open(self, config: Config, transport: Transport) -> BoxFuture<'static, Result<Opened, ConsensusError>> {
        open(self, config, transport).boxed()
    }
}

async fn open(context: HostContext, config: Config, transport: Transport) -> Result<Opened, ConsensusError> {
    let Transport { network, tamper, half } = transport;
    let me = config.identity.0.public_key();
    let (reach, mut halves) = half.map(|half| (half.reach, half.channels)).unzip();
    let tamper = match tamper {
        Some(tamper) => {
            let committees = Committees::new(&config.spec, config.epochs.clone(), network.signing)?;
            let (key, max_bytes) = (config.voting.clone(), config.spec.limits.max_flashblock_bytes);
            Some((tamper, Arc::new(Forge { committees, me: me.clone(), key, max_bytes })))
        }
        None => None,
    };
    let others = network.keys().iter().filter(|key| **key != me).cloned().collect();
    let speaker = Speaker { others, reach, tamper };
    let mut channel = async |channel: Channel| {
        let (sender, receiver) = match &mut halves {
            Some(halves) => halves.remove(&(channel as usize)).expect("every channel was split"),
            None => network.register(&me, channel).await?,
        };
        let (outside, alive) = context.outside();
        Ok::<_, ConsensusError>((Wire::new(sender, channel, speaker.clone(), outside, alive), receiver))
    };
    let manager = network.oracle.manager();
    let tracker = Mutex::new(manager.clone());
    let peers = network.peers.clone();
    let links = NodeNetwork {
        votes: channel(Channel::Votes).await?,
        certificates: channel(Channel::Certificates).await?,
        resolver: channel(Channel::Resolver).await?,
        blocks: channel(Channel::Blocks).await?,
        backfill: channel(Channel::Backfill).await?,
        gossip: channel(Channel::Gossip).await?,
        welcome: channel(Channel::Welcome).await?,
        peers: manager,
        blocker: network.oracle.control(me),
        // All nodes share one manager: the first to enter an epoch tracks its peers.
        track: Box::new(move |set, of| {
            let primary = Set::from_iter_dedup(of.primary.into_keys());
            let all = (*peers).clone().union();
            let rest = all.iter().filter(|peer| primary.position(peer).is_none()).cloned();
            let secondary = Set::from_iter_dedup(rest);
            tracker.lock().track(set, TrackedPeers::new(primary, secondary));
        }),
    };
    operator::open::<_, SimScheme, _, _, _, _>(context, config, network.signing, links)
}
