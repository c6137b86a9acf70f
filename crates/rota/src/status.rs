//! `rota status`: what a node says of itself and of the chain.

use crate::{
    output::{print, print_json},
    rpc::Rpc,
};
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
            return print_json(&status);
        }
        let mut text = String::new();
        collect_fields(&status, "", &mut text);
        print(text)
    }
}

/// One line for each plain value, under the path of its names.
fn collect_fields(value: &Value, path: &str, text: &mut String) {
    let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| collect_fields(field, &under(name), text)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, item)| collect_fields(item, &under(&n.to_string()), text));
        }
        Value::String(plain) => text.push_str(&format!("{path:<28} {plain}\n")),
        plain => text.push_str(&format!("{path:<28} {plain}\n")),
    }
}
