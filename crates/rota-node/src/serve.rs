//! A node as a process: files, sockets and the tokio runtime around [`Node`]. Nothing here decides anything.

use crate::{
    config::{Config, ConfigError},
    http,
    keys::{self, KeysError, OperatorKeys},
    ledger::{LogLimits, Retention},
    mempool::PoolLimits,
    node::{Edges, Node, NodeError, Setup},
    poster::{CarrierChoice, PosterConfig, Posting, PostingLimits},
    rpc::{self, RpcContext, RpcLimits},
};
use alloy_primitives::{Address, B256};
use commonware_runtime::{Clock, Metrics, Runner, Spawner, Supervisor, tokio as runtime};
use rota_consensus::tcp;
use rota_execution::{EmbeddedEngine, EngineError, FjallStore, StoreError};
use rota_l1::{
    BeaconNodes, CarrierLimits, HttpProvider, HttpSender, HttpTurns, L1ChainConfig, L1Endpoints, L1Provider,
    ProviderError, SendError, SendPolicy, SkipDomain, load_trusted_setup,
};
use rota_types::{ChainSpec, ChainSpecError, Identity};
use std::{
    any::Any,
    fs::{self, File},
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tracing::{info, warn};

/// How long one L1 request may take.
const L1_TIMEOUT: Duration = Duration::from_secs(5);

/// What must be writable for a disk not to be called full.
const PROBE_BYTES: usize = 4 << 20;

/// How often the data directory is measured.
const MEASURE_DISK_EVERY: Duration = Duration::from_secs(30);

/// How often the connections are counted that the RPC has ended.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// How long a pooled transaction may wait without becoming executable.
const POOL_PATIENCE: Duration = Duration::from_secs(3_600);

/// Why a node process ends.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The chain's files.
    #[error(transparent)]
    Spec(#[from] ChainSpecError),
    /// A value that makes no sense on this chain.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The keystores.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The store on disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state on disk.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// L1 endpoints.
    #[error(transparent)]
    L1(#[from] ProviderError),
    /// The posting account.
    #[error(transparent)]
    Posting(#[from] SendError),
    /// The node itself.
    #[error("{0}")]
    Node(String),
    /// The keys are nobody's in the committee.
    #[error("{0} is not in the committee: run it with follower = true")]
    Stranger(Identity),
    /// Batches from this address would not be the chain's.
    #[error("the posting key is {found}'s, the committee file names {expected} for operator {operator}")]
    WrongPostingKey {
        /// Name of the operator.
        operator: String,
        /// Address in the committee file.
        expected: Address,
        /// Address of the keystore.
        found: Address,
    },
    /// The data directory can't be written: a full disk, a quota, a device that went away.
    #[error("storage failed: {path} can't be written: {why}; the node ended ({ended}) and has kept what is certified")]
    Storage {
        /// The data directory.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
        /// How the failure ended the node.
        ended: String,
    },
    /// A part of the node panicked.
    #[error("panic: {0}")]
    Panic(String),
    /// A directory or socket.
    #[error("{what}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        source: io::Error,
    },
}

impl From<NodeError> for ServeError {
    fn from(error: NodeError) -> Self {
        Self::Node(error.to_string())
    }
}

fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> ServeError {
    let what = what.into();
    move |source| ServeError::Io { what, source }
}

/// What a configuration names, opened.
struct Opened {
    setup: Setup,
    store: Arc<FjallStore>,
    engine: Arc<EmbeddedEngine>,
    l1: Arc<dyn L1Provider>,
    transport: tcp::Transport,
    blobs: Arc<BeaconNodes>,
}

/// Runs a node until `shutdown` resolves (then it hands its turn over first) or until it must not go on.
pub fn run(config: Config, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), ServeError> {
    let opened = open(&config)?;
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8));
    let runner = runtime::Runner::new(
        runtime::Config::default()
            .with_storage_directory(config.data_dir.join("consensus"))
            .with_worker_threads(threads),
    );
    let data_dir = config.data_dir.clone();
    let run = || runner.start(|context| serve(context, config, opened, shutdown));
    let error = match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error,
        Err(payload) => ServeError::Panic(message(payload.as_ref())),
    };
    // Libraries panic when they can't write: what the system says is what an operator can act on.
    match probe(&data_dir) {
        Ok(()) => Err(error),
        Err(why) => Err(ServeError::Storage { path: data_dir, why, ended: error.to_string() }),
    }
}

