//! The listener: HTTP and WebSocket on one port, with limits on everything.

use super::{
    blocks::BlocksServer,
    context::{Rpc, RpcContext, RpcLimits},
    fees::FeesServer,
    logs::LogsServer,
    net_web3::{NetServer, Web3Server},
    optimism::OptimismServer,
    rota::RotaServer,
    stages::Stages,
    state::StateServer,
    submit::SubmissionServer,
    subscriptions::{EthSubscriptionsServer, RotaSubscriptionsServer},
};
use jsonrpsee::{
    RpcModule,
    core::{RegisterMethodError, traits::IdProvider},
    server::{BatchRequestConfig, PingConfig, Server, ServerConfig, ServerHandle},
    types::SubscriptionId,
};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

/// How long a stop waits for calls that run.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

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
}

impl RpcServer {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
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
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let server = Server::builder()
        .set_config(config)
        .set_http_middleware(tower::ServiceBuilder::new().layer(cors))
        .build_from_tcp(listener)?;
    let stages = Arc::new(Stages::new());
    let tracker = tokio::spawn(stages.clone().follow(context.feed.clone()));
    let methods = methods(Rpc::new(context, stages)).map_err(io::Error::other)?;
    Ok(RpcServer { address, handle: server.start(methods), tracker })
}

fn methods(rpc: Rpc) -> Result<RpcModule<()>, RegisterMethodError> {
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
        .max_connections(limits.connections)
        .max_subscriptions_per_connection(limits.subscriptions)
        .set_batch_request_config(BatchRequestConfig::Limit(limits.batch))
        .set_message_buffer_capacity(MESSAGE_BUFFER)
        .enable_ws_ping(PingConfig::new())
        .set_id_provider(SubscriptionIds::default())
        .set_tcp_no_delay(true)
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
