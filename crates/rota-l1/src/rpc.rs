//! HTTP and JSON-RPC to an endpoint that is not trusted: every answer is bounded in time and size.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;

/// A block of L1 with full transactions or all its receipts stays far below this.
const MAX_RESPONSE_BYTES: usize = 64 << 20;

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RpcError {
    /// The endpoint answered with an error.
    #[error("error {code}: {message}")]
    Answer {
        /// JSON-RPC error code.
        code: i64,
        /// Its message.
        message: String,
    },
    /// No answer, or not one of JSON-RPC.
    #[error("{0}")]
    Transport(String),
}

/// Speaks HTTP with one endpoint.
#[derive(Clone)]
pub(crate) struct HttpClient {
    http: reqwest::Client,
    url: Url,
}

impl std::fmt::Debug for HttpClient {
    // A URL may hold an API key: only the host is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = self.url.host_str().unwrap_or("?");
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        write!(f, "HttpClient({host}{port})")
    }
}

impl HttpClient {
    /// A client whose calls end after `timeout`.
    pub(crate) fn new(url: Url, timeout: Duration) -> Result<Self, RpcError> {
        let http = reqwest::Client::builder().timeout(timeout).connect_timeout(timeout).build();
        Ok(Self { http: http.map_err(transport)?, url })
    }

    /// The JSON at a path (with its query) below the endpoint's address, at most `limit` bytes.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, limit: usize) -> Result<T, RpcError> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = self.url.clone();
        url.set_path(&format!("{}/{path}", self.url.path().trim_end_matches('/')));
        if query.is_some() {
            url.set_query(query);
        }
        let response = self.http.get(url).header("accept", "application/json").send().await.map_err(transport)?;
        let status = response.status();
        if !status.is_success() {
            return Err(RpcError::Transport(format!("{path}: HTTP {status}")));
        }
        let body = bounded(response, path, limit).await?;
        serde_json::from_slice(&body).map_err(|error| RpcError::Transport(format!("{path}: {error}")))
    }

    async fn post(&self, body: &Value) -> Result<reqwest::Response, RpcError> {
        self.http.post(self.url.clone()).json(body).send().await.map_err(transport)
    }
}

async fn bounded(mut response: reqwest::Response, what: &str, limit: usize) -> Result<Vec<u8>, RpcError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > limit {
            return Err(RpcError::Transport(format!("{what}: answer exceeds {limit} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A JSON-RPC client of one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct RpcClient(HttpClient);

#[derive(Deserialize)]
struct Response {
    result: Option<Value>,
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
struct ErrorObject {
    code: i64,
    message: String,
}

impl RpcClient {
    /// A client whose calls end after `timeout`.
    pub(crate) fn new(url: Url, timeout: Duration) -> Result<Self, RpcError> {
        HttpClient::new(url, timeout).map(Self)
    }

    /// Calls a method; `null` is a `T` only if `T` is an `Option`.
    pub(crate) async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, RpcError> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let response = self.0.post(&request).await?;
        let status = response.status();
        let body = bounded(response, method, MAX_RESPONSE_BYTES).await?;
        let malformed = |error| RpcError::Transport(format!("{method}: HTTP {status}, {error}"));
        let response: Response = serde_json::from_slice(&body).map_err(malformed)?;
        if let Some(ErrorObject { code, message }) = response.error {
            return Err(RpcError::Answer { code, message });
        }
        serde_json::from_value(response.result.unwrap_or(Value::Null)).map_err(malformed)
    }
}

fn transport(error: reqwest::Error) -> RpcError {
    // Without the URL, which may hold an API key; with the cause, which says what happened.
    let error = error.without_url();
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    RpcError::Transport(format!("{error}{cause}"))
}
