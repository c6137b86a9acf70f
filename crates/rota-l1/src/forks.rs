//! Which rules hold at an L2 timestamp. Isthmus is active at genesis (the chain spec checks it).

use rota_types::RollupConfig;

/// Whether Jovian is active at `timestamp`.
pub(crate) fn is_jovian(rollup: &RollupConfig, timestamp: u64) -> bool {
    rollup.jovian_time.is_some_and(|time| time <= timestamp)
}

/// Whether the block at `timestamp` is the first with Jovian's rules (never so if they hold at genesis).
pub(crate) fn activates_jovian(rollup: &RollupConfig, timestamp: u64) -> bool {
    is_jovian(rollup, timestamp)
        && timestamp.checked_sub(rollup.block_time).is_some_and(|parent| !is_jovian(rollup, parent))
}

/// Seconds that an L2 block may be ahead of an origin with this timestamp: constant from Fjord on.
pub(crate) fn max_sequencer_drift(rollup: &RollupConfig, origin_timestamp: u64) -> u64 {
    const FJORD: u64 = 1_800;
    if rollup.fjord_time.is_some_and(|time| time <= origin_timestamp) { FJORD } else { rollup.max_sequencer_drift }
}
