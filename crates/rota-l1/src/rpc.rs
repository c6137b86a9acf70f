//! JSON-RPC over HTTP to an endpoint that is not trusted: every answer is bounded in time and size.

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

/// A client of one endpoint.
#[derive(Clone)]
pub(crate) struct RpcClient {
    http: reqwest::Client,
    url: Url,
}

impl std::fmt::Debug for RpcClient {
    // A URL may hold an API key: only the host is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RpcClient({})", self.host())
    }
}

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
        let http = reqwest::Client::builder().timeout(timeout).connect_timeout(timeout).build();
        Ok(Self { http: http.map_err(transport)?, url })
    }

    /// The endpoint as far as it may be shown.
    pub(crate) fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or("?");
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Calls a method; `null` is a `T` only if `T` is an `Option`.
    pub(crate) async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, RpcError> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut response = self.http.post(self.url.clone()).json(&request).send().await.map_err(transport)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
                return Err(RpcError::Transport(format!("{method}: answer exceeds {MAX_RESPONSE_BYTES} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
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
