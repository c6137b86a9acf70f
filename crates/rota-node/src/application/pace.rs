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
