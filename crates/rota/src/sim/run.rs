//! `rota sim run`: one scenario, or one seed of the explorer.

use super::explore::{EXPLORE, Shape};
use crate::output::print;
use clap::Args as ClapArgs;
use eyre::{OptionExt as _, WrapErr as _, eyre};
use rota_sim::{
    Scenario, Trace,
    explore::{draw, explore},
    scenario::attempt,
    scenarios,
};
use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

/// What to run.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Name of a scenario (`rota sim list`), or `explore` for a random world with a random plan of faults.
    #[arg(long)]
    scenario: String,
    /// Decides everything that is left to chance; by default the seed of the scenario's test.
    #[arg(long)]
    seed: Option<u64>,
    /// Write what happens to this file, for `rota sim show`.
    #[arg(long)]
    trace: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
    /// With `explore`: leave these entries of the plan out, by number.
    #[arg(long, value_delimiter = ',')]
    without: Vec<usize>,
}

impl Args {
    /// Runs it; an error if a claim does not hold.
    pub(crate) fn run(self) -> eyre::Result<()> {
        let trace = self.trace.as_deref().map_or_else(|| Ok(Trace::default()), record)?;
        let outcome = if self.scenario == EXPLORE { self.one_seed(&trace) } else { self.named(&trace) };
        trace.finish().wrap_err("the trace could not be written")?;
        print(outcome?)
    }

    fn named(&self, trace: &Trace) -> eyre::Result<String> {
        let unknown = || format!("no scenario {:?}: see `rota sim list`", self.scenario);
        let named = scenarios::find(&self.scenario).ok_or_eyre(unknown())?;
        let seed = self.seed.unwrap_or(named.seed);
        let base = Scenario { trace: trace.clone(), ..Scenario::seeded(seed) };
        attempt(|| (named.run)(base)).map_err(|claim| eyre!("{} with seed {seed}: {claim}", named.name))?;
        Ok(format!("{} holds with seed {seed}\n", named.name))
    }

    fn one_seed(&self, trace: &Trace) -> eyre::Result<String> {
        let seed = self.seed.ok_or_eyre("which seed?")?;
        let options = self.shape.options(self.without.clone());
        let (_, plan) = draw(seed, &options);
        for (index, fault) in plan.faults.iter().enumerate() {
            print(format!("{index}: {fault}\n"))?;
        }
        let outcome = explore(seed, &options, trace.clone()).map_err(|claim| eyre!("seed {seed}: {claim}"))?;
        Ok(format!("seed {seed} holds: {outcome:#?}\n"))
    }
}

/// A trace that is written to a file.
fn record(path: &Path) -> eyre::Result<Trace> {
    let file = File::create(path).wrap_err_with(|| path.display().to_string())?;
    Ok(Trace::to(BufWriter::new(file)))
}
