//! `poster-failover`: `kill -9` of the operator that posts; from the kill to the next batch on L1 that counts, and
//! whether anything was posted that was not certified.

use super::{
    cluster::{Cluster, number},
    report::{Figure, Report, Target, quantile},
};
use crate::contracts::{
    Reader,
    abi::PostingTurns::{Turn, currentCall},
};
use alloy_primitives::Address;
use eyre::{ContextCompat as _, ensure};
use jsonrpsee::{core::client::ClientT, rpc_params};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// L1 blocks of a posting turn, two minutes: its natural end is not what helps.
const WINDOW: &str = "60";
/// The devnet's `poster_skip_timeout_s`, and three of its L1 blocks.
const TARGET_S: f64 = 20.0 + 3.0 * 2.0;
/// L1 blocks that a turn has left at the kill, at least: far more than until the skip.
const LEFT: u64 = 25;
/// How long a batch may take.
const PATIENCE: Duration = Duration::from_secs(150);
/// Time between looks at the nodes.
const LOOK: Duration = Duration::from_millis(50);

/// What the benchmark works with.
struct Bench {
    cluster: Cluster,
    l1: Reader,
    turns: Address,
    /// Posting addresses of the operators.
    posting: Vec<Address>,
    /// Blocks of which a node has said that something else was posted, and which node.
    contradicted: BTreeSet<(usize, String)>,
}

/// Whose batches count, and the newest block in them, as a node has read it.
struct Posted {
    batcher: Address,
    block: u64,
}

pub(super) async fn run(operators: usize, rounds: usize) -> eyre::Result<Report> {
    ensure!(rounds > 0, "takes a round");
    let mut bench = Bench::up(operators).await?;
    let mut samples = Vec::with_capacity(rounds);
    let mut skipped = 0;
    for round in 1..=rounds {
        let (took, skip) = bench.round().await?;
        skipped += usize::from(skip);
        let end = if skip { "a skip" } else { "its natural end" };
        eprintln!("kill {round} of {rounds}: next batch after {:.1} s, by {end}", took.as_secs_f64());
        samples.push(took.as_secs_f64());
    }
    let unequal = bench.unequal_blocks().await?;
    let figures = vec![
        Figure::new("kill to the next accepted batch, max", quantile(&samples, 1.0), "s")
            .target(Target::AtMost(TARGET_S)),
        Figure::new("kill to the next accepted batch, p50", quantile(&samples, 0.5), "s"),
        Figure::new("posted, but not certified", bench.contradicted.len() as f64, "blocks").target(Target::AtMost(0.0)),
        Figure::new("certified blocks that differ among operators", unequal as f64, "blocks")
            .target(Target::AtMost(0.0)),
        Figure::new("turns ended by a skip", skipped as f64, "turns"),
    ];
    let conditions = vec![
        ("operators", operators.to_string()),
        ("network", "loopback".into()),
        ("kills", rounds.to_string()),
        ("kill", format!("after a batch of its own landed, {LEFT} or more L1 blocks before the turn's end")),
        ("load", "none".into()),
        ("skip_timeout_s", "20".into()),
        ("l1_block_s", "2".into()),
        ("posting_turn_l1_blocks", WINDOW.into()),
        ("poster_interval_s", "4".into()),
        ("observer", "a surviving node's posted head, its L1 poll of 500 ms included".into()),
    ];
    Ok(Report::new("poster-failover", figures, conditions, vec![("kill_to_accepted_s", samples)]))
}

impl Bench {
    async fn up(operators: usize) -> eyre::Result<Self> {
        let cluster = Cluster::up_with(operators, &["--posting-window", WINDOW]).await?;
        let l1 = Reader::connect(&cluster.l1.rpc).await?;
        let turns = cluster.contract("PostingTurns")?;
        let status = cluster.status(0).await?;
        let committee = status["committee"].as_array().wrap_err("status without committee")?;
        let posting = cluster.operators.iter().map(|operator| {
            let seat = committee.iter().find(|seat| seat["identity"] == operator.identity.to_string());
            let posting = seat.and_then(|seat| seat["postingAddress"].as_str());
            Ok(posting.wrap_err("an operator without a seat")?.parse()?)
        });
        let posting = posting.collect::<eyre::Result<_>>()?;
        Ok(Self { cluster, l1, turns, posting, contradicted: BTreeSet::new() })
    }

