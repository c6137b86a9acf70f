//! `rota node`: run one operator or follower.

use clap::Parser;
use eyre::WrapErr;
use rota_node::{Config, serve};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// Run one operator or follower.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Its configuration.
    #[arg(long)]
    config: PathBuf,
    /// Vote with an empty data directory: for the very start of a chain only.
    #[arg(long)]
    first_start: bool,
}

impl Args {
    pub(crate) fn run(self) -> eyre::Result<()> {
        let mut config = Config::load(&self.config)?;
        config.first_start |= self.first_start;
        serve::run(config, shutdown()).wrap_err("the node stopped")
    }
}

/// Resolves when the process is asked to end.
async fn shutdown() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the signals end the process as ever.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
