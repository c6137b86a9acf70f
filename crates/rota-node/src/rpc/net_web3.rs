//! `net_` and `web3_`.

use super::{RpcError, context::Rpc};
use alloy_primitives::{B256, Bytes, U64, keccak256};
use jsonrpsee::proc_macros::rpc;

/// `Rota/<version>/<os>-<architecture>`.
pub(super) fn client_version() -> String {
    format!("Rota/v{}/{}-{}", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH)
}

/// Network.
#[rpc(server, namespace = "net")]
pub(super) trait Net {
    /// Chain id in decimal.
    #[method(name = "version")]
    fn version(&self) -> Result<String, RpcError>;

    /// Always true.
    #[method(name = "listening")]
    fn listening(&self) -> Result<bool, RpcError>;

    /// Connected peers.
    #[method(name = "peerCount")]
    fn peer_count(&self) -> Result<U64, RpcError>;
}

impl NetServer for Rpc {
    fn version(&self) -> Result<String, RpcError> {
        Ok(self.spec.chain_id().to_string())
    }

    fn listening(&self) -> Result<bool, RpcError> {
        Ok(true)
    }

    fn peer_count(&self) -> Result<U64, RpcError> {
        Ok(U64::from(self.status.status().peers))
    }
}

/// Client.
#[rpc(server, namespace = "web3")]
pub(super) trait Web3 {
    /// Name and version of this software.
    #[method(name = "clientVersion")]
    fn client_version(&self) -> Result<String, RpcError>;

    /// keccak256.
    #[method(name = "sha3")]
    fn sha3(&self, data: Bytes) -> Result<B256, RpcError>;
}

impl Web3Server for Rpc {
    fn client_version(&self) -> Result<String, RpcError> {
        Ok(client_version())
    }

    fn sha3(&self, data: Bytes) -> Result<B256, RpcError> {
        Ok(keccak256(data))
    }
}
