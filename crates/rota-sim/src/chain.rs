//! The chain of a simulation: the recorded genesis, a rollup config to match, and operators with keys from small seeds.

use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256};
use rota_consensus::{IdentityKey, VotingKey};
use rota_execution::testing::{dev_genesis, rollup_config};
use rota_types::{ChainSpec, Limits, Operator, Strategy, chain_spec::CommitteeFile};
use std::sync::Arc;

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
        let genesis = Genesis { timestamp: GENESIS_TIME, ..dev_genesis() };
        let mut keys: Vec<Keys> = (0..operators as u64)
            .map(|seed| Keys { identity: IdentityKey::from_seed(seed), voting: VotingKey::from_seed(seed) })
            .collect();
        keys.sort_by_key(|keys| keys.identity.identity());
        let members = keys.iter().enumerate().map(|(index, keys)| Operator {
            name: format!("operator-{index}"),
            account: Address::ZERO,
            identity: keys.identity.identity(),
            bls_public_key: keys.voting.public(),
            proof_of_possession: None,
            posting_address: Address::with_last_byte(index as u8 + 1),
            endpoint: format!("127.0.0.1:{}", index + 1),
            weight: 1,
            reserve: false,
        });
        let file = CommitteeFile {
            lineage: 0,
            flashblocks_per_block: 5,
            epoch_length: rhythm.epoch_length,
            turn_length: rhythm.turn_length,
            limits,
            registry: None,
            strategy: Strategy::RoundRobin,
            operators: members.collect(),
        };
        let mut rollup = rollup_config(&genesis);
        let config = &mut rollup.genesis.system_config;
        // Fees as on a real chain: on L1 data, and never nothing.
        config.scalar = B256::with_last_byte(1);
        (config.min_base_fee, config.da_footprint_gas_scalar) = (1_000_000, 200);
        let spec = ChainSpec::new(genesis, rollup, file).expect("a consistent chain");
        Self { spec: Arc::new(spec), keys: Arc::new(keys) }
    }
}
