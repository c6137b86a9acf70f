//! How the ledger's records look on disk: RLP, without what can be computed again (blooms, hashes, gas of one
//! transaction, created addresses).

use super::{Block, LedgerError};
use alloy_consensus::{Header, Transaction as _, TxReceipt as _};
use alloy_eips::{Decodable2718, eip2718::Typed2718};
use alloy_primitives::{Address, B64, B256, Bytes, U256};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use op_alloy_consensus::{OpDepositReceipt, OpReceipt, OpReceiptEnvelope, OpTxEnvelope, OpTxType};
use rota_execution::{BlockAttributes, ExecutedTransaction, SealedBlock};
use rota_types::{Flashblock, Opening, Transaction};
use std::sync::Arc;

/// A certified flashblock, with the attributes of the block that it opens.
#[derive(Debug, RlpEncodable, RlpDecodable)]
#[rlp(trailing)]
pub(super) struct FlashblockRecord {
    flashblock: Bytes,
    attributes: Option<AttributesRecord>,
}

/// [`BlockAttributes`] without the opening, which the flashblock carries.
#[derive(Debug, RlpEncodable, RlpDecodable)]
struct AttributesRecord {
    sequence_number: u64,
    prev_randao: B256,
    fee_recipient: Address,
    gas_limit: u64,
    parent_beacon_block_root: B256,
    eip1559_params: B64,
    min_base_fee: u64,
    user_transactions: bool,
    deposits: Vec<Bytes>,
}

impl AttributesRecord {
    fn new(attributes: &BlockAttributes) -> Self {
        let &BlockAttributes {
            opening: _,
            sequence_number,
            prev_randao,
            fee_recipient,
            gas_limit,
            parent_beacon_block_root,
            eip1559_params,
            min_base_fee,
            ref deposits,
            user_transactions,
            // Taken into the epochs' tables when the flashblock is certified.
            registry_events: _,
        } = attributes;
        let deposits = deposits.iter().map(|deposit| deposit.encoded().clone()).collect();
        Self {
            sequence_number,
            prev_randao,
            fee_recipient,
            gas_limit,
            parent_beacon_block_root,
            eip1559_params,
            min_base_fee,
            user_transactions,
            deposits,
        }
    }

    fn opened(self, opening: Opening) -> Result<BlockAttributes, LedgerError> {
        let deposits = self.deposits.iter().map(|bytes| deposit(bytes).map(Arc::new));
        Ok(BlockAttributes {
            opening,
            deposits: deposits.collect::<Result<_, _>>()?,
            sequence_number: self.sequence_number,
            prev_randao: self.prev_randao,
            fee_recipient: self.fee_recipient,
            gas_limit: self.gas_limit,
            parent_beacon_block_root: self.parent_beacon_block_root,
            eip1559_params: self.eip1559_params,
            min_base_fee: self.min_base_fee,
            user_transactions: self.user_transactions,
            registry_events: Vec::new(),
        })
    }
}

impl FlashblockRecord {
    pub(super) fn encode(flashblock: &Flashblock, attributes: Option<&BlockAttributes>) -> Vec<u8> {
        let attributes = attributes.map(AttributesRecord::new);
        alloy_rlp::encode(Self { flashblock: flashblock.encode().into(), attributes })
    }

    pub(super) fn flashblock(bytes: &[u8], max_bytes: usize) -> Result<Flashblock, LedgerError> {
        let record = decode::<Self>(bytes, "flashblock record")?;
        Flashblock::decode(&record.flashblock, max_bytes).map_err(corrupt("flashblock"))
    }

    pub(super) fn decode(
        bytes: &[u8],
        max_bytes: usize,
    ) -> Result<(Flashblock, Option<Arc<BlockAttributes>>), LedgerError> {
        let record = decode::<Self>(bytes, "flashblock record")?;
        let flashblock = Flashblock::decode(&record.flashblock, max_bytes).map_err(corrupt("flashblock"))?;
        let attributes = match (record.attributes, flashblock.body.opening) {
            (Some(attributes), Some(opening)) => Some(Arc::new(attributes.opened(opening)?)),
            (None, None) => None,
            _ => return Err(LedgerError::Corrupt("a flashblock has attributes exactly if it opens a block".into())),
        };
        Ok((flashblock, attributes))
    }
}

fn deposit(bytes: &[u8]) -> Result<Transaction, LedgerError> {
    match OpTxEnvelope::decode_2718_exact(bytes).map_err(corrupt("deposit"))? {
        OpTxEnvelope::Deposit(deposit) => Ok(Transaction::deposit(deposit.into_inner())),
        other => Err(LedgerError::Corrupt(format!("deposit of type {:#04x}", other.ty()))),
    }
}

/// What is read often and alone: the header and how flashblocks divide the block.
#[derive(Debug, Clone, RlpEncodable, RlpDecodable)]
pub(super) struct HeaderRecord {
    pub(super) header: Header,
    pub(super) size: u64,
    pub(super) first_height: u64,
    pub(super) counts: Vec<u32>,
}

