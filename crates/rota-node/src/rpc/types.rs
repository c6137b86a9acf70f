//! Blocks, transactions, receipts and logs in the shapes that op-geth answers.

use crate::ledger::{Block, FoundLog, created_address, l1_info};
use alloy_consensus::{
    Header, ReceiptWithBloom, Sealed, Transaction as _,
    transaction::{Recovered, TransactionInfo},
};
use alloy_primitives::{B256, U256};
use alloy_rpc_types_eth::{BlockTransactions, Header as RpcHeader, Log, TransactionReceipt, Withdrawals};
use op_alloy_consensus::{
    OpDepositReceipt, OpReceipt, OpReceiptEnvelope,
    transaction::{OpDepositInfo, OpTransactionInfo},
};
use op_alloy_rpc_types::{L1BlockInfo, OpTransactionReceipt, Transaction as RpcTransaction};
use rota_execution::{ExecutedTransaction, SealedBlock};
use rota_l1::L1Info;
use rota_types::Transaction;

/// A block as `eth_getBlockBy…` answers it.
pub(super) type RpcBlock = alloy_rpc_types_eth::Block<RpcTransaction, RpcHeader>;

/// Where a transaction is, as far as it is somewhere.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) block_hash: Option<B256>,
    pub(super) block_number: Option<u64>,
    pub(super) block_timestamp: Option<u64>,
    pub(super) index: Option<u64>,
    pub(super) base_fee: Option<u64>,
}

impl Place {
    /// Place of transaction `index` of a sealed block.
    pub(super) fn sealed(block: &SealedBlock, index: usize) -> Self {
        Self { block_hash: Some(block.hash), ..Self::open(&block.header, index) }
    }

    /// Place of transaction `index` of an open block.
    pub(super) fn open(header: &Header, index: usize) -> Self {
        Self {
            block_hash: None,
            block_number: Some(header.number),
            block_timestamp: Some(header.timestamp),
            index: Some(index as u64),
            base_fee: header.base_fee_per_gas,
        }
    }
}

/// A transaction; `receipt` is there if it was executed (deposits show its nonce).
pub(super) fn transaction(
    transaction: &Transaction,
    receipt: Option<&OpReceiptEnvelope>,
    place: Place,
) -> RpcTransaction {
    let deposit_meta = OpDepositInfo {
        deposit_nonce: receipt.and_then(OpReceiptEnvelope::deposit_nonce),
        deposit_receipt_version: receipt.and_then(OpReceiptEnvelope::deposit_receipt_version),
    };
    let inner = TransactionInfo {
        hash: Some(transaction.hash()),
        index: place.index,
        block_hash: place.block_hash,
        block_number: place.block_number,
        base_fee: place.base_fee,
        block_timestamp: place.block_timestamp,
    };
    let recovered = Recovered::new_unchecked(transaction.envelope().clone(), transaction.sender());
    RpcTransaction::from_transaction(recovered, OpTransactionInfo::new(inner, deposit_meta))
}

/// A sealed block with its transactions or their hashes.
pub(super) fn block(block: &SealedBlock, full: bool) -> RpcBlock {
    RpcBlock {
        header: header(block),
        uncles: Vec::new(),
        transactions: transactions(&block.transactions, full, |index| Place::sealed(block, index)),
        withdrawals: Some(Withdrawals::default()),
    }
}

/// The header of a sealed block.
pub(super) fn header(block: &SealedBlock) -> RpcHeader {
    let sealed = Sealed::new_unchecked(block.header.clone(), block.hash);
    RpcHeader::from_consensus(sealed, None, Some(U256::from(block.size)))
}

/// Transactions in full or their hashes.
pub(super) fn transactions(
    executed: &[std::sync::Arc<ExecutedTransaction>],
    full: bool,
    place: impl Fn(usize) -> Place,
) -> BlockTransactions<RpcTransaction> {
    if full {
        let full = |(index, e): (usize, &std::sync::Arc<ExecutedTransaction>)| {
            transaction(&e.transaction, Some(&e.receipt), place(index))
        };
        BlockTransactions::Full(executed.iter().enumerate().map(full).collect())
    } else {
        BlockTransactions::Hashes(executed.iter().map(|e| e.transaction.hash()).collect())
    }
}

/// A log as `eth_getLogs` answers it.
pub(super) fn log(found: FoundLog) -> Log {
    Log {
        inner: found.log,
        block_hash: Some(found.block_hash),
        block_number: Some(found.block_number),
        block_timestamp: Some(found.block_timestamp),
        transaction_hash: Some(found.transaction_hash),
        transaction_index: Some(found.transaction_index),
        log_index: Some(found.log_index),
        removed: false,
    }
}

/// The receipts of a sealed block, in order.
pub(super) fn receipts(block: &Block) -> Vec<OpTransactionReceipt> {
    let l1_info = l1_info(&block.sealed);
    let mut first_log = 0;
    let all = block.sealed.transactions.iter().enumerate();
    all.map(|(index, executed)| {
        let receipt = build_receipt(&block.sealed, index, executed, l1_info.as_ref(), first_log);
        first_log += executed.receipt.logs().len() as u64;
        receipt
    })
    .collect()
}

