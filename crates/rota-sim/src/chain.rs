//! The chain of a simulation: the recorded genesis, a rollup config to match, and operators with keys from small seeds.

use alloy_genesis::Genesis;
use alloy_primitives::{Address, B64, B256, address};
use rota_consensus::{IdentityKey, VotingKey};
use rota_types::{
    BlockId, ChainSpec, Limits, Operator, RollupConfig,
    chain_spec::{ChainOpConfig, CommitteeFile, GenesisSystemConfig, RollupGenesis},
};
use std::sync::Arc;

/// The recorded L2 genesis.
const GENESIS: &str = include_str!("../../../vectors/genesis-jovian.json");

/// Timestamp of the genesis: when every simulation starts, seconds.
pub const GENESIS_TIME: u64 = 1_800_000_000;

/// Seconds between L1 blocks.
pub const L1_BLOCK_TIME: u64 = 2;

/// A chain and its operators' keys.
#[derive(Clone)]
pub struct Chain {
    /// The chain.
    pub spec: Arc<ChainSpec>,
    /// Keys in canonical order: index i is operator i everywhere in a simulation.
    pub keys: Arc<Vec<Keys>>,
}

/// One operator's keys.
#[derive(Clone)]
pub struct Keys {
    /// p2p identity.
    pub identity: IdentityKey,
    /// Signs votes.
    pub voting: VotingKey,
}

/// The rhythm of a simulated chain.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// Heights in one epoch.
    pub epoch_length: u64,
    /// Views in one turn.
    pub turn_length: u32,
}

impl Chain {
    /// A chain of `operators` operators.
    pub fn new(operators: usize, rhythm: Rhythm, limits: Limits) -> Self {
        let mut genesis: Genesis = serde_json::from_str(GENESIS).expect("the recorded genesis parses");
        genesis.timestamp = GENESIS_TIME;
        let hash = rota_execution::genesis_header(&genesis).hash_slow();
        let mut keys: Vec<Keys> = (0..operators as u64)
            .map(|seed| Keys { identity: IdentityKey::from_seed(seed), voting: VotingKey::from_seed(seed) })
            .collect();
        keys.sort_by_key(|keys| keys.identity.identity());
        let members = keys.iter().enumerate().map(|(index, keys)| Operator {
            name: format!("operator-{index}"),
            identity: keys.identity.identity(),
            bls_public_key: keys.voting.public(),
            proof_of_possession: keys.voting.proof_of_possession(),
            posting_address: Address::with_last_byte(index as u8 + 1),
            endpoint: format!("127.0.0.1:{}", index + 1),
            weight: 1,
        });
        let file = CommitteeFile {
            lineage: 0,
            flashblocks_per_block: 5,
            epoch_length: rhythm.epoch_length,
            turn_length: rhythm.turn_length,
            limits,
            operators: members.collect(),
        };
        let rollup = rollup(&genesis, hash);
        let spec = ChainSpec::new(genesis, rollup, file).expect("a consistent chain");
        Self { spec: Arc::new(spec), keys: Arc::new(keys) }
    }
}

fn rollup(genesis: &Genesis, hash: B256) -> RollupConfig {
    let start = Some(0);
    RollupConfig {
        genesis: RollupGenesis {
            l1: BlockId { number: 100, hash: B256::repeat_byte(0x11) },
            l2: BlockId { number: 0, hash },
            l2_time: genesis.timestamp,
            system_config: GenesisSystemConfig {
                batcher_addr: Address::with_last_byte(1),
                overhead: B256::ZERO,
                scalar: B256::with_last_byte(1),
                gas_limit: genesis.gas_limit,
                eip1559_params: B64::ZERO,
                operator_fee_params: B256::ZERO,
                min_base_fee: 1_000_000,
                da_footprint_gas_scalar: 200,
            },
        },
        block_time: 1,
        max_sequencer_drift: 600,
        seq_window_size: 3_600,
        channel_timeout: 300,
        l1_chain_id: 900,
        l2_chain_id: genesis.config.chain_id,
        regolith_time: start,
        canyon_time: start,
        delta_time: start,
        ecotone_time: start,
        fjord_time: start,
        granite_time: start,
        holocene_time: start,
        isthmus_time: start,
        jovian_time: start,
        batch_inbox_address: address!("ff00000000000000000000000000000000000901"),
        deposit_contract_address: address!("0000000000000000000000000000000000000902"),
        l1_system_config_address: address!("0000000000000000000000000000000000000903"),
        protocol_versions_address: Address::ZERO,
        chain_op_config: ChainOpConfig {
            eip1559_elasticity: 2,
            eip1559_denominator: 250,
            eip1559_denominator_canyon: 250,
        },
    }
}
