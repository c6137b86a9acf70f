//! How long the chain stands still when the operator that leads fails, and how many turns are lost.

use crate::{
    Invalid, Map, Scenario, World,
    byzantine::{Behaviour, Idle, InvalidLeader, Later, Now, Record},
    chance::Chance,
    scenario::attempt,
    trace::{self, Buffer, Line, Trace, What},
};
use rota_consensus::simulated::Signing;
use rota_types::Limits;
use std::{collections::BTreeMap, io::BufReader, sync::Arc, time::Duration};

/// How the operator that leads fails.
#[derive(Debug, Clone)]
pub enum Failure {
    /// `kill -9`.
    Killed,
    /// Nothing that it sends arrives any more, nor does it hear anything.
    Silent,
    /// It follows, votes and answers, but its flashblocks are never done.
    Idle,
    /// Its engine hangs.
    Hung,
    /// What it proposes is invalid; in all else it is honest.
    Invalid(Invalid),
}

impl Failure {
    /// Every way to be a bad leader and yet alive.
    pub fn bad(chain_id: u64) -> Vec<Self> {
        let invalid = Invalid::ways(chain_id, &Limits::default()).into_iter().map(Self::Invalid);
        [Self::Silent, Self::Idle, Self::Hung].into_iter().chain(invalid).collect()
    }

    /// In words.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Silent => "silent",
            Self::Idle => "builds nothing",
            Self::Hung => "its engine hangs",
            Self::Invalid(invalid) => invalid.name(),
        }
    }

    /// What stands in front of the application of who fails so, and what that has done.
    fn behaviour(&self) -> Option<(Behaviour, Record)> {
        let record = Record::default();
        let behaviour: Behaviour = match self {
            Self::Idle => Arc::new(|inner| Arc::new(Idle(inner))),
            Self::Invalid(invalid) => {
                let (invalid, record) = (invalid.clone(), record.clone());
                Arc::new(move |inner| Arc::new(InvalidLeader::new(inner, invalid.clone(), record.clone())))
            }
            Self::Killed | Self::Silent | Self::Hung => return None,
        };
        Some((behaviour, record))
    }
}

/// Where and when one operator fails.
#[derive(Debug, Clone)]
pub struct Run {
    /// Where operators are; `None`: four on one machine, as on the devnet.
    pub map: Option<Map>,
    /// Decides the moment, jitter, disk delays and the rest.
    pub seed: u64,
    /// How it fails.
    pub failure: Failure,
    /// Whether it fails just before the turn with which an epoch begins, which is its own; else somewhere in its turn.
    pub at_epoch_start: bool,
}

/// What the failure cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// The longest time between two certified flashblocks at any of the others.
    pub gap: Duration,
    /// Turns that did not get to their last view.
    pub turns_lost: usize,
}

/// From one machine's process to another.
const LOOPBACK: Duration = Duration::from_micros(100);
/// How long the others are watched.
const WATCH: Duration = Duration::from_secs(4);
/// An engine that hangs does so for longer.
const HANGS: Duration = Duration::from_secs(20);
/// Views of a turn in which a leader proposes something of every kind: an opening and a seal.
const EVERY_KIND: u64 = 8;
/// Heights of an epoch, if its beginning is awaited.
const SHORT_EPOCH: u64 = 60;

impl Run {
    fn scenario(&self, buffer: &Buffer) -> Scenario {
        let base = match &self.map {
            Some(map) => Scenario::on(map, self.seed),
            None => Scenario {
                latency: LOOPBACK,
                jitter: LOOPBACK / 4,
                max_rtt: Some(rota_consensus::Timing::MAX_ROUND_TRIP),
                signing: Signing::Fast,
                ..Scenario::seeded(self.seed)
            },
        };
        let epoch_length = if self.at_epoch_start { SHORT_EPOCH } else { base.epoch_length };
        Scenario { epoch_length, trace: Trace::to(buffer.clone()), ..base }
    }
}

