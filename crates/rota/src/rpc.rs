//! JSON-RPC calls to nodes and to L1.

use eyre::WrapErr;
use jsonrpsee::{
    core::{client::ClientT, params::ArrayParams},
    http_client::{HttpClient, HttpClientBuilder},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;

/// Longest wait for an answer: a node that needs longer counts as gone.
const TIMEOUT: Duration = Duration::from_secs(3);

/// An endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Rpc {
    url: String,
    client: HttpClient,
}

impl Rpc {
    /// A client; connects at the first call.
    pub(crate) fn new(url: &str) -> eyre::Result<Self> {
        Self::patient(url, TIMEOUT)
    }

    /// A client that waits for an answer as long as this.
    pub(crate) fn patient(url: &str, timeout: Duration) -> eyre::Result<Self> {
        let client = HttpClientBuilder::default()
            .request_timeout(timeout)
            .build(url)
            .wrap_err_with(|| format!("{url} is no HTTP endpoint"))?;
        Ok(Self { url: url.to_owned(), client })
    }

    /// Calls a method without parameters.
    pub(crate) async fn get<T: DeserializeOwned>(&self, method: &str) -> eyre::Result<T> {
        self.call(method, &[] as &[Value]).await
    }

    /// Calls a method with positional parameters.
    pub(crate) async fn call<T: DeserializeOwned>(&self, method: &str, params: &[impl Serialize]) -> eyre::Result<T> {
        let mut array = ArrayParams::new();
        for param in params {
            array.insert(param)?;
        }
        self.client.request(method, array).await.wrap_err_with(|| format!("{method} at {}", self.url))
    }
}
