//! The database that revm executes on: a view of a state below the changes made on top of it.

use crate::{
    code::CodeStore,
    engine::EngineError,
    state::{Changes, Fields},
    view::View,
};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, map::B256Map};
use revm::{
    Database, DatabaseCommit,
    bytecode::Bytecode,
    database_interface::DBErrorMarker,
    state::{AccountInfo, EvmState},
};
use std::sync::Arc;

impl DBErrorMarker for EngineError {}

/// The hashes of the last 256 blocks, oldest first; the last one is of block `newest`.
#[derive(Debug, Clone)]
pub(crate) struct BlockHashes {
    pub(crate) newest: u64,
    pub(crate) hashes: Arc<[B256]>,
}

impl BlockHashes {
    pub(crate) fn get(&self, number: u64) -> B256 {
        let back = self.newest.checked_sub(number).map(|back| back as usize);
        back.and_then(|back| self.hashes.len().checked_sub(back + 1))
            .and_then(|index| self.hashes.get(index))
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn with_next(&self, hash: B256) -> Self {
        let skip = (self.hashes.len() + 1).saturating_sub(crate::history::BLOCK_HASHES as usize);
        let hashes = self.hashes.iter().skip(skip).copied().chain([hash]).collect();
        Self { newest: self.newest + 1, hashes }
    }
}

/// A view with changes on top.
#[derive(Debug)]
pub(crate) struct OverlayDatabase {
    pub(crate) view: View,
    pub(crate) changes: Changes,
    /// Code of uncommitted flashblocks.
    pub(crate) pending_code: Arc<B256Map<Bytecode>>,
    pub(crate) code: Arc<CodeStore>,
    pub(crate) hashes: BlockHashes,
}

impl OverlayDatabase {
    pub(crate) fn account(&self, address: Address) -> Result<Option<Fields>, EngineError> {
        match self.changes.accounts.get(&address) {
            Some(changed) => Ok(*changed),
            None => self.view.account(address),
        }
    }

    pub(crate) fn slot(&self, address: Address, slot: U256) -> Result<U256, EngineError> {
        if let Some(value) = self.changes.storage.get(&address).and_then(|slots| slots.get(&slot)) {
            return Ok(*value);
        }
        self.view.storage(address, slot)
    }

    pub(crate) fn code(&self, hash: B256) -> Result<Bytecode, EngineError> {
        match self.changes.code.get(&hash).or_else(|| self.pending_code.get(&hash)) {
            Some(code) => Ok(code.clone()),
            None => self.code.get(hash),
        }
    }
}

impl Database for OverlayDatabase {
    type Error = EngineError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, EngineError> {
        Ok(self.account(address)?.map(AccountInfo::from))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, EngineError> {
        self.code(hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, EngineError> {
        self.slot(address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, EngineError> {
        Ok(self.hashes.get(number))
    }
}

impl DatabaseCommit for OverlayDatabase {
    /// Takes over what one transaction left behind: touched empty accounts disappear (EIP-161), self-destructed ones
    /// too (EIP-6780 lets only those die that were created by the same transaction, so they leave no older storage).
    fn commit(&mut self, state: EvmState) {
        for (address, account) in state {
            if !account.is_touched() {
                continue;
            }
            if account.is_selfdestructed() || account.is_empty() {
                self.changes.accounts.insert(address, None);
                self.changes.storage.remove(&address);
                continue;
            }
            let hash = account.info.code_hash;
            if let Some(code) = account.info.code
                && hash != KECCAK256_EMPTY
                && hash != account.original_info.code_hash
            {
                self.changes.code.insert(hash, code);
            }
            let fields = Fields { nonce: account.info.nonce, balance: account.info.balance, code_hash: hash };
            self.changes.accounts.insert(address, Some(fields));
            let mut changed = account.storage.into_iter().filter(|(_, slot)| slot.is_changed()).peekable();
            if changed.peek().is_some() {
                let slots = self.changes.storage.entry(address).or_default();
                slots.extend(changed.map(|(key, slot)| (key, slot.present_value)));
            }
        }
    }
}
