//! When a flashblock is due and whether it seals its block: the rhythm of rule 6, as arithmetic.
//!
//! The block with timestamp T collects during `[T - block time, T)` and is sealed at T, so the nominal end of its
//! flashblock `i` is `T - block time + (i + 1) * pace`. A block that was opened early (the one before was sealed early)
//! has more flashblocks, on the same grid. A block whose T has passed is sealed at once.

use rota_types::ChainSpec;
use std::time::{Duration, SystemTime};

/// What a leader does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    /// When to propose.
    pub(crate) end: SystemTime,
    /// Whether the flashblock seals its block.
    pub(crate) seal: bool,
    /// Whether the chain is behind the clock: at most two uncertified flashblocks in flight.
    pub(crate) behind: bool,
}

/// The slot of flashblock `index` at `height` of the block with `timestamp`, for a leader that starts at `now`.
pub(crate) fn slot(spec: &ChainSpec, now: SystemTime, timestamp: u64, index: u16, height: u64) -> Slot {
    let (pace, seal_at) = (spec.pace(), time(timestamp));
    let must_seal = index >= spec.last_index() || spec.ends_epoch(height);
    if now >= seal_at {
        return Slot { end: now, seal: true, behind: true };
    }
    let start = seal_at - Duration::from_secs(spec.rollup.block_time);
    let nominal = start + pace * (u32::from(index) + 1);
    let early = nominal.duration_since(now).is_ok_and(|wait| wait > pace + pace / 2);
    let end = if early { grid(pace, seal_at, now + pace / 2) } else { nominal.max(now) }.min(seal_at);
    Slot { end, seal: must_seal || end >= seal_at, behind: false }
}

/// The first grid time (a multiple of the pace before `seal_at`) that is not before `from`.
fn grid(pace: Duration, seal_at: SystemTime, from: SystemTime) -> SystemTime {
    let left = seal_at.duration_since(from).unwrap_or_default();
    let slots = left.as_nanos() / pace.as_nanos().max(1);
    seal_at - pace * u32::try_from(slots).unwrap_or(u32::MAX)
}

/// A timestamp of the chain as a time; those beyond the year 3 000 are all alike.
pub(crate) fn time(timestamp: u64) -> SystemTime {
    const FAR: u64 = 32_503_680_000;
    SystemTime::UNIX_EPOCH + Duration::from_secs(timestamp.min(FAR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::rules::tests::spec;

    /// The block with this timestamp collects from 99 000 to 100 000 ms.
    const T: u64 = 100;

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
    }

    fn end(now: u64, index: u16) -> (u64, bool, bool) {
        let slot = slot(&spec(), at(now), T, index, 7);
        let end = slot.end.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis() as u64;
        (end, slot.seal, slot.behind)
    }

    #[test]
    fn five_flashblocks_fill_a_second_and_the_last_one_seals() {
        let nominal = [(0, 99_200), (1, 99_400), (2, 99_600), (3, 99_800)];
        for (index, due) in nominal {
            assert_eq!(end(due - 199, index), (due, false, false));
        }
        assert_eq!(end(99_801, 4), (100_000, true, false));
    }

    #[test]
    fn a_late_leader_catches_up_within_its_block() {
        assert_eq!(end(99_730, 2), (99_730, false, false));
        assert_eq!(end(99_731, 3), (99_800, false, false));
    }

    #[test]
    fn a_block_that_was_opened_early_keeps_the_grid_and_seals_at_its_time() {
        assert_eq!(end(98_401, 0), (98_600, false, false));
        assert_eq!(end(98_601, 1), (98_800, false, false));
        assert_eq!(end(99_801, 7), (100_000, true, false));
        assert!(end(98_401, spec().last_index()).1, "the last index seals at any time");
    }

    #[test]
    fn a_block_whose_time_has_passed_is_sealed_at_once() {
        assert_eq!(end(100_000, 0), (100_000, true, true));
        assert_eq!(end(250_000, 3), (250_000, true, true));
    }

    #[test]
    fn the_last_height_of_an_epoch_seals_in_its_own_slot() {
        let spec = spec();
        let last = slot(&spec, at(99_001), T, 0, spec.epoch_length - 1);
        assert_eq!((last.end, last.seal), (at(99_200), true));
    }
}
