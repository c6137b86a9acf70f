//! An in-memory network on the deterministic runtime: many nodes, links with latency, jitter and loss, partitions.

use crate::{
    Config, ConsensusError, Epochs, Runtime,
    committees::Committees,
    config::Channel,
    keys::{PublicKey, public_key},
    operator::{self, Network as NodeNetwork, Opened, max_message_size},
    simulated::scheme::{Signing, SimScheme},
    twofaced::Twofaced,
};
use commonware_cryptography::Signer as _;
use commonware_p2p::{
    Manager as _, TrackedPeers,
    simulated::{self, Control, Oracle, Receiver, Sender},
};
use commonware_runtime::{Quota, Supervisor as _, deterministic::Context};
use commonware_utils::{NZUsize, Probability, ordered::Set};
use futures::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;
use rota_types::Identity;
use std::{
    collections::BTreeSet,
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
        Transport { network: self.clone(), equivocates: false }
    }

    /// Every identity, in canonical order.
    pub fn identities(&self) -> Vec<Identity> {
        (*self.peers).clone().union().iter().map(crate::keys::identity_of).collect()
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
    pub(crate) async fn raw(&self, identity: Identity, channel: Channel) -> Result<Registered, ConsensusError> {
        let key = public_key(&identity).expect("an identity of the network");
        register(&self.oracle.control(key), channel).await
    }

    /// Pairs (who, whom) of nodes that have cut another off for misbehaving.
    pub async fn blocked(&self) -> Vec<(Identity, Identity)> {
        let identity = crate::keys::identity_of;
        let pairs = self.oracle.blocked().await.unwrap_or_default();
        pairs.iter().map(|(who, whom)| (identity(who), identity(whom))).collect()
    }
}

/// A place in a simulated network.
pub struct Transport {
    network: Network,
    equivocates: bool,
}

impl Transport {
    /// The node signs a second, conflicting vote with every notarize vote; as a leader, a second proposal.
    pub fn equivocating(self) -> Self {
        Self { equivocates: true, ..self }
    }
}

impl Runtime for Context {
    type Transport = Transport;

    fn open(self, config: Config, transport: Transport) -> BoxFuture<'static, Result<Opened, ConsensusError>> {
        open(self, config, transport).boxed()
    }
}

type Registered = (Twofaced<Sender<PublicKey, Context>, SimScheme>, Receiver<PublicKey>);

async fn register(control: &Control<PublicKey, Context>, channel: Channel) -> Result<Registered, ConsensusError> {
    let rate = NonZeroU32::new(channel.messages_per_second()).expect("not zero");
    let registered = control.register(channel as u64, Quota::per_second(rate)).await;
    let (inner, receiver) = registered.map_err(|error| ConsensusError::Network(error.to_string()))?;
    Ok((Twofaced { inner, scheme: None }, receiver))
}

async fn open(context: Context, config: Config, transport: Transport) -> Result<Opened, ConsensusError> {
    let network = transport.network;
    let control = network.oracle.control(config.identity.0.public_key());
    let manager = network.oracle.manager();
    let tracker = Mutex::new(manager.clone());
    let (peers, signing) = (network.peers, network.signing);
    let mut votes = register(&control, Channel::Votes).await?;
    if let Some(key) = config.voting.as_ref().filter(|_| transport.equivocates) {
        votes.0.scheme = Committees::new(&config.spec, Epochs::new(config.spec.clone()), signing)?
            .signer(0, &config.identity.0.public_key(), key)
            .map(Arc::new);
    }
    let network = NodeNetwork {
        votes,
        certificates: register(&control, Channel::Certificates).await?,
        resolver: register(&control, Channel::Resolver).await?,
        blocks: register(&control, Channel::Blocks).await?,
        backfill: register(&control, Channel::Backfill).await?,
        gossip: register(&control, Channel::Gossip).await?,
        welcome: register(&control, Channel::Welcome).await?,
        peers: manager,
        blocker: control,
        // All nodes share one manager: the first to enter an epoch tracks its peers.
        track: Box::new(move |set, of| {
            let primary = Set::from_iter_dedup(of.primary.into_keys());
            let all = (*peers).clone().union();
            let rest = all.iter().filter(|peer| primary.position(peer).is_none()).cloned();
            let secondary = Set::from_iter_dedup(rest);
            tracker.lock().track(set, TrackedPeers::new(primary, secondary));
        }),
    };
    operator::open::<_, SimScheme, _, _, _, _>(context, config, signing, network)
}
