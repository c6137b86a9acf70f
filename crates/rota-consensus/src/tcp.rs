//! Authenticated p2p over TCP on the tokio runtime: one connection between every two known peers.
//!
//! The handshake is bound to [`rota_types::ChainSpec::id`]: a peer of another chain, lineage, protocol version or rhythm
//! is refused there.

use crate::{
    Config, ConsensusError, Runtime,
    config::{Channel, MAILBOX},
    keys::{PublicKey, public_key},
    operator::{self, Network, Opened, PeerSet, max_message_size},
    scheme::Bls,
};
use commonware_cryptography::{ChaCha20Poly1305, Signer as _, ed25519};
use commonware_p2p::{Address, AddressableManager as _, AddressableTrackedPeers, Ingress, authenticated::lookup};
use commonware_runtime::{Quota, Supervisor as _, tokio};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{NZU32, NZUsize, TryCollect as _, hostname, ordered::Map};
use futures::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;
use rota_types::{ChainSpec, Committee, Identity, Operator};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};
use tracing::{error, warn};

/// A known peer that is no operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    /// Its p2p identity.
    pub identity: Identity,
    /// Where it listens.
    pub endpoint: SocketAddr,
}

/// TCP endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// Where this node listens.
    pub listen: SocketAddr,
    /// Peers beside the committee.
    pub followers: Vec<Follower>,
}

/// Operators that a registry can make known at once: members of three epochs and candidates.
const MAX_OPERATORS: usize = 2 * Committee::MAX;

/// Operators for which there is room at least, where a registry may add some.
const MIN_OPERATORS: usize = 16;

/// Epochs whose peers stay connected.
const TRACKED_SETS: usize = 3;

pub(crate) type Handshake = Cups<Sake<ed25519::PrivateKey>, ChaCha20Poly1305>;
pub(crate) type Lookup = lookup::Network<tokio::Context, Handshake>;

/// Reconnecting after a restart takes a fraction of a second and some ways; the library's defaults take a minute.
pub(crate) fn network_config(config: &Config, listen: SocketAddr, peers: NonZeroUsize) -> lookup::Config<Handshake> {
    let handshake = Cups::new(
        Sake {
            signer: config.identity.0.clone(),
            synchrony_bound: Duration::from_secs(5),
            max_handshake_age: Duration::from_secs(10),
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    lookup::Config {
        handshake,
        namespace: config.spec.id().to_vec(),
        listen,
        allow_private_ips: true,
        allow_dns: false,
        bypass_ip_check: false,
        max_message_size: max_message_size::<Bls>(config),
        max_peers_per_set: peers,
        mailbox_size: NonZeroUsize::new(MAILBOX).expect("not zero"),
        send_batch_size: NZUsize!(8),
        handshake_timeout: Duration::from_secs(2),
        dial_timeout: Duration::from_secs(3),
        // Not the same for everybody: two who dial each other at once (see `without_those_who_dial`) don't do so again.
        peer_connection_cooldown: Duration::from_millis(200 + u64::from(config.identity.identity().0[0]) / 2),
        max_concurrent_handshakes: NZU32!(256),
        allowed_handshake_rate_per_ip: Quota::per_second(NZU32!(64)),
        allowed_handshake_rate_per_subnet: Quota::per_second(NZU32!(256)),
        ping_frequency: Duration::from_secs(5),
        dial_frequency: Duration::from_millis(100),
        tracked_peer_sets: NZUsize!(TRACKED_SETS),
        block_duration: Duration::from_hours(1),
    }
}

pub(crate) type Addresses = BTreeMap<PublicKey, Address>;

/// The addresses of a committee file, which must all be right.
fn check_endpoints(spec: &ChainSpec) -> Result<(), ConsensusError> {
    let check = |operator: &Operator| match operator.endpoint.parse::<SocketAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(ConsensusError::Endpoint { peer: operator.name.clone(), endpoint: operator.endpoint.clone() }),
    };
    spec.committee.operators().iter().try_for_each(check)
}

/// Addresses of operators. One that names none in the registry can't be reached, which is its own loss.
pub(crate) fn addresses(operators: BTreeMap<PublicKey, Operator>) -> Addresses {
    let address = |(key, operator): (PublicKey, Operator)| match operator.endpoint.parse::<SocketAddr>() {
        Ok(endpoint) => Some((key, Address::from(endpoint))),
        Err(_) => {
            warn!(operator = %operator.name, endpoint = operator.endpoint, "not an ip:port: cannot be reached");
            None
        }
    };
    operators.into_iter().filter_map(address).collect()
}

/// Of two members one dials, whose key is smaller. If both did, each would refuse the other's connection while its own is
/// on the way, and again with the next attempt: for minutes, where the way is longer than the time between two attempts.
/// Whoever is no member dials all of them, and is dialed by none.
pub(crate) fn without_those_who_dial(me: &PublicKey, mut members: Addresses) -> Addresses {
    if members.contains_key(me) {
        for (_, address) in members.range_mut(..me.clone()) {
            // A name, and names are not allowed: never dialed, and known by where it comes from.
            let ingress = Ingress::Dns { host: hostname!("dials"), port: address.egress().port() };
            *address = Address::Asymmetric { ingress, egress: address.egress() };
        }
    }
    members
}

fn followers(transport: &Transport) -> Result<Addresses, ConsensusError> {
    let address = |follower: &Follower| {
        let key = public_key(&follower.identity).ok_or(ConsensusError::Follower(follower.identity))?;
        Ok((key, Address::from(follower.endpoint)))
    };
    transport.followers.iter().map(address).collect()
}

pub(crate) fn map(addresses: &Addresses) -> Map<PublicKey, Address> {
    let pairs = addresses.iter().map(|(key, address)| (key.clone(), address.clone()));
    pairs.try_collect().expect("keys of a map are unique")
}

impl Runtime for tokio::Context {
    type Transport = Transport;

    fn open(self, config: Config, transport: Transport) -> BoxFuture<'static, Result<Opened, ConsensusError>> {
        async move { open(self, config, &transport) }.boxed()
    }
}

