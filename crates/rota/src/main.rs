//! The one binary.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to whoever called it")]

mod bench;
mod config;
mod contracts;
mod deploy;
mod devnet;
mod governor;
mod interrupt;
mod keys;
mod node;
mod operator;
mod output;
mod rpc;
mod sim;
mod status;
mod telemetry;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

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
    /// Run one node.
    Node(node::Args),
    /// Put the contracts of a chain's operators on L1.
    Deploy(deploy::Args),
    /// What operators do on L1: join, attest, leave, and see who else is there.
    #[command(subcommand)]
    Operator(operator::Command),
    /// What the governor of a registry does on L1.
    #[command(subcommand)]
    Governor(governor::Command),
    /// Make or show an operator's keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Ask a node how it and the chain are doing.
    Status(status::Args),
    /// Measure: every figure with its conditions, and whether the gates hold.
    Bench(bench::Args),
    /// Run the whole node on a deterministic runtime: one seed, one run.
    #[command(subcommand)]
    Sim(sim::Command),
    /// Explain every knob, or print the effective configuration of a file.
    Config(config::Args),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    telemetry::init(matches!(command, Command::Sim(_) | Command::Bench(_)));
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes; what an error has said of its cause already is not said again.
fn told(error: &eyre::Report) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        told if told.ends_with(&cause) => told.to_owned(),
        told => format!("{told}: {cause}"),
    })
}

fn run(command: Command) -> eyre::Result<()> {
    match command {
        Command::Devnet(command) => block_on(command.run()),
        Command::Node(args) => args.run(),
        Command::Deploy(args) => block_on(args.run()),
        Command::Operator(command) => block_on(command.run()),
        Command::Governor(command) => block_on(command.run()),
        Command::Keys(command) => command.run(),
        Command::Status(args) => block_on(args.run()),
        Command::Bench(args) => multi_threaded(bench::run(args)),
        Command::Sim(command) => command.run(),
        Command::Config(args) => args.run(),
    }
}

/// Runs a command that talks to others.
fn block_on(command: impl Future<Output = eyre::Result<()>>) -> eyre::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// Runs a command that measures others and must not be what is slow.
fn multi_threaded(command: impl Future<Output = eyre::Result<()>>) -> eyre::Result<()> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyre::WrapErr as _;

    #[test]
    fn causes_are_told_once() {
        let cause = || Err::<(), _>(eyre::eyre!("no such file"));
        let plain = cause().wrap_err("genesis.json").expect_err("an error");
        assert_eq!(told(&plain), "genesis.json: no such file");
        let repeated = cause().wrap_err("genesis.json: no such file").expect_err("an error");
        assert_eq!(told(&repeated), "genesis.json: no such file");
    }
}
