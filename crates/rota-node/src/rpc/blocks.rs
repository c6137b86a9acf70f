//! `eth_`: blocks, transactions, receipts.

use super::{
    RpcError,
    context::{Rpc, Target},
    types::{self, RpcBlock},
};
use crate::ledger::Located;
use alloy_consensus::Header;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, U64};
use alloy_rpc_types_eth::{SyncInfo, SyncStatus};
use jsonrpsee::proc_macros::rpc;
use op_alloy_rpc_types::{OpTransactionReceipt, Transaction};
use rota_execution::At;

/// Blocks, transactions, receipts.
#[rpc(server, namespace = "eth")]
pub(super) trait Blocks {
    /// Chain id.
    #[method(name = "chainId")]
    fn chain_id(&self) -> Result<U64, RpcError>;

    /// `false`, or how far syncing is.
    #[method(name = "syncing")]
    fn syncing(&self) -> Result<SyncStatus, RpcError>;

    /// Accounts that this node signs for: none.
    #[method(name = "accounts")]
    fn accounts(&self) -> Result<Vec<Address>, RpcError>;

    /// Number of the last sealed, certified block.
    #[method(name = "blockNumber")]
    fn block_number(&self) -> Result<U64, RpcError>;

    /// A block by hash.
    #[method(name = "getBlockByHash")]
    async fn block_by_hash(&self, hash: B256, full: Option<bool>) -> Result<Option<RpcBlock>, RpcError>;

    /// A block by number or tag.
    #[method(name = "getBlockByNumber")]
    async fn block_by_number(&self, number: BlockNumberOrTag, full: Option<bool>)
    -> Result<Option<RpcBlock>, RpcError>;

    /// How many transactions a block has, by hash.
    #[method(name = "getBlockTransactionCountByHash")]
    async fn transaction_count_by_hash(&self, hash: B256) -> Result<Option<U64>, RpcError>;

    /// How many transactions a block has, by number or tag.
    #[method(name = "getBlockTransactionCountByNumber")]
    async fn transaction_count_by_number(&self, number: BlockNumberOrTag) -> Result<Option<U64>, RpcError>;

    /// Every receipt of a sealed block.
    #[method(name = "getBlockReceipts")]
    async fn block_receipts(&self, block: BlockId) -> Result<Option<Vec<OpTransactionReceipt>>, RpcError>;

    /// A transaction: certified or pooled.
    #[method(name = "getTransactionByHash")]
    async fn transaction_by_hash(&self, hash: B256) -> Result<Option<Transaction>, RpcError>;

    /// A transaction of a block, by the block's hash.
    #[method(name = "getTransactionByBlockHashAndIndex")]
    async fn transaction_by_block_hash(&self, hash: B256, index: U64) -> Result<Option<Transaction>, RpcError>;

    /// A transaction of a block, by the block's number or tag.
    #[method(name = "getTransactionByBlockNumberAndIndex")]
    async fn transaction_by_block_number(
        &self,
        number: BlockNumberOrTag,
        index: U64,
    ) -> Result<Option<Transaction>, RpcError>;

    /// The receipt of a transaction, from the seal of its block on.
    #[method(name = "getTransactionReceipt")]
    async fn transaction_receipt(&self, hash: B256) -> Result<Option<OpTransactionReceipt>, RpcError>;
}

#[jsonrpsee::core::async_trait]
impl BlocksServer for Rpc {
    fn chain_id(&self) -> Result<U64, RpcError> {
        Ok(U64::from(self.spec.chain_id()))
    }

    fn syncing(&self) -> Result<SyncStatus, RpcError> {
        let behind = self.status.status().network_height.saturating_sub(self.ledger.tip().0);
        let per_block = u64::from(self.spec.flashblocks_per_block);
        if behind <= 2 * per_block {
            return Ok(SyncStatus::None);
        }
        let head = self.ledger.head().number();
        Ok(SyncStatus::Info(Box::new(SyncInfo {
            starting_block: alloy_primitives::U256::from(self.spec.rollup.genesis.l2.number),
            current_block: alloy_primitives::U256::from(head),
            highest_block: alloy_primitives::U256::from(head + behind / per_block),
            ..Default::default()
        })))
    }

    fn accounts(&self) -> Result<Vec<Address>, RpcError> {
        Ok(Vec::new())
    }

    fn block_number(&self) -> Result<U64, RpcError> {
        Ok(U64::from(self.ledger.head().number()))
    }

    async fn block_by_hash(&self, hash: B256, full: Option<bool>) -> Result<Option<RpcBlock>, RpcError> {
        self.blocking(move |rpc| rpc.block(hash.into(), full.unwrap_or(false))).await
    }

    async fn block_by_number(
        &self,
        number: BlockNumberOrTag,
        full: Option<bool>,
    ) -> Result<Option<RpcBlock>, RpcError> {
        self.blocking(move |rpc| rpc.block(number.into(), full.unwrap_or(false))).await
    }

    async fn transaction_count_by_hash(&self, hash: B256) -> Result<Option<U64>, RpcError> {
        self.blocking(move |rpc| rpc.count_transactions(hash.into())).await
    }

    async fn transaction_count_by_number(&self, number: BlockNumberOrTag) -> Result<Option<U64>, RpcError> {
        self.blocking(move |rpc| rpc.count_transactions(number.into())).await
    }

    async fn block_receipts(&self, block: BlockId) -> Result<Option<Vec<OpTransactionReceipt>>, RpcError> {
        self.blocking(move |rpc| Ok(rpc.sealed_block(block)?.map(|block| types::receipts(&block)))).await
    }

