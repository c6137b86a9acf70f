//! Signing with a local key and sending over HTTP. The key never leaves this file and is never shown.

use crate::{
    background::background,
    blob_fee, kzg,
    rpc::{RpcClient, RpcError},
    sender::{Inclusion, L1Sender, Payload, Prices, SendError, Submission},
};
use alloy_consensus::{
    BlobTransactionSidecarVariant, SignableTransaction, TxEip1559, TxEip4844, TxEip4844Variant, TxEnvelope,
};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U64, U128, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use async_trait::async_trait;
use rota_batch::encode_blob;
use rota_types::BlockId;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use url::Url;

/// Lowest tip offered, wei per gas: some chains suggest zero and include nothing for it.
const MIN_TIP: u128 = 1_000_000;

/// An account whose key this process holds.
pub struct HttpSender {
    rpc: RpcClient,
    signer: PrivateKeySigner,
    chain_id: u64,
}

impl std::fmt::Debug for HttpSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpSender").field("address", &self.signer.address()).field("rpc", &self.rpc).finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LatestBlock {
    base_fee_per_gas: U128,
    timestamp: U64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    block_hash: B256,
    block_number: U64,
    status: U64,
    gas_used: U64,
    effective_gas_price: U128,
    #[serde(default)]
    blob_gas_used: U64,
    #[serde(default)]
    blob_gas_price: U128,
}

impl Receipt {
    fn cost(&self) -> u128 {
        let cost = |gas: U64, price: U128| gas.to::<u128>().saturating_mul(price.to());
        cost(self.gas_used, self.effective_gas_price).saturating_add(cost(self.blob_gas_used, self.blob_gas_price))
    }
}

impl HttpSender {
    /// Sends from `key`'s account on the L1 with this chain id.
    pub fn new(url: Url, timeout: Duration, key: &B256, chain_id: u64) -> Result<Self, SendError> {
        let signer = PrivateKeySigner::from_bytes(key)
            .map_err(|_| SendError::Refused("the posting key is no secp256k1 key".into()))?;
        Ok(Self { rpc: RpcClient::new(url, timeout)?, signer, chain_id })
    }

    /// The signed transaction, as pools take it.
    async fn sign(&self, submission: &Submission) -> Result<TxEnvelope, SendError> {
        match &submission.payload {
            Payload::Calldata(input) | Payload::Call { input, .. } => {
                let transaction = TxEip1559 {
                    chain_id: self.chain_id,
                    nonce: submission.nonce,
                    gas_limit: submission.payload.gas().0,
                    max_fee_per_gas: submission.fees.max_fee_per_gas,
                    max_priority_fee_per_gas: submission.fees.max_priority_fee_per_gas,
                    to: TxKind::Call(submission.to),
                    value: U256::ZERO,
                    access_list: Default::default(),
                    input: input.clone(),
                };
                let signature = self.sign_hash(&transaction.signature_hash())?;
                Ok(TxEnvelope::Eip1559(transaction.into_signed(signature)))
            }
            Payload::Blobs(data) => {
                let form = blob_fee::sidecar_form(self.chain_id, self.latest().await?.timestamp.to());
                let data = data.clone();
                let sidecar = background(move || sidecar(&data, form)).await;
                let sidecar = sidecar.ok_or_else(|| SendError::Unavailable("blobs could not be made".into()))??;
                let transaction = TxEip4844 {
                    chain_id: self.chain_id,
                    nonce: submission.nonce,
                    gas_limit: submission.payload.gas().0,
                    max_fee_per_gas: submission.fees.max_fee_per_gas,
                    max_priority_fee_per_gas: submission.fees.max_priority_fee_per_gas,
                    to: submission.to,
                    value: U256::ZERO,
                    access_list: Default::default(),
                    blob_versioned_hashes: sidecar.versioned_hashes().collect(),
                    max_fee_per_blob_gas: submission.fees.max_fee_per_blob_gas,
                    input: Bytes::new(),
                };
                let transaction = TxEip4844Variant::from(transaction.with_sidecar(sidecar));
                let signature = self.sign_hash(&transaction.signature_hash())?;
                Ok(TxEnvelope::Eip4844(transaction.into_signed(signature)))
            }
        }
    }

