//! One account state to read from: a state in memory, or a past block's on top of it through the store's history.

use crate::{
    engine::EngineError,
    history,
    state::{Fields, State},
    store::Store,
};
use alloy_primitives::{Address, U256};
use std::sync::Arc;

/// Where reads go. Immutable: what is committed meanwhile does not show.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) state: State,
    pub(crate) past: Option<Past>,
}

/// A past block, seen from the head that `state` belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) block: u64,
    pub(crate) head: u64,
}

impl From<State> for View {
    fn from(state: State) -> Self {
        Self { state, past: None }
    }
}

impl View {
    pub(crate) fn account(&self, address: Address) -> Result<Option<Fields>, EngineError> {
        if let Some(past) = &self.past
            && let Some(old) = history::account(&*past.store, address, past.block, past.head)?
        {
            return Ok(old);
        }
        Ok(self.state.account(address).map(|account| account.fields))
    }

    pub(crate) fn storage(&self, address: Address, slot: U256) -> Result<U256, EngineError> {
        if let Some(past) = &self.past
            && let Some(old) = history::storage(&*past.store, address, slot, past.block, past.head)?
        {
            return Ok(old);
        }
        Ok(self.state.storage(address, slot))
    }
}
