//! What a scenario starts from, and how it is run: one seed, one run.

use crate::{
    chain::GENESIS_TIME,
    map::Map,
    posting::PostingPlan,
    trace::{Trace, What},
    world::World,
};
use commonware_runtime::{Runner as _, Supervisor as _, deterministic};
use rota_consensus::simulated::{Signing, SyncTime};
use rota_types::Limits;
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Duration, SystemTime},
};

/// What a scenario starts from.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Operators in the first committee.
    pub operators: usize,
    /// Operators that are not, and may join.
    pub joiners: usize,
    /// Heights in one epoch.
    pub epoch_length: u64,
    /// Views in one turn.
    pub turn_length: u32,
    /// Flashblocks in one block of a second.
    pub flashblocks_per_block: u16,
    /// Limits of a flashblock.
    pub limits: Limits,
    /// What operators sign with; both cost the same simulated time.
    pub signing: Signing,
    /// Cores of every operator's machine.
    pub cores: usize,
    /// How long a sync of every disk takes.
    pub sync_time: SyncTime,
    /// Where operators are; `None`: every link has the same delay.
    pub map: Option<Map>,
    /// Mean delay of every link, without a map.
    pub latency: Duration,
    /// Standard deviation of that delay.
    pub jitter: Duration,
    /// The longest round trip that operators reckon with; `None`: what it is, with room for jitter.
    pub max_rtt: Option<Duration>,
    /// Messages lost of a million, on every link.
    pub loss_ppm: u32,
    /// L1 blocks on top of one before it may become an origin.
    pub l1_confirmations: u64,
    /// L1 blocks after its origin within which a block must be posted.
    pub sequencing_window: u64,
    /// PostingTurns, and how all operators post; `None`: nobody does.
    pub posting: Option<PostingPlan>,
    /// Where the run is recorded.
    pub trace: Trace,
}

impl Default for Scenario {
    /// Four operators in neighbouring cities, epochs of a minute, turns of ten seconds, as on the devnet.
    fn default() -> Self {
        Self {
            seed: 0,
            operators: 4,
            joiners: 0,
            epoch_length: 300,
            turn_length: 50,
            flashblocks_per_block: 5,
            limits: Limits::default(),
            signing: Signing::Bls,
            cores: 2,
            sync_time: SyncTime::BUSY,
            map: None,
            latency: Duration::from_millis(10),
            jitter: Duration::from_millis(1),
            max_rtt: None,
            loss_ppm: 0,
            l1_confirmations: 2,
            sequencing_window: 3_600,
            posting: None,
            trace: Trace::default(),
        }
    }
}

impl Scenario {
    /// The devnet of this seed.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// A healthy chain on a map, of which times and costs are measured: votes are signed by the stand-in, and charged as
    /// in production.
    pub(crate) fn on(map: &Map, seed: u64) -> Self {
        Self {
            operators: map.operators(),
            map: Some(map.clone()),
            jitter: Duration::from_micros(500),
            signing: Signing::Fast,
            ..Self::seeded(seed)
        }
    }

    /// The longest round trip that operators reckon with.
    pub(crate) fn max_rtt(&self) -> Duration {
        let longest = || self.map.as_ref().map_or(self.latency * 4, |map| map.max_rtt() + self.jitter * 4);
        self.max_rtt.unwrap_or_else(longest)
    }

    pub(crate) fn begun(&self) -> What {
        let Self { operators, joiners, epoch_length, turn_length, .. } = self;
        let Self { latency, jitter, loss_ppm, l1_confirmations, posting, .. } = self;
        let world = format!(
            "{operators} operators, {joiners} more that may join, epochs of {epoch_length}, turns of {turn_length}, \
             links of {latency:?} +- {jitter:?} that lose {loss_ppm} ppm, {l1_confirmations} L1 confirmations, posting {}",
            if posting.is_some() { "on" } else { "off" }
        );
        What::Begun { seed: self.seed, world }
    }

    /// Runs `body` in a fresh world, then checks what must hold at the end of every scenario; panics where something
    /// does not hold. The same seed gives the same run. Returns the state of the runtime's auditor: a hash over
    /// everything that happened.
    pub fn run(self, body: impl AsyncFnOnce(&mut World)) -> String {
        // Another runtime on this thread would count the tasks' polls, and let them wait when there were too many.
        assert!(tokio::runtime::Handle::try_current().is_err(), "a simulation needs a thread of its own");
        let trace = self.trace.clone();
        let config = deterministic::Config::default()
            .with_seed(self.seed)
            .with_cycle(Duration::from_micros(50))
            .with_start_time(SystemTime::UNIX_EPOCH + Duration::from_secs(GENESIS_TIME));
        let run = || {
            deterministic::Runner::from(config).start(|context| async move {
                let mut world = World::new(context.child("world"), self).await;
                body(&mut world).await;
                world.finish().await;
                context.auditor().state()
            })
        };
        let outcome = catch_unwind(AssertUnwindSafe(run));
        if let Err(panic) = &outcome {
            trace.fail(&reason(&**panic));
        }
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Runs what panics where a claim does not hold: the claim then.
pub fn attempt<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| reason(&*panic))
}

/// What a panic says.
fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}
