//! `rota keys`: an operator's keys, encrypted on disk; only what is public is ever printed.

use crate::output::print_json;
use clap::{Args, Subcommand};
use rota_node::keys::{OperatorKeys, read_password};
use std::path::PathBuf;

/// An operator's keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make new keys and print the operator's entry for the committee file. Overwrites nothing.
    New(Place),
    /// Print the entry of existing keys.
    Show(Place),
}

/// Where the keys are, and what else is published with them.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Directory of the keystores.
    #[arg(long, default_value = "keys")]
    dir: PathBuf,
    /// File whose first line encrypts them.
    #[arg(long, default_value = "password")]
    password_file: PathBuf,
    /// Name of the operator; nothing depends on it.
    #[arg(long, default_value = "operator")]
    name: String,
    /// Where the operator's p2p can be reached, `ip:port`.
    #[arg(long, default_value = "127.0.0.1:9222")]
    endpoint: String,
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> eyre::Result<()> {
        let (place, new) = match self {
            Self::New(place) => (place, true),
            Self::Show(place) => (place, false),
        };
        let password = read_password(&place.password_file)?;
        let keys = if new { OperatorKeys::generate() } else { OperatorKeys::load(&place.dir, &password)? };
        if new {
            keys.save(&place.dir, &password)?;
        }
        print_json(&keys.operator(place.name, place.endpoint))
    }
}
