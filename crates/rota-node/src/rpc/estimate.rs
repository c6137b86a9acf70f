//! `eth_estimateGas`: the smallest gas limit that suffices, found as geth finds it (binary search from the gas that
//! an unconstrained run uses).

use super::{RpcError, context::Rpc, state::call_request};
use alloy_eips::BlockId;
use alloy_primitives::U256;
use alloy_rpc_types_eth::TransactionRequest;
use rota_execution::{CallOutcome, CallRequest};
use rota_types::limits::MAX_TRANSACTION_GAS;

/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 21_000;
/// Gas that a call with value gives its callee.
const CALL_STIPEND: u64 = 2_300;
/// The search ends when it is this close (geth: 1.5 %).
const ERROR_RATIO: f64 = 0.015;

/// The gas limit that `request` needs on the state of `block`.
pub(super) fn gas(rpc: &Rpc, request: &TransactionRequest, block: BlockId) -> Result<u64, RpcError> {
    let header = rpc.read(block, |at| rpc.engine.block_header(at))?;
    let mut call = call_request(request, header.base_fee_per_gas)?;
    let wanted = request.gas.filter(|gas| *gas >= TRANSFER_GAS).unwrap_or(header.gas_limit);
    // Transactions above EIP-7825's cap are refused at admission.
    let mut high = wanted.min(header.gas_limit).min(MAX_TRANSACTION_GAS);
    let cap = request.max_fee_per_gas.or(request.gas_price).unwrap_or_default();
    let mut fundable = true;
    if cap > 0 {
        let balance = rpc.read(block, |at| rpc.engine.account(at, call.from))?.unwrap_or_default().balance;
        if call.value > balance {
            return Err(RpcError::Call("insufficient funds for transfer".into()));
        }
        let allowance = (balance - call.value) / U256::from(cap);
        if allowance < U256::from(high) {
            (high, fundable) = (allowance.to(), false);
        }
    }
    let attempt = |call: &mut CallRequest, gas: u64| {
        call.gas = gas;
        rpc.run(block, call)
    };

    let plain = call.input.is_empty() && call.authorizations.is_empty();
    if let Some(to) = call.to.filter(|_| plain && high >= TRANSFER_GAS) {
        let code = rpc.read(block, |at| rpc.engine.code(at, to))?;
        if code.is_empty() && matches!(attempt(&mut call, TRANSFER_GAS)?, CallOutcome::Success { .. }) {
            return Ok(TRANSFER_GAS);
        }
    }

    let gas_used = match attempt(&mut call, high)? {
        CallOutcome::Success { gas_used, .. } => gas_used,
        CallOutcome::Revert { output, .. } => return Err(RpcError::Reverted(output)),
        CallOutcome::InsufficientFunds { balance, cost } if fundable => {
            return Err(RpcError::InsufficientFunds { from: call.from, balance, cost });
        }
        CallOutcome::Invalid(why) if fundable => return Err(RpcError::Call(why)),
        CallOutcome::Halt { reason, gas_used } if gas_used < high => return Err(RpcError::Call(reason)),
        CallOutcome::Halt { .. } | CallOutcome::InsufficientFunds { .. } | CallOutcome::Invalid(_) => {
            return Err(RpcError::Call(format!("gas required exceeds allowance ({high})")));
        }
    };
    let mut low = gas_used.saturating_sub(1);
    let optimistic = (gas_used + CALL_STIPEND) * 64 / 63;
    if optimistic < high {
        match attempt(&mut call, optimistic)? {
            CallOutcome::Success { .. } => high = optimistic,
            _ => low = optimistic,
        }
    }
    while low + 1 < high && (high - low) as f64 / high as f64 >= ERROR_RATIO {
        // Most transactions need little more than they use, so look low first.
        let middle = (low + (high - low) / 2).min(low.saturating_mul(2)).max(low + 1);
        match attempt(&mut call, middle)? {
            CallOutcome::Success { .. } => high = middle,
            _ => low = middle,
        }
    }
    Ok(high)
}
