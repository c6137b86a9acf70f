//! The one binary.
#![allow(clippy::print_stdout, reason = "commands answer on standard output; logs go to standard error")]

mod devnet;
mod rpc;
mod telemetry;

use clap::{Parser, Subcommand};

/// Many sequencers for one OP Stack chain.
#[derive(Debug, Parser)]
#[command(name = "rota", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a whole chain on this machine: an L1 with the OP contracts and N operators.
    #[command(subcommand)]
    Devnet(devnet::Command),
}

fn main() -> eyre::Result<()> {
    telemetry::init();
    match Cli::parse().command {
        Command::Devnet(command) => command.run(),
    }
}
