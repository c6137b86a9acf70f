//! The contracts' recorded bytecode, and how they are made to fit each other.

use super::abi::{GovernedAdmission, OperatorRegistry, PostingTurns};
use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolConstructor;
use eyre::WrapErr;
use serde::{Deserialize, Serialize};

/// What a deployment is made for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// The chain's `SystemConfig`.
    pub(crate) system_config: Address,
    /// Governs the registry, its admission policy and the posting turns.
    pub(crate) governor: Address,
    /// Seconds for which a leaving member stays one.
    pub(crate) notice: u64,
    /// Seconds between a governor's plan and its execution.
    pub(crate) admission_delay: u64,
    /// L1 blocks of a posting turn.
    pub(crate) window: u64,
    /// L1 blocks before a posting turn can be skipped.
    pub(crate) min_tenure: u64,
}

/// Where the contracts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Addresses {
    pub(crate) operator_registry: Address,
    pub(crate) governed_admission: Address,
    pub(crate) round_robin: Address,
    pub(crate) weighted: Address,
    pub(crate) posting_turns: Address,
}

impl Addresses {
    /// Names and addresses, in the order of deployment.
    pub(crate) const fn named(&self) -> [(&'static str, Address); 5] {
        [
            ("OperatorRegistry", self.operator_registry),
            ("GovernedAdmission", self.governed_admission),
            ("RoundRobin", self.round_robin),
            ("Weighted", self.weighted),
            ("PostingTurns", self.posting_turns),
        ]
    }
}

/// What `make contracts-record` writes.
#[derive(Deserialize)]
struct Record {
    bytecode: Bytes,
}

/// The creation code of each contract, in the order of [`Addresses::named`], and the addresses that they get if `deployer`
/// creates them in this order from `nonce` on.
pub(crate) fn creations(settings: &Settings, deployer: Address, nonce: u64) -> eyre::Result<(Addresses, [Bytes; 5])> {
    let [operator_registry, governed_admission, round_robin, weighted, posting_turns] =
        [0, 1, 2, 3, 4].map(|index| deployer.create(nonce + index));
    let registry =
        OperatorRegistry::constructorCall { firstGovernor: settings.governor, noticeSeconds: settings.notice };
    let admission =
        GovernedAdmission::constructorCall { operators: operator_registry, delaySeconds: settings.admission_delay };
    let turns = PostingTurns::constructorCall {
        config: settings.system_config,
        operators: operator_registry,
        windowBlocks: settings.window,
        tenureBlocks: settings.min_tenure,
    };
    let creations = [
        creation(include_str!("../../contracts/OperatorRegistry.json"), &registry.abi_encode())?,
        creation(include_str!("../../contracts/GovernedAdmission.json"), &admission.abi_encode())?,
        creation(include_str!("../../contracts/RoundRobin.json"), &[])?,
        creation(include_str!("../../contracts/Weighted.json"), &[])?,
        creation(include_str!("../../contracts/PostingTurns.json"), &turns.abi_encode())?,
    ];
    Ok((Addresses { operator_registry, governed_admission, round_robin, weighted, posting_turns }, creations))
}

/// Creation code with the constructor's arguments.
fn creation(record: &str, arguments: &[u8]) -> eyre::Result<Bytes> {
    let record: Record = serde_json::from_str(record).wrap_err("recorded contract")?;
    Ok([&record.bytecode, arguments].concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::address;

    const SETTINGS: Settings = Settings {
        system_config: Address::repeat_byte(1),
        governor: Address::repeat_byte(2),
        notice: 120,
        admission_delay: 3,
        window: 15,
        min_tenure: 5,
    };

    #[test]
    fn contracts_know_each_other_by_the_addresses_that_they_get() {
        let deployer = address!("f39fd6e51aad88f6f4ce6ab8827279cfffb92266");
        let (addresses, creations) = creations(&SETTINGS, deployer, 7).expect("recorded");
        assert_eq!(
            addresses.named().map(|(_, address)| address),
            [7, 8, 9, 10, 11].map(|nonce| deployer.create(nonce))
        );
        let registry = addresses.operator_registry.into_word();
        let ends = |creation: &Bytes, words: &[[u8; 32]]| creation.ends_with(&words.concat());
        let number = |number: u64| alloy_primitives::U256::from(number).to_be_bytes::<32>();
        assert!(ends(&creations[0], &[SETTINGS.governor.into_word().0, number(120)]));
        assert!(ends(&creations[1], &[registry.0, number(3)]));
        let config = SETTINGS.system_config.into_word();
        assert!(ends(&creations[4], &[config.0, registry.0, number(15), number(5)]));
    }

    #[test]
    fn recorded_bytecode_fits_a_creation() {
        let (_, creations) = creations(&SETTINGS, Address::ZERO, 0).expect("recorded");
        // EIP-3860.
        assert!(creations.iter().all(|code| (1_000..=49_152).contains(&code.len())));
    }
}