    /// Kills the poster, and brings it back once the next one has posted. Returns how long that took, and whether a
    /// skip ended the turn.
    async fn round(&mut self) -> eyre::Result<(Duration, bool)> {
        let (victim, turn) = self.landed().await?;
        let witness = (victim + 1) % self.posting.len();
        // The witness has read of this turn too: who posts later is somebody else.
        let mut own = loop {
            let posted = self.look(witness).await?;
            if posted.batcher == self.posting[victim] {
                break posted.block;
            }
            tokio::time::sleep(LOOK).await;
        };
        let start = Instant::now();
        self.cluster.kill(victim)?;
        loop {
            ensure!(start.elapsed() < PATIENCE, "no batch for {PATIENCE:?} after the poster was killed");
            let posted = self.look(witness).await?;
            if posted.batcher == self.posting[victim] {
                // What the victim had sent may still land.
                own = posted.block;
            } else if posted.block > own {
                break;
            }
            for other in (0..self.posting.len()).filter(|other| *other != victim && *other != witness) {
                self.look(other).await?;
            }
            tokio::time::sleep(LOOK).await;
        }
        let took = start.elapsed();
        let next = self.turn().await?;
        ensure!(next.number == turn.number + 1, "turn {} is followed by {}", turn.number, next.number);
        self.cluster.restart(victim)?;
        let tip = self.cluster.height(witness).await?;
        self.cluster.wait_for_height(victim, tip, Duration::from_secs(30)).await?;
        Ok((took, next.startBlock < turn.endBlock))
    }

    /// Waits until a batch of the poster has just landed, early in its turn; returns who that is.
    async fn landed(&mut self) -> eyre::Result<(usize, Turn)> {
        let start = Instant::now();
        let mut before = self.look(0).await?;
        loop {
            ensure!(start.elapsed() < PATIENCE, "no poster posts early in its turn for {PATIENCE:?}");
            tokio::time::sleep(LOOK).await;
            let now = self.look(0).await?;
            if now.batcher == before.batcher && now.block > before.block {
                let (turn, status) = (self.turn().await?, self.cluster.status(0).await?);
                let early = number(&status, "/l1/head/number")? + LEFT <= turn.endBlock;
                if turn.posting == now.batcher && early {
                    let poster = self.posting.iter().position(|posting| *posting == now.batcher);
                    return Ok((poster.wrap_err("a stranger posts")?, turn));
                }
            }
            before = now;
        }
    }

    async fn turn(&self) -> eyre::Result<Turn> {
        self.l1.read(self.turns, &currentCall {}).await
    }

    /// What operator `k` has read of the inbox; notes what it says against it.
    async fn look(&mut self, k: usize) -> eyre::Result<Posted> {
        let status = self.cluster.status(k).await?;
        let conditions = status["conditions"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let against = conditions.filter(|condition| condition.starts_with("posted, but not certified"));
        self.contradicted.extend(against.map(|condition| (k, condition.to_owned())));
        let batcher = status["batcher"].as_str().map(str::parse).transpose()?.unwrap_or_default();
        Ok(Posted { batcher, block: number(&status, "/heads/posted").unwrap_or(0) })
    }

    /// Sealed blocks that are not the same at all operators, of those that all of them have.
    async fn unequal_blocks(&mut self) -> eyre::Result<usize> {
        let mut newest = u64::MAX;
        for k in 0..self.posting.len() {
            self.look(k).await?;
            newest = newest.min(number(&self.cluster.status(k).await?, "/heads/latest/number")?);
        }
        let clients = (0..self.posting.len()).map(|k| self.cluster.http(k)).collect::<eyre::Result<Vec<_>>>()?;
        let mut unequal = 0;
        for block in 1..=newest {
            let mut found = BTreeSet::new();
            for client in &clients {
                let answer: Value =
                    client.request("eth_getBlockByNumber", rpc_params![format!("{block:#x}"), false]).await?;
                found.insert(answer["hash"].as_str().wrap_err_with(|| format!("no block {block}"))?.to_owned());
            }
            unequal += usize::from(found.len() > 1);
        }
        Ok(unequal)
    }
}
