//! Provable faults: kept for the day on which they can be slashed.

use super::{Ledger, LedgerError, keys};
use alloy_primitives::{B256, Bytes};
use rota_consensus::{Evidence, EvidenceKind};
use rota_execution::{Batch, Table};

/// Records kept, at most. One of each operator is enough to punish it; a flood must not fill the disk.
const MAX_RECORDS: usize = 1_000;
/// Bytes of votes in one record, at most.
const MAX_VOTES: usize = 16 * 1024;
/// `epoch ‖ view ‖ kind ‖ operator`.
const KEY_SIZE: usize = 8 + 8 + 1 + 32;

impl Ledger {
    /// Stores a fault durably. `false` if it is known, too large, or if there are too many already.
    pub fn store_evidence(&self, evidence: &Evidence) -> Result<bool, LedgerError> {
        let mut count = self.evidence.lock();
        let key = [
            keys::number(evidence.epoch).as_slice(),
            &keys::number(evidence.view),
            &[evidence.kind as u8],
            evidence.operator.as_slice(),
        ]
        .concat();
        if *count >= MAX_RECORDS || evidence.votes.len() > MAX_VOTES || self.store.get(Table::Evidence, &key)?.is_some()
        {
            return Ok(false);
        }
        let mut batch = Batch::default();
        batch.put(Table::Evidence, key, evidence.votes.to_vec());
        self.store.write(batch)?;
        *count += 1;
        Ok(true)
    }

    /// Up to `limit` faults from `epoch` on, in the order of epoch and view.
    pub fn evidence(&self, epoch: u64, limit: usize) -> Result<Vec<Evidence>, LedgerError> {
        let from = keys::number(epoch);
        let entries = self.store.range(Table::Evidence, &from, &keys::DIFFERENCES, limit.min(MAX_RECORDS))?;
        entries.into_iter().map(|(key, votes)| read(&key, votes)).collect()
    }

    /// How many records there are (at most [`MAX_RECORDS`]).
    pub(super) fn count_evidence(store: &dyn rota_execution::Store) -> Result<usize, LedgerError> {
        Ok(store.range(Table::Evidence, &[], &keys::DIFFERENCES, MAX_RECORDS)?.len())
    }
}

fn read(key: &[u8], votes: Vec<u8>) -> Result<Evidence, LedgerError> {
    let corrupt = |_| LedgerError::Corrupt("evidence key".into());
    let key: [u8; KEY_SIZE] = key.try_into().map_err(|_| LedgerError::Corrupt("evidence key".into()))?;
    let kind = match key[16] {
        1 => EvidenceKind::ConflictingNotarize,
        2 => EvidenceKind::ConflictingFinalize,
        3 => EvidenceKind::NullifyFinalize,
        _ => return Err(LedgerError::Corrupt("evidence kind".into())),
    };
    Ok(Evidence {
        kind,
        epoch: keys::read_number(&key[..8])?,
        view: keys::read_number(&key[8..16])?,
        operator: B256::try_from(&key[17..]).map_err(corrupt)?,
        votes: Bytes::from(votes).into(),
    })
}