    async fn transaction_by_hash(&self, hash: B256) -> Result<Option<Transaction>, RpcError> {
        self.blocking(move |rpc| {
            if let Some(located) = rpc.ledger.transaction(&hash)? {
                return rpc.located(&located).map(Some);
            }
            let pooled = rpc.pool.get(&hash);
            Ok(pooled.map(|pooled| types::transaction(&pooled, None, types::Place::default())))
        })
        .await
    }

    async fn transaction_by_block_hash(&self, hash: B256, index: U64) -> Result<Option<Transaction>, RpcError> {
        self.blocking(move |rpc| rpc.transaction_at(hash.into(), index)).await
    }

    async fn transaction_by_block_number(
        &self,
        number: BlockNumberOrTag,
        index: U64,
    ) -> Result<Option<Transaction>, RpcError> {
        self.blocking(move |rpc| rpc.transaction_at(number.into(), index)).await
    }

    async fn transaction_receipt(&self, hash: B256) -> Result<Option<OpTransactionReceipt>, RpcError> {
        self.blocking(move |rpc| rpc.receipt(hash)).await
    }
}

impl Rpc {
    /// The receipt of a transaction in a sealed block.
    pub(super) fn receipt(&self, hash: B256) -> Result<Option<OpTransactionReceipt>, RpcError> {
        match self.ledger.transaction(&hash)? {
            Some(Located::Sealed { block, index }) => Ok(types::receipt(&block, index)),
            Some(Located::Open { .. }) | None => Ok(None),
        }
    }

    fn located(&self, located: &Located) -> Result<Transaction, RpcError> {
        let executed = located.executed();
        let place = match located {
            Located::Sealed { block, index } => types::Place::sealed(&block.sealed, *index),
            Located::Open { certified, block_index, .. } => {
                let header = &certified.flashblock.header;
                types::Place {
                    block_number: Some(header.block_number),
                    index: Some(*block_index as u64),
                    block_timestamp: Some(certified.executed.position.timestamp),
                    base_fee: self.open_header()?.base_fee_per_gas,
                    block_hash: None,
                }
            }
        };
        Ok(types::transaction(&executed.transaction, Some(&executed.receipt), place))
    }

    /// The header of the open block as far as it is known; right after a seal, that of the sealed one.
    fn open_header(&self) -> Result<std::sync::Arc<Header>, RpcError> {
        self.read(BlockId::pending(), |at: At| self.engine.block_header(at))
    }

    fn count_transactions(&self, id: BlockId) -> Result<Option<U64>, RpcError> {
        let count = match self.target(id)? {
            Some(Target::Sealed(number)) => self.ledger.block(number)?.map(|block| block.sealed.transactions.len()),
            Some(Target::Pending) => Some(self.ledger.open_block().iter().map(|c| c.executed.transactions.len()).sum()),
            None => None,
        };
        Ok(count.map(|count: usize| U64::from(count)))
    }

    fn transaction_at(&self, id: BlockId, index: U64) -> Result<Option<Transaction>, RpcError> {
        let index = usize::try_from(index.to::<u64>()).unwrap_or(usize::MAX);
        let hash = match self.target(id)? {
            Some(Target::Sealed(number)) => {
                let block = self.ledger.block(number)?;
                let executed = block.as_ref().and_then(|block| block.sealed.transactions.get(index).zip(Some(block)));
                return Ok(executed.map(|(executed, block)| {
                    let place = types::Place::sealed(&block.sealed, index);
                    types::transaction(&executed.transaction, Some(&executed.receipt), place)
                }));
            }
            Some(Target::Pending) => {
                let open = self.ledger.open_block();
                let mut all = open.iter().flat_map(|certified| &certified.executed.transactions);
                all.nth(index).map(|executed| executed.transaction.hash())
            }
            None => None,
        };
        let Some(hash) = hash else { return Ok(None) };
        self.ledger.transaction(&hash)?.map(|located| self.located(&located)).transpose()
    }

    fn block(&self, id: BlockId, full: bool) -> Result<Option<RpcBlock>, RpcError> {
        match self.target(id)? {
            Some(Target::Sealed(number)) => {
                Ok(self.ledger.block(number)?.map(|block| types::block(&block.sealed, full)))
            }
            Some(Target::Pending) => self.pending_block(full).map(Some),
            None => Ok(None),
        }
    }

    /// The open block's certified part; right after a seal, the empty block that comes next. Roots, which only the seal
    /// knows, are zero, and the hash is that of this header: it changes with every flashblock, and names no block.
    /// (geth answers null for hash, nonce and miner, which typed clients such as alloy do not parse.)
    fn pending_block(&self, full: bool) -> Result<RpcBlock, RpcError> {
        let (open, head) = (self.ledger.open_block(), self.ledger.head());
        let mut header = Header {
            parent_hash: head.sealed.hash,
            state_root: B256::ZERO,
            transactions_root: B256::ZERO,
            receipts_root: B256::ZERO,
            withdrawals_root: Some(B256::ZERO),
            ..Header::clone(&*self.open_header()?)
        };
        match open.last() {
            Some(newest) => header.gas_used = newest.executed.cumulative_gas,
            None => {
                header.number = head.number() + 1;
                header.timestamp = head.sealed.header.timestamp + self.spec.rollup.block_time;
                header.base_fee_per_gas = self.next_base_fee(&head.sealed.header);
                (header.gas_used, header.blob_gas_used) = (0, Some(0));
                header.logs_bloom = Default::default();
            }
        }
        let executed: Vec<_> = open.iter().flat_map(|c| c.executed.transactions.iter().cloned()).collect();
        Ok(RpcBlock {
            transactions: types::transactions(&executed, full, |index| types::Place::open(&header, index)),
            header: alloy_rpc_types_eth::Header::new(header),
            uncles: Vec::new(),
            withdrawals: Some(Default::default()),
        })
    }
}
