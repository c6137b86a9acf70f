//! The explorer: a random world and a random plan of faults from a seed, and everything that must hold.

mod checks;
mod load;
mod run;
mod seeds;

pub use run::{Outcome, explore};
pub use seeds::{Coverage, Summary, explore_all};

use crate::{Map, chance::Chance, plan::FaultPlan, posting::PostingPlan, scenario::Scenario};
use rota_consensus::simulated::{Signing, SyncTime};
use rota_l1::{CarrierLimits, SendPolicy};
use rota_node::poster::{CarrierChoice, PosterConfig, PostingLimits};
use rota_types::limits::{Limits, MAX_TRANSACTION_GAS};
use std::{fmt, time::Duration};

/// What explored seeds have in common.
#[derive(Debug, Clone)]
pub struct Options {
    /// Operators of the first committee; nothing: 4 to 7, from the seed.
    pub operators: Option<usize>,
    /// Simulated time in which faults happen.
    pub lasts: Duration,
    /// Entries of the plan to leave out: what is left of a failure?
    pub without: Vec<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self { operators: None, lasts: Duration::from_secs(20), without: Vec::new() }
    }
}

/// The options of a command that replays a seed with the same.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operators) = self.operators {
            write!(f, " --operators {operators}")?;
        }
        if self.lasts != Self::default().lasts {
            write!(f, " --seconds {}", self.lasts.as_secs())?;
        }
        Ok(())
    }
}

/// The world and the plan of a seed.
pub fn draw(seed: u64, options: &Options) -> (Scenario, FaultPlan) {
    let mut chance = Chance::new(seed, 1);
    let operators = options.operators.unwrap_or_else(|| chance.pick(&[4, 4, 4, 5, 6, 7]));
    let latency = Duration::from_millis(chance.within(2..=60));
    let posting = chance.one_in(2).then(|| posting(&mut chance));
    let scenario = Scenario {
        operators,
        joiners: chance.within(0..=1) as usize,
        epoch_length: chance.within(33..=90),
        turn_length: chance.pick(&[10, 20, 30, 50]),
        // The smallest that is allowed: flashblocks of too much gas cost least.
        limits: Limits { max_flashblock_gas: MAX_TRANSACTION_GAS, ..Limits::default() },
        latency,
        jitter: latency * chance.within(0..=20) as u32 / 100,
        loss_ppm: chance.pick(&[0, 0, 0, 1_000]),
        l1_confirmations: chance.within(1..=4),
        posting,
        // Drawn last: what was drawn before stays what it was for a seed.
        signing: if chance.one_in(8) { Signing::Bls } else { Signing::Fast },
        map: chance.one_in(3).then(|| Map::named(chance.pick(&["europe", "transatlantic", "global"]), 8)).flatten(),
        sync_time: SyncTime { median: Duration::from_millis(chance.pick(&[0, 1, 4, 15])) },
        ..Scenario::seeded(seed)
    };
    let mut plan = FaultPlan::draw(&mut Chance::new(seed, 2), &scenario, options.lasts);
    let mut index = 0..;
    plan.faults.retain(|_| index.next().is_some_and(|index| !options.without.contains(&index)));
    (scenario, plan)
}

/// Short turns, small batches: much happens in a short time.
fn posting(chance: &mut Chance) -> PostingPlan {
    let s = Duration::from_secs;
    let max_calldata = chance.pick(&[2_000, 20_000]);
    let config = PosterConfig {
        // As in production, a channel is no more transactions than L1's pools keep of one account: one that takes longer
        // than the others' patience would never be finished.
        limits: PostingLimits { interval: s(2), max_channel_bytes: 8 * max_calldata, ..PostingLimits::default() },
        send: SendPolicy { resubmission_timeout: s(4), ..SendPolicy::default() },
        carrier: chance.pick(&[CarrierChoice::Calldata, CarrierChoice::Blobs, CarrierChoice::Auto]),
        carried: CarrierLimits { max_calldata, max_blobs: 2 },
        skip_timeout: s(8),
        ..PosterConfig::default()
    };
    PostingPlan { window: chance.within(6..=12), tenure: 3, config }
}
