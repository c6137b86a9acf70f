//! Reading L1 from an HTTP endpoint that is not trusted: headers are checked against their hashes, transactions and
//! logs against the header.

use crate::{
    block::L1Block,
    provider::{InboxData, InboxTransaction, L1Provider, ProviderError},
    registry,
    rpc::{RpcClient, RpcError},
};
use alloy_consensus::{
    EthereumTxEnvelope, Header, ReceiptEnvelope, Transaction as _, TxEip4844, proofs, transaction::SignerRecoverable,
};
use alloy_eips::eip2718::{EIP4844_TX_TYPE_ID, Encodable2718};
use alloy_primitives::{Address, B256, BloomInput, Log, U8, keccak256};
use alloy_rpc_types_eth::{Header as RpcHeader, Log as RpcLog, Transaction as RpcTransaction, TransactionReceipt};
use async_trait::async_trait;
use rota_types::{BlockId, RegistryEvent, RollupConfig};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use url::Url;

/// Blocks in one question for logs: what public endpoints allow.
const LOG_RANGE: u64 = 5_000;

/// An L1 endpoint.
#[derive(Debug, Clone)]
pub struct HttpProvider {
    rpc: RpcClient,
    rollup: Arc<RollupConfig>,
    registry: Option<Address>,
    trust_bodies: bool,
}

#[derive(Deserialize)]
struct Block<T> {
    #[serde(flatten)]
    header: RpcHeader,
    #[serde(default = "Vec::new")]
    transactions: Vec<T>,
}

/// A transaction as it stands in a block: without its blobs.
type Transaction = EthereumTxEnvelope<TxEip4844>;

/// What tells whether a transaction belongs to the inbox, whatever its type.
#[derive(Deserialize)]
struct Outline {
    to: Option<Address>,
    #[serde(default, rename = "type")]
    kind: U8,
}

impl HttpProvider {
    /// An endpoint for the chain of `rollup`, whose calls end after `timeout`.
    ///
    /// `trust_bodies` skips the check of transactions against the header, for test chains whose headers are wrong
    /// (anvil 1.7.1 in blocks with blob transactions).
    pub fn new(
        url: Url,
        timeout: Duration,
        rollup: Arc<RollupConfig>,
        trust_bodies: bool,
    ) -> Result<Self, ProviderError> {
        Ok(Self { rpc: RpcClient::new(url, timeout)?, rollup, registry: None, trust_bodies })
    }

    /// Reads the registry's events too.
    pub fn with_registry(self, registry: Option<Address>) -> Self {
        Self { registry, ..self }
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

    /// Whether a transaction goes to the inbox and has a type that counts there.
    fn is_inbox(&self, transaction: &Value) -> Result<bool, ProviderError> {
        let outline = Outline::deserialize(transaction).map_err(malformed)?;
        Ok(outline.to == Some(self.rollup.batch_inbox_address) && outline.kind <= U8::from(EIP4844_TX_TYPE_ID))
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
        let block =
            L1Block::new(&self.rollup, self.registry, &header, hash, logs.iter().map(|(index, log)| (*index, log)));
        block.map(|block| Some(Arc::new(block))).map_err(|error| ProviderError::Unusable(error.to_string()))
    }

    /// The block's logs with their indices. Most blocks hold nothing for us, which the header's bloom proves.
    async fn logs(&self, header: &Header, hash: B256) -> Result<Vec<(u64, Log)>, ProviderError> {
        let mut ours = [self.rollup.deposit_contract_address, self.rollup.l1_system_config_address]
            .into_iter()
            .chain(self.registry);
        if !ours.any(|address| header.logs_bloom.contains_input(BloomInput::Raw(address.as_slice()))) {
            return Ok(Vec::new());
        }
        let receipts: Option<Vec<TransactionReceipt>> = self.rpc.call("eth_getBlockReceipts", json!([hash])).await?;
        let receipts = receipts.ok_or_else(|| ProviderError::Unavailable(format!("no receipts of block {hash}")))?;
        let receipts: Vec<ReceiptEnvelope> =
            receipts.into_iter().map(|receipt| receipt.inner.into_primitives_receipt()).collect();
        if proofs::calculate_receipt_root(&receipts) != header.receipts_root {
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

    async fn registry_events(&self, from: u64, to: u64) -> Result<Vec<RegistryEvent>, ProviderError> {
        let Some(address) = self.registry else { return Ok(Vec::new()) };
        let mut events = Vec::new();
        let mut first = from;
        while first <= to {
            let last = to.min(first.saturating_add(LOG_RANGE - 1));
            let filter = json!([{
                "address": address,
                "fromBlock": format!("{first:#x}"),
                "toBlock": format!("{last:#x}"),
                "topics": [registry::TOPICS],
            }]);
            let logs: Vec<RpcLog> = self.rpc.call("eth_getLogs", filter).await?;
            let stray = |log: &RpcLog| {
                log.inner.address != address || log.block_number.is_none_or(|number| !(first..=last).contains(&number))
            };
            if logs.iter().any(stray) || !logs.is_sorted_by_key(|log| (log.block_number, log.log_index)) {
                return Err(ProviderError::Inconsistent("logs that were not asked for, or out of order".into()));
            }
            events.extend(logs.iter().filter_map(|log| registry::decode(&log.inner)));
            let Some(next) = last.checked_add(1) else { break };
            first = next;
        }
        Ok(events)
    }

    async fn inbox(&self, hash: B256) -> Result<Option<Vec<InboxTransaction>>, ProviderError> {
        let block: Option<Block<Value>> = self.rpc.call("eth_getBlockByHash", json!([hash, true])).await?;
        let Some(block) = block else { return Ok(None) };
        let (header, found) = checked(block.header)?;
        if found != hash {
            return Err(ProviderError::Inconsistent(format!("another block for {hash}")));
        }
        let mut transactions = Vec::with_capacity(block.transactions.len());
        for transaction in block.transactions {
            // The root takes them all; without it what is not ours may be of a type that we don't know.
            if !self.trust_bodies || self.is_inbox(&transaction)? {
                let transaction: RpcTransaction<Transaction> =
                    serde_json::from_value(transaction).map_err(malformed)?;
                transactions.push(transaction.into_inner());
            }
        }
        if !self.trust_bodies && proofs::calculate_transaction_root(&transactions) != header.transactions_root {
            return Err(ProviderError::Inconsistent(format!("transactions of block {hash} do not match its header")));
        }
        let inbox = Some(self.rollup.batch_inbox_address);
        transactions.retain(|sent| sent.to() == inbox && !sent.is_eip7702());
        transactions.iter().map(inbox_transaction).collect::<Result<_, _>>().map(Some)
    }
}

fn malformed(error: serde_json::Error) -> ProviderError {
    ProviderError::Inconsistent(format!("transaction: {error}"))
}

/// Hash and sender as the endpoint gives them prove nothing: they are computed.
fn inbox_transaction(transaction: &Transaction) -> Result<InboxTransaction, ProviderError> {
    let from = transaction
        .recover_signer()
        .map_err(|_| ProviderError::Inconsistent("inbox transaction without a signer".into()))?;
    let data = match transaction.blob_versioned_hashes() {
        Some(hashes) => InboxData::Blobs(hashes.to_vec()),
        None => InboxData::Calldata(transaction.input().clone()),
    };
    Ok(InboxTransaction { hash: keccak256(transaction.encoded_2718()), from, data })
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
