//! One operator's (or follower's) consensus, wired: channels, stores, marshal, gate, orchestrator.

use crate::{
    Application, Config, ConsensusError, Epochs, Gossip, GossipReceiver, MAX_GOSSIP_BYTES, Status,
    adapter::{Adapter, Gate},
    block::{Block, Digest},
    channels::{Bounded, Link},
    committees::Committees,
    config::{MAILBOX, MAX_CACHED_VIEWS},
    delivery::{Sink, deliver},
    gossip::{self, Outgoing},
    keys::{PublicKey, public_key},
    orchestrator::{Channels, Orchestrator},
    scheme::Signatures,
    signing::Signing,
    state::State,
    welcome::Welcome,
};
use commonware_broadcast::buffered;
use commonware_consensus::{
    marshal::{self, core::Actor, resolver::p2p as backfill, standard::Standard},
    simplex,
    types::{FixedEpocher, ViewDelta},
};
use commonware_cryptography::Signer as _;
use commonware_p2p::{Blocker, Provider, Receiver, Sender, utils::mux::prefixed};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_storage::{archive::prunable, translator::EightCap};
use commonware_utils::{NZDuration, NZU16, NZU64, NZUsize};
use futures::{FutureExt as _, channel::mpsc};
use rand_core::CryptoRng;
use rota_types::{Committee, Operator};
use std::{
    collections::BTreeMap,
    num::{NonZeroU64, NonZeroUsize},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Tracks the peers of an epoch, under a number that increases.
pub(crate) type Track = Box<dyn Fn(u64, PeerSet) + Send + Sync>;

/// Who is connected during an epoch.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeerSet {
    /// The members of the epoch and of the next: a leader that is not among them loses its first flashblocks.
    pub(crate) primary: BTreeMap<PublicKey, Operator>,
    /// All others whom the registry knows, and the members of the epoch before, who may still need its boundary.
    pub(crate) secondary: BTreeMap<PublicKey, Operator>,
}

impl PeerSet {
    /// The peers of the newest epochs that are known.
    pub(crate) fn newest(epochs: &Epochs) -> Self {
        Self::new(epochs, epochs.newest().saturating_sub(1))
    }

    /// The peers of an epoch, as far as its neighbours are known.
    pub(crate) fn new(epochs: &Epochs, epoch: u64) -> Self {
        let operators = |operators: &[Operator]| -> Vec<_> {
            let keyed =
                operators.iter().filter_map(|operator| Some((public_key(&operator.identity)?, operator.clone())));
            keyed.collect()
        };
        let mut set = Self::default();
        for known in [epoch, epoch + 1].into_iter().filter_map(|epoch| epochs.get(epoch)) {
            set.primary.extend(operators(known.committee().operators()));
            set.secondary.extend(operators(known.others()));
        }
        if let Some(before) = epoch.checked_sub(1).and_then(|epoch| epochs.get(epoch)) {
            set.secondary.extend(operators(before.committee().operators()));
        }
        set.secondary.retain(|key, _| !set.primary.contains_key(key));
        set
    }
}

/// What a network gives one node.
pub(crate) struct Network<N, R, P, B> {
    pub(crate) votes: (N, R),
    pub(crate) certificates: (N, R),
    pub(crate) resolver: (N, R),
    pub(crate) blocks: (N, R),
    pub(crate) backfill: (N, R),
    pub(crate) gossip: (N, R),
    pub(crate) welcome: (N, R),
    /// Tells about tracked peers.
    pub(crate) peers: P,
    /// Cuts off peers that misbehave.
    pub(crate) blocker: B,
    /// Tracks the peers of an epoch.
    pub(crate) track: Track,
}

/// The largest message of a chain's p2p network.
pub(crate) fn max_message_size<S: Signatures>(config: &Config) -> u32 {
    let members = Committee::MAX as u32;
    commonware_p2p::max_message_size(&[
        prefixed(simplex::max_payload_size::<S, Digest>(members)),
        marshal::max_payload_size::<Standard<Block>, S>(members, &config.spec.limits.max_flashblock_bytes),
        MAX_GOSSIP_BYTES,
    ])
}

/// Consensus with its network up and nothing else: the node's own channel works.
pub struct Opened {
    gossip: Arc<dyn Gossip>,
    gossip_receiver: Option<GossipReceiver>,
    start: Box<dyn FnOnce(Arc<dyn Application>) -> Consensus + Send>,
}

impl Opened {
    /// The node's own p2p channel.
    pub fn gossip(&self) -> Arc<dyn Gossip> {
        self.gossip.clone()
    }

    /// What arrives on it; `None` after the first call.
    pub const fn take_gossip_receiver(&mut self) -> Option<GossipReceiver> {
        self.gossip_receiver.take()
    }

    /// Starts agreeing.
    pub fn start(self, application: Arc<dyn Application>) -> Consensus {
        (self.start)(application)
    }
}

/// Running consensus. It ends with an error only; dropping the handle ends it too.
pub struct Consensus {
    handle: Handle<Result<(), ConsensusError>>,
    monitor: Monitor,
}

