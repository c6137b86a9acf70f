//! Who is in the registry, and who leads next.

use super::Place;
use crate::{
    contracts::{entry, refusal::status_name},
    output::{print, print_json},
    rpc::Rpc,
};
use alloy_primitives::{Address, B256};
use clap::Args;
use rota_node::rpc::{ScheduleAnswer, StatusAnswer};
use serde::Serialize;
use serde_json::json;

/// Of which registry.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    place: Place,
    /// L1 block of the registry's deployment: `registry.since` of the committee file.
    #[arg(long, default_value_t = 0)]
    since: u64,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Of which node.
#[derive(Debug, Args)]
pub(crate) struct Schedule {
    /// JSON-RPC endpoint of a node.
    #[arg(long, default_value = "http://127.0.0.1:8545")]
    rpc: String,
    /// Turns to show.
    #[arg(long, default_value_t = 8)]
    turns: u64,
    /// Another epoch than the running one: at most the next.
    #[arg(long)]
    epoch: Option<u64>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// An operator in the registry.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    account: Address,
    status: &'static str,
    identity: B256,
    posting: Address,
    reward: Address,
    endpoint: String,
    weight: u64,
    reserve: bool,
    /// Seconds since 1970; 0 unless it leaves or has left.
    leaves_at: u64,
}

impl List {
    pub(super) async fn run(self) -> eyre::Result<()> {
        let entries = entry::entries(&self.place.reader().await?, self.place.registry, self.since).await?;
        let mut rows: Vec<_> = entries
            .into_iter()
            .map(|(account, entry)| Row {
                account,
                status: status_name(entry.status as u8),
                identity: entry.identity,
                posting: entry.posting,
                reward: entry.reward,
                endpoint: entry.endpoint,
                weight: entry.weight,
                reserve: entry.reserve,
                leaves_at: entry.leaves_at,
            })
            .collect();
        // The canonical order.
        rows.sort_by_key(|row| row.identity);
        if self.json {
            return print_json(&rows);
        }
        let lines = rows.iter().map(|row| {
            let Row { account, status, identity, endpoint, weight, reserve, leaves_at, .. } = row;
            let until = if *leaves_at > 0 { format!("  until {leaves_at}") } else { String::new() };
            let reserve = if *reserve { "  reserve" } else { "" };
            format!("{account}  {status:<9}  {identity}  {endpoint:<21}  weight {weight}{reserve}{until}\n")
        });
        print(lines.collect::<String>())
    }
}

impl Schedule {
    pub(super) async fn run(self) -> eyre::Result<()> {
        let rpc = Rpc::new(&self.rpc)?;
        let params = match self.epoch {
            None => [json!(null), json!(null), json!(self.turns)],
            Some(epoch) => [json!(epoch), json!(0), json!(self.turns)],
        };
        let schedule: ScheduleAnswer = rpc.call("rota_schedule", &params).await?;
        if self.json {
            return print_json(&schedule);
        }
        let status: StatusAnswer = rpc.get("rota_status").await?;
        let mut text = format!(
            "epoch {} view {}; {} of {} views a turn, {} operators\n",
            status.node.epoch,
            status.node.view,
            schedule.strategy.name(),
            schedule.turn_length,
            schedule.committee.len(),
        );
        for turn in &schedule.turns {
            let account = schedule.committee.iter().find(|operator| operator.identity == turn.leader);
            let account = account.map(|operator| operator.account.to_string()).unwrap_or_default();
            text.push_str(&format!(
                "epoch {} turn {:>4}  views {:>6} to {:>6}  {account}  {}\n",
                turn.epoch, turn.turn, turn.first_view, turn.last_view, turn.name
            ));
        }
        print(text)
    }
}
