//! The beacon API of the devnet's L1, as far as OP Stack clients and Rota ask for it: anvil has the blobs, but neither
//! the slot clock nor the standard's way of asking for several of them, and no beacon blocks.

use super::{
    chain::L1_BLOCK_TIME,
    files::{Files, write_json},
    process::Process,
};
use crate::rpc::Rpc;
use alloy_eips::eip4844::Bytes48;
use axum::{
    Router,
    body::Body,
    extract::{Path as UrlPath, RawQuery, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::Response,
    routing::get,
};
use eyre::WrapErr;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{fs, net::SocketAddr, path::Path, process::Command, sync::Arc};
use tokio::net::TcpListener;

/// Where it listens and what stands behind it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Settings {
    /// Where it listens.
    pub(super) listen: SocketAddr,
    /// The anvil.
    pub(super) l1: String,
    /// Timestamp of L1 block 0; block n is slot n.
    pub(super) genesis_time: u64,
}

/// The process, whether it runs or not.
pub(super) fn process(files: &Files) -> Process {
    Process::new("beacon", files.beacon_dir(), files.beacon_settings())
}

/// Starts it with this very binary; returns its address.
pub(super) fn start(files: &Files, settings: &Settings) -> eyre::Result<String> {
    fs::create_dir_all(files.beacon_dir())?;
    write_json(&files.beacon_settings(), settings)?;
    let mut command = Command::new(std::env::current_exe().wrap_err("this binary")?);
    command.args(["devnet", "beacon", "--settings"]).arg(files.beacon_settings());
    process(files).start(command)?;
    Ok(format!("http://{}", settings.listen))
}

/// Serves until the process ends.
pub(super) async fn serve(settings: &Path) -> eyre::Result<()> {
    let text = fs::read_to_string(settings).wrap_err_with(|| settings.display().to_string())?;
    let settings: Settings = serde_json::from_str(&text).wrap_err_with(|| settings.display().to_string())?;
    let listener = TcpListener::bind(settings.listen).await.wrap_err_with(|| settings.listen.to_string())?;
    axum::serve(listener, router(settings)?).await.wrap_err("beacon API")
}

struct Shim {
    settings: Settings,
    http: reqwest::Client,
    l1: Rpc,
}

/// A block of anvil's, which tells what its blobs commit to in the transactions that brought them.
#[derive(Deserialize)]
struct L1Block {
    transactions: Vec<L1Transaction>,
}

#[derive(Deserialize)]
struct L1Transaction {
    #[serde(default)]
    commitments: Vec<Bytes48>,
}

fn router(settings: Settings) -> eyre::Result<Router> {
    let shim = Shim { http: reqwest::Client::new(), l1: Rpc::new(&settings.l1)?, settings };
    Ok(Router::new()
        .route("/eth/v1/node/version", get(|| async { answer(&json!({ "version": "rota-devnet" })) }))
        .route(
            "/eth/v1/config/spec",
            get(|| async { answer(&json!({ "SECONDS_PER_SLOT": L1_BLOCK_TIME.to_string() })) }),
        )
        .route("/eth/v1/beacon/genesis", get(genesis))
        .route("/eth/v1/beacon/blobs/{slot}", get(blobs))
        .route("/eth/v1/beacon/blinded_blocks/{slot}", get(blinded_block))
        .with_state(Arc::new(shim)))
}

async fn genesis(State(shim): State<Arc<Shim>>) -> Response {
    answer(&json!({ "genesis_time": shim.settings.genesis_time.to_string() }))
}

/// Passes the question on with the hashes in one list, of which anvil would otherwise see only the last.
async fn blobs(State(shim): State<Arc<Shim>>, UrlPath(slot): UrlPath<u64>, RawQuery(query): RawQuery) -> Response {
    let hashes = hashes(&query.unwrap_or_default());
    let mut url = format!("{}/eth/v1/beacon/blobs/{slot}", shim.settings.l1);
    if !hashes.is_empty() {
        url.push_str(&format!("?versioned_hashes={hashes}"));
    }
    let asked = async {
        let found = shim.http.get(url).send().await?;
        let status = found.status();
        Ok::<_, reqwest::Error>((status, found.bytes().await?))
    };
    match asked.await {
        Ok((status, body)) => response(status, Body::from(body)),
        Err(error) => failure(StatusCode::BAD_GATEWAY, &error.without_url().to_string()),
    }
}

