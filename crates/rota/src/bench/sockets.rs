//! How long finality takes on a map over real sockets: what the operators' logs say of the views since the load began.

use super::{cluster::Cluster, wan};
use alloy_primitives::B256;
use jsonrpsee::{core::client::ClientT, rpc_params};
use rota_sim::{
    Map,
    finality::{Finality, Run},
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// What operators tell of views, in JSON lines: the same events that the simulator traces.
const LOGS: [(&str, &str); 2] = [("RUST_LOG", "warn,rota_node::application=debug"), ("ROTA_LOG_FORMAT", "json")];
/// Height from which on it is measured.
const BEGIN: u64 = 20;
/// Until what was proposed last is certified.
const REST: Duration = Duration::from_secs(2);
const DAY_US: i64 = 86_400_000_000;

/// Runs real operators on a map as a run says it (its seed and its flashblocks don't matter here). Needs root.
pub(super) fn measure(run: &Run, router: &Path) -> eyre::Result<Finality> {
    let Run { map, lasts, rate, .. } = run.clone();
    wan::with_network(&run.map, router, async move |network| {
        let cluster = Cluster::up_on(network, &LOGS).await?;
        let operators = 0..cluster.operators.len();
        for k in operators.clone() {
            cluster.wait_for_height(k, BEGIN, Duration::from_secs(60)).await?;
        }
        let mut logs = operators.map(|k| Log::at_its_end(&cluster, k)).collect::<Result<Vec<_>, _>>()?;
        load(&cluster, Duration::from_secs(1) / rate, lasts).await?;
        tokio::time::sleep(REST).await;
        let texts = logs.iter_mut().map(Log::rest).collect::<Result<Vec<_>, _>>()?;
        Ok(read(&texts, &map))
    })
}

/// Transfers to the operators in turn, each from a sender of its own.
async fn load(cluster: &Cluster, every: Duration, lasts: Duration) -> eyre::Result<()> {
    let mut senders = Vec::new();
    for (k, signer) in cluster.accounts.iter().enumerate().take(cluster.operators.len()) {
        senders.push((Arc::new(cluster.http(k)?), signer, cluster.nonce(k, signer.address()).await?));
    }
    let mut answers = tokio::task::JoinSet::new();
    let end = Instant::now() + lasts;
    let mut ticks = tokio::time::interval(every);
    for turn in 0.. {
        ticks.tick().await;
        if Instant::now() >= end {
            break;
        }
        let index = turn % senders.len();
        let (client, signer, nonce) = &mut senders[index];
        let (_, raw) = cluster.transfer(signer, *nonce, signer.address())?;
        *nonce += 1;
        let client = client.clone();
        answers.spawn(async move { client.request::<B256, _>("eth_sendRawTransaction", rpc_params![raw]).await });
    }
    for answer in answers.join_all().await {
        answer?;
    }
    Ok(())
}

/// An operator's log, of which the beginning is skipped.
struct Log(File);

impl Log {
    fn at_its_end(cluster: &Cluster, operator: usize) -> eyre::Result<Self> {
        let mut file = File::open(cluster.dir().join(format!("operator-{operator}/log")))?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self(file))
    }

    fn rest(&mut self) -> eyre::Result<String> {
        let mut text = String::new();
        self.0.read_to_string(&mut text)?;
        Ok(text)
    }
}

/// A line of a log.
#[derive(Debug, Deserialize)]
struct Line {
    timestamp: String,
    fields: Fields,
}

#[derive(Debug, Deserialize)]
struct Fields {
    message: String,
    epoch: Option<u64>,
    view: Option<u64>,
    height: Option<u64>,
}

