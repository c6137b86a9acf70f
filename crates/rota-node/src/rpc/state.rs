//! `eth_`: accounts, storage, proofs, message calls.

use super::{RpcError, context::Rpc, context::Target, errors::invalid, estimate};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof, TransactionRequest};
use alloy_serde::JsonStorageKey;
use jsonrpsee::proc_macros::rpc;
use rota_execution::{At, CallOutcome, CallRequest};
use serde_json::Value;

/// Slots of one `eth_getProof`, at most.
const MAX_PROOF_SLOTS: usize = 1_024;

/// Accounts, storage, proofs, message calls.
#[rpc(server, namespace = "eth")]
pub(super) trait State {
    /// Balance, wei.
    #[method(name = "getBalance")]
    async fn balance(&self, address: Address, block: Option<BlockId>) -> Result<U256, RpcError>;

    /// Nonce; at `pending` with the pool's transactions.
    #[method(name = "getTransactionCount")]
    async fn transaction_count(&self, address: Address, block: Option<BlockId>) -> Result<U64, RpcError>;

    /// Code.
    #[method(name = "getCode")]
    async fn code(&self, address: Address, block: Option<BlockId>) -> Result<Bytes, RpcError>;

    /// A storage slot.
    #[method(name = "getStorageAt")]
    async fn storage_at(
        &self,
        address: Address,
        slot: JsonStorageKey,
        block: Option<BlockId>,
    ) -> Result<B256, RpcError>;

    /// EIP-1186 proof at the latest block.
    #[method(name = "getProof")]
    async fn proof(
        &self,
        address: Address,
        slots: Vec<JsonStorageKey>,
        block: Option<BlockId>,
    ) -> Result<EIP1186AccountProofResponse, RpcError>;

    /// Runs a message call. State and block overrides are refused.
    #[method(name = "call")]
    async fn call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state_overrides: Option<Value>,
        block_overrides: Option<Value>,
    ) -> Result<Bytes, RpcError>;

    /// The gas limit that a transaction needs, at `pending` unless said otherwise.
    #[method(name = "estimateGas")]
    async fn estimate_gas(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state_overrides: Option<Value>,
    ) -> Result<U64, RpcError>;
}

#[jsonrpsee::core::async_trait]
impl StateServer for Rpc {
    async fn balance(&self, address: Address, block: Option<BlockId>) -> Result<U256, RpcError> {
        self.blocking(move |rpc| {
            let account = rpc.read(block.unwrap_or_default(), |at| rpc.engine.account(at, address))?;
            Ok(account.unwrap_or_default().balance)
        })
        .await
    }

    async fn transaction_count(&self, address: Address, block: Option<BlockId>) -> Result<U64, RpcError> {
        self.blocking(move |rpc| {
            let block = block.unwrap_or_default();
            let account = rpc.read(block, |at| rpc.engine.account(at, address))?;
            let mut nonce = account.unwrap_or_default().nonce;
            if block.is_pending() {
                nonce = nonce.max(rpc.pool.next_nonce(&address).unwrap_or_default());
            }
            Ok(U64::from(nonce))
        })
        .await
    }

    async fn code(&self, address: Address, block: Option<BlockId>) -> Result<Bytes, RpcError> {
        self.blocking(move |rpc| rpc.read(block.unwrap_or_default(), |at| rpc.engine.code(at, address))).await
    }

    async fn storage_at(
        &self,
        address: Address,
        slot: JsonStorageKey,
        block: Option<BlockId>,
    ) -> Result<B256, RpcError> {
        let slot = U256::from_be_bytes(slot.as_b256().0);
        self.blocking(move |rpc| {
            rpc.read(block.unwrap_or_default(), |at| rpc.engine.storage(at, address, slot)).map(B256::from)
        })
        .await
    }

    async fn proof(
        &self,
        address: Address,
        slots: Vec<JsonStorageKey>,
        block: Option<BlockId>,
    ) -> Result<EIP1186AccountProofResponse, RpcError> {
        if slots.len() > MAX_PROOF_SLOTS {
            return Err(RpcError::Limit(format!("more than {MAX_PROOF_SLOTS} slots in one proof")));
        }
        self.blocking(move |rpc| rpc.prove(address, slots, block.unwrap_or_default())).await
    }