/// Of a blinded block the commitments of its blobs.
async fn blinded_block(State(shim): State<Arc<Shim>>, UrlPath(slot): UrlPath<u64>) -> Response {
    let block = shim.l1.call("eth_getBlockByNumber", &[json!(format!("{slot:#x}")), json!(true)]).await;
    match block {
        Ok(Some(L1Block { transactions })) => {
            let commitments: Vec<_> = transactions.into_iter().flat_map(|sent| sent.commitments).collect();
            answer(&json!({ "message": { "body": { "blob_kzg_commitments": commitments } } }))
        }
        Ok(None) => failure(StatusCode::NOT_FOUND, "no such block"),
        Err(error) => failure(StatusCode::BAD_GATEWAY, &format!("{error:#}")),
    }
}

/// The hashes of `versioned_hashes=a&versioned_hashes=b`, or of `versioned_hashes=a,b`, as `a,b`.
fn hashes(query: &str) -> String {
    let values = query.split('&').filter_map(|pair| pair.strip_prefix("versioned_hashes="));
    values.filter(|value| !value.is_empty()).collect::<Vec<_>>().join(",")
}

fn answer(data: &Value) -> Response {
    response(StatusCode::OK, Body::from(json!({ "data": data }).to_string()))
}

fn failure(status: StatusCode, message: &str) -> Response {
    response(status, Body::from(json!({ "code": status.as_u16(), "message": message }).to_string()))
}

fn response(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, axum::http::HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::post;

    #[test]
    fn hashes_are_asked_for_in_one_list() {
        assert_eq!(hashes("versioned_hashes=0x01&versioned_hashes=0x02"), "0x01,0x02");
        assert_eq!(hashes("other=1&versioned_hashes=0x01,0x02"), "0x01,0x02");
        assert_eq!(hashes(""), "");
    }

    #[tokio::test]
    async fn the_slot_clock_is_told_and_blobs_and_commitments_come_from_l1() {
        let one = Bytes48::repeat_byte(1);
        let blobs =
            |UrlPath(slot): UrlPath<u64>, RawQuery(query): RawQuery| async move { answer(&json!([slot, query])) };
        let rpc = async move |body: String| {
            let asked: Value = serde_json::from_str(&body).expect("JSON");
            let block = json!({ "transactions": [{ "type": "0x2" }, { "blobs": ["0x"], "commitments": [one] }] });
            let block = if asked["params"] == json!(["0x7", true]) { block } else { Value::Null };
            json!({ "jsonrpc": "2.0", "id": asked["id"], "result": block }).to_string()
        };
        let l1 = Router::new().route("/eth/v1/beacon/blobs/{slot}", get(blobs)).route("/", post(rpc));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let behind = format!("http://{}", listener.local_addr().expect("bound"));
        let _l1 = tokio::spawn(async move { axum::serve(listener, l1).await });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let listen = listener.local_addr().expect("bound");
        let shim = router(Settings { listen, l1: behind, genesis_time: 1_800_000_000 }).expect("an address");
        let _shim = tokio::spawn(async move { axum::serve(listener, shim).await });

        let get = async |path: &str| -> Value {
            let answer = reqwest::get(format!("http://{listen}/eth/v1/{path}")).await.expect("an answer");
            answer.json::<Value>().await.expect("JSON")["data"].clone()
        };
        assert_eq!(get("beacon/genesis").await["genesis_time"], "1800000000");
        assert_eq!(get("config/spec").await["SECONDS_PER_SLOT"], "2");
        assert!(get("node/version").await["version"].is_string());
        let found = get("beacon/blobs/7?versioned_hashes=0x01&versioned_hashes=0x02").await;
        assert_eq!(found, json!([7, "versioned_hashes=0x01,0x02"]));
        let block = get("beacon/blinded_blocks/7").await;
        assert_eq!(block["message"]["body"]["blob_kzg_commitments"], json!([one]));
        assert_eq!(get("beacon/blinded_blocks/8").await, Value::Null, "no such block");
    }
}
