//! One operator, wired: pool, application, ledger, L1 view and consensus. The same code runs in production and in the
//! simulator; servers and files are elsewhere ([`crate::serve`]).

use crate::{
    application::{NodeApplication, Parts},
    fatal::Fatal,
    feed::{Feed, FeedEvent},
    health::{Health, Report},
    ledger::{Ledger, LedgerError, Retention},
    mempool::{self, Mempool, PoolLimits},
    metrics::NodeMetrics,
    overrule::OverruleWatch,
    peers::{Announcer, Listener},
    poster::{self, InboxView, Posting},
    status::Status,
};
use futures::{
    channel::oneshot,
    future::{Either, select},
    pin_mut,
};
use parking_lot::Mutex;
use rota_consensus::{Application, ConsensusError, IdentityKey, Monitor, Runtime, Timing, VotingKey};
use rota_execution::{ExecutionEngine, Store};
use rota_l1::{BlobSource, L1Chain, L1ChainConfig, L1Provider, OriginAnnouncements, ProviderError};
use rota_types::ChainSpec;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::{
    broadcast::{self, error::RecvError},
    watch,
};
use tracing::{info, warn};

/// How often gauges are set and the L1 head is looked at.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// How long a stopping node waits for the others to take its turn over: more than a certification timeout.
const HAND_OVER: Duration = Duration::from_secs(3);

/// Events that a slow reader of the feed may be behind.
const FEED_CAPACITY: usize = 16_384;

/// What one node decides for itself.
pub struct Setup {
    /// The chain.
    pub spec: Arc<ChainSpec>,
    /// p2p identity.
    pub identity: IdentityKey,
    /// Signs votes; a follower has none.
    pub voting: Option<VotingKey>,
    /// Whether this key has never signed on this chain ([`rota_consensus::Config::first_start`]).
    pub first_start: bool,
    /// Largest round trip between operators.
    pub max_rtt: Duration,
    /// How L1 is watched.
    pub l1: L1ChainConfig,
    /// What the ledger keeps.
    pub retention: Retention,
    /// How it takes part in posting.
    pub posting: Posting,
    /// How full the pool may be.
    pub pool: PoolLimits,
    /// Smallest priority fee that the pool admits, wei.
    pub pool_min_tip: u64,
    /// Prefix of consensus' storage partitions.
    pub storage_prefix: String,
    /// Stands between consensus and the application: how the simulator makes an operator Byzantine.
    pub interposer: Option<Interposer>,
}

/// Puts something in front of the application.
pub type Interposer = Box<dyn FnOnce(Arc<dyn Application>) -> Arc<dyn Application> + Send>;

/// What one node works on.
pub struct Edges<T> {
    /// The network.
    pub transport: T,
    /// State, blocks, certificates.
    pub store: Arc<dyn Store>,
    /// Executes; works on the same store.
    pub engine: Arc<dyn ExecutionEngine>,
    /// Reads L1.
    pub l1: Arc<dyn L1Provider>,
    /// Has the blobs of L1 blocks.
    pub blobs: Arc<dyn BlobSource>,
}

/// Why a node does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Consensus.
    #[error(transparent)]
    Consensus(#[from] ConsensusError),
    /// Something that the node must not go on after.
    #[error("{0}")]
    Fatal(String),
}

/// A running node: its parts, for those who serve or watch it.
#[derive(Clone)]
pub struct Node {
    /// The chain.
    pub spec: Arc<ChainSpec>,
    /// Executes.
    pub engine: Arc<dyn ExecutionEngine>,
    /// What is certified.
    pub ledger: Arc<Ledger>,
    /// What is not yet.
    pub mempool: Mempool,
    /// What happens.
    pub feed: Feed,
    /// L1 as this node sees it.
    pub l1: L1Chain,
    /// What the batch inbox holds.
    pub inbox: watch::Receiver<InboxView>,
    /// What is wrong.
    pub health: Arc<Health>,
    /// What is measured.
    pub metrics: Arc<NodeMetrics>,
    /// Ends the node.
    pub fatal: Fatal,
    status: Arc<Status>,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<Option<Arc<Result<(), NodeError>>>>,
}

impl Node {
    /// Starts a node; everything runs below `context` and ends with it.
    pub async fn start<E: Runtime>(context: E, setup: Setup, edges: Edges<E::Transport>) -> Result<Self, NodeError> {
        let (ready, started) = oneshot::channel();
        let (end, ended) = watch::channel(None);
        let task = context.spawn(move |context| async move {
            let outcome = run(context, setup, edges, ended, ready).await;
            if let Err(error) = &outcome {
                warn!(%error, "node ended");
            }
            end.send_replace(Some(Arc::new(outcome)));
        });
        match started.await {
            Ok(result) => result,
            Err(_) => {
                drop(task);
                Err(NodeError::Fatal("the runtime stopped".into()))
            }
        }
    }

    /// What the node knows about itself.
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Its health now.
    pub fn report(&self) -> Report {
        self.status.report()
    }

