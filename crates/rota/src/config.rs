//! `rota config`: every knob with default, unit and reason; or the effective configuration of a file.

use crate::output::print;
use clap::Args as ClapArgs;
use rota_node::config::{Config, KNOBS};
use std::path::PathBuf;

/// What to print.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Print the effective configuration of this file instead.
    #[arg(long)]
    config: Option<PathBuf>,
    /// As a table for documentation.
    #[arg(long, conflicts_with = "config")]
    markdown: bool,
}

impl Args {
    /// Prints it.
    pub(crate) fn run(self) -> eyre::Result<()> {
        print(match self.config {
            Some(path) => Config::load(&path)?.to_toml(),
            None if self.markdown => table(),
            None => commented(),
        })
    }
}

/// The knobs as a table.
fn table() -> String {
    let rows = KNOBS.iter().map(|knob| {
        let default = knob.default.map_or_else(|| "(required)".into(), |default| format!("`{default}`"));
        format!("| `{}` | {default} | {} | {} |\n", knob.name, knob.unit, knob.why)
    });
    ["| knob | default | unit | why |\n|---|---|---|---|\n".to_owned()].into_iter().chain(rows).collect()
}

/// The knobs as a configuration file.
fn commented() -> String {
    let lines = KNOBS.iter().map(|knob| {
        let line = match knob.default {
            Some(default) => format!("{} = {default}", knob.name),
            None => format!("# {} =   (required)", knob.name),
        };
        format!("# {} [{}]\n{line}\n\n", knob.why, knob.unit)
    });
    lines.collect()
}
