//! Runs one fuzz target, or all of them in turn, and keeps what is new to them: `rota-fuzz TARGET|all SECONDS [SEED]`.

use rota_fuzz::{TARGETS, corpus, run};
use std::{
    io,
    process::ExitCode,
    time::{Duration, Instant},
};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (name, seconds, seed) = match arguments.as_slice() {
        [name, seconds] => (name, seconds.parse(), Ok(0)),
        [name, seconds, seed] => (name, seconds.parse(), seed.parse()),
        _ => return usage(),
    };
    let (Ok(seconds), Ok(seed)) = (seconds, seed) else { return usage() };
    match fuzz(name, Duration::from_secs(seconds), seed) {
        Ok(0) => usage(),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("corpus: {error}")),
    }
}

/// Runs the targets of that name; returns their number.
#[allow(clippy::print_stdout)]
fn fuzz(name: &str, time: Duration, seed: u64) -> io::Result<usize> {
    let chosen: Vec<_> = TARGETS.iter().filter(|target| name == "all" || name == target.name).collect();
    println!(
        "{:<16} {:>12} {:>10} {:>9} {:>7} {:>5}",
        "target", "executions", "per second", "accepted", "corpus", "kept"
    );
    for target in &chosen {
        let inputs = corpus::load(target)?;
        let start = Instant::now();
        let report = run(target, &inputs, seed, |_| start.elapsed() < time);
        let per_second = report.executions as f64 / start.elapsed().as_secs_f64();
        let accepted = 100.0 * report.accepted as f64 / report.executions.max(1) as f64;
        let kept = corpus::keep(target, &report.found)?;
        println!(
            "{:<16} {:>12} {per_second:>10.0} {accepted:>7.1} % {:>7} {kept:>5}",
            target.name,
            report.executions,
            inputs.len()
        );
    }
    Ok(chosen.len())
}

fn usage() -> ExitCode {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    fail(&format!("usage: rota-fuzz TARGET|all SECONDS [SEED]\ntargets: {}", names.join(", ")))
}

#[allow(clippy::print_stderr)]
fn fail(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}
