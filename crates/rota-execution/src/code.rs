//! Contract code by hash: a bounded cache over the store.

use crate::{
    engine::EngineError,
    store::{Store, Table},
};
use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, map::B256Map};
use parking_lot::RwLock;
use revm::bytecode::Bytecode;
use std::sync::Arc;

/// Bytes of code kept, analysed, in memory.
const CACHE_BYTES: usize = 32 << 20;

/// Code that is in the store.
#[derive(Debug)]
pub(crate) struct CodeStore {
    store: Arc<dyn Store>,
    cache: RwLock<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    code: B256Map<Bytecode>,
    bytes: usize,
}

impl CodeStore {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, cache: RwLock::default() }
    }

    pub(crate) fn get(&self, hash: B256) -> Result<Bytecode, EngineError> {
        if hash == KECCAK256_EMPTY || hash.is_zero() {
            return Ok(Bytecode::default());
        }
        if let Some(code) = self.cache.read().code.get(&hash) {
            return Ok(code.clone());
        }
        let bytes = self
            .store
            .get(Table::Code, hash.as_slice())?
            .ok_or_else(|| EngineError::Corrupt(format!("code {hash} is missing")))?;
        let code = Bytecode::new_raw_checked(Bytes::from(bytes))
            .map_err(|error| EngineError::Corrupt(format!("code {hash}: {error}")))?;
        let mut cache = self.cache.write();
        let size = code.original_byte_slice().len();
        if cache.bytes + size > CACHE_BYTES {
            *cache = Cache::default();
        }
        if cache.code.insert(hash, code.clone()).is_none() {
            cache.bytes += size;
        }
        Ok(code)
    }
}
