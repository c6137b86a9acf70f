//! `rota node`: one operator, or a follower, until it is asked to stop.

use crate::interrupt::interrupted;
use clap::Args as ClapArgs;
use rota_node::{Config, serve};
use std::path::PathBuf;
use tracing::info;

/// Which node.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The configuration (`rota config` explains it).
    #[arg(long)]
    config: PathBuf,
    /// Vote with an empty data directory: only for the very start of a chain, as `first_start` in the configuration.
    #[arg(long)]
    first_start: bool,
}

impl Args {
    /// Runs the node; Ctrl-C and SIGTERM stop it after it has handed its turn over.
    pub(crate) fn run(self) -> eyre::Result<()> {
        let mut config = Config::load(&self.config)?;
        config.first_start |= self.first_start;
        info!(config = %self.config.display(), effective = config.to_log().replace('\n', "; "), "starting");
        Ok(serve::run(config, interrupted())?)
    }
}