    /// Declines this operator's turn from now on, waits until the others have taken it over (not for ever), and ends
    /// the node.
    pub async fn stop(&self) -> Arc<Result<(), NodeError>> {
        self.stop.send_replace(true);
        self.stopped().await
    }

    /// Resolves when the node has ended.
    pub async fn stopped(&self) -> Arc<Result<(), NodeError>> {
        let mut ended = self.ended.clone();
        let outcome = ended.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        outcome.unwrap_or_else(|| Arc::new(Err(NodeError::Fatal("aborted".into()))))
    }
}

/// The node's own task: when it returns, everything below its context ends.
async fn run<E: Runtime>(
    context: E,
    setup: Setup,
    edges: Edges<E::Transport>,
    ended: watch::Receiver<Option<Arc<Result<(), NodeError>>>>,
    ready: oneshot::Sender<Result<Node, NodeError>>,
) -> Result<(), NodeError> {
    let (stop, mut stopping) = watch::channel(false);
    let (node, mut consensus) = match wire(&context, setup, edges, stop, ended).await {
        Ok(wired) => wired,
        Err(error) => {
            let _ = ready.send(Err(error));
            return Ok(());
        }
    };
    let (status, health, fatal) = (node.status.clone(), node.health.clone(), node.fatal.clone());
    if ready.send(Ok(node)).is_err() {
        return Ok(());
    }
    let failed = async {
        let (reason, crashed) = (fatal.reason(), consensus.stopped());
        pin_mut!(reason, crashed);
        match select(reason, crashed).await {
            Either::Left((reason, _)) => NodeError::Fatal(reason),
            Either::Right((error, _)) => error.into(),
        }
    };
    let stopped = async {
        if stopping.wait_for(|stop| *stop).await.is_err() {
            // Nobody can ask any more: then the node runs on.
            futures::future::pending::<()>().await;
        }
        health.stopping();
        let deadline = context.current() + HAND_OVER;
        while status.leads() && context.current() < deadline {
            context.sleep(Duration::from_millis(20)).await;
        }
        info!(handed_over = !status.leads(), "stopped");
    };
    // A node that fails while it hands its turn over has failed.
    pin_mut!(failed, stopped);
    match select(failed, stopped).await {
        Either::Left((error, _)) => Err(error),
        Either::Right(((), _)) => Ok(()),
    }
}

