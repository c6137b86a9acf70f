//! `reconfiguration`: operators are replaced one after the other under load; the longest gap between certified
//! flashblocks that a client sees, turns in which nothing was certified, and transactions that were lost.

use super::{
    cluster::{Cluster, flashblocks, ms, number},
    load::{Load, SENDERS, STEP},
    report::{Figure, Report, Target, quantile},
};
use eyre::{ContextCompat as _, WrapErr as _, bail, ensure};
use jsonrpsee::{core::client::ClientT, rpc_params};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Transfers offered per second.
const RATE: usize = 500;
/// The operators that stay: the load goes to them, and the client listens to the first.
const STAY: usize = 2;
/// Heights of an epoch: 8 s.
const EPOCH_LENGTH: &str = "40";
/// Views of a turn: every member has one in an epoch.
const TURN_LENGTH: &str = "8";
/// How long the load runs before the first replacement: by then everybody has posted or read a blob for the first time.
const SETTLE: Duration = Duration::from_secs(20);
/// How long the certification of everything offered may take, before the rest counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);
/// Without a certified flashblock for this long the chain has stopped.
const STOPPED: Duration = Duration::from_secs(60);

/// A certified flashblock as the client heard of it.
struct Seen {
    at: Instant,
    epoch: u64,
    turn: u64,
    leader: String,
}

/// Between two certified flashblocks.
struct Gap {
    end: Instant,
    ms: f64,
    /// Whether the second is the first of an epoch.
    enters: bool,
}

impl Gap {
    /// Those that ended between two moments.
    fn all(seen: &[Seen], from: Instant, to: Instant) -> Vec<Self> {
        let gap =
            |two: &[Seen]| Self { end: two[1].at, ms: ms(two[1].at - two[0].at), enters: two[1].epoch > two[0].epoch };
        seen.windows(2).map(gap).filter(|gap| (from..=to).contains(&gap.end)).collect()
    }
}

/// What the client saw from beginning to end.
struct Watched {
    seen: Vec<Seen>,
    sent: usize,
    refused: usize,
    lost: usize,
    latencies: Vec<f64>,
}

