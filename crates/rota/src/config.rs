//! `rota config`: every knob with default, unit and reason; or the effective configuration of a file.

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
        if let Some(path) = self.config {
            print!("{}", Config::load(&path)?.to_toml());
        } else if self.markdown {
            println!("| knob | default | unit | why |\n|---|---|---|---|");
            for knob in KNOBS {
                let default = knob.default.map_or_else(|| "(required)".into(), |default| format!("`{default}`"));
                println!("| `{}` | {default} | {} | {} |", knob.name, knob.unit, knob.why);
            }
        } else {
            for knob in KNOBS {
                println!("# {} [{}]", knob.why, knob.unit);
                match knob.default {
                    Some(default) => println!("{} = {default}\n", knob.name),
                    None => println!("# {} =   (required)\n", knob.name),
                }
            }
        }
        Ok(())
    }
}
