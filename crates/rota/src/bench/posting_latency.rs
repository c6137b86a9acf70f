//! `posting-latency`: from a block's certificate to L1, and to a stock verifier that derived it from there.

use super::{
    cluster::{Cluster, ms, number},
    report::{Figure, Report, quantile},
    stock::Verifier,
    workload::{MIX, Workload},
};
use eyre::ensure;
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Transactions per second: light load.
const RATE: usize = 10;
/// How long blocks are watched.
const WATCH: Duration = Duration::from_secs(120);
/// How long the last of them may take to be final.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between looks: what the figures are exact to.
const LOOK: Duration = Duration::from_millis(50);

/// Where a block comes to, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// Sealed, with a certificate.
    Certified,
    /// In the newest L1 block that an operator has read.
    Posted,
    /// Safe at the stock verifier.
    Safe,
    /// Finalized there.
    Finalized,
}

/// When each block came to each head.
#[derive(Default)]
struct Arrivals([Vec<(u64, Instant)>; 4]);

impl Arrivals {
    /// A head is at this block now, and at those before it at the latest.
    fn at(&mut self, head: Head, block: u64, now: Instant) {
        let list = &mut self.0[head as usize];
        let next = list.last().map_or(block, |(last, _)| last + 1);
        list.extend((next..=block).map(|block| (block, now)));
    }

    fn of(&self, head: Head, block: u64) -> Option<Instant> {
        self.0[head as usize].iter().find(|(found, _)| *found == block).map(|(_, at)| *at)
    }

    /// Milliseconds from one head to a later one, of these blocks.
    fn between(&self, from: Head, to: Head, blocks: std::ops::RangeInclusive<u64>) -> Vec<f64> {
        blocks.filter_map(|block| Some(ms(self.of(to, block)? - self.of(from, block)?))).collect()
    }
}

pub(super) async fn run(operators: usize, clients: &Path) -> eyre::Result<Report> {
    let cluster = Cluster::up(operators).await?;
    let verifier = Verifier::start(clients, &cluster).await?;
    let mut workload = Workload::new(&cluster).await?;
    let everybody: Vec<_> = (0..operators).collect();
    let mut load = Box::pin(workload.send(&cluster, &everybody, RATE, WATCH));
    let (mut arrivals, mut loaded) = (Arrivals::default(), false);
    let first = number(&cluster.status(0).await?, "/heads/latest/number")? + 1;
    let (start, mut last) = (Instant::now(), first);
    loop {
        tokio::select! {
            sent = &mut load, if !loaded => {
                sent?;
                loaded = true;
            }
            () = tokio::time::sleep(LOOK) => {
                let (status, stock) = tokio::join!(cluster.status(0), verifier.heads());
                let (status, (safe, finalized), now) = (status?, stock?, Instant::now());
                let certified = number(&status, "/heads/latest/number")?;
                // Nothing is posted before the inbox was read.
                let posted = number(&status, "/heads/posted").unwrap_or_default();
                for (head, block) in
                    [(Head::Certified, certified), (Head::Posted, posted), (Head::Safe, safe), (Head::Finalized, finalized)]
                {
                    arrivals.at(head, block, now);
                }
                if start.elapsed() < WATCH {
                    last = certified;
                } else if finalized >= last {
                    break;
                }
                ensure!(start.elapsed() < WATCH + PATIENCE, "block {last} is not finalized at the stock verifier");
            }
        }
    }
    let parts = [
        ("certified to posted", Head::Certified, Head::Posted),
        ("posted to safe at the stock verifier", Head::Posted, Head::Safe),
        ("certified to safe at the stock verifier", Head::Certified, Head::Safe),
        ("safe to finalized", Head::Safe, Head::Finalized),
    ];
    let (mut figures, mut samples) = (Vec::new(), Vec::new());
    for (name, from, to) in parts {
        let of_part = arrivals.between(from, to, first..=last);
        for (label, q) in [("p50", 0.5), ("p99", 0.99)] {
            figures.push(Figure::new(format!("{name}, {label}"), quantile(&of_part, q), "ms"));
        }
        samples.push((name, of_part));
    }
    let conditions = vec![
        ("operators", operators.to_string()),
        ("network", "loopback".into()),
        ("blocks", (last + 1 - first).to_string()),
        ("l1_block_s", "2".into()),
        ("l1_finality", "two blocks".into()),
        ("poster_interval_s", "4".into()),
        ("load_per_s", RATE.to_string()),
        ("mix", MIX.into()),
        ("resolution_ms", LOOK.as_millis().to_string()),
    ];
    Ok(Report::new("posting-latency", figures, conditions, samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_leaps_brings_all_blocks_that_it_passes() {
        let (mut arrivals, start) = (Arrivals::default(), Instant::now());
        let later = |millis| start + Duration::from_millis(millis);
        for (head, block, at) in [
            (Head::Certified, 1, 0),
            (Head::Certified, 2, 1_000),
            (Head::Certified, 3, 2_000),
            (Head::Posted, 0, 0),
            (Head::Posted, 0, 2_000),
            (Head::Posted, 3, 3_000),
        ] {
            arrivals.at(head, block, later(at));
        }
        assert_eq!(arrivals.between(Head::Certified, Head::Posted, 1..=4), [3_000.0, 2_000.0, 1_000.0]);
    }
}
