//! What the engine keeps in the store: the flat state of the head, and what recent blocks changed.
//!
//! `Accounts`: address → nonce ‖ balance ‖ code hash. `Storage`: address ‖ slot → value (never zero). `Code`: hash →
//! bytes. `Reverts` holds, for reads at past blocks,
//!
//! | key | value |
//! |---|---|
//! | `0 ‖ address ‖ block` | the account before that block changed it, empty if there was none |
//! | `1 ‖ address ‖ slot ‖ block` | the slot before that block changed it |
//! | `2 ‖ block` | the block's header |
//! | `3 ‖ block` | the keys of the first two kinds that the block wrote, each with a length byte |
//! | `4 ‖ block` | the block's hash |
//!
//! A value at block `n` is the oldest one that a later block replaced, else the current one.

use crate::{
    engine::EngineError,
    state::{Account, Changes, Fields, State, hashed_slot},
    store::{Batch, Entry, Store, Table},
    trie::Trie,
};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256, map::AddressMap};
use alloy_rlp::{Decodable, Encodable};

/// Blocks whose hashes `BLOCKHASH` can ask for.
pub(crate) const BLOCK_HASHES: u64 = 256;

const ACCOUNT: u8 = 0;
const SLOT: u8 = 1;
const HEADER: u8 = 2;
const KEYS: u8 = 3;
const HASH: u8 = 4;

fn account_key(address: Address, block: u64) -> Vec<u8> {
    [&[ACCOUNT][..], address.as_slice(), &block.to_be_bytes()].concat()
}

fn slot_key(address: Address, slot: U256, block: u64) -> Vec<u8> {
    [&[SLOT][..], address.as_slice(), &slot.to_be_bytes::<32>(), &block.to_be_bytes()].concat()
}

fn block_key(kind: u8, block: u64) -> Vec<u8> {
    [&[kind][..], &block.to_be_bytes()].concat()
}

/// The key of a slot in [`Table::Storage`].
pub(crate) fn storage_key(address: Address, slot: U256) -> Vec<u8> {
    [address.as_slice(), &slot.to_be_bytes::<32>()].concat()
}

pub(crate) fn encode_account(fields: &Fields) -> Vec<u8> {
    [&fields.nonce.to_be_bytes()[..], &fields.balance.to_be_bytes::<32>(), fields.code_hash.as_slice()].concat()
}

pub(crate) fn decode_account(bytes: &[u8]) -> Result<Fields, EngineError> {
    let bytes: &[u8; 72] = bytes.try_into().map_err(|_| EngineError::Corrupt("account record".into()))?;
    let (nonce, rest) = bytes.split_at(8);
    Ok(Fields {
        nonce: u64::from_be_bytes(nonce.try_into().expect("8 bytes")),
        balance: U256::from_be_slice(&rest[..32]),
        code_hash: B256::from_slice(&rest[32..]),
    })
}

pub(crate) fn decode_word(bytes: &[u8]) -> Result<U256, EngineError> {
    U256::try_from_be_slice(bytes).ok_or_else(|| EngineError::Corrupt("storage record".into()))
}

/// The account as it was after `block`, if a block in `block+1..=head` changed it.
pub(crate) fn account(
    store: &dyn Store,
    address: Address,
    block: u64,
    head: u64,
) -> Result<Option<Option<Fields>>, EngineError> {
    let found =
        store.range(Table::Reverts, &account_key(address, block + 1), &account_key(address, head + 1), 1)?.pop();
    found.map(|(_, value)| if value.is_empty() { Ok(None) } else { decode_account(&value).map(Some) }).transpose()
}

/// The slot as it was after `block`, if a block in `block+1..=head` changed it.
pub(crate) fn storage(
    store: &dyn Store,
    address: Address,
    slot: U256,
    block: u64,
    head: u64,
) -> Result<Option<U256>, EngineError> {
    let found =
        store.range(Table::Reverts, &slot_key(address, slot, block + 1), &slot_key(address, slot, head + 1), 1)?.pop();
    found.map(|(_, value)| decode_word(&value)).transpose()
}

/// The header of a block in the window.
pub(crate) fn header(store: &dyn Store, block: u64) -> Result<Option<Header>, EngineError> {
    let Some(bytes) = store.get(Table::Reverts, &block_key(HEADER, block))? else { return Ok(None) };
    let header = Header::decode(&mut bytes.as_slice())
        .map_err(|error| EngineError::Corrupt(format!("header of block {block}: {error}")))?;
    Ok(Some(header))
}

/// The hashes of up to 256 blocks that end with `block`, oldest first.
pub(crate) fn hashes(store: &dyn Store, block: u64) -> Result<Vec<B256>, EngineError> {
    let first = block.saturating_sub(BLOCK_HASHES - 1);
    let entries =
        store.range(Table::Reverts, &block_key(HASH, first), &block_key(HASH, block + 1), BLOCK_HASHES as usize)?;
    entries
        .iter()
        .map(|(_, value)| B256::try_from(value.as_slice()).map_err(|_| EngineError::Corrupt("block hash".into())))
        .collect()
}

