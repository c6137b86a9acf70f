//! `rota sim run`: one scenario, one seed.

use crate::output::print;
use clap::Args as ClapArgs;
use eyre::{OptionExt as _, WrapErr as _, eyre};
use rota_sim::{Scenario, Trace, scenario, scenarios};
use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

/// What to run.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Name of a scenario (`rota sim list`).
    #[arg(long)]
    scenario: String,
    /// Decides everything that is left to chance; by default the seed of the scenario's test.
    #[arg(long)]
    seed: Option<u64>,
    /// Write what happens to this file, for `rota sim show`.
    #[arg(long)]
    trace: Option<PathBuf>,
}

impl Args {
    /// Runs it; an error if a claim does not hold.
    pub(crate) fn run(self) -> eyre::Result<()> {
        let unknown = || format!("no scenario {:?}: see `rota sim list`", self.scenario);
        let named = scenarios::find(&self.scenario).ok_or_eyre(unknown())?;
        let seed = self.seed.unwrap_or(named.seed);
        let trace = self.trace.as_deref().map_or_else(|| Ok(Trace::default()), record)?;
        let base = Scenario { trace: trace.clone(), ..Scenario::seeded(seed) };
        let outcome = scenario::attempt(|| (named.run)(base));
        trace.finish().wrap_err("the trace could not be written")?;
        match outcome {
            Ok(()) => print(format!("{} holds with seed {seed}\n", named.name)),
            Err(claim) => Err(eyre!("{} with seed {seed}: {claim}", named.name)),
        }
    }
}

/// A trace that is written to a file.
pub(super) fn record(path: &Path) -> eyre::Result<Trace> {
    let file = File::create(path).wrap_err_with(|| path.display().to_string())?;
    Ok(Trace::to(BufWriter::new(file)))
}
