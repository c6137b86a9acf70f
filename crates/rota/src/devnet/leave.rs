//! `rota devnet leave`: an operator goes, on the way that docs/operators.md describes.

use super::{Target, accounts, command::open, nodes};
use crate::{contracts::Account, operator, rpc::Rpc};
use eyre::OptionExt;
use rota_node::rpc::{ScheduleAnswer, StatusAnswer};
use rota_types::Identity;
use serde_json::json;
use std::time::{Duration, Instant};

/// Time between looks at the committees.
const LOOK: Duration = Duration::from_millis(500);
/// How long an epoch may take beside its nominal length, each of the four that leaving takes at most.
const SLOW: u32 = 3;

/// Lets an operator of a running devnet leave; returns when its process has ended.
pub(super) async fn leave(target: &Target) -> eyre::Result<()> {
    let (files, manifest) = open(&target.at)?;
    let wanted = nodes::meant(&target.node);
    let number = manifest.operators.iter().position(|entry| entry.name == wanted);
    let number = number.ok_or_else(|| eyre::eyre!("no operator {}", target.node))?;
    let entry = manifest.operators[number].clone();
    let stays = manifest
        .operators
        .iter()
        .find(|other| other.name != entry.name && nodes::process(&files, &other.name).pid().is_some());
    let rpc = Rpc::new(&stays.ok_or_eyre("no other operator runs")?.rpc)?;

    let registry = manifest.contract("OperatorRegistry")?;
    let key = accounts::account(accounts::FIRST_POSTING + u32::try_from(number)?)?;
    let account = Account::connect(&manifest.l1.rpc, key).await?;
    operator::give_notice(&account, registry).await?;
    gone(&rpc, entry.identity).await?;
    operator::free_place(&account, registry, account.address()).await?;
    nodes::process(&files, &entry.name).stop().await?;
    println!("{} stopped", entry.name);
    // Others may have joined meanwhile.
    let (files, mut manifest) = open(&target.at)?;
    manifest.refresh(&files)
}

/// Waits until neither the running epoch's committee nor the next one's has an operator.
async fn gone(rpc: &Rpc, identity: Identity) -> eyre::Result<()> {
    let start = Instant::now();
    loop {
        let status: StatusAnswer = rpc.get("rota_status").await?;
        let epoch = status.node.epoch;
        let now: ScheduleAnswer = rpc.call("rota_schedule", &[json!(epoch), json!(0), json!(1)]).await?;
        // Until the next epoch is fixed, nothing is known of it.
        let next: Result<ScheduleAnswer, _> = rpc.call("rota_schedule", &[json!(epoch + 1), json!(0), json!(1)]).await;
        let seated = |schedule: &ScheduleAnswer| schedule.committee.iter().any(|seat| seat.identity == identity);
        if !seated(&now) && next.is_ok_and(|next| !seated(&next)) {
            return Ok(());
        }
        let nominal = Duration::from_millis(200 * now.epoch_length);
        eyre::ensure!(start.elapsed() < 4 * SLOW * nominal, "a committee still has it after {:?}", start.elapsed());
        tokio::time::sleep(LOOK).await;
    }
}
