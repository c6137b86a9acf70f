//! `rota governor`: who may operate, which schedule, and who owns SystemConfig.

use crate::contracts::{
    Account, KeyFile,
    abi::{
        GovernedAdmission::{Planned, executeCall, planAdmitCall, planRemoveCall},
        OperatorRegistry, PostingTurns,
    },
    account::Receipt,
};
use alloy_primitives::{Address, U64, U256};
use alloy_sol_types::SolEvent;
use clap::{Args, Subcommand};
use eyre::OptionExt;
use rota_types::Strategy;
use serde::Deserialize;
use serde_json::json;

/// What the governor of a registry does on L1.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Let an account join: at once, or after the policy's delay by `execute`.
    Admit {
        #[command(flatten)]
        office: Office,
        /// Who.
        #[arg(long)]
        operator: Address,
        /// Share of turns.
        #[arg(long, default_value_t = 1)]
        weight: u64,
        /// A voting member without regular turns.
        #[arg(long)]
        reserve: bool,
    },
    /// Take an admission back, and give notice to an operator: at once, or after the policy's delay by `execute`.
    Remove {
        #[command(flatten)]
        office: Office,
        /// Who.
        #[arg(long)]
        operator: Address,
    },
    /// Execute a plan whose time has come.
    Execute {
        #[command(flatten)]
        office: Office,
        /// Its number.
        #[arg(long)]
        plan: U256,
    },
    /// Make a candidate a member, as long as the registry is not open.
    Activate {
        #[command(flatten)]
        office: Office,
        /// Who.
        #[arg(long)]
        operator: Address,
    },
    /// End genesis: from now on members make members.
    Open(Office),
    /// Announce who gives the turns from an epoch on: one that is at least two away.
    AnnounceSchedule {
        #[command(flatten)]
        office: Office,
        /// `round-robin` or `weighted`.
        #[arg(long, value_parser = strategy)]
        strategy: Strategy,
        /// The first epoch.
        #[arg(long)]
        from_epoch: u64,
    },
    /// Give SystemConfig to another owner: the posting turns stand still.
    GiveBack {
        #[command(flatten)]
        office: Office,
        /// PostingTurns on L1.
        #[arg(long)]
        posting_turns: Address,
        /// The new owner.
        #[arg(long)]
        owner: Address,
    },
}

/// Which registry, and the governor's key.
#[derive(Debug, Clone, Args)]
pub(crate) struct Office {
    /// JSON-RPC endpoint of L1.
    #[arg(long)]
    l1: String,
    /// The OperatorRegistry on L1.
    #[arg(long)]
    registry: Address,
    #[command(flatten)]
    key: KeyFile,
}

impl Office {
    async fn account(&self) -> eyre::Result<Account> {
        Account::connect(&self.l1, self.key.load()?).await
    }
}

fn strategy(name: &str) -> Result<Strategy, String> {
    let known = || Strategy::ALL.map(Strategy::name).join(" or ");
    Strategy::ALL.into_iter().find(|strategy| strategy.name() == name).ok_or_else(|| format!("must be {}", known()))
}

impl Command {
    /// Does it.
    pub(crate) async fn run(self) -> eyre::Result<()> {
        match self {
            Self::Admit { office, operator, weight, reserve } => {
                let plan = admit(&office.account().await?, office.registry, operator, weight, reserve).await?;
                plan.tell(&format!("{operator} may join"));
            }
            Self::Remove { office, operator } => {
                let account = office.account().await?;
                let policy = policy(&account, office.registry).await?;
                let receipt = account.call(policy, &planRemoveCall { operator }).await?;
                execute(&account, policy, &receipt).await?.tell(&format!("{operator} is removed"));
            }
            Self::Execute { office, plan } => {
                let account = office.account().await?;
                let policy = policy(&account, office.registry).await?;
                done("plan executed", &account.call(policy, &executeCall { id: plan }).await?);
            }
            Self::Activate { office, operator } => {
                let call = OperatorRegistry::activateCall { operator, signatures: Vec::new() };
                done(&format!("{operator} is a member"), &office.account().await?.call(office.registry, &call).await?);
            }
            Self::Open(office) => {
                let call = OperatorRegistry::openCall {};
                done("the registry is open", &office.account().await?.call(office.registry, &call).await?);
            }
            Self::AnnounceSchedule { office, strategy, from_epoch } => {
                let call = OperatorRegistry::announceScheduleCall { kind: strategy.kind(), fromEpoch: from_epoch };
                let receipt = office.account().await?.call(office.registry, &call).await?;
                done(&format!("{} from epoch {from_epoch} on", strategy.name()), &receipt);
            }
            Self::GiveBack { office, posting_turns, owner } => {
                let call = PostingTurns::giveBackCall { newOwner: owner };
                let receipt = office.account().await?.call(posting_turns, &call).await?;
                done(&format!("SystemConfig belongs to {owner}"), &receipt);
            }
        }
        Ok(())
    }
}

fn done(what: &str, receipt: &Receipt) {
    println!("{what} (L1 block {})", receipt.block_number);
}

/// What became of a plan.
pub(crate) struct Plan {
    id: U256,
    ready_at: u64,
    executed: Option<Receipt>,
}

impl Plan {
    fn tell(&self, what: &str) {
        match &self.executed {
            Some(receipt) => done(what, receipt),
            None => println!("planned as {}: `rota governor execute` from {} s since 1970 on", self.id, self.ready_at),
        }
    }
}

/// Plans to admit an operator, and executes the plan if the policy has no delay.
pub(crate) async fn admit(
    governor: &Account,
    registry: Address,
    operator: Address,
    weight: u64,
    reserve: bool,
) -> eyre::Result<Plan> {
    let policy = policy(governor, registry).await?;
    let receipt = governor.call(policy, &planAdmitCall { operator, weight, reserve }).await?;
    execute(governor, policy, &receipt).await
}

/// Executes the plan that a transaction made, if its time has come.
async fn execute(governor: &Account, policy: Address, made: &Receipt) -> eyre::Result<Plan> {
    #[derive(Deserialize)]
    struct Block {
        timestamp: U64,
    }
    let planned = made.logs.iter().find_map(|log| Planned::decode_log(log).ok()).ok_or_eyre("no plan was made")?;
    let (id, ready_at) = (planned.id, planned.plan.readyAt);
    let params = [json!(made.block_number), json!(false)];
    let block: Option<Block> = governor.reader().rpc().call("eth_getBlockByNumber", &params).await?;
    let due = block.is_some_and(|block| block.timestamp.to::<u64>() >= ready_at);
    let executed = if due { Some(governor.call(policy, &executeCall { id }).await?) } else { None };
    Ok(Plan { id, ready_at, executed })
}

/// The registry's admission policy.
async fn policy(account: &Account, registry: Address) -> eyre::Result<Address> {
    account.reader().read(registry, &OperatorRegistry::admissionCall {}).await
}
