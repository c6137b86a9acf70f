//! Runs one fuzz target, or all of them in turn: `rota-fuzz TARGET|all SECONDS [SEED]`.

use rota_fuzz::{TARGETS, run};
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

#[allow(clippy::print_stdout, clippy::print_stderr)]
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (name, seconds, seed) = match arguments.as_slice() {
        [name, seconds] => (name, seconds.parse(), Ok(0)),
        [name, seconds, seed] => (name, seconds.parse(), seed.parse()),
        _ => return usage(),
    };
    let (Ok(seconds), Ok(seed)) = (seconds, seed) else { return usage() };
    let chosen: Vec<_> = TARGETS.iter().filter(|target| name == "all" || name == target.name).collect();
    if chosen.is_empty() {
        return usage();
    }
    for target in chosen {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let report = run(target, seed, |_| Instant::now() < deadline);
        println!("{}: {} inputs, {} accepted, seed {seed}", target.name, report.executions, report.accepted);
    }
    ExitCode::SUCCESS
}

#[allow(clippy::print_stderr)]
fn usage() -> ExitCode {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    eprintln!("usage: rota-fuzz TARGET|all SECONDS [SEED]\ntargets: {}", names.join(", "));
    ExitCode::FAILURE
}