async fn wire<E: Runtime>(
    context: &E,
    setup: Setup,
    edges: Edges<E::Transport>,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<Option<Arc<Result<(), NodeError>>>>,
) -> Result<(Node, rota_consensus::Consensus), NodeError> {
    let Setup {
        spec, identity, voting, first_start, max_rtt, l1, retention, posting, storage_prefix, interposer, ..
    } = setup;
    let Edges { transport, store, engine, l1: l1_provider, blobs } = edges;
    let (me, operator) = (identity.identity(), voting.is_some());

    let opened = {
        let (engine, spec) = (engine.clone(), spec.clone());
        let task = context.child("ledger").shared(true);
        task.spawn(move |_| async move { Ledger::open(store, engine, spec, retention) }).await
    };
    let ledger = Arc::new(opened.map_err(|error| NodeError::Fatal(error.to_string()))??);
    learn_registry(context, &spec, &ledger, &*l1_provider).await?;
    let (height, digest) = ledger.tip();
    let missing = || LedgerError::Corrupt(format!("flashblock {height} is missing"));
    let tip = ledger.flashblock(height)?.ok_or_else(missing)?.header;
    info!(height, %digest, block = tip.block_number, %me, "ledger open");

    let feed = Feed::new(FEED_CAPACITY);
    let health = Health::new(spec.pace());
    let metrics = Arc::new(NodeMetrics::new(context));
    let fatal = Fatal::default();
    // While L1 is gone, the chain goes on with the origin that it has.
    let l1 = match ledger.recall_origin()? {
        Some(origin) => L1Chain::recalling(l1, origin),
        None => L1Chain::new(l1, engine.certified().origin),
    };
    let origins = Arc::new(Mutex::new(OriginAnnouncements::default()));

    let config = rota_consensus::Config {
        first_start,
        storage_prefix,
        timing: Timing::new(&spec, max_rtt),
        epochs: ledger.epochs().clone(),
        ..rota_consensus::Config::new(spec.clone(), identity, voting)
    };
    let mut opened = context.child("agreement").open(config, transport).await?;
    let gossip = opened.gossip();
    let incoming = opened.take_gossip_receiver().expect("taken once");
    // Consensus starts after the pool that it proposes from.
    let monitor = Arc::new(OnceLock::<Monitor>::new());
    let parts = mempool::Parts {
        spec: spec.clone(),
        epochs: ledger.epochs().clone(),
        identity: me,
        engine: engine.clone(),
        gossip: gossip.clone(),
        feed: feed.clone(),
        now: Arc::new({
            let monitor = monitor.clone();
            move || monitor.get().map(Monitor::status).map(|status| (status.epoch, status.view)).unwrap_or_default()
        }),
        limits: setup.pool,
        min_tip: setup.pool_min_tip,
    };
    let (mempool, _) = Mempool::start(context.child("mempool"), parts);

    let events = feed.subscribe();
    context.child("l1").spawn({
        let (l1, provider) = (l1.clone(), l1_provider.clone());
        move |clock| l1.run(clock, provider)
    });
    let watch = OverruleWatch {
        ledger: ledger.clone(),
        l1: l1.clone(),
        provider: l1_provider.clone(),
        health: health.clone(),
        metrics: metrics.clone(),
        fatal: fatal.clone(),
    };
    if let Some(overruled) = ledger.overruled() {
        // Before consensus starts.
        health.overruled(overruled);
    }
    context.child("overrule").spawn(move |clock| watch.run(clock));
    let posted = posting.start(
        context,
        poster::Parts {
            rollup: Arc::new(spec.rollup.clone()),
            ledger: ledger.clone(),
            chain: l1.clone(),
            provider: l1_provider.clone(),
            blobs,
            feed: feed.clone(),
            health: health.clone(),
            gossip: gossip.clone(),
            fatal: fatal.clone(),
        },
    );
    context.child("announcer").spawn({
        let announcer = Announcer { me, operator, l1: l1.clone(), origins: origins.clone(), gossip: gossip.clone() };
        move |clock| announcer.run(clock)
    });
    context.child("gossip").spawn({
        let listener = Listener {
            epochs: ledger.epochs().clone(),
            mempool: mempool.clone(),
            origins: origins.clone(),
            health: health.clone(),
            metrics: metrics.clone(),
            skips: posted.skips,
        };
        move |clock| listener.run(clock, incoming)
    });

    let application = NodeApplication::new(
        context.child("application"),
        Parts {
            spec: spec.clone(),
            engine: engine.clone(),
            l1: l1.clone(),
            origins,
            ledger: ledger.clone(),
            mempool: mempool.clone(),
            feed: feed.clone(),
            health: health.clone(),
            metrics: metrics.clone(),
            fatal: fatal.clone(),
            tip,
        },
    );
    let application: Arc<dyn Application> = Arc::new(application);
    let consensus = opened.start(match interposer {
        Some(interpose) => interpose(application),
        None => application,
    });
    // Set once, here.
    let _ = monitor.set(consensus.monitor());
    let clock = context.child("status");
    let status = Arc::new(Status {
        identity: me,
        operator,
        epochs: ledger.epochs().clone(),
        monitor: consensus.monitor(),
        health: health.clone(),
        l1: l1.clone(),
        inbox: posted.inbox.clone(),
        now: Box::new(move || clock.current()),
    });
    context.child("observer").spawn({
        let metrics = metrics.clone();
        move |clock| observe(clock, events, metrics)
    });
    context.child("sampler").spawn({
        let (status, mempool, l1) = (status.clone(), mempool.clone(), l1.clone());
        let (health, metrics) = (health.clone(), metrics.clone());
        move |clock| async move {
            let mut head = None;
            loop {
                let newest = l1.head();
                if newest != head {
                    head = newest;
                    health.l1(clock.current());
                }
                let peers = status.monitor.status().peers;
                metrics.sample(mempool.size(), mempool.stats(), peers, head.map(|block| block.number));
                clock.sleep(SAMPLE_EVERY).await;
            }
        }
    });
    let node = Node {
        spec,
        engine,
        ledger,
        mempool,
        feed,
        l1,
        inbox: posted.inbox,
        health,
        metrics,
        fatal,
        status,
        stop,
        ended,
    };
    Ok((node, consensus))
}

/// On its very first start a node of a chain with a registry reads from L1 who the first operators are.
async fn learn_registry<E: Runtime>(
    context: &E,
    spec: &ChainSpec,
    ledger: &Ledger,
    l1: &dyn L1Provider,
) -> Result<(), NodeError> {
    let Some(registry) = spec.registry else { return Ok(()) };
    while ledger.lacks_registry()? {
        let genesis = spec.rollup.genesis.l1;
        let read = async {
            let block = l1.block_by_number(genesis.number).await?;
            let unknown = || ProviderError::Unavailable(format!("no L1 block {}", genesis.number));
            let found = block.ok_or_else(unknown)?.id;
            if found != genesis {
                let why = format!("L1 block {} is {}, not {}", genesis.number, found.hash, genesis.hash);
                return Err(ProviderError::Inconsistent(why));
            }
            l1.registry_events(registry.since, genesis.number).await
        };
        match read.await {
            Ok(events) => ledger.start_registry(&events)?,
            Err(error) => {
                warn!(%error, "the registry must be read before this node can start");
                context.sleep(SAMPLE_EVERY).await;
            }
        }
    }
    Ok(())
}

/// Times everything that the feed tells.
async fn observe<E: Runtime>(clock: E, mut events: broadcast::Receiver<FeedEvent>, metrics: Arc<NodeMetrics>) {
    loop {
        match events.recv().await {
            Ok(event) => metrics.observe(&event, clock.current()),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}
