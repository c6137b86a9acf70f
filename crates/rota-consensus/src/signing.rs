//! Nobody votes twice: which epochs this disk may sign.
//!
//! Votes are journaled before they are sent, so a node with its journal repeats itself and never contradicts itself. A
//! node whose journal is gone may have voted before; it follows without its key until it enters an epoch in which the
//! lost disk can't have voted. That is the epoch after one in which it stood at the tip, well before the boundary,
//! while a quorum of the *others* was there too: had the lost disk been further, the boundary would have been
//! finalized, and a quorum would have passed it.
//!
//! What this disk may sign is written down before it signs, and so is every vote journal: [`Signing::open_journal`]. The
//! very first start needs the operator's word (`first_start`) and the peers' (see [`crate::welcome`]).

use crate::ConsensusError;
use commonware_runtime::{Blob as _, Clock, Error, Metrics, Storage};
use commonware_storage::metadata::{self, Metadata};
use commonware_utils::sequence::U64;
use tracing::{info, warn};

/// Heights before the boundary at which a node must already stand at the tip, at most a quarter of the epoch.
const MARGIN: u64 = 16;

/// Epochs that are never reached: the value of "not yet".
const NEVER: u64 = u64::MAX;

/// Key of the first epoch that may be signed.
const FROM: u64 = 0;
/// Key of the newest epoch of which the vote journal was created.
const JOURNALED: u64 = 1;

/// Name of a journal's first blob: of view 0, in which nobody votes. The engine prunes it like any other.
const FIRST_SECTION: [u8; 8] = 0u64.to_be_bytes();

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
            .map_err(failed)?;
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

    /// Makes the vote journal of an epoch exist, and notes that it does, before the engine opens it to sign there. A
    /// journal that was noted and is gone means that its votes are forgotten: then the epoch may not be signed.
    ///
    /// The order is what counts, journal, note, first vote, each durable before the next: after a crash anywhere in
    /// between nobody has voted, and the journal is there whenever its note is, so everybody may go on.
    pub(crate) async fn open_journal(
        &mut self,
        storage: &impl Storage,
        partition: &str,
        epoch: u64,
    ) -> Result<(), ConsensusError> {
        let noted = self.journaled.is_some_and(|known| known >= epoch);
        let exists = match storage.scan(partition).await {
            Ok(blobs) => !blobs.is_empty(),
            Err(Error::PartitionMissing(_)) => false,
            Err(error) => return Err(failed(error)),
        };
        if noted && !exists {
            warn!(epoch, "the vote journal of this epoch is missing: following without the voting key");
            return self.forbid().await;
        }
        if !exists {
            let (first, _) = storage.open(partition, &FIRST_SECTION).await.map_err(failed)?;
            first.sync().await.map_err(failed)?;
        }
        if !noted {
            self.journaled = Some(epoch);
            self.write(JOURNALED, epoch).await?;
        }
        Ok(())
    }

    async fn write(&mut self, key: u64, value: u64) -> Result<(), ConsensusError> {
        let store = self.store.take().ok_or_else(|| ConsensusError::Storage("signing state is closed".into()))?;
        let store = store.put_sync(U64::new(key), value).await.map_err(failed)?;
        self.store = Some(store);
        self.fresh = false;
        Ok(())
    }
}

fn failed(error: impl std::fmt::Display) -> ConsensusError {
    ConsensusError::Storage(error.to_string())
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

    const VOTES: &str = "votes";

    async fn load(context: &deterministic::Context, label: &'static str) -> Signing<deterministic::Context> {
        Signing::load(context.child(label), "signing".into()).await.expect("storage")
    }

    /// Whether epoch 4 may be signed by a disk, as a start decides it.
    async fn opens(context: &deterministic::Context, label: &'static str) -> bool {
        let mut signing = load(context, label).await;
        signing.open_journal(context, VOTES, 4).await.expect("storage");
        signing.allows(4)
    }

    #[test]
    fn what_may_be_signed_survives_a_restart() {
        deterministic::Runner::default().start(|context| async move {
            let mut signing = load(&context, "first").await;
            assert!(signing.is_fresh() && !signing.allows(0));
            signing.allow_from(3).await.expect("storage");
            drop(signing);
            let signing = load(&context, "second").await;
            assert!(!signing.is_fresh() && !signing.allows(2) && signing.allows(3));
        });
    }

    #[test]
    fn a_crash_between_journal_note_and_first_vote_locks_nobody_out() {
        deterministic::Runner::default().start(|context| async move {
            load(&context, "first").await.allow_from(3).await.expect("storage");
            // Killed before anything, and after the journal was created but before it was noted.
            let (first, _) = context.open(VOTES, &FIRST_SECTION).await.expect("storage");
            first.sync().await.expect("storage");
            assert!(opens(&context, "created").await);
            // Killed after the note, again and again, before the engine wrote anything.
            assert!(opens(&context, "noted").await && opens(&context, "noted_again").await);
            assert_eq!(load(&context, "last").await.journaled, Some(4));
        });
    }

    #[test]
    fn the_journal_is_durable_before_its_note() {
        // What is not synced is lost; a crash right after the note must find the journal.
        let (_, checkpoint) = deterministic::Runner::default().start_and_recover(|context| async move {
            load(&context, "first").await.allow_from(3).await.expect("storage");
            assert!(opens(&context, "opened").await);
        });
        deterministic::Runner::from(checkpoint).start(|context| async move {
            assert_eq!(load(&context, "noted").await.journaled, Some(4));
            assert!(opens(&context, "resumed").await);
        });
    }

    #[test]
    fn a_journal_lost_before_its_first_vote_was_seen_forbids_signing_for_good() {
        deterministic::Runner::default().start(|context| async move {
            load(&context, "first").await.allow_from(3).await.expect("storage");
            assert!(opens(&context, "opened").await);
            context.remove(VOTES, None).await.expect("storage");
            assert!(!opens(&context, "lost").await);
            let signing = load(&context, "second").await;
            assert!(!signing.is_fresh() && signing.from().is_none());
        });
    }

    #[test]
    fn a_journal_emptied_by_hand_is_a_lost_one() {
        deterministic::Runner::default().start(|context| async move {
            load(&context, "first").await.allow_from(3).await.expect("storage");
            assert!(opens(&context, "opened").await);
            context.remove(VOTES, Some(&FIRST_SECTION)).await.expect("storage");
            assert!(!opens(&context, "lost").await);
        });
    }
}
