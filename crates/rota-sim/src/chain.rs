//! The chain of a simulation: the recorded genesis, a rollup config to match, a registry, and operators with keys from
//! small seeds.

use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, address};
use alloy_signer_local::PrivateKeySigner;
use rota_consensus::{IdentityKey, VotingKey};
use rota_execution::testing::{dev_genesis, rollup_config};
use rota_types::{
    ChainSpec, Limits, Operator, OperatorStatus, RegistryEntry, RegistryEvent, RegistrySpec, Strategy,
    chain_spec::CommitteeFile, key_domain,
};
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
    /// Index i is operator i everywhere in a simulation: the first committee in canonical order, then those who may join.
    pub keys: Arc<Vec<Keys>>,
}

/// One operator's keys.
#[derive(Clone)]
pub struct Keys {
    /// p2p identity.
    pub identity: IdentityKey,
    /// Signs votes.
    pub voting: VotingKey,
    /// Posts batches, and says that others are silent.
    pub posting: PrivateKeySigner,
}

/// What the committee and the rollup config say of time.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// Heights in one epoch.
    pub epoch_length: u64,
    /// Views in one turn.
    pub turn_length: u32,
    /// Flashblocks in one block of a second.
    pub flashblocks_per_block: u16,
    /// L1 blocks after its origin within which a block must be posted.
    pub sequencing_window: u64,
}

/// The registry's address on L1.
pub const REGISTRY: Address = address!("0000000000000000000000000000000000000904");

impl Chain {
    /// A chain of `operators` operators, and keys for `joiners` more.
    pub fn new(operators: usize, joiners: usize, rhythm: Rhythm, limits: Limits) -> Self {
        let genesis = Genesis { timestamp: GENESIS_TIME, ..dev_genesis() };
        let mut keys: Vec<Keys> = (0..(operators + joiners) as u64)
            .map(|seed| Keys {
                identity: IdentityKey::from_seed(seed),
                voting: VotingKey::from_seed(seed),
                posting: PrivateKeySigner::from_bytes(&B256::with_last_byte(seed as u8 + 1)).expect("a key"),
            })
            .collect();
        keys[..operators].sort_by_key(|keys| keys.identity.identity());
        let members = keys[..operators].iter().enumerate().map(|(index, keys)| Operator {
            name: format!("operator-{index}"),
            account: account(index),
            identity: keys.identity.identity(),
            bls_public_key: keys.voting.public(),
            proof_of_possession: None,
            posting_address: keys.posting.address(),
            endpoint: endpoint(index),
            weight: 1,
            reserve: false,
        });
        let file = CommitteeFile {
            lineage: 0,
            flashblocks_per_block: rhythm.flashblocks_per_block,
            epoch_length: rhythm.epoch_length,
            turn_length: rhythm.turn_length,
            limits,
            registry: Some(RegistrySpec { address: REGISTRY, since: 0 }),
            strategy: Strategy::RoundRobin,
            operators: members.collect(),
        };
        let mut rollup = rollup_config(&genesis);
        rollup.seq_window_size = rhythm.sequencing_window;
        let config = &mut rollup.genesis.system_config;
        // Fees as on a real chain: on L1 data, and never nothing.
        config.scalar = B256::with_last_byte(1);
        (config.min_base_fee, config.da_footprint_gas_scalar) = (1_000_000, 200);
        let spec = ChainSpec::new(genesis, rollup, file).expect("a consistent chain");
        Self { spec: Arc::new(spec), keys: Arc::new(keys) }
    }

    /// An operator's entry in the registry.
    pub fn entry(&self, operator: usize, status: OperatorStatus) -> RegistryEntry {
        let keys = &self.keys[operator];
        RegistryEntry {
            identity: keys.identity.identity(),
            identity_proof: keys.identity.prove(&self.spec.key_domain(), account(operator)),
            bls_key: key_domain::uncompressed(&keys.voting.public()).expect("a key"),
            posting: keys.posting.address(),
            reward: account(operator),
            endpoint: endpoint(operator),
            weight: 1,
            reserve: false,
            status,
            leaves_at: 0,
        }
    }

    /// What the registry says when an operator's entry changes.
    pub fn change(&self, operator: usize, entry: RegistryEntry) -> RegistryEvent {
        RegistryEvent::Operator { account: account(operator), entry: Box::new(entry) }
    }

    /// What the registry said up to the chain's genesis.
    pub fn first_events(&self) -> Vec<RegistryEvent> {
        let member = |operator| self.change(operator, self.entry(operator, OperatorStatus::Member));
        (0..self.spec.committee.operators().len()).map(member).collect()
    }
}

pub(crate) const fn account(operator: usize) -> Address {
    Address::with_last_byte(operator as u8 + 101)
}

fn endpoint(operator: usize) -> String {
    format!("127.0.0.1:{}", operator + 1)
}