/// What a panic said.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    text.unwrap_or("of unknown cause").to_owned()
}

/// Whether a directory can be written: a file as large as a table's write buffer, durable, and gone again.
fn probe(directory: &Path) -> io::Result<()> {
    let path = directory.join("probe");
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0; PROBE_BYTES])?;
        file.sync_all()
    });
    // Nobody reads it; the next probe replaces it.
    let _ = fs::remove_file(&path);
    written
}

fn open(config: &Config) -> Result<Opened, ServeError> {
    let spec = Arc::new(ChainSpec::load(&config.genesis, &config.rollup, &config.committee)?);
    config.check_retention(&spec.rollup)?;
    let password = keys::read_password(&config.password_file)?;
    let keys = if config.follower { None } else { Some(OperatorKeys::load(&config.keys, &password)?) };
    let identity = match &keys {
        Some(keys) => keys.identity.clone(),
        None => keys::load_identity(&config.keys, &password)?,
    };
    if let Some(keys) = &keys {
        check_member(&spec, keys)?;
    }

    fs::create_dir_all(&config.data_dir).map_err(io_error(config.data_dir.display().to_string()))?;
    let store = Arc::new(FjallStore::open(&config.data_dir.join("store"))?);
    // The network library panics on a port that is taken.
    TcpListener::bind(config.p2p_listen).map_err(io_error(format!("p2p on {}", config.p2p_listen)))?;
    let engine = EmbeddedEngine::open(store.clone(), spec.clone())?.with_state_window(config.state_window);

    let rollup = Arc::new(spec.rollup.clone());
    let providers = config.l1_endpoints.iter().map(|url| {
        let provider = HttpProvider::new(url.clone(), L1_TIMEOUT, rollup.clone(), config.trust_l1_bodies)?;
        let provider = provider.with_registry(spec.registry.map(|registry| registry.address));
        Ok(Arc::new(provider) as Arc<dyn L1Provider>)
    });
    let providers = providers.collect::<Result<Vec<_>, ProviderError>>()?;
    let l1 = L1Endpoints::new(providers).ok_or_else(|| ServeError::Node("no L1 endpoint".into()))?;

    let blobs = Arc::new(BeaconNodes::new(config.l1_beacon_endpoints.clone(), L1_TIMEOUT)?);
    if !config.l1_beacon_endpoints.is_empty() {
        load_trusted_setup();
    }
    let mut posting = Posting { config: poster_config(config), ..Posting::default() };
    if let (Some(keys), Some(contract)) = (&keys, config.posting_turns()) {
        let domain = SkipDomain { l1_chain_id: rollup.l1_chain_id, contract };
        let turns = HttpTurns::new(config.l1_endpoints.clone(), L1_TIMEOUT, domain)?;
        posting.turns = Some((Arc::new(turns), keys.posting.clone()));
    }
    if let (Some(keys), Some(url), true) = (&keys, config.l1_endpoints.first(), config.poster) {
        let key = B256::from(keys.posting.to_bytes());
        posting.sender = Some(Arc::new(HttpSender::new(url.clone(), L1_TIMEOUT, &key, rollup.l1_chain_id)?));
    }
    let retention = match config.retention_blocks {
        0 => Retention::ALL,
        blocks => Retention {
            flashblocks: Some(blocks.saturating_mul(spec.flashblocks_per_block.into())),
            blocks: Some(blocks),
        },
    };
    let setup = Setup {
        identity,
        voting: keys.as_ref().map(|keys| keys.voting.clone()),
        first_start: config.first_start,
        max_rtt: config.max_rtt(),
        l1: L1ChainConfig {
            confirmation_depth: config.l1_confirmations,
            poll_interval: config.l1_poll(),
            ..L1ChainConfig::default()
        },
        retention,
        posting,
        pool: PoolLimits {
            transactions: config.pool_transactions,
            bytes: config.pool_bytes,
            per_sender: config.pool_per_sender,
            queued: POOL_PATIENCE,
        },
        pool_min_tip: config.pool_min_tip,
        storage_prefix: "consensus".into(),
        interposer: None,
        spec,
    };
    let transport = tcp::Transport { listen: config.p2p_listen, followers: config.followers.clone() };
    Ok(Opened { setup, store, engine: Arc::new(engine), l1: Arc::new(l1), transport, blobs })
}

