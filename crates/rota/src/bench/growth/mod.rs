//! `growth`: what an operator needs as the committee, the accounts and the chain's age grow.
//!
//! Each number of operators and of accounts is measured by a process of its own, so that its memory is its own.

mod accounts;
mod operators;

use super::report::{Figure, Report};
use eyre::{Context as _, ContextCompat as _, bail, ensure};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    str::FromStr,
};

/// Accounts in the state.
const ACCOUNTS: [u64; 3] = [10_000, 100_000, 1_000_000];

/// What one process measures.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// So many operators, in the simulator.
    Operators(usize),
    /// Makes a node's store with so many accounts in a directory.
    Fill(u64, PathBuf),
    /// Opens that store, as a node does when it starts.
    Open(u64, PathBuf),
}

impl FromStr for Part {
    type Err = eyre::Report;

    fn from_str(text: &str) -> eyre::Result<Self> {
        let parts: Vec<_> = text.splitn(3, ':').collect();
        Ok(match parts[..] {
            ["operators", count] => Self::Operators(count.parse()?),
            ["fill", count, dir] => Self::Fill(count.parse()?, dir.into()),
            ["open", count, dir] => Self::Open(count.parse()?, dir.into()),
            _ => bail!("no part of this benchmark: {text}"),
        })
    }
}

/// Measures one part, or has all measured.
pub(super) fn run(part: Option<&Part>) -> eyre::Result<Report> {
    let Some(part) = part else { return all() };
    let figures = match part {
        Part::Operators(count) => operators::measure(*count)?,
        Part::Fill(count, dir) => accounts::fill(*count, dir)?,
        Part::Open(count, dir) => accounts::open(*count, dir)?,
    };
    Ok(Report::new("growth", figures, Vec::new(), Vec::new()))
}

fn all() -> eyre::Result<Report> {
    let mut figures = Vec::new();
    for (count, _) in operators::CASES {
        figures.extend(measured(&format!("operators:{count}"))?);
    }
    for count in ACCOUNTS {
        let dir = std::env::temp_dir().join(format!("rota-growth-{}", std::process::id()));
        let measured = fill_and_open(count, &dir);
        // What can't be removed is in the directory for temporary files.
        let _ = std::fs::remove_dir_all(&dir);
        figures.extend(measured?);
    }
    figures.extend(accounts::each(&figures, ACCOUNTS[1], ACCOUNTS[2])?);
    figures.extend(operators::a_day()?);
    let conditions = vec![
        (
            "operators",
            "simulated: map world, 10 transfers/s, flashblocks of 200 ms; means over all operators".to_owned(),
        ),
        ("cpu", "modelled (docs/simulator.md), of one core".to_owned()),
        ("sent", "without what encryption and transport add".to_owned()),
        (
            "written",
            "keys and values to the ledger's store, and consensus' journals; without the store's compaction".into(),
        ),
        (
            "simulator_memory",
            "the process' peak beyond its start, divided by the operators: their disks are in it".to_owned(),
        ),
        ("accounts", "a node's store with externally owned accounts, each made by a transfer of 1 wei".to_owned()),
        ("store", "fjall; its journals are counted, up to 128 MB".to_owned()),
        ("memory", "of a process that has opened this store and nothing else".to_owned()),
        ("history", "flashblocks, certificates, blocks, receipts, indexes: keys and values, not compressed".to_owned()),
    ];
    Ok(Report::new("growth", figures, conditions, Vec::new()))
}

fn fill_and_open(count: u64, dir: &Path) -> eyre::Result<Vec<Figure>> {
    let mut figures = measured(&format!("fill:{count}:{}", dir.display()))?;
    figures.extend(measured(&format!("open:{count}:{}", dir.display()))?);
    Ok(figures)
}

/// The figures of a part that another process measures.
fn measured(part: &str) -> eyre::Result<Vec<Figure>> {
    let output = Command::new(std::env::current_exe()?)
        .args(["bench", "growth", "--json", "--part", part])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "{part} could not be measured");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).wrap_err_with(|| part.to_owned())?;
    Ok(serde_json::from_value(report["figures"].clone())?)
}

/// The value of a figure that is there.
fn value(figures: &[Figure], name: &str) -> eyre::Result<f64> {
    let found = figures.iter().find(|figure| figure.name == name);
    Ok(found.wrap_err_with(|| format!("{name} was not measured"))?.value)
}
