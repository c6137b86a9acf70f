//! `rota devnet`: a whole chain on one machine, every operator a process of its own.

mod accounts;
mod beacon;
mod chain;
mod command;
mod files;
mod followers;
mod founding;
mod hosts;
mod join;
mod l1;
mod leave;
mod nodes;
mod process;
mod status;

pub(crate) use process::free_ports;

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// A whole chain on this machine.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a new chain; an earlier one in the same directory is replaced.
    Up(Up),
    /// Show L1 and every operator.
    Status {
        #[command(flatten)]
        at: At,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Add a follower: a node that syncs and serves, and never votes. The operators restart one after the other to let
    /// it in; the chain goes on.
    Follow(At),
    /// Add operators as docs/operators.md describes it: admitted, in sync, attested by the others, members.
    Join {
        #[command(flatten)]
        at: At,
        /// How many, one after the other.
        #[arg(long, default_value_t = 1)]
        operators: u16,
    },
    /// An operator leaves as docs/operators.md describes it: it gives notice, stays until no committee has it any more,
    /// and is stopped.
    Leave(Target),
    /// Kill a node without warning (SIGKILL).
    Kill(Target),
    /// Stop a node gracefully: an operator hands its turn over.
    Stop(Target),
    /// Start a node again on its data; stops it first if it runs.
    Restart(Target),
    /// Stop everything; the directory stays for a look.
    Down(At),
    /// Print a node's log, or L1's.
    Logs {
        #[command(flatten)]
        target: Target,
        /// Go on with what is written.
        #[arg(long, short)]
        follow: bool,
        /// Lines of the past.
        #[arg(long, short = 'n', default_value_t = 100)]
        lines: usize,
    },
    /// Serve the beacon API of the devnet's L1.
    #[command(hide = true)]
    Beacon {
        /// Where it listens, and what stands behind it.
        #[arg(long)]
        settings: PathBuf,
    },
}

/// Which devnet.
#[derive(Debug, Clone, Args)]
pub(crate) struct At {
    /// Directory of the devnet.
    #[arg(long, default_value = ".devnet")]
    pub(crate) dir: PathBuf,
}

/// How to start.
#[derive(Debug, Clone, Args)]
pub(crate) struct Up {
    /// Number of operators.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=96))]
    pub(crate) operators: u16,
    #[command(flatten)]
    rhythm: chain::Rhythm,
    #[command(flatten)]
    pub(crate) at: At,
    /// Return when the chain runs, and leave it running.
    #[arg(long)]
    pub(crate) detach: bool,
    /// The anvil to run as L1; by default the one of the npm packages, else that on the PATH.
    #[arg(long)]
    pub(crate) anvil: Option<PathBuf>,
    /// What `rota-wan` (bench/wan) has printed: a host for each operator, and the last for L1, on which this runs.
    #[arg(long, value_name = "FILE")]
    hosts: Option<PathBuf>,
    /// The longest round trip between two operators, in ms.
    #[arg(long, default_value_t = nodes::MAX_RTT_MS)]
    max_rtt_ms: u64,
}

/// Which process.
#[derive(Debug, Clone, Args)]
pub(crate) struct Target {
    /// `2`, `operator-2`, `follower-0`, or `all` operators; for logs also `l1`.
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) at: At,
}

impl Command {
    /// Does it.
    pub(crate) async fn run(self) -> eyre::Result<()> {
        match self {
            Self::Up(up) => command::up(up).await,
            Self::Status { at, json } => status::print(&at, json).await,
            Self::Follow(at) => followers::follow(&at).await,
            Self::Join { at, operators } => join::join(&at, operators).await,
            Self::Leave(target) => leave::leave(&target).await,
            Self::Kill(target) => command::kill(&target).await,
            Self::Stop(target) => command::stop(&target).await,
            Self::Restart(target) => command::restart(&target).await,
            Self::Down(at) => command::down(&at).await,
            Self::Logs { target, follow, lines } => command::logs(&target, follow, lines).await,
            Self::Beacon { settings } => beacon::serve(&settings).await,
        }
    }
}
