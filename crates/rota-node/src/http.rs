//! `/metrics`, `/healthz` and `/readyz` for monitoring and load balancers.

use crate::{health::Report, status::Status};
use axum::{Router, extract::State, http::StatusCode, routing::get};
use std::{io, net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;

/// Encodes every metric of the process.
pub type Encode = Arc<dyn Fn() -> String + Send + Sync>;

#[derive(Clone)]
struct Sources {
    encode: Encode,
    status: Arc<Status>,
}

/// Binds and serves until dropped; answers with the bound address.
pub async fn serve(
    listen: SocketAddr,
    encode: Encode,
    status: Arc<Status>,
) -> io::Result<(SocketAddr, impl Future<Output = io::Result<()>>)> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/metrics", get(|State(sources): State<Sources>| async move { (sources.encode)() }))
        .route("/healthz", get(|State(sources): State<Sources>| async move { healthz(sources.status.report()) }))
        .route("/readyz", get(|State(sources): State<Sources>| async move { readyz(sources.status.report()) }))
        .with_state(Sources { encode, status });
    Ok((address, axum::serve(listener, router).into_future()))
}

/// 200 while this operator would lead: restart or replace it otherwise.
fn healthz(report: Report) -> (StatusCode, String) {
    answer(report.lead, &report)
}

/// 200 while certificates come and the store works: send it requests.
fn readyz(report: Report) -> (StatusCode, String) {
    answer(report.ready, &report)
}

fn answer(good: bool, report: &Report) -> (StatusCode, String) {
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut text = if report.conditions.is_empty() { "ok".into() } else { report.conditions.join("\n") };
    text.push('\n');
    (status, text)
}
