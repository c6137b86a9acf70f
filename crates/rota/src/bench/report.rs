//! What a benchmark prints: figures with their targets, the conditions, whether the gates hold, the raw samples.

use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt};

/// One measured figure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) name: String,
    /// The value in `unit`.
    pub(crate) value: f64,
    /// Unit of value, target and samples.
    pub(crate) unit: Cow<'static, str>,
    /// The bound, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<Target>,
}

/// A bound on a figure.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// A gate: the figure must not exceed it.
    AtMost(f64),
    /// A gate: the figure must reach it.
    AtLeast(f64),
    /// An expectation: reported, not a gate.
    ExpectAtMost(f64),
    /// An expectation: reported, not a gate.
    ExpectAtLeast(f64),
}

impl Target {
    /// The bound itself.
    const fn bound(self) -> f64 {
        match self {
            Self::AtMost(bound) | Self::AtLeast(bound) => bound,
            Self::ExpectAtMost(bound) | Self::ExpectAtLeast(bound) => bound,
        }
    }

    /// Whether missing it makes the benchmark fail.
    const fn is_gate(self) -> bool {
        matches!(self, Self::AtMost(_) | Self::AtLeast(_))
    }

    /// In words, for figures of this unit.
    fn told(self, unit: &str) -> String {
        let (before, sign, after) = match self {
            Self::AtMost(_) => ("target", "<=", ": gate"),
            Self::AtLeast(_) => ("target", ">=", ": gate"),
            Self::ExpectAtMost(_) => ("expected", "<=", ""),
            Self::ExpectAtLeast(_) => ("expected", ">=", ""),
        };
        format!("{before} {sign} {} {unit}{after}", self.bound())
    }
}

impl Figure {
    /// A figure without a bound.
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit: unit.into(), target: None }
    }

    /// Sets the bound, if there is one.
    pub(crate) fn target(mut self, target: impl Into<Option<Target>>) -> Self {
        self.target = target.into();
        self
    }

    /// Whether the figure is within its bound (true without one).
    fn holds(&self) -> bool {
        self.target.is_none_or(|target| match target {
            Target::AtMost(bound) | Target::ExpectAtMost(bound) => self.value <= bound,
            Target::AtLeast(bound) | Target::ExpectAtLeast(bound) => self.value >= bound,
        })
    }
}

/// A figure with its bound, and whether that holds.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.target.map(|target| target.told(&self.unit)).unwrap_or_default();
        let verdict = match (self.target.is_some(), self.holds()) {
            (false, _) => "",
            (true, true) => "holds",
            (true, false) => "DOES NOT HOLD",
        };
        let line = format!("{:<60} {:>12.1} {:<8} {target:<32} {verdict}", self.name, self.value, self.unit);
        f.write_str(line.trim_end())
    }
}

/// A finished benchmark.
#[derive(Debug, Clone, Serialize)]
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
    pub(crate) samples: Vec<(Cow<'static, str>, Vec<f64>)>,
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
        let gate = |figure: &&Figure| figure.target.is_some_and(Target::is_gate);
        let holds = figures.iter().filter(gate).all(Figure::holds);
        let samples = samples.into_iter().map(|(name, samples)| (name.into(), samples)).collect();
        Self { benchmark, figures, conditions, holds, samples }
    }

    /// Adds samples.
    pub(crate) fn with(mut self, samples: impl IntoIterator<Item = (String, Vec<f64>)>) -> Self {
        self.samples.extend(samples.into_iter().map(|(name, samples)| (name.into(), samples)));
        self
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.benchmark)?;
        for figure in &self.figures {
            writeln!(f, "  {figure}")?;
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

/// What came of one benchmark of many: its report, or why there is none.
pub(crate) type Outcome = Result<Report, String>;

/// One table of all figures that have a bound, by the names of their benchmarks; those without a report say why.
pub(crate) fn table(outcomes: &[(String, Outcome)]) -> String {
    let mut text = String::new();
    for (name, outcome) in outcomes {
        match outcome {
            Ok(report) => {
                for figure in report.figures.iter().filter(|figure| figure.target.is_some()) {
                    text += &format!("{name:<16} {figure}\n");
                }
            }
            Err(why) => text += &format!("{name:<16} ERROR: {why}\n"),
        }
    }
    text
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
    fn the_table_has_every_bound_and_every_error() {
        let figures = vec![
            Figure::new("a", 5.0, "ms").target(Target::AtMost(4.0)),
            Figure::new("b", 1.0, "ms"),
            Figure::new("c", 2.0, "tx/s").target(Target::ExpectAtLeast(1.0)),
        ];
        let outcomes =
            [("x".to_owned(), Ok(Report::new("x", figures, vec![], vec![]))), ("y".to_owned(), Err("gone".into()))];
        let table = table(&outcomes);
        let lines: Vec<_> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let expected =
            ["x a 5.0 ms target <= 4 ms: gate DOES NOT HOLD", "x c 2.0 tx/s expected >= 1 tx/s holds", "y ERROR: gone"];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_missed_gate_fails_the_report_and_a_missed_expectation_does_not() {
        let missed = |target| Report::new("x", vec![Figure::new("a", 5.0, "ms").target(target)], vec![], vec![]).holds;
        assert!(!missed(Target::AtMost(4.0)));
        assert!(missed(Target::AtMost(5.0)));
        assert!(missed(Target::AtLeast(5.0)));
        assert!(!missed(Target::AtLeast(6.0)));
        assert!(missed(Target::ExpectAtLeast(6.0)));
        assert!(missed(Target::ExpectAtMost(4.0)));
    }
}
