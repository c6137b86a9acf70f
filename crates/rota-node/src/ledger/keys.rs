//! Keys of the ledger's tables.
//!
//! `BlockHashes` holds block hashes (32 bytes, to block numbers) and, told apart by a prefix, flashblock digests (to
//! heights). `Blocks` holds under a number the header, and under the number with a suffix the transactions.

use super::LedgerError;
use alloy_primitives::B256;
use rota_types::Digest;

/// `Meta`: id of the chain that this ledger is of.
pub(super) const CHAIN: &[u8] = b"ledger/chain";
/// `Meta`: lowest height and lowest block that are not pruned.
pub(super) const PRUNED: &[u8] = b"ledger/pruned";

/// `Meta`: the evidence that L1 has overruled what is certified.
pub(super) const OVERRULED: &[u8] = b"ledger/overruled";

/// `Meta`: how far the batch inbox was read.
pub(super) const INBOX: &[u8] = b"ledger/inbox";

/// `Evidence`: before the keys of batches that are not what was certified, where an epoch would be: no epoch is that
/// far.
pub(super) const DIFFERENCES: [u8; 8] = [0xff; 8];

/// A height or block number, in order.
pub(super) fn number(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// `Epochs`: the registry's events in an L1 block.
pub(super) fn registry(l1_number: u64) -> Vec<u8> {
    [b"r".as_slice(), &l1_number.to_be_bytes()].concat()
}

/// `Epochs`: what an epoch is made of.
pub(super) fn snapshot(epoch: u64) -> Vec<u8> {
    [b"s".as_slice(), &epoch.to_be_bytes()].concat()
}

/// `Epochs`: an epoch's seed, before the epoch is fixed.
pub(super) fn seed(epoch: u64) -> Vec<u8> {
    [b"h".as_slice(), &epoch.to_be_bytes()].concat()
}

/// The first key behind another: ends a range that holds it.
pub(super) fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// A flashblock's digest.
pub(super) fn digest(digest: &Digest) -> Vec<u8> {
    [b"f", digest.as_slice()].concat()
}

/// A block's transactions.
pub(super) fn transactions(number: u64) -> Vec<u8> {
    [number.to_be_bytes().as_slice(), b"t"].concat()
}

/// A batch that is not what was certified: L1 block and L2 block.
pub(super) fn difference(l1_number: u64, l1_hash: &B256, block: u64) -> Vec<u8> {
    [&DIFFERENCES[..], &number(l1_number), l1_hash.as_slice(), &number(block)].concat()
}

/// The range of all [`difference`] keys.
pub(super) fn differences() -> (Vec<u8>, Vec<u8>) {
    (DIFFERENCES.to_vec(), [0xff; 57].to_vec())
}

/// Where a transaction is: block number and index.
pub(super) fn place(number: u64, index: u32) -> Vec<u8> {
    [number.to_be_bytes().as_slice(), &index.to_be_bytes()].concat()
}

/// Reads a [`number`].
pub(super) fn read_number(bytes: &[u8]) -> Result<u64, LedgerError> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| LedgerError::Corrupt("number of other than 8 bytes".into()))
}

/// Reads a [`place`].
pub(super) fn read_place(bytes: &[u8]) -> Result<(u64, u32), LedgerError> {
    let corrupt = || LedgerError::Corrupt("transaction place of other than 12 bytes".into());
    let (number, index) = bytes.split_at_checked(8).ok_or_else(corrupt)?;
    Ok((read_number(number)?, u32::from_be_bytes(index.try_into().map_err(|_| corrupt())?)))
}

/// Reads a hash.
pub(super) fn read_hash(bytes: &[u8]) -> Result<B256, LedgerError> {
    B256::try_from(bytes).map_err(|_| LedgerError::Corrupt("hash of other than 32 bytes".into()))
}
