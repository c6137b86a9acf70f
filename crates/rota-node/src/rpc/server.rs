//! The listener: HTTP and WebSocket on one port, with limits on everything.

use super::{
    batches::Batches,
    blocks::BlocksServer,
    connections::{Connections, Ended},
    context::{Rpc, RpcContext, RpcLimits},
    fees::FeesServer,
    logs::LogsServer,
    net_web3::{NetServer, Web3Server},
    optimism::OptimismServer,
    rota::RotaServer,
    socket::{Accounting, Socket},
    stages::Stages,
    state::StateServer,
    submit::SubmissionServer,
    subscriptions::{EthSubscriptionsServer, RotaSubscriptionsServer},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use jsonrpsee::{
    Methods, RpcModule,
    core::{RegisterMethodError, middleware::RpcServiceBuilder, traits::IdProvider},
    server::{
        BatchRequestConfig, PingConfig, Server, ServerConfig, ServerHandle, StopHandle, TowerServiceBuilder,
        stop_channel,
    },
    types::SubscriptionId,
};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpListener;
use tower::layer::util::{Identity, Stack};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

/// How long a stop waits for calls that run.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// How long a client may take to send the head of a request.
const HEADER_PATIENCE: Duration = Duration::from_secs(30);

/// How long a client may read nothing of what is sent to it.
const READ_PATIENCE: Duration = Duration::from_secs(20);

/// How long nobody is accepted after an accept has failed: file descriptors run out for all.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Messages that one connection may be behind before its subscriptions wait.
const MESSAGE_BUFFER: u32 = 128;

/// Subscription ids in hex, as geth's clients expect them.
#[derive(Debug, Default)]
struct SubscriptionIds(AtomicU64);

impl IdProvider for SubscriptionIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        SubscriptionId::Str(format!("{:#x}", self.0.fetch_add(1, Ordering::Relaxed) + 1).into())
    }
}

/// A running RPC server; stops when dropped.
#[derive(Debug)]
pub struct RpcServer {
    address: SocketAddr,
    handle: ServerHandle,
    tracker: tokio::task::JoinHandle<()>,
    ended: Arc<Ended>,
}

impl RpcServer {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts the connections that it ends.
    pub fn ended(&self) -> Arc<Ended> {
        self.ended.clone()
    }

    /// Stops accepting, ends subscriptions, and waits a little for calls that run.
    pub async fn stop(self) {
        // An error says that it has stopped already.
        let _ = self.handle.stop();
        if tokio::time::timeout(STOP_PATIENCE, self.handle.clone().stopped()).await.is_err() {
            tracing::warn!("rpc calls still run at the stop");
        }
    }
}

impl Drop for RpcServer {
    fn drop(&mut self) {
        let _ = self.handle.stop();
        self.tracker.abort();
    }
}

/// Serves the RPC on `address` (port 0 takes a free one). Call inside a tokio runtime.
///
/// # Errors
/// If the address can't be bound, or an origin in the limits is not one.
pub async fn serve(context: RpcContext, address: SocketAddr) -> io::Result<RpcServer> {
    let cors = cors(&context.limits)?;
    let config = config(&context.limits);
    let batch_bytes = context.limits.response_bytes as usize;
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let services = Server::builder()
        .set_config(config)
        .set_http_middleware(tower::ServiceBuilder::new().layer(cors))
        .to_service_builder();
    let stages = Arc::new(Stages::new());
    let tracker = tokio::spawn(stages.clone().follow(context.feed.clone()));
    let rpc = Rpc::new(context, stages);
    let connections = rpc.connections.clone();
    let ended = connections.ended();
    let methods = methods(rpc).map_err(io::Error::other)?;
    let (stop, handle) = stop_channel();
    tokio::spawn(accept(listener, services, methods.into(), connections, batch_bytes, stop));
    Ok(RpcServer { address, handle, tracker, ended })
}

/// Serves everybody who connects, until it is stopped.
async fn accept(
    listener: TcpListener,
    services: TowerServiceBuilder<Identity, Stack<CorsLayer, Identity>>,
    methods: Methods,
    connections: Connections,
    batch_bytes: usize,
    stop: StopHandle,
) {
    let mut stopped = std::pin::pin!(stop.clone().shutdown());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "an rpc connection is lost");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Costs latency if it fails, nothing else.
        let _ = stream.set_nodelay(true);
        let connection = connections.admit(from.ip());
        let calls = RpcServiceBuilder::new().layer(Accounting(connection.clone()));
        let calls = calls.layer_fn(move |inner| Batches { inner, limit: batch_bytes });
        let services = services.clone().set_rpc_middleware(calls);
        let service = services.build(methods.clone(), stop.clone());
        let (socket, stop) = (Socket::new(stream, connection, READ_PATIENCE), stop.clone());
        tokio::spawn(async move {
            // HTTP/1 alone: one request after the other, so that connections bound requests.
            let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
            http.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_PATIENCE);
            let service = TowerToHyperService::new(service);
            let mut serving = std::pin::pin!(http.serve_connection_with_upgrades(TokioIo::new(socket), service));
            let served = tokio::select! {
                served = &mut serving => served,
                () = stop.shutdown() => {
                    serving.as_mut().graceful_shutdown();
                    serving.await
                }
            };
            if let Err(error) = served {
                tracing::debug!(%error, "an rpc connection ended");
            }
        });
    }
}

pub(super) fn methods(rpc: Rpc) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut module = RpcModule::new(());
    module.merge(BlocksServer::into_rpc(rpc.clone()))?;
    module.merge(StateServer::into_rpc(rpc.clone()))?;
    module.merge(FeesServer::into_rpc(rpc.clone()))?;
    module.merge(LogsServer::into_rpc(rpc.clone()))?;
    module.merge(SubmissionServer::into_rpc(rpc.clone()))?;
    module.merge(EthSubscriptionsServer::into_rpc(rpc.clone()))?;
    module.merge(NetServer::into_rpc(rpc.clone()))?;
    module.merge(Web3Server::into_rpc(rpc.clone()))?;
    module.merge(OptimismServer::into_rpc(rpc.clone()))?;
    module.merge(RotaServer::into_rpc(rpc.clone()))?;
    module.merge(RotaSubscriptionsServer::into_rpc(rpc))?;
    Ok(module)
}

fn config(limits: &RpcLimits) -> ServerConfig {
    ServerConfig::builder()
        .max_request_body_size(limits.request_bytes)
        .max_response_body_size(limits.response_bytes)
        // Connections are bounded where they begin; one that is being ended still counts here for a moment.
        .max_connections(limits.connections.saturating_mul(2))
        .max_subscriptions_per_connection(limits.subscriptions)
        .set_batch_request_config(BatchRequestConfig::Limit(limits.batch))
        .set_message_buffer_capacity(MESSAGE_BUFFER)
        .enable_ws_ping(PingConfig::new())
        .set_id_provider(SubscriptionIds::default())
        .build()
}

fn cors(limits: &RpcLimits) -> io::Result<CorsLayer> {
    let layer = CorsLayer::new().allow_methods(Any).allow_headers(Any);
    if limits.cors_origins.iter().any(|origin| origin == "*") {
        return Ok(layer.allow_origin(Any));
    }
    let parse = |origin: &String| {
        origin.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("no origin: {origin:?}")))
    };
    let origins = limits.cors_origins.iter().map(parse).collect::<io::Result<Vec<_>>>()?;
    Ok(layer.allow_origin(AllowOrigin::list(origins)))
}