    fn sign_hash(&self, hash: &B256) -> Result<Signature, SendError> {
        self.signer.sign_hash_sync(hash).map_err(|error| SendError::Refused(format!("cannot sign: {error}")))
    }

    async fn latest(&self) -> Result<LatestBlock, SendError> {
        Ok(self.rpc.call("eth_getBlockByNumber", json!(["latest", false])).await?)
    }

    async fn quantity(&self, method: &str) -> Result<u128, SendError> {
        let quantity: U128 = self.rpc.call(method, json!([])).await?;
        Ok(quantity.to())
    }
}

/// Blobs that hold `data`, with their proofs.
fn sidecar(data: &[Bytes], form: kzg::SidecarForm) -> Result<BlobTransactionSidecarVariant, SendError> {
    let refused = |error: &dyn std::fmt::Display| SendError::Refused(format!("cannot make blobs: {error}"));
    let blobs = data.iter().map(|data| encode_blob(data)).collect::<Result<Vec<_>, _>>();
    let blobs = blobs.map_err(|error| refused(&error))?;
    kzg::sidecar(&blobs, form).map_err(|error| refused(&error))
}

#[async_trait]
impl L1Sender for HttpSender {
    fn address(&self) -> Address {
        self.signer.address()
    }

    async fn next_nonce(&self) -> Result<u64, SendError> {
        let nonce: U64 = self.rpc.call("eth_getTransactionCount", json!([self.address(), "latest"])).await?;
        Ok(nonce.to())
    }

    async fn balance(&self) -> Result<U256, SendError> {
        Ok(self.rpc.call("eth_getBalance", json!([self.address(), "latest"])).await?)
    }

    // The blob base fee is asked for, not computed from the head: only the endpoint knows an update fraction that a
    // fork after this release has changed, and a wrong one misses the fee by orders of magnitude.
    async fn prices(&self) -> Result<Prices, SendError> {
        let (block, tip, blob_base_fee) = futures::try_join!(
            self.latest(),
            self.quantity("eth_maxPriorityFeePerGas"),
            self.quantity("eth_blobBaseFee")
        )?;
        Ok(Prices { base_fee: block.base_fee_per_gas.to(), tip: tip.max(MIN_TIP), blob_base_fee: blob_base_fee.max(1) })
    }

    async fn submit(&self, submission: &Submission) -> Result<B256, SendError> {
        let transaction = self.sign(submission).await?;
        let raw = Bytes::from(transaction.encoded_2718());
        match self.rpc.call("eth_sendRawTransaction", json!([raw])).await {
            Ok(hash) => Ok(hash),
            Err(RpcError::Answer { message, .. }) => {
                if message.to_lowercase().contains("already known") || message.contains("already imported") {
                    Ok(*transaction.tx_hash())
                } else {
                    Err(refusal(message))
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn inclusion(&self, hash: B256) -> Result<Option<Inclusion>, SendError> {
        let receipt: Option<Receipt> = self.rpc.call("eth_getTransactionReceipt", json!([hash])).await?;
        Ok(receipt.map(|receipt| Inclusion {
            block: BlockId { number: receipt.block_number.to(), hash: receipt.block_hash },
            success: !receipt.status.is_zero(),
            cost: receipt.cost(),
        }))
    }
}

/// What the words of geth, reth, nethermind, erigon and anvil mean.
fn refusal(message: String) -> SendError {
    let lower = message.to_lowercase();
    if lower.contains("insufficient funds") {
        SendError::InsufficientFunds(message)
    } else if lower.contains("nonce too low") || lower.contains("nonce is too low") || lower.contains("oldnonce") {
        SendError::NonceTooLow
    } else if lower.contains("underpriced") || lower.contains("feetoolowtocompete") {
        SendError::Underpriced
    } else if lower.contains("already reserved") || lower.contains("conflicts with existing") {
        SendError::Reserved
    } else {
        SendError::Refused(message)
    }
}

impl From<RpcError> for SendError {
    fn from(error: RpcError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