pub(super) async fn run(operators: usize, rounds: usize) -> eyre::Result<Report> {
    ensure!(operators >= 4 && rounds > 0, "takes four operators or more, and a round");
    let options = ["--epoch-length", EPOCH_LENGTH, "--turn-length", TURN_LENGTH];
    let cluster = Cluster::up_with(operators, &options).await?;
    let (stop, stopped) = watch::channel(false);
    let replaced = async {
        tokio::time::sleep(SETTLE).await;
        let replaced = replace(&cluster, rounds).await;
        // The other side has ended only if it failed.
        let _ = stop.send(true);
        replaced
    };
    let (watched, spans) = tokio::try_join!(watch_under_load(&cluster, stopped), replaced)?;

    let (Some((first, _)), Some((_, last))) = (spans.first(), spans.last()) else { bail!("nothing was replaced") };
    let gaps = Gap::all(&watched.seen, *first, *last);
    let longest = |of: &dyn Fn(&Gap) -> bool| gaps.iter().filter(|gap| of(gap)).map(|gap| gap.ms).fold(0.0, f64::max);
    let of_spans: Vec<f64> = spans.iter().map(|(from, to)| longest(&|gap| (*from..=*to).contains(&gap.end))).collect();
    let all: Vec<f64> = gaps.iter().map(|gap| gap.ms).collect();
    let missed = missed_turns(&watched.seen);
    for (epoch, turn) in &missed {
        eprintln!("missed: epoch {epoch}, turn {turn}");
    }
    let leaders: BTreeSet<&str> = watched.seen.iter().map(|seen| seen.leader.as_str()).collect();
    let lasted: Vec<f64> = spans.iter().map(|(from, to)| ms(*to - *from)).collect();
    let figures = vec![
        Figure::new("longest gap, max", quantile(&all, 1.0), "ms").target(Target::AtMost(500.0)),
        Figure::new("longest gap of a replacement, p50", quantile(&of_spans, 0.5), "ms"),
        Figure::new("longest gap before an epoch's first flashblock", longest(&|gap| gap.enters), "ms"),
        Figure::new("gap, p99 of all flashblocks", quantile(&all, 0.99), "ms"),
        Figure::new("missed turns", missed.len() as f64, "turns").target(Target::AtMost(0.0)),
        Figure::new("lost transactions", watched.lost as f64, "tx").target(Target::AtMost(0.0)),
        Figure::new("refused transactions: no hash returned", watched.refused as f64, "tx"),
        Figure::new("certified transactions", watched.latencies.len() as f64, "tx"),
        Figure::new("submit to certified, p99", quantile(&watched.latencies, 0.99), "ms"),
        Figure::new("operators that led", leaders.len() as f64, "operators"),
        Figure::new("a replacement lasts, max", quantile(&lasted, 1.0), "ms"),
    ];
    let conditions = vec![
        ("operators", operators.to_string()),
        ("network", "loopback".into()),
        ("replaced", rounds.to_string()),
        ("load_per_s", RATE.to_string()),
        ("settled_s", SETTLE.as_secs().to_string()),
        ("offered", watched.sent.to_string()),
        ("load_to", format!("the {STAY} operators that stay")),
        ("epoch_heights", EPOCH_LENGTH.into()),
        ("turn_views", TURN_LENGTH.into()),
        ("flashblock_ms", "200".into()),
        ("joiner", "syncs from genesis on the same machine".into()),
        ("observer", "websocket client of an operator that stays".into()),
    ];
    let samples = vec![("longest_gap_of_a_replacement_ms", of_spans), ("replacement_ms", lasted)];
    Ok(Report::new("reconfiguration", figures, conditions, samples))
}

/// Replaces one operator after the other: while the oldest of those that don't stay leaves, the next one joins, so that
/// one more than at the beginning are members. Returns when each replacement began, with the join, and ended, with the
/// leaving.
async fn replace(cluster: &Cluster, rounds: usize) -> eyre::Result<Vec<(Instant, Instant)>> {
    let mut spans = Vec::with_capacity(rounds);
    let mut began = Instant::now();
    cluster.devnet(&["join"]).await?;
    for round in 1..=rounds {
        let next = Instant::now();
        let leaves = async {
            cluster.devnet(&["leave", &(STAY + round - 1).to_string()]).await?;
            Ok(Instant::now())
        };
        let joins = async { if round < rounds { cluster.devnet(&["join"]).await } else { Ok(()) } };
        let (left, ()) = tokio::try_join!(leaves, joins)?;
        eprintln!("replacement {round} of {rounds} took {:.1} s", (left - began).as_secs_f64());
        spans.push((began, left));
        began = next;
    }
    Ok(spans)
}

/// Offers the load and listens, until told to stop and everything offered is certified or given up.
async fn watch_under_load(cluster: &Cluster, mut stop: watch::Receiver<bool>) -> eyre::Result<Watched> {
    let clients = cluster.clients(0..STAY).await?;
    let senders = cluster.fund(SENDERS).await?;
    let mut load = Load::new(cluster, &clients, &senders, RATE).await?;
    let client = cluster.ws(0).await?;
    let mut certified = flashblocks(&client).await?;
    let mut schedule = Schedule::default();
    let (mut seen, mut latencies) = (Vec::<Seen>::new(), Vec::new());
    let mut step = tokio::time::interval(STEP);
    let mut until = None;
    load.start();
    while until.is_none_or(|until| Instant::now() < until && load.waiting() > 0) {
        tokio::select! {
            _ = step.tick(), if until.is_none() => load.offer(cluster, usize::MAX)?,
            _ = stop.wait_for(|stop| *stop), if until.is_none() => until = Some(Instant::now() + PATIENCE),
            () = load.answered() => {}
            next = tokio::time::timeout(STOPPED, certified.next()) => {
                let next = next.wrap_err_with(|| format!("no certified flashblock for {STOPPED:?}"))?;
                let flashblock = next.wrap_err("the subscription ended")??;
                let at = Instant::now();
                latencies.extend(load.certified(&flashblock, at));
                let seen_now = schedule.place(cluster, &flashblock, at).await?;
                if let Some(last) = seen.last() && at - last.at > Duration::from_millis(400) {
                    let (gap, epoch, turn) = (ms(at - last.at), seen_now.epoch, seen_now.turn);
                    eprintln!("gap of {gap:.0} ms before epoch {epoch}, turn {turn}");
                }
                seen.push(seen_now);
            }
        }
    }
    Ok(Watched { seen, sent: load.sent, refused: load.refused, lost: load.waiting(), latencies })
}

