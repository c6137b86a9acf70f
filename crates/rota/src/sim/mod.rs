//! `rota sim`: the whole node on a deterministic runtime, from a seed.

mod explore;
mod list;
mod run;
mod show;

use clap::Subcommand;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the scenarios.
    List(list::Args),
    /// Run many seeds: random worlds, random plans of faults, and everything that must hold.
    Explore(explore::Args),
    /// Run one scenario, or one seed of the explorer.
    Run(run::Args),
    /// Show a trace as a timeline.
    Show(show::Args),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> eyre::Result<()> {
        match self {
            Self::List(args) => args.run(),
            Self::Explore(args) => args.run(),
            Self::Run(args) => args.run(),
            Self::Show(args) => args.run(),
        }
    }
}
