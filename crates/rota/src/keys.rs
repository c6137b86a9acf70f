//! `rota keys`: a node's keys, encrypted on disk; only what is public is ever printed.

use crate::output::{print, print_json};
use clap::{Args, Subcommand};
use rota_node::keys::{OperatorKeys, load_identity, read_password, save_identity};
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
    /// Of a follower: an identity alone. Prints its entry for `followers` in the operators' configurations.
    #[arg(long)]
    follower: bool,
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> eyre::Result<()> {
        let (place, new) = match self {
            Self::New(place) => (place, true),
            Self::Show(place) => (place, false),
        };
        let password = read_password(&place.password_file)?;
        if place.follower {
            if new {
                save_identity(&place.dir, &OperatorKeys::generate().identity, &password)?;
            }
            let identity = load_identity(&place.dir, &password)?.identity();
            return print(format!("{identity}@{}\n", place.endpoint));
        }
        let keys = if new { OperatorKeys::generate() } else { OperatorKeys::load(&place.dir, &password)? };
        if new {
            keys.save(&place.dir, &password)?;
        }
        print_json(&keys.operator(place.name, place.endpoint))
    }
}
