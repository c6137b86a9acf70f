//! Reading L1 from an HTTP endpoint that is not trusted: headers are checked against their hashes, logs against the
//! header.

use crate::{
    block::L1Block,
    provider::{InboxTransaction, L1Provider, ProviderError},
    rpc::{RpcClient, RpcError},
};
use alloy_consensus::{Header, ReceiptEnvelope, TxEnvelope, proofs, transaction::SignerRecoverable};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, BloomInput, Log, keccak256};
use alloy_rpc_types_eth::{Header as RpcHeader, Transaction as RpcTransaction, TransactionReceipt};
use async_trait::async_trait;
use rota_types::{BlockId, RollupConfig};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use url::Url;

/// An L1 endpoint.
#[derive(Debug, Clone)]
pub struct HttpProvider {
    rpc: RpcClient,
    rollup: Arc<RollupConfig>,
    unverified_bodies: bool,
}

#[derive(Deserialize)]
struct Block<T> {
    #[serde(flatten)]
    header: RpcHeader,
    #[serde(default = "Vec::new")]
    transactions: Vec<T>,
}

#[derive(Deserialize)]
struct Recipient {
    to: Option<Address>,
}

impl HttpProvider {
    /// An endpoint for the chain of `rollup`, whose calls end after `timeout`.
    ///
    /// `unverified_bodies` skips the check of receipts against the header, for test chains whose headers are wrong
    /// (anvil 1.7.1 in blocks with blob transactions).
    pub fn new(
        url: Url,
        timeout: Duration,
        rollup: Arc<RollupConfig>,
        unverified_bodies: bool,
    ) -> Result<Self, ProviderError> {
        Ok(Self { rpc: RpcClient::new(url, timeout)?, rollup, unverified_bodies })
    }

    /// Fails if the endpoint serves another chain than the rollup's L1.
    pub async fn check_chain(&self) -> Result<(), ProviderError> {
        let id: alloy_primitives::U64 = self.rpc.call("eth_chainId", json!([])).await?;
        let expected = self.rollup.l1_chain_id;
        if id.to::<u64>() != expected {
            return Err(ProviderError::Inconsistent(format!("L1 chain id is {id}, expected {expected}")));
        }
        Ok(())
    }

    async fn header(&self, method: &str, block: Value) -> Result<Option<(Header, B256)>, ProviderError> {
        let block: Option<Block<Value>> = self.rpc.call(method, json!([block, false])).await?;
        block.map(|block| checked(block.header)).transpose()
    }

    async fn tagged(&self, tag: &str) -> Result<Option<BlockId>, ProviderError> {
        let header = self.header("eth_getBlockByNumber", json!(tag)).await?;
        Ok(header.map(|(header, hash)| BlockId { number: header.number, hash }))
    }

    async fn block(&self, header: Option<(Header, B256)>) -> Result<Option<Arc<L1Block>>, ProviderError> {
        let Some((header, hash)) = header else { return Ok(None) };
        let logs = self.logs(&header, hash).await?;
        let block = L1Block::new(&self.rollup, &header, hash, logs.iter().map(|(index, log)| (*index, log)));
        block.map(|block| Some(Arc::new(block))).map_err(|error| ProviderError::Unusable(error.to_string()))
    }

    /// The block's logs with their indices. Most blocks hold nothing for us, which the header's bloom proves.
    async fn logs(&self, header: &Header, hash: B256) -> Result<Vec<(u64, Log)>, ProviderError> {
        let mut ours = [self.rollup.deposit_contract_address, self.rollup.l1_system_config_address].into_iter();
        if !ours.any(|address| header.logs_bloom.contains_input(BloomInput::Raw(address.as_slice()))) {
            return Ok(Vec::new());
        }
        let receipts: Option<Vec<TransactionReceipt>> = self.rpc.call("eth_getBlockReceipts", json!([hash])).await?;
        let receipts = receipts.ok_or_else(|| ProviderError::Unavailable(format!("no receipts of block {hash}")))?;
        let receipts: Vec<ReceiptEnvelope> =
            receipts.into_iter().map(|receipt| receipt.inner.into_primitives_receipt()).collect();
        if !self.unverified_bodies && proofs::calculate_receipt_root(&receipts) != header.receipts_root {
            return Err(ProviderError::Inconsistent(format!("receipts of block {hash} do not match its header")));
        }
        // Failed transactions have no logs, so counting over all receipts gives the index in the block.
        Ok((0..).zip(receipts.into_iter().flat_map(ReceiptEnvelope::into_logs)).collect())
    }
}

