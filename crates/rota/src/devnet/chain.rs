//! The devnet's chain: the recorded genesis files with a start time, and the rollup and committee files that go with
//! them (docs/adr/004-genesis-and-capacity.md).

use super::accounts;
use alloy_consensus::Header;
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B64, B256, U256, b256, keccak256};
use clap::Args;
use eyre::{OptionExt, WrapErr};
use rota_types::{
    BlockId, ChainSpec, Limits, Operator, RegistrySpec, RollupConfig, Strategy,
    chain_spec::{ChainOpConfig, CommitteeFile, GenesisSystemConfig, RollupGenesis},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const L2_GENESIS: &str = include_str!("../../../../vectors/genesis-jovian.json");
const L1_GENESIS: &str = include_str!("../../../../vectors/l1-genesis.json");
const L1_CONTRACTS: &str = include_str!("../../../../vectors/l1-contracts.json");

/// Seconds between L1 blocks.
pub(super) const L1_BLOCK_TIME: u64 = 2;
/// Seconds between L2 blocks.
const L2_BLOCK_TIME: u64 = 1;
/// Flashblocks of 200 ms.
const FLASHBLOCKS_PER_BLOCK: u16 = 5;
/// Footprint of data in gas: at 200, a second of 5 000 transfers is 100 Mgas of 200 (ADR 004).
const DA_FOOTPRINT_GAS_SCALAR: u16 = 200;
/// `0x01 ‖ 0… ‖ blobBaseFeeScalar 810949 ‖ baseFeeScalar 1368`, as OP Mainnet had them.
const FEE_SCALAR: B256 = b256!("010000000000000000000000000000000000000000000000000c5fc500000558");
/// Type 0 and 1: fault dispute game, permissioned dispute game.
const GAME_TYPES: [u64; 2] = [0, 1];

/// Contracts on L1 by name.
pub(super) type Contracts = BTreeMap<String, Address>;

/// The L1 contracts that the recorded genesis holds.
pub(super) fn contracts() -> eyre::Result<Contracts> {
    serde_json::from_str(L1_CONTRACTS).wrap_err("recorded L1 contracts")
}

/// The L2 genesis with a start time: the file, and as the node reads it.
pub(super) fn l2_genesis(timestamp: u64) -> eyre::Result<(Value, Genesis)> {
    let mut file: Value = serde_json::from_str(L2_GENESIS).wrap_err("recorded L2 genesis")?;
    file["timestamp"] = json!(format!("{timestamp:#x}"));
    let genesis = serde_json::from_value(file.clone()).wrap_err("recorded L2 genesis")?;
    Ok((file, genesis))
}

/// The L1 genesis with a start time, the anchor of dispute games at this L2 genesis, and ether for the posting keys.
pub(super) fn l1_genesis(timestamp: u64, l2: &Header, posting: &[Address]) -> eyre::Result<Value> {
    let mut file: Value = serde_json::from_str(L1_GENESIS).wrap_err("recorded L1 genesis")?;
    file["timestamp"] = json!(format!("{timestamp:#x}"));
    let million_ether = U256::from(10).pow(U256::from(24));
    for address in posting {
        file["alloc"][key(*address)]["balance"] = json!(million_ether);
    }
    let registry = *contracts()?.get("AnchorStateRegistry").ok_or_eyre("AnchorStateRegistry is not recorded")?;
    for game_type in GAME_TYPES {
        // `anchors`, a mapping at slot 1, starts with the output root.
        let slot = keccak256([B256::from(U256::from(game_type)), B256::with_last_byte(1)].concat());
        file["alloc"][key(registry)]["storage"][slot.to_string()] = json!(output_root(l2));
    }
    Ok(file)
}

/// Output root, version 0, of an L2 block from Isthmus on.
fn output_root(header: &Header) -> B256 {
    let withdrawals_root = header.withdrawals_root.unwrap_or_default();
    keccak256([B256::ZERO, header.state_root, withdrawals_root, header.hash_slow()].concat())
}

/// Key of an account in a genesis file.
fn key(address: Address) -> String {
    format!("{address:#x}")
}

/// `rollup.json` for the L1 block that the chain starts from and its own genesis block.
pub(super) fn rollup(l1_chain_id: u64, l1: BlockId, genesis: &Genesis, l2: B256) -> eyre::Result<RollupConfig> {
    let contracts = contracts()?;
    let contract = |name: &str| contracts.get(name).copied().ok_or_else(|| eyre::eyre!("{name} is not recorded"));
    let fees = JovianExtraData::decode(&genesis.extra_data)?;
    Ok(RollupConfig {
        genesis: RollupGenesis {
            l1,
            l2: BlockId { number: 0, hash: l2 },
            l2_time: genesis.timestamp,
            system_config: GenesisSystemConfig {
                batcher_addr: accounts::account(accounts::FIRST_POSTING)?.address(),
                overhead: B256::ZERO,
                scalar: FEE_SCALAR,
                gas_limit: genesis.gas_limit,
                eip1559_params: fees.eip1559_params(),
                operator_fee_params: B256::ZERO,
                min_base_fee: fees.min_base_fee,
                da_footprint_gas_scalar: DA_FOOTPRINT_GAS_SCALAR,
            },
        },
        block_time: L2_BLOCK_TIME,
        max_sequencer_drift: 1_800,
        seq_window_size: 3_600,
        channel_timeout: 300,
        l1_chain_id,
        l2_chain_id: genesis.config.chain_id,
        regolith_time: Some(0),
        canyon_time: Some(0),
        delta_time: Some(0),
        ecotone_time: Some(0),
        fjord_time: Some(0),
        granite_time: Some(0),
        holocene_time: Some(0),
        isthmus_time: Some(0),
        jovian_time: Some(0),
        batch_inbox_address: contract("BatchInbox")?,
        deposit_contract_address: contract("OptimismPortal")?,
        l1_system_config_address: contract("SystemConfig")?,
        protocol_versions_address: contract("ProtocolVersions")?,
        chain_op_config: ChainOpConfig {
            eip1559_elasticity: fees.elasticity,
            eip1559_denominator: fees.denominator,
            eip1559_denominator_canyon: fees.denominator,
        },
    })
}

/// How long epochs, turns and posting turns are.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Rhythm {
    /// Heights in an epoch, five a second.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(ChainSpec::MIN_EPOCH_LENGTH..))]
    pub(super) epoch_length: u64,
    /// Views in a turn, one a height as long as nothing fails.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(2..))]
    pub(super) turn_length: u32,
    /// L1 blocks in a posting turn, of 2 s.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(10..=1_800))]
    pub(super) posting_window: u64,
}