/// An operator's keys must be those that the committee file names; consensus checks the voting key.
fn check_member(spec: &ChainSpec, keys: &OperatorKeys) -> Result<(), ServeError> {
    // Where a registry names the committees, only the epochs tell who is a member, and with which keys.
    if spec.registry.is_some() {
        return Ok(());
    }
    let identity = keys.identity.identity();
    let (_, operator) = spec.committee.find(&identity).ok_or(ServeError::Stranger(identity))?;
    let (expected, found) = (operator.posting_address, keys.posting_address());
    if expected != found {
        return Err(ServeError::WrongPostingKey { operator: operator.name.clone(), expected, found });
    }
    Ok(())
}

async fn serve(
    context: runtime::Context,
    config: Config,
    opened: Opened,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let Opened { setup, store, engine, l1, transport, blobs } = opened;
    let node = Node::start(context.child("rota"), setup, Edges { transport, store, engine, l1, blobs }).await?;
    let rpc = rpc::serve(rpc_context(&config, &node), config.rpc_listen)
        .await
        .map_err(io_error(format!("rpc on {}", config.rpc_listen)))?;
    let metrics = metrics(&context, &config, &node).await?;
    info!(name = config.name, rpc = %rpc.address(), %metrics, p2p = %config.p2p_listen, "serving");
    context.child("disk").spawn({
        let (metrics, data_dir) = (node.metrics.clone(), config.data_dir.clone());
        move |clock| async move {
            loop {
                let data_dir = data_dir.clone();
                let bytes = tokio::task::spawn_blocking(move || disk_bytes(&data_dir)).await.unwrap_or_default();
                metrics.disk(bytes);
                clock.sleep(MEASURE_DISK_EVERY).await;
            }
        }
    });

    context.child("rpc").spawn({
        let (metrics, ended) = (node.metrics.clone(), rpc.ended());
        move |clock| async move {
            loop {
                metrics.rpc_ended(ended.by_reason());
                clock.sleep(COUNT_EVERY).await;
            }
        }
    });

    let outcome = tokio::select! {
        outcome = node.stopped() => outcome,
        () = shutdown => {
            info!("stopping: handing the turn over");
            node.stop().await
        }
    };
    rpc.stop().await;
    match &*outcome {
        Ok(()) => Ok(()),
        Err(error) => Err(ServeError::Node(error.to_string())),
    }
}

fn rpc_context(config: &Config, node: &Node) -> RpcContext {
    RpcContext {
        spec: node.spec.clone(),
        ledger: node.ledger.clone(),
        engine: node.engine.clone(),
        feed: node.feed.clone(),
        pool: Arc::new(node.mempool.clone()),
        submit: Arc::new(node.mempool.clone()),
        status: node.status().clone(),
        limits: RpcLimits {
            request_bytes: config.rpc_max_request_bytes,
            response_bytes: config.rpc_max_response_bytes,
            connections: config.rpc_max_connections,
            logs: LogLimits { blocks: config.rpc_max_log_blocks, ..LogLimits::default() },
            ..RpcLimits::default()
        },
    }
}

/// Serves metrics and health for as long as the process lives.
async fn metrics(context: &runtime::Context, config: &Config, node: &Node) -> Result<SocketAddr, ServeError> {
    let encoder = context.child("metrics");
    let encode: http::Encode = Arc::new(move || encoder.encode());
    let (address, server) = http::serve(config.metrics_listen, encode, node.status().clone())
        .await
        .map_err(io_error(format!("metrics on {}", config.metrics_listen)))?;
    context.child("http").spawn(move |_| async move {
        if let Err(error) = server.await {
            warn!(%error, "metrics are not served any more");
        }
    });
    Ok(address)
}

/// How a configuration says to post.
fn poster_config(config: &Config) -> PosterConfig {
    // Blobs that this node could not read back would hide from it what is posted.
    let carrier = match config.poster_carrier {
        CarrierChoice::Auto if config.l1_beacon_endpoints.is_empty() => CarrierChoice::Calldata,
        choice => choice,
    };
    let interval = Duration::from_secs(config.poster_interval_s);
    PosterConfig {
        limits: PostingLimits { interval, ..PostingLimits::default() },
        send: SendPolicy { poll_interval: config.l1_poll(), ..SendPolicy::default() },
        carrier,
        carried: CarrierLimits { max_blobs: config.poster_max_blobs, ..CarrierLimits::default() },
        patient_above: u128::from(config.poster_patience_gwei) * 1_000_000_000,
        skip_timeout: config.poster_skip_timeout(),
    }
}

/// Bytes of all files below a directory; what vanishes meanwhile counts nothing.
fn disk_bytes(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
