//! Authenticated p2p over TCP on the tokio runtime: one connection between every two known peers.
//!
//! The handshake is bound to [`rota_types::ChainSpec::id`]: a peer of another chain, lineage, protocol version or rhythm
//! is refused there.

use crate::{
    Config, ConsensusError, Runtime,
    config::{Channel, MAILBOX},
    keys::{PublicKey, public_key},
    operator::{self, Network, Opened, max_message_size},
};
use commonware_cryptography::{ChaCha20Poly1305, Signer as _, ed25519};
use commonware_p2p::{Address, AddressableManager as _, AddressableTrackedPeers, authenticated::lookup};
use commonware_runtime::{Quota, Supervisor as _, tokio};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{NZU32, NZUsize, TryCollect as _, ordered::Map};
use futures::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;
use rota_types::{ChainSpec, Identity};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

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

/// Epochs whose peers stay connected.
const TRACKED_SETS: usize = 3;

type Handshake = Cups<Sake<ed25519::PrivateKey>, ChaCha20Poly1305>;

/// Reconnecting after a restart takes a fraction of a second; the library's defaults take a minute.
fn network_config(config: &Config, listen: SocketAddr, peers: NonZeroUsize) -> lookup::Config<Handshake> {
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
        max_message_size: max_message_size(config),
        max_peers_per_set: peers,
        mailbox_size: NonZeroUsize::new(MAILBOX).expect("not zero"),
        send_batch_size: NZUsize!(8),
        handshake_timeout: Duration::from_secs(2),
        dial_timeout: Duration::from_secs(3),
        peer_connection_cooldown: Duration::from_millis(250),
        max_concurrent_handshakes: NZU32!(256),
        allowed_handshake_rate_per_ip: Quota::per_second(NZU32!(64)),
        allowed_handshake_rate_per_subnet: Quota::per_second(NZU32!(256)),
        ping_frequency: Duration::from_secs(5),
        dial_frequency: Duration::from_millis(200),
        tracked_peer_sets: NZUsize!(TRACKED_SETS),
        block_duration: Duration::from_hours(1),
    }
}

type Addresses = BTreeMap<PublicKey, Address>;

fn operators(spec: &ChainSpec) -> Result<Addresses, ConsensusError> {
    let address = |operator: &rota_types::Operator| {
        let refused = || ConsensusError::Endpoint { peer: operator.name.clone(), endpoint: operator.endpoint.clone() };
        let endpoint: SocketAddr = operator.endpoint.parse().map_err(|_| refused())?;
        Ok((public_key(&operator.identity).ok_or_else(refused)?, Address::from(endpoint)))
    };
    spec.committee.operators().iter().map(address).collect()
}

fn followers(transport: &Transport, operators: &Addresses) -> Result<Addresses, ConsensusError> {
    let address = |follower: &Follower| {
        let key = public_key(&follower.identity).ok_or(ConsensusError::Follower(follower.identity))?;
        Ok((key, Address::from(follower.endpoint)))
    };
    let mut all: Addresses = transport.followers.iter().map(address).collect::<Result<_, ConsensusError>>()?;
    all.retain(|key, _| !operators.contains_key(key));
    Ok(all)
}

fn map(addresses: &Addresses) -> Map<PublicKey, Address> {
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
    let operators = operators(&config.spec)?;
    let followers = followers(transport, &operators)?;
    let me = config.identity.0.public_key();
    let others = operators.keys().chain(followers.keys()).filter(|key| **key != me).count();
    let peers = NonZeroUsize::new(others + 1).expect("not zero");
    let (mut network, oracle) =
        lookup::Network::new(context.child("network"), network_config(&config, transport.listen, peers));
    let mut register = |channel: Channel| {
        let rate = NonZeroU32::new(channel.messages_per_second()).expect("not zero");
        network.register(channel as u64, Quota::per_second(rate))
    };
    let (votes, certificates) = (register(Channel::Votes), register(Channel::Certificates));
    let (resolver, blocks) = (register(Channel::Resolver), register(Channel::Blocks));
    let (backfill, gossip) = (register(Channel::Backfill), register(Channel::Gossip));
    let welcome = register(Channel::Welcome);
    network.start();

    let tracker = Mutex::new(oracle.clone());
    let peers = AddressableTrackedPeers::new(map(&operators), map(&followers));
    // Set 0 is everybody, before it is known which epoch this is; the committee is the same in every epoch.
    let track = move |set: u64| {
        tracker.lock().track(set, peers.clone());
    };
    track(0);
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
        track: Box::new(move |epoch| track(epoch + 1)),
    };
    operator::open(context, config, network)
}