impl Rhythm {
    /// Two epochs in seconds: how long an operator stays that leaves.
    pub(super) const fn notice(&self) -> u64 {
        (2 * self.epoch_length * L2_BLOCK_TIME).div_ceil(FLASHBLOCKS_PER_BLOCK as u64)
    }
}

/// The committee file.
pub(super) fn committee(operators: Vec<Operator>, registry: RegistrySpec, rhythm: Rhythm) -> CommitteeFile {
    CommitteeFile {
        lineage: 0,
        flashblocks_per_block: FLASHBLOCKS_PER_BLOCK,
        epoch_length: rhythm.epoch_length,
        turn_length: rhythm.turn_length,
        limits: Limits::default(),
        registry: Some(registry),
        strategy: Strategy::RoundRobin,
        operators,
    }
}

/// extraData from Jovian on: `0x01 ‖ denominator u32 ‖ elasticity u32 ‖ minimum base fee u64`.
#[derive(Debug, Clone, Copy)]
struct JovianExtraData {
    denominator: u32,
    elasticity: u32,
    min_base_fee: u64,
}

impl JovianExtraData {
    fn decode(bytes: &[u8]) -> eyre::Result<Self> {
        let bytes: [u8; 17] = bytes.try_into().wrap_err("the recorded genesis is not at Jovian")?;
        let [version, d0, d1, d2, d3, e0, e1, e2, e3, fee @ ..] = bytes;
        eyre::ensure!(version == 1, "the recorded genesis is not at Jovian");
        Ok(Self {
            denominator: u32::from_be_bytes([d0, d1, d2, d3]),
            elasticity: u32::from_be_bytes([e0, e1, e2, e3]),
            min_base_fee: u64::from_be_bytes(fee),
        })
    }

