//! `rota sim show`: a trace as a timeline.

use crate::output::print;
use clap::Args as ClapArgs;
use eyre::WrapErr as _;
use rota_sim::trace;
use std::{fs::File, io::BufReader, path::PathBuf};

/// What to show.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The trace.
    trace: PathBuf,
    /// Only what happened to this operator, and to the world.
    #[arg(long)]
    operator: Option<usize>,
}

impl Args {
    /// Prints it, line by line.
    pub(crate) fn run(self) -> eyre::Result<()> {
        let name = || self.trace.display().to_string();
        let file = File::open(&self.trace).wrap_err_with(name)?;
        for line in trace::read(BufReader::new(file)) {
            let line = line.wrap_err_with(name)?;
            if self.operator.is_none() || line.operator.is_none() || line.operator == self.operator {
                print(format!("{line}\n"))?;
            }
        }
        Ok(())
    }
}