/// Lets the leader fail once; why the run failed, if it did.
pub fn measure(run: &Run) -> Result<Outage, String> {
    let buffer = Buffer::default();
    let (mut victim, mut since, mut turn) = (0, Duration::ZERO, (0, 0));
    let scenario = run.scenario(&buffer);
    let turn_length = u64::from(scenario.turn_length);
    attempt(|| {
        scenario.run(async |world| {
            let behaviour = run.failure.behaviour();
            let now: Vec<_> = world.members().map(|_| Now::default()).collect();
            if let Some((behaviour, _)) = &behaviour {
                for (operator, now) in now.iter().enumerate() {
                    let later = Later::behaviour(behaviour.clone(), now.clone());
                    world.behave(operator, format_args!("fail later: {}", run.failure.name()), later);
                }
            }
            world.start_all().await;
            world.all_reach(5, Duration::from_secs(60)).await;
            victim = moment(world, run).await;
            (since, turn) = (world.elapsed(), world.view());
            now[victim].set();
            fail(world, victim, &run.failure).await;
            world.sleep(WATCH).await;
            if let (Failure::Invalid(_), Some((_, record))) = (&run.failure, behaviour) {
                assert!(!record.proposed().is_empty(), "nothing invalid was proposed");
            }
            world.mend().await;
        })
    })?;
    Ok(read(&buffer.take(), victim, since, (turn.0, turn.1.saturating_sub(1) / turn_length), turn_length))
}

/// Waits for the moment, and says who leads then.
async fn moment(world: &World, run: &Run) -> usize {
    let turn_length = u64::from(world.scenario().turn_length);
    if run.at_epoch_start {
        let epoch = world.known_epoch(1).expect("the next epoch is known");
        world.all_reach(SHORT_EPOCH - 5, Duration::from_secs(60)).await;
        let leader = epoch.leader(1);
        return world.members().find(|operator| world.identity(*operator) == leader).expect("leaders are members");
    }
    // Anywhere in a turn.
    let turn = turn_length * 200;
    world.sleep(Duration::from_millis(Chance::new(run.seed, 4).within(1_000..=1_000 + turn))).await;
    if let Failure::Invalid(_) = run.failure {
        let left = |world: &World| turn_length - (world.view().1.max(1) - 1) % turn_length;
        world.until(Duration::from_secs(10), "a leader with views to come", |world| left(world) >= EVERY_KIND).await;
    }
    world.leader()
}

async fn fail(world: &mut World, victim: usize, failure: &Failure) {
    match failure {
        Failure::Killed => world.kill(victim),
        Failure::Silent => {
            let others: Vec<_> = world.members().filter(|operator| *operator != victim).collect();
            world.partition(&[&others]).await;
        }
        Failure::Hung => world.engine(victim).stall(HANGS),
        Failure::Idle | Failure::Invalid(_) => {}
    }
}

/// What the others certified from `since` on, when a turn (by epoch and number) was under way.
fn read(trace: &[u8], victim: usize, since: Duration, turn: (u64, u64), turn_length: u64) -> Outage {
    let (since, end) = (since.as_micros() as u64, (since + WATCH).as_micros() as u64);
    let mut newest: BTreeMap<usize, u64> = BTreeMap::new();
    // By epoch, the views of what was certified.
    let mut views: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut gap = 0;
    for Line { at_us, operator, what } in trace::read(BufReader::new(trace)).map_while(Result::ok) {
        let (Some(operator), What::Certified { epoch, view, .. }) = (operator, what) else { continue };
        if operator == victim || at_us > end {
            continue;
        }
        let before = newest.insert(operator, at_us);
        if at_us >= since {
            gap = gap.max(before.map_or(0, |before| at_us - before));
        }
        views.entry(epoch).or_default().push(view);
    }
    // Who has stood still until the end.
    let gap = newest.values().map(|newest| end - newest).fold(gap, u64::max);
    let lost = views.range(turn.0..).map(|(epoch, views)| {
        let first = if *epoch == turn.0 { turn.1 } else { 0 };
        let newest = views.iter().max().map_or(0, |view| (view - 1) / turn_length);
        (first..newest).filter(|turn| !views.contains(&((turn + 1) * turn_length))).count()
    });
    Outage { gap: Duration::from_micros(gap), turns_lost: lost.sum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(failure: Failure, at_epoch_start: bool) -> Outage {
        measure(&Run { map: None, seed: 1, failure, at_epoch_start }).expect("every claim holds")
    }

    #[test]
    fn a_leader_that_builds_nothing_costs_one_turn() {
        let outage = run(Failure::Idle, false);
        assert_eq!(outage.turns_lost, 1, "{outage:?}");
        assert!((250..=700).contains(&outage.gap.as_millis()), "{outage:?}");
    }

    #[test]
    fn a_leader_killed_before_its_epoch_is_passed_over() {
        let outage = run(Failure::Killed, true);
        // The turn before ends early with its epoch.
        assert!(outage.turns_lost <= 2 && (250..=1_500).contains(&outage.gap.as_millis()), "{outage:?}");
    }
}
