//! `rota devnet join`: one more operator, on the way that docs/operators.md describes.

use super::{
    At, accounts,
    command::open,
    files::{Files, Manifest},
    nodes::{self, Ports},
    process::free_ports,
};
use crate::{
    contracts::{Account, attestation::Statement, entry},
    governor, operator,
};
use alloy_primitives::U256;
use eyre::{OptionExt, WrapErr};
use rota_types::KeyDomain;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long a candidate may take to be let in (up to an epoch) and to be in sync.
const SYNC: Duration = Duration::from_secs(300);
/// Time between looks at it.
const LOOK: Duration = Duration::from_millis(500);
/// What the account of a new operator has.
const FUNDS: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// Adds operators to a running devnet, one after the other.
pub(super) async fn join(at: &At, operators: u16) -> eyre::Result<()> {
    for _ in 0..operators {
        let (files, manifest) = open(at)?;
        join_one(&files, manifest).await?;
    }
    Ok(())
}

async fn join_one(files: &Files, manifest: Manifest) -> eyre::Result<()> {
    let number = manifest.operators.len();
    let name = nodes::operator_name(number);
    let l1 = manifest.l1.rpc.clone();
    let registry = manifest.contract("OperatorRegistry")?;
    let rpc = manifest.operators.first().ok_or_eyre("a devnet without operators")?.rpc.clone();

    let ports = Ports::of_nodes(&free_ports(3)?)[0];
    let keys = nodes::create_operator(files, number)?;
    let me = keys.posting_address();
    let posting_turns = manifest.contract("PostingTurns")?;
    nodes::configure_operator(files, number, ports, &manifest.l1, posting_turns, nodes::MAX_RTT_MS)?;

    let governor = Account::connect(&l1, accounts::account(0)?).await?;
    let _: Value = governor.reader().rpc().call("anvil_setBalance", &[json!(me), json!(FUNDS)]).await?;
    governor::admit(&governor, registry, me, 1, false).await?;
    let account = Account::connect(&l1, keys.posting.clone()).await?;
    let l1_chain_id = account.reader().chain_id();
    let call = entry::join(&keys, &KeyDomain { l1_chain_id, registry }, me, me, ports.endpoint())?;
    account.call(registry, &call).await?;
    println!("{name} is a candidate: {me}");

    let identity = keys.identity.identity();
    nodes::start(files, &name, false)?;
    let entry = nodes::entry(files, name.clone(), identity, ports);
    // Others may have left meanwhile.
    let mut now = Manifest::load(files)?;
    now.operators.push(entry.clone());
    now.save(files)?;
    let deadline = Instant::now() + SYNC;
    while let Err(error) = operator::ensure_ready(identity, &entry.rpc, &rpc).await {
        let process = nodes::process(files, &name);
        eyre::ensure!(process.pid().is_some(), "{name} ended:\n{}", process.tail());
        if Instant::now() > deadline {
            return Err(error).wrap_err_with(|| format!("{name} is not in sync after {} s", SYNC.as_secs()));
        }
        tokio::time::sleep(LOOK).await;
    }
    println!("{name} is in sync");

    let ready = Statement::ready(l1_chain_id, registry, me, identity);
    let members = (0..u32::try_from(number)?).map(|index| accounts::account(accounts::FIRST_POSTING + index));
    let signatures = members.map(|member| ready.sign(&member?)).collect::<eyre::Result<Vec<_>>>()?;
    operator::make_member(&account, registry, me, &signatures).await?;
    println!("{name} has turns from the next epoch but one on: {}  {}", entry.rpc, entry.ws);
    Ok(())
}
