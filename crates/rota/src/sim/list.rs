//! `rota sim list`: the scenarios, and what must hold in all of them.

use crate::output::print;
use clap::Args as ClapArgs;
use rota_sim::{invariants::Invariant, scenarios};

/// What to list.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// List what must hold in every run instead.
    #[arg(long)]
    invariants: bool,
}

impl Args {
    /// Prints it.
    pub(crate) fn run(self) -> eyre::Result<()> {
        if self.invariants {
            let line = |invariant: &Invariant| {
                format!("{}: {} Checked {}.\n", invariant.name(), invariant.sentence(), invariant.checked())
            };
            return print(Invariant::ALL.iter().map(line).collect::<String>());
        }
        let line =
            |named: &scenarios::Named| format!("{} (seed {}): {}\n", named.name, named.seed, named.description());
        print(scenarios::ALL.iter().map(line).collect::<String>())
    }
}