impl Line {
    /// Microseconds of the day.
    fn at_us(&self) -> Option<i64> {
        let (_, time) = self.timestamp.trim_end_matches('Z').split_once('T')?;
        let mut parts = time.split(':');
        let (hours, minutes): (i64, i64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let seconds: f64 = parts.next()?.parse().ok()?;
        Some((hours * 60 + minutes) * 60_000_000 + (seconds * 1e6).round() as i64)
    }
}

/// What the logs of all operators, in the map's order, say, as `rota_sim::finality` reads a trace.
fn read(logs: &[String], map: &Map) -> Finality {
    let lines_of = |log: &String| log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let logs: Vec<Vec<Line>> = logs.iter().map(lines_of).collect();
    let lines = || logs.iter().enumerate().flat_map(|(operator, log)| log.iter().map(move |line| (operator, line)));
    // The leader's own word has the height; others tell of a proposal when they hear of it.
    let (mut views, mut heights) = (BTreeMap::new(), BTreeMap::new());
    for (leader, line) in lines().filter(|(_, line)| line.fields.message == "proposed") {
        if let (Some(at), Some(height), Some(round)) = (line.at_us(), line.fields.height, line.fields.round()) {
            views.insert(round, (leader, at));
            // Proposed again in a later view if this one came to nothing.
            let newest = heights.entry(height).or_insert((round, at));
            *newest = (*newest).max((round, at));
        }
    }
    let floors = map.floors();
    let mut finality = Finality::default();
    for (observer, line) in lines() {
        let took = |since: i64| Some((line.at_us()? - since).rem_euclid(DAY_US) as f64 / 1_000.0);
        let proposal = || line.fields.round().and_then(|round| views.get(&round).copied());
        match line.fields.message.as_str() {
            "notarized" => finality.notarized.extend(proposal().and_then(|(_, at)| took(at))),
            "finalized" => {
                if let Some((leader, ms)) = proposal().and_then(|(leader, at)| Some((leader, took(at)?))) {
                    finality.finalized(&floors, leader, observer, ms);
                }
            }
            "certified" => {
                let since = line.fields.height.and_then(|height| heights.get(&height)).map(|(_, at)| *at);
                finality.certified.extend(since.and_then(took));
            }
            _ => {}
        }
    }
    finality.sorted()
}

impl Fields {
    fn round(&self) -> Option<(u64, u64)> {
        self.epoch.zip(self.view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(time: &str, fields: &str) -> String {
        format!(r#"{{"timestamp":"2026-01-01T{time}Z","level":"INFO","fields":{{{fields}}},"target":"t"}}"#)
    }

    #[test]
    fn times_count_from_the_leaders_proposal_across_midnight() {
        let leader = [
            line("23:59:59.950000", r#""message":"proposed","epoch":1,"view":2,"height":7"#),
            line("23:59:59.960000", r#""message":"proposed","epoch":1,"view":2,"digest":"0x1""#),
            line("23:59:59.990000", r#""message":"notarized","epoch":1,"view":2,"digest":"0x1""#),
            "no JSON".to_owned(),
            line("00:00:00.050000", r#""message":"finalized","epoch":1,"view":2,"digest":"0x1""#),
            line("00:00:00.060500", r#""message":"certified","height":7"#),
        ];
        let other = [
            line("23:59:59.980000", r#""message":"finalized","epoch":1,"view":1,"digest":"0x0""#),
            line("00:00:00.060000", r#""message":"finalized","epoch":1,"view":2,"digest":"0x1""#),
        ];
        let map = Map::named("global", 2).expect("a map");
        let finality = read(&[leader.join("\n"), other.join("\n")], &map);
        assert_eq!(finality.notarized, [40.0]);
        assert_eq!(finality.finalized, [100.0, 110.0], "view 1 was proposed before");
        assert_eq!(finality.certified, [110.5]);
        let floors = map.floors()[0].iter().map(|floor| floor.finalized.as_secs_f64() * 1_000.0).collect::<Vec<_>>();
        assert_eq!(finality.above, [110.0 - floors[1], 100.0 - floors[0]], "in order: the way to the other is longer");
    }
}
