//! A beacon node in front of anvil, and an RPC endpoint in front of it: honest, or not.

use crate::Anvil;
use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use rota_batch::encode_blob;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use url::Url;

/// What is done with what anvil says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    /// It is passed on.
    Honest,
    /// No blobs.
    Withhold,
    /// One blob less.
    Drop,
    /// The last blob is another one.
    Replace,
    /// The block's commitments are in another order.
    Reorder,
    /// The block is not told.
    HideBlock,
    /// More bytes than were asked for.
    Flood,
    /// A block's first transaction is left out.
    HideTransaction,
}

/// A server that ends with the test's runtime. Slots are L1 blocks of two seconds.
#[derive(Clone)]
pub(crate) struct Server {
    anvil: Url,
    http: reqwest::Client,
    mode: Arc<Mutex<Mode>>,
    pub(crate) url: Url,
}

impl Server {
    pub(crate) async fn start(anvil: &Anvil) -> Self {
        let listener = ::tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        // With a path and a slash, as providers have them.
        let url = Url::parse(&format!("http://{}/key/", listener.local_addr().unwrap())).unwrap();
        let mode = Arc::new(Mutex::new(Mode::Honest));
        let server = Self { anvil: anvil.url.clone(), http: anvil.http.clone(), mode, url };
        let router = Router::new().fallback(serve).with_state(server.clone());
        ::tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    fn mode(&self) -> Mode {
        *self.mode.lock().unwrap()
    }

    async fn rpc(&self, request: &Value) -> Value {
        self.http.post(self.anvil.clone()).json(request).send().await.unwrap().json().await.unwrap()
    }

    async fn blobs(&self, path: &str) -> Response {
        // anvil 1.7.1 reads only the last of several parameters, but a list in one.
        let path = path.replace("&versioned_hashes=", ",");
        let answer = self.http.get(self.anvil.join(&path).unwrap()).send().await.unwrap();
        let status = answer.status();
        if !status.is_success() || matches!(self.mode(), Mode::Withhold) {
            return StatusCode::NOT_FOUND.into_response();
        }
        let mut answer: Value = answer.json().await.unwrap();
        let blobs = answer["data"].as_array_mut().unwrap();
        let other = format!("0x{}", alloy_primitives::hex::encode(encode_blob(b"another").unwrap()));
        match self.mode() {
            Mode::Drop => drop(blobs.pop()),
            Mode::Replace => *blobs.last_mut().unwrap() = json!(other),
            Mode::Flood => blobs.extend(std::iter::repeat_n(json!(other), 5)),
            _ => {}
        }
        Json(answer).into_response()
    }

    async fn blinded_block(&self, slot: &str) -> Response {
        if matches!(self.mode(), Mode::HideBlock) {
            return StatusCode::NOT_FOUND.into_response();
        }
        let slot = format!("{:#x}", slot.parse::<u64>().unwrap());
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": [slot, true] });
        let block = self.rpc(&request).await;
        let transactions = block["result"]["transactions"].as_array().unwrap();
        let commitments = transactions.iter().filter_map(|sent| sent["commitments"].as_array());
        let mut commitments: Vec<_> = commitments.flatten().cloned().collect();
        if matches!(self.mode(), Mode::Reorder) {
            commitments.reverse();
        }
        Json(json!({ "data": { "message": { "body": { "blob_kzg_commitments": commitments } } } })).into_response()
    }
}

async fn serve(State(server): State<Server>, uri: Uri, body: Bytes) -> Response {
    let path = uri.path_and_query().unwrap().as_str().strip_prefix("/key/").unwrap();
    match path {
        "" => {
            let mut answer = server.rpc(&serde_json::from_slice(&body).unwrap()).await;
            if matches!(server.mode(), Mode::HideTransaction) {
                answer["result"]["transactions"].as_array_mut().unwrap().remove(0);
            }
            Json(answer).into_response()
        }
        "eth/v1/config/spec" => {
            Json(json!({ "data": { "SECONDS_PER_SLOT": "2", "PRESET_BASE": "mainnet" } })).into_response()
        }
        "eth/v1/beacon/genesis" => {
            let request =
                json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["0x0", false] });
            let time = server.rpc(&request).await["result"]["timestamp"].as_str().unwrap().to_owned();
            let time = u64::from_str_radix(time.trim_start_matches("0x"), 16).unwrap();
            Json(json!({ "data": { "genesis_time": time.to_string() } })).into_response()
        }
        _ => match path.strip_prefix("eth/v1/beacon/blinded_blocks/") {
            Some(slot) => server.blinded_block(slot).await,
            None => server.blobs(&format!("/{path}")).await,
        },
    }
}