    async fn call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state_overrides: Option<Value>,
        block_overrides: Option<Value>,
    ) -> Result<Bytes, RpcError> {
        refuse_overrides(state_overrides)?;
        refuse_overrides(block_overrides)?;
        self.blocking(move |rpc| {
            let block = block.unwrap_or_default();
            let header = rpc.read(block, |at| rpc.engine.block_header(at))?;
            let gas_limit = header.gas_limit.min(rpc.limits.call_gas);
            let mut call = call_request(&request, header.base_fee_per_gas)?;
            call.gas = request.gas.unwrap_or(gas_limit).min(gas_limit);
            match rpc.read(block, |at| rpc.engine.call(at, &call))? {
                CallOutcome::Success { output, .. } => Ok(output),
                CallOutcome::Revert { output, .. } => Err(RpcError::Reverted(output)),
                CallOutcome::Halt { reason, .. } => Err(RpcError::Call(reason)),
                CallOutcome::InsufficientFunds { balance, cost } => {
                    Err(RpcError::InsufficientFunds { from: call.from, balance, cost })
                }
                CallOutcome::Invalid(why) => Err(RpcError::Call(why)),
            }
        })
        .await
    }

    async fn estimate_gas(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        state_overrides: Option<Value>,
    ) -> Result<U64, RpcError> {
        refuse_overrides(state_overrides)?;
        self.blocking(move |rpc| estimate::gas(rpc, &request, block.unwrap_or(BlockId::pending())).map(U64::from)).await
    }
}

impl Rpc {
    fn prove(
        &self,
        address: Address,
        slots: Vec<JsonStorageKey>,
        block: BlockId,
    ) -> Result<EIP1186AccountProofResponse, RpcError> {
        let head = self.ledger.head().number();
        match self.target(block)?.ok_or(RpcError::UnknownBlock)? {
            Target::Sealed(number) if number == head => {}
            _ => return Err(RpcError::Call("proofs are served for the latest block only".into())),
        }
        let keys: Vec<B256> = slots.iter().map(JsonStorageKey::as_b256).collect();
        let proof = self.engine.proof(address, &keys)?;
        let storage_proof = slots.into_iter().zip(proof.storage_proofs);
        Ok(EIP1186AccountProofResponse {
            address,
            balance: proof.account.balance,
            code_hash: proof.account.code_hash,
            nonce: proof.account.nonce,
            storage_hash: proof.storage_root,
            account_proof: proof.account_proof,
            storage_proof: storage_proof
                .map(|(key, (_, value, proof))| EIP1186StorageProof { key, value, proof })
                .collect(),
        })
    }

    /// Runs a call with `gas` on the state of a block parameter.
    pub(super) fn run(&self, block: BlockId, call: &CallRequest) -> Result<CallOutcome, RpcError> {
        self.read(block, |at: At| self.engine.call(at, call))
    }
}

/// The engine's call without its gas limit. `base_fee` turns an EIP-1559 price into the one that is paid.
pub(super) fn call_request(request: &TransactionRequest, base_fee: Option<u64>) -> Result<CallRequest, RpcError> {
    if request.gas_price.is_some() && (request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some())
    {
        let both = "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified";
        return Err(RpcError::InvalidParams(both.into()));
    }
    if request.blob_versioned_hashes.is_some() || request.sidecar.is_some() {
        return Err(RpcError::InvalidParams("blob transactions are not supported".into()));
    }
    let gas_price = match (request.gas_price, request.max_fee_per_gas) {
        (Some(price), _) => price,
        (None, None) => 0,
        (None, Some(cap)) => {
            let tip = request.max_priority_fee_per_gas.unwrap_or_default();
            if tip > cap {
                return Err(RpcError::Call(format!(
                    "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, \
                     maxFeePerGas: {cap}"
                )));
            }
            cap.min(u128::from(base_fee.unwrap_or_default()).saturating_add(tip))
        }
    };
    let input = request.input.clone().try_into_unique_input().map_err(|_| invalid("input: data and input differ"))?;
    Ok(CallRequest {
        from: request.from.unwrap_or_default(),
        to: match request.to {
            Some(TxKind::Call(to)) => Some(to),
            Some(TxKind::Create) | None => None,
        },
        gas: 0,
        gas_price,
        value: request.value.unwrap_or_default(),
        input: input.unwrap_or_default(),
        access_list: request.access_list.clone().unwrap_or_default(),
        authorizations: request.authorization_list.clone().unwrap_or_default(),
    })
}

fn refuse_overrides(overrides: Option<Value>) -> Result<(), RpcError> {
    match overrides {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(object)) if object.is_empty() => Ok(()),
        Some(_) => Err(RpcError::InvalidParams("overrides are not supported".into())),
    }
}
