//! The world state as persistent tries, and the changes that lead from one state to the next.

use crate::{
    engine::AccountState,
    trie::{Leaf, Trie},
};
use alloy_primitives::{
    Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256,
    map::{AddressMap, B256Map, HashMap},
};
use alloy_rlp::Encodable;
use alloy_trie::TrieAccount;
use revm::{bytecode::Bytecode, state::AccountInfo};

/// An account with its storage.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) fields: Fields,
    pub(crate) storage: Trie<U256>,
}

/// What an account holds beside its storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
    pub(crate) code_hash: B256,
}

impl Default for Fields {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY }
    }
}

impl From<Fields> for AccountState {
    fn from(Fields { nonce, balance, code_hash }: Fields) -> Self {
        Self { nonce, balance, code_hash }
    }
}

impl From<Fields> for AccountInfo {
    fn from(fields: Fields) -> Self {
        Self { balance: fields.balance, nonce: fields.nonce, code_hash: fields.code_hash, account_id: None, code: None }
    }
}

impl Leaf for Account {
    fn encode(&self, out: &mut Vec<u8>) {
        let Fields { nonce, balance, code_hash } = self.fields;
        TrieAccount { nonce, balance, storage_root: self.storage.root(), code_hash }.encode(out);
    }
}

impl Leaf for U256 {
    fn encode(&self, out: &mut Vec<u8>) {
        Encodable::encode(self, out);
    }
}

/// The state after some flashblock. Cloning is O(1) and shares everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct State(Trie<Account>);

impl State {
    pub(crate) fn account(&self, address: Address) -> Option<&Account> {
        self.0.get(&keccak256(address))
    }

    pub(crate) fn storage(&self, address: Address, slot: U256) -> U256 {
        let Some(account) = self.account(address) else { return U256::ZERO };
        account.storage.get(&hashed_slot(slot)).copied().unwrap_or_default()
    }

    pub(crate) fn storage_root(&self, address: Address) -> B256 {
        self.account(address).map_or(alloy_trie::EMPTY_ROOT_HASH, |account| account.storage.root())
    }

    pub(crate) fn root(&self) -> B256 {
        self.0.root()
    }

    pub(crate) fn account_proof(&self, address: Address) -> Vec<Bytes> {
        self.0.proof(&keccak256(address))
    }

    pub(crate) fn insert(&mut self, address: Address, account: Account) {
        self.0.insert(&keccak256(address), account);
    }

    /// Applies changes. Sorted by hash, so that neighbours in the trie are visited together.
    pub(crate) fn apply(&mut self, changes: &Changes) {
        let mut sorted: Vec<_> =
            changes.accounts.iter().map(|(address, new)| (keccak256(address), address, new)).collect();
        sorted.sort_unstable_by_key(|(hash, ..)| *hash);
        for (hash, address, new) in sorted {
            let Some(fields) = new else {
                self.0.remove(&hash);
                continue;
            };
            let slots = changes.storage.get(address);
            self.0.update(&hash, |old| {
                let mut storage = old.map(|account| account.storage.clone()).unwrap_or_default();
                for (slot, value) in slots.into_iter().flatten() {
                    let slot = hashed_slot(*slot);
                    if value.is_zero() { storage.remove(&slot) } else { storage.insert(&slot, *value) }
                }
                Account { fields: *fields, storage }
            });
        }
    }
}

/// The key of a slot in the storage trie.
pub(crate) fn hashed_slot(slot: U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}

/// What a flashblock (or several) changed: the new values. An account whose storage changed is always in `accounts`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    /// New fields; `None` if the account is gone.
    pub(crate) accounts: AddressMap<Option<Fields>>,
    /// New values of slots.
    pub(crate) storage: AddressMap<HashMap<U256, U256>>,
    /// New code.
    pub(crate) code: B256Map<Bytecode>,
}

impl Changes {
    /// Adds later changes.
    pub(crate) fn merge(&mut self, later: &Self) {
        for (address, account) in &later.accounts {
            if account.is_none() {
                self.storage.remove(address);
            }
            self.accounts.insert(*address, *account);
        }
        for (address, slots) in &later.storage {
            self.storage.entry(*address).or_default().extend(slots);
        }
        self.code.extend(later.code.iter().map(|(hash, code)| (*hash, code.clone())));
    }
}
