//! What must hold while an explored run goes on.

use crate::{
    invariants::{INCLUSION, Invariant, must},
    plan::FaultPlan,
    world::{POOL, World},
};
use commonware_runtime::Metrics as _;
use rota_consensus::simulated::Death;
use std::time::{Duration, SystemTime};

/// How long nothing may be certified anywhere while the chain must go on: the turns of several operators that are down,
/// one after the other, at the beginning of an epoch.
const PROGRESS: Duration = Duration::from_secs(10);

/// Watches one run.
pub(super) struct Checks {
    /// When the plan began.
    since: SystemTime,
    /// Since when the plan promises that the chain goes on; nothing: it does not.
    promised: Option<SystemTime>,
    /// The longest time without a certified height while the plan promised one.
    pub(super) longest_gap: Duration,
    sampled: SystemTime,
}

impl Checks {
    pub(super) const fn new(since: SystemTime) -> Self {
        Self { since, promised: Some(since), longest_gap: Duration::ZERO, sampled: since }
    }

    /// Checks what must hold now.
    pub(super) fn tick(&mut self, world: &World, plan: &FaultPlan) {
        let now = world.now();
        let past = |since: SystemTime| now.duration_since(since).unwrap_or_default();
        match (plan.promises(past(self.since)), self.promised) {
            (false, _) => self.promised = None,
            (true, None) => {
                // Whoever held what was returned before may have been among too many that were down.
                world.invariants.excuse_outstanding();
                self.promised = Some(now);
            }
            (true, Some(promised)) => self.goes_on(world, promised),
        }
        for operator in world.operators() {
            let excused = world.host(operator).disk().fault().is_some()
                || world.engine(operator).is_failing()
                || world.host(operator).died() == Some(Death::Told);
            if let Some(reason) = world.ended(operator).filter(|_| !excused) {
                must(Invariant::NodesEndWhenTold, false, || format!("operator {operator}: {reason}"));
            }
        }
        if past(self.sampled) >= Duration::from_secs(1) {
            self.sampled = now;
            queues(world);
        }
    }

    fn goes_on(&mut self, world: &World, promised: SystemTime) {
        let now = world.now();
        let waits = |since: SystemTime| now.duration_since(since.max(promised)).unwrap_or_default();
        let gap = world.invariants.newest().map_or_else(|| waits(promised), waits);
        self.longest_gap = self.longest_gap.max(gap);
        must(Invariant::Progress, gap <= PROGRESS, || {
            format!("height {} is the newest for {gap:?}", world.invariants.height())
        });
        if let Some((hash, since)) = world.invariants.longest_outstanding() {
            let waits = waits(since);
            must(Invariant::ReturnedIsIncluded, waits <= INCLUSION, || format!("{hash} waits for {waits:?}"));
        }
    }
}

/// Tasks of the runtime that have begun and not ended, those of the world included.
pub(super) fn tasks(world: &World) -> u64 {
    let metrics = world.context.encode();
    let running = metrics.lines().filter(|line| line.starts_with("runtime_tasks_running{"));
    running.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Every pool is within its limits.
fn queues(world: &World) {
    for operator in world.operators().filter(|operator| world.runs(*operator)) {
        let size = world.node(operator).mempool.size();
        must(Invariant::QueuesAreBounded, size.transactions <= POOL.transactions && size.bytes <= POOL.bytes, || {
            format!("the pool of operator {operator} holds {size:?}")
        });
    }
}