impl HeaderRecord {
    pub(super) fn encode(block: &Block) -> Vec<u8> {
        alloy_rlp::encode(Self {
            header: block.sealed.header.clone(),
            size: block.sealed.size as u64,
            first_height: block.first_height,
            counts: block.counts.clone(),
        })
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, LedgerError> {
        decode(bytes, "header record")
    }
}

/// A transaction and the sender that was recovered at its admission.
#[derive(Debug, RlpEncodable, RlpDecodable)]
struct TransactionRecord {
    sender: Address,
    encoded: Bytes,
}

/// A receipt without its bloom, and the L1 fee that no receipt holds.
#[derive(Debug, RlpEncodable, RlpDecodable)]
struct ReceiptRecord {
    receipt: OpReceipt,
    l1_fee: U256,
}

pub(super) fn encode_transactions(transactions: &[Arc<ExecutedTransaction>]) -> Vec<u8> {
    let records: Vec<_> = transactions
        .iter()
        .map(|t| TransactionRecord { sender: t.transaction.sender(), encoded: t.transaction.encoded().clone() })
        .collect();
    alloy_rlp::encode(records)
}

pub(super) fn encode_receipts(transactions: &[Arc<ExecutedTransaction>]) -> Vec<u8> {
    let records: Vec<_> =
        transactions.iter().map(|t| ReceiptRecord { receipt: without_bloom(&t.receipt), l1_fee: t.l1_fee }).collect();
    alloy_rlp::encode(records)
}

/// Hashes of a block's transactions.
pub(super) fn transaction_hashes(bytes: &[u8]) -> Result<Vec<B256>, LedgerError> {
    let records = decode::<Vec<TransactionRecord>>(bytes, "transactions")?;
    Ok(records.iter().map(|record| alloy_primitives::keccak256(&record.encoded)).collect())
}

/// A block's transactions as they were sent.
pub(super) fn encoded_transactions(bytes: &[u8]) -> Result<Vec<Bytes>, LedgerError> {
    let records = decode::<Vec<TransactionRecord>>(bytes, "transactions")?;
    Ok(records.into_iter().map(|record| record.encoded).collect())
}

/// Puts a block together again.
pub(super) fn decode_block(header: HeaderRecord, transactions: &[u8], receipts: &[u8]) -> Result<Block, LedgerError> {
    let transactions = decode::<Vec<TransactionRecord>>(transactions, "transactions")?;
    let receipts = decode::<Vec<ReceiptRecord>>(receipts, "receipts")?;
    if transactions.len() != receipts.len() {
        return Err(LedgerError::Corrupt("transactions and receipts differ in number".into()));
    }
    let mut gas_before = 0;
    let transactions = transactions
        .into_iter()
        .zip(receipts)
        .map(|(transaction, ReceiptRecord { receipt, l1_fee })| {
            let transaction =
                Transaction::restore(transaction.encoded, transaction.sender).map_err(corrupt("transaction"))?;
            let cumulative = receipt.cumulative_gas_used();
            let gas_used = cumulative.saturating_sub(gas_before);
            gas_before = cumulative;
            let receipt = with_bloom(&receipt);
            let created = created_address(&transaction, &receipt);
            Ok(Arc::new(ExecutedTransaction { transaction: Arc::new(transaction), receipt, gas_used, created, l1_fee }))
        })
        .collect::<Result<Vec<_>, LedgerError>>()?;
    let HeaderRecord { header, size, first_height, counts } = header;
    let hash = header.hash_slow();
    let sealed = Arc::new(SealedBlock { header, hash, transactions, size: size as usize });
    Ok(Block { sealed, first_height, counts })
}

/// The logs of a block's receipts, in order.
pub(super) fn decode_logs(receipts: &[u8]) -> Result<Vec<alloy_primitives::Log>, LedgerError> {
    let receipts = decode::<Vec<ReceiptRecord>>(receipts, "receipts")?;
    Ok(receipts.into_iter().flat_map(|record| record.receipt.into_receipt().logs).collect())
}

/// The address that a transaction creates, as op-geth shows it: also when creation failed; a deposit's nonce is in its
/// receipt.
pub(crate) fn created_address(transaction: &Transaction, receipt: &OpReceiptEnvelope) -> Option<Address> {
    let envelope = transaction.envelope();
    let nonce = receipt.deposit_nonce().unwrap_or_else(|| envelope.nonce());
    envelope.is_create().then(|| transaction.sender().create(nonce))
}

fn without_bloom(envelope: &OpReceiptEnvelope) -> OpReceipt {
    match envelope {
        OpReceiptEnvelope::Legacy(r) => OpReceipt::Legacy(r.receipt.clone()),
        OpReceiptEnvelope::Eip2930(r) => OpReceipt::Eip2930(r.receipt.clone()),
        OpReceiptEnvelope::Eip1559(r) => OpReceipt::Eip1559(r.receipt.clone()),
        OpReceiptEnvelope::Eip7702(r) => OpReceipt::Eip7702(r.receipt.clone()),
        OpReceiptEnvelope::PostExec(r) => OpReceipt::PostExec(r.receipt.clone()),
        OpReceiptEnvelope::Deposit(r) => OpReceipt::Deposit(r.receipt.clone()),
    }
}

fn with_bloom(receipt: &OpReceipt) -> OpReceiptEnvelope {
    let (nonce, version) = match receipt {
        OpReceipt::Deposit(OpDepositReceipt { deposit_nonce, deposit_receipt_version, .. }) => {
            (*deposit_nonce, *deposit_receipt_version)
        }
        _ => (None, None),
    };
    let tx_type: OpTxType = receipt.tx_type();
    OpReceiptEnvelope::from_parts(
        receipt.status(),
        receipt.cumulative_gas_used(),
        receipt.logs(),
        tx_type,
        nonce,
        version,
    )
}

fn decode<T: Decodable>(bytes: &[u8], what: &'static str) -> Result<T, LedgerError> {
    alloy_rlp::decode_exact(bytes).map_err(corrupt(what))
}

fn corrupt<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> LedgerError {
    move |error| LedgerError::Corrupt(format!("{what}: {error}"))
}