/// One receipt of a sealed block.
pub(super) fn receipt(block: &Block, index: usize) -> Option<OpTransactionReceipt> {
    let transactions = &block.sealed.transactions;
    let executed = transactions.get(index)?;
    let first_log = transactions[..index].iter().map(|e| e.receipt.logs().len() as u64).sum();
    Some(build_receipt(&block.sealed, index, executed, l1_info(&block.sealed).as_ref(), first_log))
}

fn build_receipt(
    block: &SealedBlock,
    index: usize,
    executed: &ExecutedTransaction,
    l1_info: Option<&L1Info>,
    first_log: u64,
) -> OpTransactionReceipt {
    let envelope = executed.transaction.envelope();
    let l1_info = l1_info.filter(|_| !envelope.is_deposit());
    let found = |(offset, log): (usize, &alloy_primitives::Log)| {
        self::log(FoundLog {
            log: log.clone(),
            block_number: block.header.number,
            block_hash: block.hash,
            block_timestamp: block.header.timestamp,
            transaction_hash: executed.transaction.hash(),
            transaction_index: index as u64,
            log_index: first_log + offset as u64,
        })
    };
    let logs = executed.receipt.logs().iter().enumerate().map(found).collect();
    let price = if envelope.is_deposit() { 0 } else { envelope.effective_gas_price(block.header.base_fee_per_gas) };
    OpTransactionReceipt {
        inner: TransactionReceipt {
            inner: rpc_receipt(&executed.receipt, logs),
            transaction_hash: executed.transaction.hash(),
            transaction_index: Some(index as u64),
            block_hash: Some(block.hash),
            block_number: Some(block.header.number),
            gas_used: executed.gas_used,
            effective_gas_price: price,
            blob_gas_used: l1_info.and_then(|info| da_footprint(info, executed.transaction.encoded())),
            blob_gas_price: None,
            from: executed.transaction.sender(),
            to: envelope.to(),
            contract_address: created_address(&executed.transaction, &executed.receipt),
        },
        l1_block_info: l1_info.map(|info| l1_fields(info, executed)).unwrap_or_default(),
        op_gas_refund: None,
    }
}

/// The consensus receipt with RPC logs.
fn rpc_receipt(receipt: &OpReceiptEnvelope, logs: Vec<Log>) -> ReceiptWithBloom<OpReceipt<Log>> {
    use alloy_consensus::{Receipt, TxReceipt};
    let inner =
        Receipt { status: receipt.status_or_post_state(), cumulative_gas_used: receipt.cumulative_gas_used(), logs };
    let typed = match receipt {
        OpReceiptEnvelope::Legacy(_) => OpReceipt::Legacy(inner),
        OpReceiptEnvelope::Eip2930(_) => OpReceipt::Eip2930(inner),
        OpReceiptEnvelope::Eip1559(_) => OpReceipt::Eip1559(inner),
        OpReceiptEnvelope::Eip7702(_) => OpReceipt::Eip7702(inner),
        OpReceiptEnvelope::PostExec(_) => OpReceipt::PostExec(inner),
        OpReceiptEnvelope::Deposit(_) => OpReceipt::Deposit(OpDepositReceipt {
            inner,
            deposit_nonce: receipt.deposit_nonce(),
            deposit_receipt_version: receipt.deposit_receipt_version(),
        }),
    };
    ReceiptWithBloom { receipt: typed, logs_bloom: *receipt.logs_bloom() }
}

/// Estimated compressed size of a transaction in millionths of a byte (Fjord).
fn estimated_size(encoded: &[u8]) -> u64 {
    op_revm::estimate_tx_compressed_size(encoded)
}

/// Jovian: what a transaction counts against the block's DA footprint.
fn da_footprint(info: &L1Info, encoded: &[u8]) -> Option<u64> {
    let scalar = info.da_footprint_gas_scalar?;
    Some((estimated_size(encoded) / 1_000_000).saturating_mul(scalar.into()))
}

fn l1_fields(info: &L1Info, executed: &ExecutedTransaction) -> L1BlockInfo {
    // op-geth omits operator fees where the chain has none.
    let operator_fees = info.operator_fee_scalar != 0 || info.operator_fee_constant != 0;
    L1BlockInfo {
        l1_gas_price: Some(info.base_fee.saturating_to()),
        // 16 gas for each byte of the estimated size, as op-geth still shows it.
        l1_gas_used: Some(u128::from(estimated_size(executed.transaction.encoded())) * 16 / 1_000_000),
        l1_fee: Some(executed.l1_fee.saturating_to()),
        l1_fee_scalar: None,
        l1_base_fee_scalar: Some(info.base_fee_scalar.into()),
        l1_blob_base_fee: Some(info.blob_base_fee.saturating_to()),
        l1_blob_base_fee_scalar: Some(info.blob_base_fee_scalar.into()),
        operator_fee_scalar: operator_fees.then(|| info.operator_fee_scalar.into()),
        operator_fee_constant: operator_fees.then(|| info.operator_fee_constant.into()),
        da_footprint_gas_scalar: info.da_footprint_gas_scalar,
    }
}
