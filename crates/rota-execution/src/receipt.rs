//! Consensus receipts, as op-geth makes them.

use alloy_consensus::{Eip658Value, Receipt, ReceiptWithBloom, TxReceipt};
use op_alloy_consensus::{OpDepositReceipt, OpReceiptEnvelope, OpTxEnvelope};
use op_revm::OpHaltReason;
use revm::context_interface::result::ExecutionResult;

/// The receipt of an executed transaction. `nonce` is the sender's before it (deposits record it, since Canyon with
/// receipt version 1).
pub(crate) fn build(
    envelope: &OpTxEnvelope,
    result: ExecutionResult<OpHaltReason>,
    cumulative_gas_used: u64,
    nonce: u64,
) -> OpReceiptEnvelope {
    let receipt =
        Receipt { status: Eip658Value::Eip658(result.is_success()), cumulative_gas_used, logs: result.into_logs() };
    if let OpTxEnvelope::Deposit(_) = envelope {
        let receipt = OpDepositReceipt { inner: receipt, deposit_nonce: Some(nonce), deposit_receipt_version: Some(1) };
        let logs_bloom = receipt.bloom();
        return OpReceiptEnvelope::Deposit(ReceiptWithBloom { receipt, logs_bloom });
    }
    let receipt = receipt.with_bloom();
    match envelope {
        OpTxEnvelope::Legacy(_) => OpReceiptEnvelope::Legacy(receipt),
        OpTxEnvelope::Eip2930(_) => OpReceiptEnvelope::Eip2930(receipt),
        OpTxEnvelope::Eip7702(_) => OpReceiptEnvelope::Eip7702(receipt),
        _ => OpReceiptEnvelope::Eip1559(receipt),
    }
}
