//! What a benchmark prints: figures with their targets, the conditions, whether the gates hold, the raw samples.

use serde::Serialize;
use std::fmt;

/// One measured figure.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) name: String,
    /// The value in `unit`.
    pub(crate) value: f64,
    /// Unit of value, target and samples.
    pub(crate) unit: &'static str,
    /// The bound, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<Target>,
}

/// A bound on a figure.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// A gate: the figure must not exceed it.
    AtMost(f64),
    /// A gate: the figure must reach it.
    AtLeast(f64),
    /// An expectation: reported, not a gate.
    ExpectAtLeast(f64),
}

impl Figure {
    /// A figure without a bound.
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, target: None }
    }

    /// Sets the bound.
    pub(crate) const fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// Whether the figure is within its bound (true without one).
    fn holds(&self) -> bool {
        match self.target {
            None => true,
            Some(Target::AtMost(bound)) => self.value <= bound,
            Some(Target::AtLeast(bound) | Target::ExpectAtLeast(bound)) => self.value >= bound,
        }
    }
}

/// A finished benchmark.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Name of the benchmark.
    pub(crate) benchmark: &'static str,
    /// What was measured.
    pub(crate) figures: Vec<Figure>,
    /// Under which conditions.
    pub(crate) conditions: Vec<(&'static str, String)>,
    /// Whether every gate holds. Expectations don't count.
    pub(crate) holds: bool,
    /// The raw samples, by name, in the unit of the figures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) samples: Vec<(&'static str, Vec<f64>)>,
}

impl Report {
    /// Assembles a report and adds the conditions that every benchmark shares.
    pub(crate) fn new(
        benchmark: &'static str,
        figures: Vec<Figure>,
        mut conditions: Vec<(&'static str, String)>,
        samples: Vec<(&'static str, Vec<f64>)>,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        conditions.push(("cores", cores.to_string()));
        conditions.push(("load_average_at_end", load.split(' ').next().unwrap_or("?").to_owned()));
        conditions.push(("build", if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned()));
        conditions.push(("version", env!("CARGO_PKG_VERSION").to_owned()));
        let gate = |figure: &&Figure| matches!(figure.target, Some(Target::AtMost(_) | Target::AtLeast(_)));
        let holds = figures.iter().filter(gate).all(Figure::holds);
        Self { benchmark, figures, conditions, holds, samples }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.benchmark)?;
        for figure in &self.figures {
            let target = match figure.target {
                None => String::new(),
                Some(Target::AtMost(bound)) => format!("target <= {bound} {}: gate", figure.unit),
                Some(Target::AtLeast(bound)) => format!("target >= {bound} {}: gate", figure.unit),
                Some(Target::ExpectAtLeast(bound)) => format!("expected >= {bound} {}", figure.unit),
            };
            let verdict = match (figure.target.is_some(), figure.holds()) {
                (false, _) => "",
                (true, true) => "holds",
                (true, false) => "DOES NOT HOLD",
            };
            writeln!(f, "  {:<44} {:>12.1} {:<6} {target:<30} {verdict}", figure.name, figure.value, figure.unit)?;
        }
        let conditions: Vec<_> = self.conditions.iter().map(|(name, value)| format!("{name}={value}")).collect();
        writeln!(f, "  conditions: {}", conditions.join(" "))?;
        for (name, samples) in &self.samples {
            let samples: Vec<_> = samples.iter().map(|sample| format!("{sample:.1}")).collect();
            writeln!(f, "  samples {name}: {}", samples.join(" "))?;
        }
        write!(f, "  holds: {}", self.holds)
    }
}

/// The `q`-quantile (0 to 1) by nearest rank; 0 without samples.
pub(crate) fn quantile(samples: &[f64], q: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).or(sorted.last()).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_rank() {
        let samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!((quantile(&samples, 0.5), quantile(&samples, 0.99), quantile(&samples, 1.0)), (50.0, 99.0, 100.0));
        assert_eq!(quantile(&[], 0.5), 0.0);
    }

    #[test]
    fn a_missed_gate_fails_the_report_and_a_missed_expectation_does_not() {
        let missed = |target| Report::new("x", vec![Figure::new("a", 5.0, "ms").target(target)], vec![], vec![]).holds;
        assert!(!missed(Target::AtMost(4.0)));
        assert!(missed(Target::AtMost(5.0)));
        assert!(missed(Target::AtLeast(5.0)));
        assert!(!missed(Target::AtLeast(6.0)));
        assert!(missed(Target::ExpectAtLeast(6.0)));
    }
}
