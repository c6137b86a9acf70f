//! CPU time and memory of a devnet's processes, as Linux counts them.

use eyre::{Context as _, ContextCompat as _};
use serde_json::Value;
use std::{fmt::Display, path::Path};

/// The processes of a devnet.
pub(super) struct Processes {
    /// The operators.
    pub(super) operators: Vec<u64>,
    /// L1.
    pub(super) l1: u64,
}

/// CPU seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cpu {
    /// Of all operators.
    pub(super) operators: f64,
    /// Of L1.
    pub(super) l1: f64,
    /// Of this process: the load and whoever watches.
    pub(super) client: f64,
}

impl Processes {
    /// Those that run now on the devnet in a directory.
    pub(super) fn of(devnet: &Path) -> eyre::Result<Self> {
        let file: Value = serde_json::from_slice(&std::fs::read(devnet.join("devnet.json"))?)?;
        let operators = file["operators"].as_array().wrap_err("devnet.json without operators")?;
        let operators = operators.iter().map(|operator| operator["pid"].as_u64()).collect::<Option<Vec<_>>>();
        let l1 = std::fs::read_to_string(devnet.join("l1/pid"))?.trim().parse()?;
        Ok(Self { operators: operators.wrap_err("no pid")?, l1 })
    }

    /// CPU time so far.
    pub(super) fn cpu(&self) -> eyre::Result<Cpu> {
        let operators = self.operators.iter().map(|pid| cpu_seconds(&pid.to_string()));
        Ok(Cpu {
            operators: operators.sum::<eyre::Result<f64>>()?,
            l1: cpu_seconds(&self.l1.to_string())?,
            client: cpu_seconds("self")?,
        })
    }

    /// Resident memory of each operator, MB.
    pub(super) fn resident_megabytes(&self) -> eyre::Result<Vec<f64>> {
        self.operators.iter().map(|pid| megabytes(pid, "VmRSS")).collect()
    }
}

impl std::ops::Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            operators: self.operators - earlier.operators,
            l1: self.l1 - earlier.l1,
            client: self.client - earlier.client,
        }
    }
}

/// User and system time of a process so far, from `/proc/<pid>/stat` in clock ticks of 10 ms (Linux's USER_HZ).
pub(super) fn cpu_seconds(pid: &str) -> eyre::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).wrap_err("a process has ended")?;
    // The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
    let (_, rest) = stat.rsplit_once(')').wrap_err("unknown format")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / 100.0)
}

/// Resident memory of a process (a number or `self`), MB: now (`VmRSS`) or at most so far (`VmHWM`).
pub(super) fn megabytes(pid: impl Display, which: &str) -> eyre::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).wrap_err("a process has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
    let kilobytes: f64 = line.wrap_err_with(|| format!("no {which}"))?.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1_000.0)
}