    fn eip1559_params(self) -> B64 {
        B64::from(u64::from(self.denominator) << 32 | u64::from(self.elasticity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::address;
    use rota_execution::genesis_header;

    const META: &str = include_str!("../../../../vectors/genesis-jovian.meta.json");

    fn recorded() -> Genesis {
        serde_json::from_str(L2_GENESIS).expect("recorded")
    }

    /// A storage word of a recorded account.
    fn stored(file: &str, account: Address, slot: U256) -> B256 {
        let genesis: Genesis = serde_json::from_str(file).expect("recorded");
        genesis.alloc[&account].storage.as_ref().expect("a contract")[&B256::from(slot)]
    }

    #[test]
    fn recorded_genesis_has_its_hash() {
        let meta: Value = serde_json::from_str(META).expect("recorded");
        let header = genesis_header(&recorded());
        assert_eq!(json!(header.hash_slow()), meta["hash"]);
        assert_eq!(json!(header.state_root), meta["state_root"]);
    }

    #[test]
    fn l2_bridges_know_their_peers_on_l1() {
        let contracts = contracts().expect("recorded");
        for (account, slot, name) in [
            (address!("4200000000000000000000000000000000000007"), 0xcf, "L1CrossDomainMessenger"),
            (address!("4200000000000000000000000000000000000010"), 4, "L1StandardBridge"),
            (address!("4200000000000000000000000000000000000014"), 2, "L1ERC721Bridge"),
        ] {
            assert_eq!(stored(L2_GENESIS, account, U256::from(slot)), contracts[name].into_word(), "{name}");
        }
    }

    #[test]
    fn rollup_says_what_system_config_on_l1_says() {
        let rollup = rollup(900, BlockId { number: 2, hash: B256::ZERO }, &recorded(), B256::ZERO).expect("recorded");
        let config = rollup.genesis.system_config;
        let word = |slot: u64| stored(L1_GENESIS, rollup.l1_system_config_address, U256::from(slot));
        assert_eq!(word(0x66), config.scalar);
        assert_eq!(word(0x67), config.batcher_addr.into_word());
        assert_eq!(word(0x68)[24..], config.gas_limit.to_be_bytes());
    }

    #[test]
    fn files_make_a_chain_spec() {
        let (_, genesis) = l2_genesis(1_800_000_000).expect("recorded");
        let rollup =
            rollup(900, BlockId { number: 2, hash: B256::ZERO }, &genesis, genesis_header(&genesis).hash_slow())
                .expect("recorded");
        let operator = Operator {
            name: "operator-0".into(),
            account: Address::ZERO,
            identity: B256::with_last_byte(1),
            bls_public_key: Default::default(),
            proof_of_possession: None,
            posting_address: Address::ZERO,
            endpoint: "127.0.0.1:1".into(),
            weight: 1,
            reserve: false,
        };
        let registry = RegistrySpec { address: Address::ZERO, since: 1 };
        let rhythm = Rhythm { epoch_length: 300, turn_length: 50, posting_window: 15 };
        assert_eq!(rhythm.notice(), 120);
        ChainSpec::new(genesis, rollup, committee(vec![operator], registry, rhythm)).expect("the files agree");
    }

    #[test]
    fn start_time_moves_the_anchor_and_nothing_else() {
        let header = genesis_header(&l2_genesis(1_800_000_000).expect("recorded").1);
        let poster = address!("00000000000000000000000000000000000000aa");
        let file = l1_genesis(1_800_000_000, &header, &[poster]).expect("recorded");
        let moved: Genesis = serde_json::from_value(file).expect("a genesis");
        let before: Genesis = serde_json::from_str(L1_GENESIS).expect("recorded");
        assert!(moved.alloc[&poster].balance > U256::ZERO);
        let registry = contracts().expect("recorded")["AnchorStateRegistry"];
        for (address, account) in &before.alloc {
            assert_eq!(*address == registry, moved.alloc[address] != *account, "{address}");
        }
        let words = moved.alloc[&registry].storage.as_ref().expect("a contract");
        assert_eq!(words.values().filter(|word| **word == output_root(&header)).count(), GAME_TYPES.len());
    }
}
