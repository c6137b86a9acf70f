//! `rota status`: what a node says of itself and of the chain.

use crate::rpc::Rpc;
use clap::Args as ClapArgs;
use serde_json::Value;

/// Whom to ask.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// JSON-RPC endpoint of the node.
    #[arg(long, default_value = "http://127.0.0.1:8545")]
    rpc: String,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Asks and prints.
    pub(crate) async fn run(self) -> eyre::Result<()> {
        let status: Value = Rpc::new(&self.rpc)?.get("rota_status").await?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&status)?);
        } else {
            print_fields(&status, "");
        }
        Ok(())
    }
}

/// One line for each plain value, under the path of its names.
fn print_fields(value: &Value, path: &str) {
    let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| print_fields(field, &under(name))),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| print_fields(item, &under(&n.to_string())))
        }
        Value::String(text) => println!("{path:<28} {text}"),
        plain => println!("{path:<28} {plain}"),
    }
}