fn open(context: tokio::Context, config: Config, transport: &Transport) -> Result<Opened, ConsensusError> {
    check_endpoints(&config.spec)?;
    let followers = followers(transport)?;
    // Every peer for which there is room costs 3 MB of queues: room for twice as many as there are at the start.
    let newest = PeerSet::newest(&config.epochs);
    let known = newest.primary.len() + newest.secondary.len();
    let operators =
        if config.spec.registry.is_some() { (2 * known).clamp(MIN_OPERATORS, MAX_OPERATORS) } else { known };
    let peers = NonZeroUsize::new(operators + followers.len() + 1).expect("not zero");
    let (mut network, oracle) = Lookup::new(context.child("network"), network_config(&config, transport.listen, peers));
    let mut register = |channel: Channel| {
        let rate = NonZeroU32::new(channel.messages_per_second()).expect("not zero");
        network.register(channel as u64, Quota::per_second(rate))
    };
    let (votes, certificates) = (register(Channel::Votes), register(Channel::Certificates));
    let (resolver, blocks) = (register(Channel::Resolver), register(Channel::Blocks));
    let (backfill, gossip) = (register(Channel::Backfill), register(Channel::Gossip));
    let welcome = register(Channel::Welcome);
    network.start();

    let (tracker, me) = (Mutex::new(oracle.clone()), config.identity.0.public_key());
    let track = move |set: u64, of: PeerSet| {
        let mut primary = addresses(of.primary);
        if primary.len() > operators {
            error!(
                members = primary.len(),
                room = operators,
                "more operators than there is room for: restart this node"
            );
            primary = primary.into_iter().take(operators).collect();
        }
        let mut secondary = addresses(of.secondary);
        secondary.extend(followers.iter().map(|(key, address)| (key.clone(), address.clone())));
        secondary.retain(|key, _| !primary.contains_key(key));
        let primary = without_those_who_dial(&me, primary);
        let room = operators.saturating_sub(primary.len()) + followers.len();
        let secondary: Addresses = secondary.into_iter().take(room).collect();
        tracker.lock().track(set, AddressableTrackedPeers::new(map(&primary), map(&secondary)));
    };
    // Before it is known which epoch this is: the newest that the node knows.
    track(0, newest);
    let network = Network {
        votes,
        certificates,
        resolver,
        blocks,
        backfill,
        gossip,
        welcome,
        peers: oracle.clone(),
        blocker: oracle,
        track: Box::new(track),
    };
    operator::open::<_, Bls, _, _, _, _>(context, config, (), network)
}