/// Rebuilds the tries from the flat state.
pub(crate) fn load_state(store: &dyn Store) -> Result<State, EngineError> {
    let mut storage: AddressMap<Trie<U256>> = AddressMap::default();
    for_each(store, Table::Storage, &mut |(key, value)| {
        let (address, slot) = key.split_at_checked(20).ok_or_else(|| EngineError::Corrupt("storage key".into()))?;
        let trie = storage.entry(Address::from_slice(address)).or_default();
        trie.insert(&hashed_slot(decode_word(slot)?), decode_word(&value)?);
        Ok(())
    })?;
    let mut state = State::default();
    for_each(store, Table::Accounts, &mut |(key, value)| {
        let address = Address::try_from(key.as_slice()).map_err(|_| EngineError::Corrupt("account key".into()))?;
        let storage = storage.remove(&address).unwrap_or_default();
        state.insert(address, Account { fields: decode_account(&value)?, storage });
        Ok(())
    })?;
    if let Some(address) = storage.keys().next() {
        return Err(EngineError::Corrupt(format!("storage of {address}, which does not exist")));
    }
    Ok(state)
}

/// Visits a table in pages.
fn for_each(
    store: &dyn Store,
    table: Table,
    visit: &mut dyn FnMut(Entry) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    const PAGE: usize = 4096;
    // Above every key: none is longer than 52 bytes.
    let end = [0xff; 53];
    let mut from = Vec::new();
    loop {
        let page = store.range(table, &from, &end, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        from = [last.as_slice(), &[0]].concat();
        page.into_iter().try_for_each(&mut *visit)?;
    }
}

/// Writes new flat state.
pub(crate) fn put_state(batch: &mut Batch, changes: &Changes) {
    for (address, account) in &changes.accounts {
        match account {
            Some(fields) => batch.put(Table::Accounts, address.as_slice(), encode_account(fields)),
            None => batch.delete(Table::Accounts, address.as_slice()),
        }
    }
    for (address, slots) in &changes.storage {
        for (slot, value) in slots {
            let key = storage_key(*address, *slot);
            if value.is_zero() {
                batch.delete(Table::Storage, key);
            } else {
                batch.put(Table::Storage, key, value.to_be_bytes::<32>());
            }
        }
    }
    for (hash, code) in &changes.code {
        batch.put(Table::Code, hash.as_slice(), code.original_byte_slice());
    }
}

/// Writes a block's header and hash.
pub(crate) fn put_block(batch: &mut Batch, header: &Header, hash: B256) {
    let mut encoded = Vec::with_capacity(header.length());
    header.encode(&mut encoded);
    batch.put(Table::Reverts, block_key(HEADER, header.number), encoded);
    batch.put(Table::Reverts, block_key(HASH, header.number), hash.as_slice());
}

/// Writes what `changes` replaced in `before`.
pub(crate) fn put_reverts(batch: &mut Batch, block: u64, before: &State, changes: &Changes) {
    let mut keys = Vec::new();
    let mut put = |key: Vec<u8>, value: Vec<u8>| {
        keys.push(key.len() as u8);
        keys.extend_from_slice(&key);
        batch.put(Table::Reverts, key, value);
    };
    for address in changes.accounts.keys() {
        let old = before.account(*address).map(|account| encode_account(&account.fields)).unwrap_or_default();
        put(account_key(*address, block), old);
    }
    for (address, slots) in &changes.storage {
        for slot in slots.keys() {
            put(slot_key(*address, *slot, block), before.storage(*address, *slot).to_be_bytes::<32>().to_vec());
        }
    }
    batch.put(Table::Reverts, block_key(KEYS, block), keys);
}

/// Removes what is no longer needed when the oldest readable block is `oldest` and the head is `head`.
pub(crate) fn prune(batch: &mut Batch, store: &dyn Store, oldest: u64, head: u64) -> Result<(), EngineError> {
    // Reads at `oldest` need the reverts of the blocks after it.
    for (key, keys) in store.range(Table::Reverts, &block_key(KEYS, 0), &block_key(KEYS, oldest + 1), 4)? {
        let mut keys = keys.as_slice();
        while let Some((length, rest)) = keys.split_first() {
            let (one, rest) = rest
                .split_at_checked(usize::from(*length))
                .ok_or_else(|| EngineError::Corrupt("reverts record".into()))?;
            batch.delete(Table::Reverts, one);
            keys = rest;
        }
        batch.delete(Table::Reverts, key);
    }
    for (key, _) in store.range(Table::Reverts, &block_key(HEADER, 0), &block_key(HEADER, oldest), 4)? {
        batch.delete(Table::Reverts, key);
    }
    let first = (head + 1).saturating_sub(BLOCK_HASHES);
    for (key, _) in store.range(Table::Reverts, &block_key(HASH, 0), &block_key(HASH, first), 4)? {
        batch.delete(Table::Reverts, key);
    }
    Ok(())
}
