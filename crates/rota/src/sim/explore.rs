//! `rota sim explore`: many seeds, each a random world with a random plan of faults.

use crate::output::print;
use clap::Args as ClapArgs;
use rota_sim::explore::{Options, Summary, explore_all};
use std::{
    ops::Range,
    time::{Duration, Instant},
};

/// The scenario that replays a seed of the explorer.
pub(super) const EXPLORE: &str = "explore";

/// Time between two lines of progress.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What all explored seeds have in common.
#[derive(Debug, ClapArgs)]
pub(super) struct Shape {
    /// Operators of the first committee; by default 4 to 7, from the seed.
    #[arg(long, value_parser = clap::value_parser!(u8).range(4..=50))]
    operators: Option<u8>,
    /// Simulated seconds in which faults happen.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    seconds: u64,
}

impl Shape {
    pub(super) fn options(&self, without: Vec<usize>) -> Options {
        Options { operators: self.operators.map(usize::from), lasts: Duration::from_secs(self.seconds), without }
    }
}

/// What to explore.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The seeds: from A to before B.
    #[arg(long, value_name = "A..B", value_parser = range)]
    seeds: Range<u64>,
    /// Threads.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    jobs: u16,
    #[command(flatten)]
    shape: Shape,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let ends = text.split_once("..").and_then(|(start, end)| Some(start.parse().ok()?..end.parse().ok()?));
    ends.filter(|range| !range.is_empty()).ok_or_else(|| "not a range like 0..100".into())
}

impl Args {
    /// Runs them; an error if one fails.
    pub(crate) fn run(self) -> eyre::Result<()> {
        let options = self.shape.options(Vec::new());
        let (begun, all, jobs) = (Instant::now(), self.seeds.end - self.seeds.start, self.jobs);
        let (mut done, mut failed, mut told) = (0u64, 0u64, begun);
        let mut printed = Ok(());
        let mut tell = |text: String| {
            if printed.is_ok() {
                printed = print(text);
            }
        };
        let summary = explore_all(self.seeds, jobs.into(), &options, |seed, result| {
            done += 1;
            if let Err(claim) = result {
                failed += 1;
                tell(format!(
                    "seed {seed}: {claim}\n  rota sim run --scenario {EXPLORE} --seed {seed}{options} --trace {seed}.jsonl\n"
                ));
            }
            if told.elapsed() >= TELL_EVERY || done == all {
                told = Instant::now();
                tell(format!("{done} of {all} seeds, {}, {failed} failed\n", rate(done, begun.elapsed(), jobs)));
            }
        });
        printed?;
        print(report(&summary))?;
        let failed = summary.failed.len();
        print(format!("{} passed, {failed} failed\n", summary.passed))?;
        if failed > 0 {
            std::process::exit(1);
        }
        Ok(())
    }
}

fn rate(seeds: u64, took: Duration, jobs: u16) -> String {
    let per_minute = seeds as f64 * 60.0 / took.as_secs_f64().max(0.001);
    format!("{per_minute:.1} a minute, {:.1} a minute and thread", per_minute / f64::from(jobs))
}

/// What the seeds had in them, and the slowest of them.
fn report(summary: &Summary) -> String {
    let Summary { heights, simulated, answered, bold, .. } = summary;
    let mut text = format!(
        "{heights} heights and {answered} answered transactions in {} simulated seconds; {bold} plans hurt more \
         operators than the chain can do without\n\
         at most {} tasks of one operator at the end (seed {})\n\
         longest time without a height while it must go on: {:?} (seed {}); longest recovery: {:?} (seed {})\n\
         fault            seeds  faults  took effect\n",
        simulated.as_secs(),
        summary.most_tasks.0,
        summary.most_tasks.1,
        summary.longest_gap.0,
        summary.longest_gap.1,
        summary.longest_recovery.0,
        summary.longest_recovery.1,
    );
    for (name, coverage) in &summary.coverage {
        text += &format!("{name:<16} {:>5} {:>7} {:>12}\n", coverage.seeds, coverage.faults, coverage.took_effect);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_understood() {
        assert_eq!(range("3..10"), Ok(3..10));
        for text in ["3..3", "10..3", "3", "a..b", "..", "-1..3"] {
            assert!(range(text).is_err(), "{text}");
        }
    }
}
