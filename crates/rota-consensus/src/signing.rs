//! Nobody votes twice: which epochs this disk may sign.
//!
//! Votes are journaled before they are sent, so a node with its journal repeats itself and never contradicts itself. A
//! node whose journal is gone may have voted before; it follows without its key until it enters an epoch in which the
//! lost disk can't have voted. That is the epoch after one in which it stood at the tip, well before the boundary,
//! while a quorum of the *others* was there too: had the lost disk been further, the boundary would have been
//! finalized, and a quorum would have passed it.
//!
//! What this disk may sign is written down before it signs. The very first start needs the operator's word
//! (`first_start`) and the peers' (see [`crate::welcome`]).

use crate::ConsensusError;
use commonware_runtime::{Clock, Metrics, Storage};
use commonware_storage::metadata::{self, Metadata};
use commonware_utils::sequence::U64;
use tracing::{info, warn};

/// Heights before the boundary at which a node must already stand at the tip, at most a quarter of the epoch.
const MARGIN: u64 = 16;

/// Epochs that are never reached: the value of "not yet".
const NEVER: u64 = u64::MAX;

/// Key of the first epoch that may be signed.
const FROM: u64 = 0;
/// Key of the newest epoch of which the vote journal is known to exist.
const JOURNALED: u64 = 1;

/// The signing state on this disk.
pub(crate) struct Signing<E: Storage + Clock + Metrics> {
    store: Option<Metadata<E, U64, u64>>,
    from: u64,
    journaled: Option<u64>,
    fresh: bool,
}

impl<E: Storage + Clock + Metrics> Signing<E> {
    /// Reads what this disk may sign; nothing, if it holds no signing state.
    pub(crate) async fn load(context: E, partition: String) -> Result<Self, ConsensusError> {
        let store = Metadata::<E, U64, u64>::init(context, metadata::Config { partition, codec_config: () })
            .await
            .map_err(|error| ConsensusError::Storage(error.to_string()))?;
        let from = store.get(&U64::new(FROM)).copied();
        let journaled = store.get(&U64::new(JOURNALED)).copied();
        Ok(Self { store: Some(store), from: from.unwrap_or(NEVER), journaled, fresh: from.is_none() })
    }

    /// Whether this disk has never been used.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// The first epoch that may be signed.
    pub(crate) const fn from(&self) -> Option<u64> {
        if self.from == NEVER { None } else { Some(self.from) }
    }

    /// Whether an epoch may be signed.
    pub(crate) const fn allows(&self, epoch: u64) -> bool {
        self.from <= epoch && self.from != NEVER
    }

    /// Allows signing from an epoch on. Durable when it returns.
    pub(crate) async fn allow_from(&mut self, epoch: u64) -> Result<(), ConsensusError> {
        info!(epoch, "signing from this epoch on");
        self.from = epoch;
        self.write(FROM, epoch).await
    }

    /// Forbids signing until further notice. Durable when it returns.
    pub(crate) async fn forbid(&mut self) -> Result<(), ConsensusError> {
        self.from = NEVER;
        self.write(FROM, NEVER).await
    }

    /// Notes that the vote journal of an epoch exists.
    pub(crate) async fn journaled(&mut self, epoch: u64) -> Result<(), ConsensusError> {
        if self.journaled.is_some_and(|known| known >= epoch) {
            return Ok(());
        }
        self.journaled = Some(epoch);
        self.write(JOURNALED, epoch).await
    }

    /// Before an epoch's journal is opened: a journal that existed and is gone means that its votes are forgotten.
    pub(crate) async fn check_journal(&mut self, epoch: u64, exists: bool) -> Result<(), ConsensusError> {
        if self.journaled.is_some_and(|known| known >= epoch) && !exists && self.allows(epoch) {
            warn!(epoch, "the vote journal of this epoch is missing: following without the voting key");
            self.forbid().await?;
        }
        Ok(())
    }

    async fn write(&mut self, key: u64, value: u64) -> Result<(), ConsensusError> {
        let store = self.store.take().ok_or_else(|| ConsensusError::Storage("signing state is closed".into()))?;
        let store =
            store.put_sync(U64::new(key), value).await.map_err(|error| ConsensusError::Storage(error.to_string()))?;
        self.store = Some(store);
        self.fresh = false;
        Ok(())
    }
}

/// Whether a height is far enough from the end of its epoch for a node that stands there to sign the next one.
pub(crate) fn clear_of_boundary(height: u64, epoch_length: u64) -> bool {
    let margin = MARGIN.min(epoch_length / 4);
    epoch_length - 1 - height % epoch_length >= margin
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_runtime::{Runner as _, Supervisor as _, deterministic};

    #[test]
    fn the_margin_shrinks_with_the_epoch() {
        assert!(clear_of_boundary(283, 300));
        assert!(!clear_of_boundary(284, 300));
        assert!(clear_of_boundary(8, 12));
        assert!(!clear_of_boundary(9, 12));
    }

    #[test]
    fn a_missing_journal_forbids_signing_for_good() {
        deterministic::Runner::default().start(|context| async move {
            let load = |label| Signing::load(context.child(label), "signing".into());
            let mut signing = load("first").await.expect("storage");
            assert!(signing.is_fresh() && !signing.allows(0));
            signing.allow_from(3).await.expect("storage");
            signing.journaled(4).await.expect("storage");
            drop(signing);

            let mut signing = load("second").await.expect("storage");
            assert!(!signing.is_fresh() && !signing.allows(2) && signing.allows(3));
            signing.check_journal(5, false).await.expect("storage");
            assert!(signing.allows(5));
            signing.check_journal(4, false).await.expect("storage");
            assert!(!signing.allows(5));
            drop(signing);

            let signing = load("third").await.expect("storage");
            assert!(!signing.is_fresh() && signing.from().is_none());
        });
    }
}