impl Consensus {
    /// Resolves when consensus ends: always an error, which should end the node.
    pub async fn stopped(&mut self) -> ConsensusError {
        match (&mut self.handle).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) => ConsensusError::Stopped("orchestrator"),
            Err(error) => ConsensusError::Runtime(error.to_string()),
        }
    }

    /// Ends it at once, as a crash would.
    pub fn abort(&self) {
        self.handle.abort();
    }

    /// Where it stands.
    pub fn status(&self) -> Status {
        self.monitor.status()
    }

    /// A handle that only looks.
    pub fn monitor(&self) -> Monitor {
        self.monitor.clone()
    }
}

impl Drop for Consensus {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// Looks at running consensus.
#[derive(Clone)]
pub struct Monitor {
    state: Arc<State>,
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl Monitor {
    /// Where consensus stands.
    pub fn status(&self) -> Status {
        self.state.status((self.now)())
    }

    /// Peers heard from within 5 s, in canonical order.
    pub fn peers(&self) -> Vec<rota_types::Identity> {
        self.state.peers((self.now)())
    }
}

/// Checks the committee and brings up the node's own channel.
pub(crate) fn open<E, S, N, R, P, B>(
    context: E,
    config: Config,
    kind: S::Kind,
    network: Network<N, R, P, B>,
) -> Result<Opened, ConsensusError>
where
    E: Clock + CryptoRng + Spawner + Storage + Metrics,
    S: Signatures,
    N: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    P: Provider<PublicKey = PublicKey> + Sync,
    B: Blocker<PublicKey = PublicKey> + Sync,
{
    let committees = Committees::<S>::new(&config.spec, config.epochs.clone(), kind)?;
    check_keys(&config)?;
    let max = max_message_size::<S>(&config) as usize;
    let bounded = |(sender, receiver): (N, R)| -> Link<N, R> { (Bounded::new(sender, max), receiver) };
    let (outgoing, incoming) = bounded(network.gossip);
    let gossip = Arc::new(Outgoing::new(outgoing));
    let gossip_receiver = Some(gossip::receive(context.child("gossip"), incoming));
    let links = Links {
        votes: bounded(network.votes),
        certificates: bounded(network.certificates),
        resolver: bounded(network.resolver),
        blocks: bounded(network.blocks),
        backfill: bounded(network.backfill),
        welcome: bounded(network.welcome),
        peers: network.peers,
        blocker: network.blocker,
        track: network.track,
    };
    let start = Box::new(move |application: Arc<dyn Application>| {
        let state = Arc::new(State::default());
        let clock = context.child("clock");
        let monitor = Monitor { state: state.clone(), now: Arc::new(move || clock.current()) };
        let handle = context
            .child("consensus")
            .spawn(move |context| run(context, Arc::new(config), committees, links, application, state));
        // The gossip task lives as long as its parent context, which the handle's owner keeps through it.
        Consensus { handle, monitor }
    });
    Ok(Opened { gossip, gossip_receiver, start })
}

/// A voting key must be the one that the committee file names for this identity, if the committee never changes.
fn check_keys(config: &Config) -> Result<(), ConsensusError> {
    let identity = config.identity.identity();
    if config.spec.registry.is_some() {
        return Ok(());
    }
    match (config.spec.committee.find(&identity), &config.voting) {
        (Some((_, operator)), Some(key)) if operator.bls_public_key != key.public() => {
            Err(ConsensusError::WrongVotingKey { operator: operator.name.clone() })
        }
        _ => Ok(()),
    }
}

/// The channels of consensus itself.
struct Links<N, R, P, B> {
    votes: Link<N, R>,
    certificates: Link<N, R>,
    resolver: Link<N, R>,
    blocks: Link<N, R>,
    backfill: Link<N, R>,
    welcome: Link<N, R>,
    peers: P,
    blocker: B,
    track: Track,
}

async fn run<E, S, N, R, P, B>(
    context: E,
    config: Arc<Config>,
    committees: Committees<S>,
    links: Links<N, R, P, B>,
    application: Arc<dyn Application>,
    state: Arc<State>,
) -> Result<(), ConsensusError>
where
    E: Clock + CryptoRng + Spawner + Storage + Metrics,
    S: Signatures,
    N: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    P: Provider<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
{
    let me = config.identity.0.public_key();
    let max_bytes = config.spec.limits.max_flashblock_bytes;
    let mailbox = NonZeroUsize::new(MAILBOX).expect("not zero");
    let page_cache = CacheRef::new(NZU16!(4084), NZUsize!(1024));
    let mut signing = Signing::load(context.child("signing"), config.partition("signing")).await?;
    let channels = Channels::new(&context, links.votes, links.certificates, links.resolver);

    let (buffer, blocks_mailbox) = buffered::Engine::new(
        context.child("buffer"),
        buffered::Config {
            public_key: me.clone(),
            mailbox_size: mailbox,
            deque_size: 32,
            priority: true,
            codec_config: max_bytes,
            peer_provider: links.peers.clone(),
            strategy: Sequential,
        },
    );
    buffer.start(links.blocks);

    let finalizations = prunable::Archive::init(
        context.child("finalizations"),
        archive(&config, "finalizations", S::certificate_codec_config_unbounded(), &page_cache),
    )
    .await
    .map_err(|error| ConsensusError::Storage(error.to_string()))?;
    let blocks = prunable::Archive::init(context.child("blocks"), archive(&config, "blocks", max_bytes, &page_cache))
        .await
        .map_err(|error| ConsensusError::Storage(error.to_string()))?;
    let epocher = FixedEpocher::new(NonZeroU64::new(config.spec.epoch_length).expect("an epoch has heights"));
    let genesis = Block::new(application.genesis()).ok_or(ConsensusError::Genesis)?;
    let (actor, marshal, _) = Actor::<_, Standard<Block>, _, _, _, _, _>::init(
        context.child("marshal"),
        finalizations,
        blocks,
        marshal::Config {
            provider: committees.clone(),
            epocher: epocher.clone(),
            start: marshal::Start::Genesis(genesis.digested()),
            partition_prefix: config.partition("marshal"),
            mailbox_size: mailbox,
            // A window longer than an epoch would keep that many whole epochs.
            view_retention: ViewDelta::new(MAX_CACHED_VIEWS.min(config.spec.epoch_length / 2)),
            prunable_items_per_section: NZU64!(256),
            page_cache: page_cache.clone(),
            replay_buffer: NZUsize!(64 * 1024),
            key_write_buffer: NZUsize!(64 * 1024),
            value_write_buffer: NZUsize!(64 * 1024),
            block_codec_config: max_bytes,
            max_repair: NZUsize!(32),
            max_pending_acks: config.pending_acks(),
            strategy: Sequential,
        },
    )
    .await;
    let backfill = backfill::init(
        context.child("backfill"),
        backfill::Config {
            public_key: me,
            peer_provider: links.peers,
            blocker: links.blocker.clone(),
            mailbox_size: mailbox,
            fetch_timeout: NZDuration!(Duration::from_secs(1)),
            fetch_retry_delay: Duration::from_millis(100),
            priority_requests: false,
            priority_responses: false,
        },
        links.backfill,
    );
    let (sink, delivered) = mpsc::unbounded();
    let mut actor = actor.start(Sink { state: state.clone(), delivered: sink }, blocks_mailbox, backfill).fuse();

    let witnessed = crate::tap::Witnessed::<S>::default();
    let ask = signing.is_fresh() && config.first_start && config.voting.is_some();
    let welcome = Welcome {
        context: context.child("welcome"),
        config: config.clone(),
        committees: committees.clone(),
        marshal: marshal.clone(),
        state: state.clone(),
        witnessed: witnessed.clone(),
    };
    let verdict = welcome.start(links.welcome, ask);
    if ask {
        verdict.await.map_err(|_| ConsensusError::Stopped("welcome"))??;
        signing.allow_from(0).await?;
    } else if signing.is_fresh() && config.voting.is_some() {
        signing.forbid().await?;
    }

    let gate = Gate::new(
        context.child("gate"),
        Adapter::new(application.clone(), max_bytes),
        marshal.clone(),
        epocher.clone(),
    );
    let (forward, certified) = mpsc::unbounded();
    let retention = config.retention.max(2 * config.spec.epoch_length);
    let deliveries = context.child("delivery").spawn({
        let (application, marshal) = (application.clone(), marshal.clone());
        move |_| deliver(application, marshal, retention, certified)
    });
    let orchestrator = Orchestrator {
        context: context.child("orchestrator"),
        config,
        application,
        committees,
        epocher,
        marshal,
        gate,
        signing,
        state,
        witnessed,
        track: links.track,
        blocker: links.blocker,
        page_cache,
        delivered,
        forward,
    };
    let orchestrator = orchestrator.run(channels).fuse();
    let deliveries = deliveries.fuse();
    futures::pin_mut!(orchestrator, deliveries);
    futures::select! {
        result = orchestrator => result,
        _ = actor => Err(ConsensusError::Stopped("marshal")),
        _ = deliveries => Err(ConsensusError::Stopped("delivery")),
    }
}

/// An archive by height that is pruned.
fn archive<C>(config: &Config, name: &str, codec_config: C, page_cache: &CacheRef) -> prunable::Config<EightCap, C> {
    prunable::Config {
        translator: EightCap,
        metadata_partition: config.partition(&format!("{name}-metadata")),
        key_partition: config.partition(&format!("{name}-keys")),
        key_page_cache: page_cache.clone(),
        value_partition: config.partition(&format!("{name}-values")),
        compression: None,
        codec_config,
        items_per_section: NZU64!(4096),
        key_write_buffer: NZUsize!(64 * 1024),
        value_write_buffer: NZUsize!(256 * 1024),
        replay_buffer: NZUsize!(64 * 1024),
    }
}
