//! Roots, header and hash: what completes a flashblock and an L2 block.

use crate::{
    draft::Overlay,
    engine::{ExecutedTransaction, SealedBlock},
};
use alloy_consensus::Header;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, address};
use alloy_rlp::Encodable;
use alloy_trie::root::ordered_trie_root_with_encoder;
use rota_types::merkle;
use std::sync::Arc;

/// The contract whose storage root an Isthmus header carries as withdrawals root.
pub(crate) const MESSAGE_PASSER: Address = address!("0x4200000000000000000000000000000000000016");

/// The root over the (transaction, receipt) leaves of a flashblock.
pub(crate) fn outcome_root(transactions: &[Arc<ExecutedTransaction>]) -> B256 {
    let leaves: Vec<_> = transactions
        .iter()
        .map(|executed| merkle::leaf_of(executed.transaction.hash(), &executed.receipt.encoded_2718()))
        .collect();
    merkle::root(&leaves)
}

/// Completes the overlay's block: the header exactly as op-geth makes it.
pub(crate) fn seal(overlay: &mut Overlay) -> SealedBlock {
    let transactions = std::mem::take(&mut overlay.transactions);
    let header = Header {
        state_root: overlay.state.root(),
        withdrawals_root: Some(overlay.state.storage_root(MESSAGE_PASSER)),
        transactions_root: ordered_trie_root_with_encoder(&transactions, |executed, out| {
            out.extend_from_slice(executed.transaction.encoded());
        }),
        receipts_root: ordered_trie_root_with_encoder(&transactions, |executed, out| executed.receipt.encode_2718(out)),
        ..Header::clone(&overlay.header)
    };
    let hash = header.hash_slow();
    overlay.hashes = overlay.hashes.with_next(hash);
    overlay.attributes = None;
    overlay.header = Arc::new(header.clone());
    let size = block_size(&header, &transactions);
    SealedBlock { header, hash, transactions, size }
}

/// Length of `rlp([header, transactions, ommers, withdrawals])` with no ommers and no withdrawals.
fn block_size(header: &Header, transactions: &[Arc<ExecutedTransaction>]) -> usize {
    let list = |payload: usize| alloy_rlp::Header { list: true, payload_length: payload }.length_with_payload();
    let transactions = transactions
        .iter()
        .map(|executed| {
            let encoded = executed.transaction.encoded();
            // A legacy transaction is an RLP list itself, a typed one is wrapped as a string.
            if executed.transaction.envelope().is_legacy() { encoded.len() } else { encoded.length() }
        })
        .sum();
    list(header.length() + list(transactions) + 2)
}
