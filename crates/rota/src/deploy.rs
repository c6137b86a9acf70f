//! `rota deploy`: the contracts of a chain's operators, beside its `SystemConfig` on L1.

use crate::{
    contracts::{
        Account, KeyFile, Reader,
        abi::{OperatorRegistry, SystemConfig},
        deployment::{Addresses, Settings, creations},
    },
    output::{print, print_json},
};
use alloy_primitives::{Address, Bytes, TxKind};
use alloy_sol_types::SolCall;
use clap::Args as ClapArgs;
use eyre::WrapErr;
use serde::Serialize;

/// For which chain, and by what rules.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// JSON-RPC endpoint of L1.
    #[arg(long)]
    l1: String,
    #[command(flatten)]
    key: KeyFile,
    /// The chain's SystemConfig on L1.
    #[arg(long)]
    system_config: Address,
    /// Account that admits operators and may take SystemConfig back.
    #[arg(long)]
    governor: Address,
    /// Seconds for which a leaving operator stays: at least two epochs.
    #[arg(long, default_value_t = 86_400)]
    notice: u64,
    /// Seconds between the governor's plans and their execution.
    #[arg(long, default_value_t = 86_400)]
    admission_delay: u64,
    /// L1 blocks of a posting turn.
    #[arg(long, default_value_t = 300)]
    window: u64,
    /// L1 blocks before a silent poster can be skipped.
    #[arg(long, default_value_t = 15)]
    min_tenure: u64,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// What was deployed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Deployed {
    l1_chain_id: u64,
    contracts: Addresses,
    /// `registry` of the committee file.
    since: u64,
    /// What remains to be done, in this order.
    to_sign: Vec<Signable>,
}

/// A call that somebody else must sign.
#[derive(Debug, Serialize)]
struct Signable {
    /// Who.
    from: Address,
    to: Address,
    /// For people.
    call: String,
    data: Bytes,
}

impl Args {
    /// Deploys and prints.
    pub(crate) async fn run(self) -> eyre::Result<()> {
        let account = Account::connect(&self.l1, self.key.load()?).await?;
        let owner = owner(account.reader(), self.system_config).await?;
        let settings = Settings {
            system_config: self.system_config,
            governor: self.governor,
            notice: self.notice,
            admission_delay: self.admission_delay,
            window: self.window,
            min_tenure: self.min_tenure,
        };
        let (contracts, since) = deploy(&account, &settings).await?;
        let mut to_sign = Vec::new();
        let admission = OperatorRegistry::setAdmissionCall { policy: contracts.governed_admission };
        if account.address() == self.governor {
            account.call(contracts.operator_registry, &admission).await?;
        } else {
            to_sign.push(Signable {
                from: self.governor,
                to: contracts.operator_registry,
                call: format!("setAdmission({})", contracts.governed_admission),
                data: admission.abi_encode().into(),
            });
        }
        to_sign.push(Signable {
            from: owner,
            to: self.system_config,
            call: format!("transferOwnership({})", contracts.posting_turns),
            data: SystemConfig::transferOwnershipCall { newOwner: contracts.posting_turns }.abi_encode().into(),
        });
        let deployed = Deployed { l1_chain_id: account.reader().chain_id(), contracts, since, to_sign };
        if self.json { print_json(&deployed) } else { print(deployed.text()) }
    }
}

/// Deploys the contracts one after the other, each known to be there before the next, and returns the L1 block of the
/// first. What fails half way is said, and left: nothing refers to it, and a new run starts anew.
async fn deploy(account: &Account, settings: &Settings) -> eyre::Result<(Addresses, u64)> {
    let first = account.reader().nonce(account.address(), "latest").await?;
    let (addresses, creations) = creations(settings, account.address(), first)?;
    let mut since = None;
    for ((nonce, (name, address)), code) in (first..).zip(addresses.named()).zip(creations) {
        let receipt = account.send(nonce, TxKind::Create, code).await;
        let receipt = receipt.wrap_err_with(|| match since {
            None => format!("{name} was not deployed, and nothing before it"),
            Some(_) => format!("{name} was not deployed; what was deployed before it is of no use: start again"),
        })?;
        since.get_or_insert_with(|| receipt.block_number.to());
        eprintln!("{name:<18} {address}  L1 block {}", receipt.block_number);
    }
    Ok((addresses, since.unwrap_or_default()))
}

/// Who owns `SystemConfig`, if it is one.
async fn owner(l1: &Reader, system_config: Address) -> eyre::Result<Address> {
    let owner = l1.read(system_config, &SystemConfig::ownerCall {}).await;
    owner.wrap_err_with(|| format!("{system_config} is no SystemConfig on L1 chain {}", l1.chain_id()))
}

impl Deployed {
    fn text(&self) -> String {
        let named = self.contracts.named();
        let contracts = named.iter().map(|(name, address)| format!("{name:<18} {address}\n"));
        let registry = format!(
            "committee file      \"registry\": {{ \"address\": \"{}\", \"since\": {} }}\n",
            self.contracts.operator_registry, self.since
        );
        let calls = self.to_sign.iter().map(|signable| {
            let Signable { from, to, call, data } = signable;
            format!("to be signed by {from}:\n  to    {to}\n  call  {call}\n  data  {data}\n")
        });
        contracts.chain([registry]).chain(calls).collect()
    }
}
