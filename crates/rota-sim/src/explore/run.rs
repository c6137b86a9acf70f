//! One seed: its plan is carried out under load.

use super::{
    Options,
    checks::{Checks, tasks},
    draw,
    load::Load,
};
use crate::{
    Scenario,
    chance::Chance,
    faults::Injected,
    invariants::{Invariant, must, violated},
    plan::FaultPlan,
    scenario::attempt,
    trace::{Trace, What},
    world::World,
};
use std::time::{Duration, SystemTime};

/// Time between two looks at everything.
const TICK: Duration = Duration::from_millis(25);

/// How long every honest operator may need to go on after the last fault has healed: those that lost their disks read
/// everything anew.
const RECOVERY: Duration = Duration::from_secs(30);

/// Heights that are certified when the chain goes on.
const GOES_ON: u64 = 10;

/// What a run that held shows.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The kinds of its faults, and whether each took effect.
    pub faults: Vec<(&'static str, bool)>,
    /// Whether the plan went beyond what the chain can do without.
    pub bold: bool,
    /// Heights that were certified.
    pub heights: u64,
    /// Simulated time.
    pub simulated: Duration,
    /// The longest time without a certified height while the chain had to go on.
    pub longest_gap: Duration,
    /// From the last fault's end until every honest operator had gone on.
    pub recovery: Duration,
    /// Answers to wallets with a hash.
    pub answered: u64,
    /// Tasks of the runtime at the end, by operator that runs.
    pub tasks: u64,
}

/// Runs one seed: what it shows, or what does not hold.
pub fn explore(seed: u64, options: &Options, trace: Trace) -> Result<Outcome, String> {
    let (scenario, plan) = draw(seed, options);
    let mut outcome = Outcome::default();
    let load = Chance::new(seed, 3);
    let run = async |world: &mut World| outcome = carry_out(world, &plan, load, options.lasts).await;
    attempt(|| Scenario { trace, ..scenario }.run(run))?;
    Ok(outcome)
}

async fn carry_out(world: &mut World, plan: &FaultPlan, chance: Chance, lasts: Duration) -> Outcome {
    for (index, fault) in plan.faults.iter().enumerate() {
        world.record(None, || What::Planned { entry: format!("{index}: {fault}") });
    }
    world.start_all().await;
    world.all_reach(2, Duration::from_secs(30)).await;
    let since = world.now();
    let (mut load, mut checks) = (Load::new(world, chance), Checks::new(since));
    let mut injected: Vec<Option<Injected>> = plan.faults.iter().map(|_| None).collect();
    let mut effects = Vec::new();
    for Step { at, fault, begins } in steps(plan) {
        wait(world, plan, &mut load, &mut checks, since + at).await;
        if begins {
            world.act(None, format_args!("fault {fault} begins: {}", plan.faults[fault].kind));
            injected[fault] = Some(plan.faults[fault].kind.inject(world).await);
        } else if let Some(Injected { heal, took_effect }) = injected[fault].take() {
            world.act(None, format_args!("fault {fault} is healed"));
            heal(world).await;
            effects.push((plan.faults[fault].kind.name(), took_effect));
        }
    }
    let recovery = go_on(world, plan, &mut load, &mut checks).await;
    wait(world, plan, &mut load, &mut checks, since + lasts).await;
    nobody_honest_is_cut_off(world).await;
    let running = world.operators().filter(|operator| world.runs(*operator)).count() as u64;
    let tasks = tasks(world) / running.max(1);
    let answered = *load.answered.lock();
    Outcome {
        faults: effects.iter().map(|(kind, took_effect)| (*kind, took_effect(world))).collect(),
        bold: !plan.faults.iter().all(|fault| plan.promises(fault.at)),
        heights: world.invariants.height(),
        simulated: world.elapsed(),
        longest_gap: checks.longest_gap,
        recovery,
        answered,
        tasks,
    }
}

/// Lets time pass, under load.
async fn wait(world: &World, plan: &FaultPlan, load: &mut Load, checks: &mut Checks, until: SystemTime) {
    while world.now() < until {
        load.tick(world);
        checks.tick(world, plan);
        let left = until.duration_since(world.now()).unwrap_or_default();
        world.sleep(left.min(TICK)).await;
    }
}

/// Everything has healed: waits until every honest operator goes on. Returns how long that took.
async fn go_on(world: &World, plan: &FaultPlan, load: &mut Load, checks: &mut Checks) -> Duration {
    let (healed, target) = (world.now(), world.invariants.height() + GOES_ON);
    let honest = |operator: &usize| world.is_up(*operator) && world.invariants.is_honest(*operator);
    loop {
        let behind = |operator: &usize| !world.runs(*operator) || world.tip(*operator) < target;
        let behind: Vec<_> = world.operators().filter(honest).filter(behind).collect();
        let took = world.now().duration_since(healed).unwrap_or_default();
        if behind.is_empty() {
            return took;
        }
        must(Invariant::ProgressAfterHealing, took <= RECOVERY, || {
            format!("operators {behind:?} have not certified height {target} after {took:?}")
        });
        wait(world, plan, load, checks, world.now() + TICK).await;
    }
}

async fn nobody_honest_is_cut_off(world: &World) {
    let honest = |identity| {
        let operator = world.operators().find(|operator| world.identity(*operator) == identity);
        operator.filter(|operator| world.invariants.is_honest(*operator))
    };
    for (who, whom) in world.network.blocked().await {
        if let (Some(who), Some(whom)) = (honest(who), honest(whom)) {
            violated(Invariant::NobodyHonestIsCutOff, format_args!("operator {who} has cut off operator {whom}"));
        }
    }
}

/// The beginning or the end of a fault.
struct Step {
    at: Duration,
    fault: usize,
    begins: bool,
}

fn steps(plan: &FaultPlan) -> Vec<Step> {
    let both = plan.faults.iter().enumerate().flat_map(|(fault, timed)| {
        [Step { at: timed.at, fault, begins: true }, Step { at: timed.ends(), fault, begins: false }]
    });
    let mut steps: Vec<_> = both.collect();
    steps.sort_by_key(|step| (step.at, step.fault, !step.begins));
    steps
}
