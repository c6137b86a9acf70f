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
    /// Heads: unsafe is the last sealed, certified block; safe and finalized are what
    /// L1 has at the confirmation depth and finalized, genesis until known; pending safe is what its head has.
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
            let (status, derived) = (rpc.status.status(), rpc.derived());
            let l1 = status.l1;
            let read = status.inbox.unwrap_or_default();
            let head_l1 = l1.head.unwrap_or_default();
            let finalized_l1 = l1.finalized.unwrap_or_default();
            let unsafe_l2 = rpc.l2_ref(&rpc.ledger.head());
            let (safe_l2, finalized_l2) = (rpc.l2_at(derived.safe)?, rpc.l2_at(derived.finalized)?);
            let posted_l2 = rpc.l2_at(status.posted.unwrap_or_default().min(unsafe_l2.number))?;
            Ok(OpSyncStatus {
                current_l1: L1BlockRef { number: read.number, hash: read.hash, ..Default::default() },
                current_l1_finalized: finalized_l1,
                head_l1,
                safe_l1: finalized_l1,
                finalized_l1,
                unsafe_l2,
                safe_l2,
                finalized_l2,
                pending_safe_l2: posted_l2,
                cross_unsafe_l2: unsafe_l2,
                local_safe_l2: safe_l2,
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

    /// A block by number; the genesis block in place of one that was pruned.
    fn l2_at(&self, number: u64) -> Result<L2BlockRef, RpcError> {
        let block = self.ledger.block(number)?;
        Ok(block.map_or_else(|| self.genesis_ref(), |block| self.l2_ref(&block)))
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