/// The schedules of the epochs that were seen.
#[derive(Default)]
struct Schedule(BTreeMap<u64, (u64, Vec<String>)>);

impl Schedule {
    /// Where a flashblock belongs; its leader must be the one that the schedule names.
    async fn place(&mut self, cluster: &Cluster, flashblock: &Value, at: Instant) -> eyre::Result<Seen> {
        let (epoch, view) = (number(flashblock, "/header/epoch")?, number(flashblock, "/header/view")?);
        if let Entry::Vacant(unknown) = self.0.entry(epoch) {
            let answer: Value = cluster.http(0)?.request("rota_schedule", rpc_params![epoch, 0, 64]).await?;
            let turns = answer["turns"].as_array().wrap_err("a schedule without turns")?;
            let leaders = turns.iter().filter_map(|turn| Some(turn["leader"].as_str()?.to_owned())).collect();
            unknown.insert((number(&answer, "/turnLength")?, leaders));
        }
        let (length, leaders) = &self.0[&epoch];
        let turn = view.saturating_sub(1) / length;
        let leader = flashblock.pointer("/header/leader").and_then(Value::as_str).wrap_err("no leader")?.to_owned();
        let planned = leaders.get(turn as usize).wrap_err_with(|| format!("epoch {epoch} has come to turn {turn}"))?;
        ensure!(*planned == leader, "turn {turn} of epoch {epoch} is of {planned}, and {leader} led it");
        Ok(Seen { at, epoch, turn, leader })
    }
}

/// Epochs and turns that the chain has passed without a certified flashblock in them. Those that an epoch's end cut off were never
/// anybody's; of the first epoch and the last only a part was seen.
fn missed_turns(seen: &[Seen]) -> Vec<(u64, u64)> {
    let mut epochs: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for Seen { epoch, turn, .. } in seen {
        epochs.entry(*epoch).or_default().insert(*turn);
    }
    let first = epochs.keys().next().copied();
    let missed = epochs.iter().flat_map(|(epoch, turns)| {
        let from = if Some(*epoch) == first { turns.first().copied().unwrap_or(0) } else { 0 };
        let to = turns.last().copied().unwrap_or(0);
        (from..to).filter(|turn| !turns.contains(turn)).map(|turn| (*epoch, turn))
    });
    missed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(places: &[(u64, u64)]) -> Vec<Seen> {
        let at = Instant::now();
        places.iter().map(|(epoch, turn)| Seen { at, epoch: *epoch, turn: *turn, leader: String::new() }).collect()
    }

    #[test]
    fn a_turn_that_was_passed_without_a_flashblock_is_missed() {
        assert_eq!(missed_turns(&seen(&[(3, 2), (3, 3), (4, 0), (4, 0), (4, 1), (5, 0)])), []);
        assert_eq!(missed_turns(&seen(&[(3, 2), (3, 4), (4, 1), (4, 2)])), [(3, 3), (4, 0)]);
    }
}