#[async_trait]
impl L1Provider for HttpProvider {
    async fn head(&self) -> Result<BlockId, ProviderError> {
        self.tagged("latest").await?.ok_or_else(|| ProviderError::Unavailable("no latest block".into()))
    }

    async fn finalized(&self) -> Result<Option<BlockId>, ProviderError> {
        match self.tagged("finalized").await {
            // Young chains answer with an error until something is finalized.
            Err(ProviderError::Unavailable(why)) if why.starts_with(ANSWERED) => Ok(None),
            result => result,
        }
    }

    async fn block_by_number(&self, number: u64) -> Result<Option<Arc<L1Block>>, ProviderError> {
        let header = self.header("eth_getBlockByNumber", json!(format!("{number:#x}"))).await?;
        if let Some((header, _)) = &header
            && header.number != number
        {
            return Err(ProviderError::Inconsistent(format!("block {} for {number}", header.number)));
        }
        self.block(header).await
    }

    async fn block_by_hash(&self, hash: B256) -> Result<Option<Arc<L1Block>>, ProviderError> {
        let header = self.header("eth_getBlockByHash", json!(hash)).await?;
        if header.as_ref().is_some_and(|(_, found)| *found != hash) {
            return Err(ProviderError::Inconsistent(format!("another block for {hash}")));
        }
        self.block(header).await
    }

    async fn inbox(&self, hash: B256) -> Result<Option<Vec<InboxTransaction>>, ProviderError> {
        let block: Option<Block<Value>> = self.rpc.call("eth_getBlockByHash", json!([hash, true])).await?;
        let Some(block) = block else { return Ok(None) };
        let (_, found) = checked(block.header)?;
        if found != hash {
            return Err(ProviderError::Inconsistent(format!("another block for {hash}")));
        }
        let malformed = |error: serde_json::Error| ProviderError::Inconsistent(format!("transaction: {error}"));
        let mut out = Vec::new();
        for transaction in block.transactions {
            // Only what goes to the inbox is read as a transaction: L1 may have types that we don't know.
            let recipient = Recipient::deserialize(&transaction).map_err(malformed)?;
            if recipient.to != Some(self.rollup.batch_inbox_address) {
                continue;
            }
            let transaction: RpcTransaction<TxEnvelope> = serde_json::from_value(transaction).map_err(malformed)?;
            let envelope = transaction.inner.inner();
            if envelope.is_eip4844() {
                continue;
            }
            // Hash and sender as the endpoint gives them prove nothing.
            let from = envelope
                .recover_signer()
                .map_err(|_| ProviderError::Inconsistent("inbox transaction without a signer".into()))?;
            out.push(InboxTransaction {
                hash: keccak256(envelope.encoded_2718()),
                from,
                input: alloy_consensus::Transaction::input(envelope).clone(),
            });
        }
        Ok(Some(out))
    }
}

/// A header whose hash is the one that the endpoint says.
fn checked(header: RpcHeader) -> Result<(Header, B256), ProviderError> {
    let hash = header.inner.hash_slow();
    if hash != header.hash {
        return Err(ProviderError::Inconsistent(format!("header {} hashes to {hash}", header.hash)));
    }
    Ok((header.inner, hash))
}

const ANSWERED: &str = "error ";

impl From<RpcError> for ProviderError {
    fn from(error: RpcError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
