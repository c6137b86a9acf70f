//! `optimism_`: what op-node answers to tools that follow its sync status.

use super::{L1BlockRef, RpcError, context::Rpc};
use crate::ledger::{Block, l1_info};
use alloy_primitives::B256;
use jsonrpsee::proc_macros::rpc;
use rota_types::{BlockId, RollupConfig};
use serde::{Deserialize, Serialize};

/// An L2 block as op-node shows it (`eth.L2BlockRef`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct L2BlockRef {
    hash: B256,
    number: u64,
    parent_hash: B256,
    timestamp: u64,
    #[serde(rename = "l1origin")]
    l1_origin: BlockId,
    sequence_number: u64,
}

/// op-node's `eth.SyncStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OpSyncStatus {
    current_l1: L1BlockRef,
    current_l1_finalized: L1BlockRef,
    head_l1: L1BlockRef,
    safe_l1: L1BlockRef,
    finalized_l1: L1BlockRef,
    unsafe_l2: L2BlockRef,
    safe_l2: L2BlockRef,
    finalized_l2: L2BlockRef,
    pending_safe_l2: L2BlockRef,
    cross_unsafe_l2: L2BlockRef,
    local_safe_l2: L2BlockRef,
}

/// op-node's namespace.
#[rpc(server, namespace = "optimism")]
pub(super) trait Optimism {
    /// Heads: unsafe is the last sealed, certified block; safe and finalized are genesis until known.
    #[method(name = "syncStatus")]
    async fn sync_status(&self) -> Result<OpSyncStatus, RpcError>;

    /// The rollup config.
    #[method(name = "rollupConfig")]
    fn rollup_config(&self) -> Result<RollupConfig, RpcError>;

    /// Name and version of this software.
    #[method(name = "version")]
    fn version(&self) -> Result<String, RpcError>;
}

#[jsonrpsee::core::async_trait]
impl OptimismServer for Rpc {
    async fn sync_status(&self) -> Result<OpSyncStatus, RpcError> {
        self.blocking(|rpc| {
            let l1 = rpc.status.status().l1;
            let head_l1 = l1.head.unwrap_or_default();
            let finalized_l1 = l1.finalized.unwrap_or_default();
            let unsafe_l2 = rpc.l2_ref(&rpc.ledger.head());
            let genesis = rpc.genesis_ref();
            Ok(OpSyncStatus {
                current_l1: l1.confirmed.unwrap_or_default(),
                current_l1_finalized: finalized_l1,
                head_l1,
                safe_l1: finalized_l1,
                finalized_l1,
                unsafe_l2,
                safe_l2: genesis,
                finalized_l2: genesis,
                pending_safe_l2: genesis,
                cross_unsafe_l2: unsafe_l2,
                local_safe_l2: genesis,
            })
        })
        .await
    }

    fn rollup_config(&self) -> Result<RollupConfig, RpcError> {
        Ok(self.spec.rollup.clone())
    }

    fn version(&self) -> Result<String, RpcError> {
        Ok(super::net_web3::client_version())
    }
}

impl Rpc {
    fn l2_ref(&self, block: &Block) -> L2BlockRef {
        let header = &block.sealed.header;
        let Some(info) = l1_info(&block.sealed) else { return self.genesis_ref() };
        L2BlockRef {
            hash: block.sealed.hash,
            number: header.number,
            parent_hash: header.parent_hash,
            timestamp: header.timestamp,
            l1_origin: info.origin,
            sequence_number: info.sequence_number,
        }
    }

    fn genesis_ref(&self) -> L2BlockRef {
        let genesis = &self.spec.rollup.genesis;
        L2BlockRef {
            hash: genesis.l2.hash,
            number: genesis.l2.number,
            parent_hash: B256::ZERO,
            timestamp: genesis.l2_time,
            l1_origin: genesis.l1,
            sequence_number: 0,
        }
    }
}
