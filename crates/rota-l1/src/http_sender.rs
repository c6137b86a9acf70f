//! Signing with a local key and sending over HTTP. The key never leaves this file and is never shown.

use crate::{
    rpc::{RpcClient, RpcError},
    sender::{Fees, Inclusion, L1Sender, SendError, Submission},
};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U128, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use async_trait::async_trait;
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
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    block_hash: B256,
    block_number: U64,
    status: U64,
}

impl HttpSender {
    /// Sends from `key`'s account on the L1 with this chain id.
    pub fn new(url: Url, timeout: Duration, key: &B256, chain_id: u64) -> Result<Self, SendError> {
        let signer = PrivateKeySigner::from_bytes(key)
            .map_err(|_| SendError::Refused("the posting key is no secp256k1 key".into()))?;
        Ok(Self { rpc: RpcClient::new(url, timeout)?, signer, chain_id })
    }

    fn sign(&self, submission: &Submission) -> Result<Bytes, SendError> {
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: submission.nonce,
            gas_limit: gas_limit(&submission.input),
            max_fee_per_gas: submission.fees.max_fee_per_gas,
            max_priority_fee_per_gas: submission.fees.max_priority_fee_per_gas,
            to: TxKind::Call(submission.to),
            value: U256::ZERO,
            access_list: Default::default(),
            input: submission.input.clone(),
        };
        let signature = self
            .signer
            .sign_hash_sync(&transaction.signature_hash())
            .map_err(|error| SendError::Refused(format!("cannot sign: {error}")))?;
        Ok(TxEnvelope::Eip1559(transaction.into_signed(signature)).encoded_2718().into())
    }
}

/// What call data to an account without code costs at most: the EIP-7623 floor of 10 per token, which is above the
/// old price.
fn gas_limit(input: &[u8]) -> u64 {
    let tokens: u64 = input.iter().map(|byte| if *byte == 0 { 1 } else { 4 }).sum();
    21_000 + 10 * tokens
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

    async fn fees(&self) -> Result<Fees, SendError> {
        let block: LatestBlock = self.rpc.call("eth_getBlockByNumber", json!(["latest", false])).await?;
        let tip: U128 = self.rpc.call("eth_maxPriorityFeePerGas", json!([])).await?;
        let tip = tip.to::<u128>().max(MIN_TIP);
        // Twice the base fee outlasts six full blocks.
        let max_fee_per_gas = block.base_fee_per_gas.to::<u128>().saturating_mul(2).saturating_add(tip);
        Ok(Fees { max_fee_per_gas, max_priority_fee_per_gas: tip })
    }

    async fn submit(&self, submission: &Submission) -> Result<B256, SendError> {
        let raw = self.sign(submission)?;
        match self.rpc.call("eth_sendRawTransaction", json!([raw])).await {
            Ok(hash) => Ok(hash),
            Err(RpcError::Answer { message, .. }) => {
                if message.to_lowercase().contains("already known") || message.contains("already imported") {
                    Ok(alloy_primitives::keccak256(&raw))
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
    } else {
        SendError::Refused(message)
    }
}

impl From<RpcError> for SendError {
    fn from(error: RpcError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
