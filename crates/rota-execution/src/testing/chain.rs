//! A development chain and a driver that builds blocks on an engine.

use crate::{
    At, BlockAttributes, EngineError, Executed, ExecutionEngine, Rejection, SealedBlock, genesis_header, store::Batch,
    testing::attributes,
};
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, Bytes, FixedBytes, keccak256};
use rota_types::{
    BlockId, ChainSpec, Committee, Digest, Limits, Operator, Position, RollupConfig, Strategy, Transaction,
    chain_spec::{ChainOpConfig, GenesisSystemConfig, RollupGenesis},
};
use std::sync::Arc;

/// The genesis of the development chain, `vectors/genesis-jovian.json`.
pub fn dev_genesis() -> Genesis {
    serde_json::from_str(include_str!("../../../../vectors/genesis-jovian.json")).expect("the vector is a genesis")
}

/// The rollup config of a chain with this genesis: every fork active, blocks of one second, no L1 fees.
pub fn rollup_config(genesis: &Genesis) -> RollupConfig {
    let header = genesis_header(genesis);
    let start = Some(0);
    RollupConfig {
        genesis: RollupGenesis {
            l1: BlockId { number: 1, hash: B256::repeat_byte(0x11) },
            l2: BlockId { number: header.number, hash: header.hash_slow() },
            l2_time: genesis.timestamp,
            system_config: GenesisSystemConfig {
                batcher_addr: Address::repeat_byte(0xba),
                overhead: B256::ZERO,
                scalar: B256::ZERO,
                gas_limit: genesis.gas_limit,
                eip1559_params: Default::default(),
                operator_fee_params: B256::ZERO,
                min_base_fee: 0,
                da_footprint_gas_scalar: 0,
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
        batch_inbox_address: Address::repeat_byte(0xff),
        deposit_contract_address: Address::repeat_byte(0xa1),
        l1_system_config_address: Address::repeat_byte(0xa2),
        protocol_versions_address: Address::ZERO,
        chain_op_config: ChainOpConfig {
            eip1559_elasticity: 2,
            eip1559_denominator: 250,
            eip1559_denominator_canyon: 250,
        },
    }
}

/// A chain with this genesis: Isthmus at genesis, Jovian `jovian_after` seconds later (0: at genesis), blocks of one
/// second in five flashblocks, one operator without keys.
pub fn chain_spec(mut genesis: Genesis, jovian_after: u64) -> Arc<ChainSpec> {
    if jovian_after > 0 {
        // The Holocene form: version 0, no minimum base fee.
        genesis.extra_data = Bytes::from([&[0], &genesis.extra_data[1..9]].concat());
    }
    let jovian_time = Some(genesis.timestamp + jovian_after);
    let rollup = RollupConfig { jovian_time, ..rollup_config(&genesis) };
    let operator = Operator {
        name: "operator".into(),
        account: Address::ZERO,
        identity: B256::repeat_byte(1),
        bls_public_key: FixedBytes::ZERO,
        proof_of_possession: None,
        posting_address: Address::ZERO,
        endpoint: "127.0.0.1:1".into(),
        weight: 1,
        reserve: false,
    };
    Arc::new(ChainSpec {
        genesis,
        rollup,
        lineage: 0,
        flashblocks_per_block: 5,
        epoch_length: 300,
        turn_length: 50,
        limits: Limits::default(),
        registry: None,
        strategy: Strategy::RoundRobin,
        committee: Committee::new(vec![operator]).expect("one operator is a committee"),
    })
}

/// Builds certified blocks on an engine.
#[derive(Clone)]
pub struct Chain {
    /// The engine.
    pub engine: Arc<dyn ExecutionEngine>,
    /// Its chain.
    pub spec: Arc<ChainSpec>,
}

impl Chain {
    /// The newest certified position.
    pub fn tip(&self) -> Position {
        self.engine.certified()
    }

    /// Attributes of the next block.
    pub fn attributes(&self, deposits: Vec<Arc<Transaction>>) -> BlockAttributes {
        attributes(&self.spec, &self.tip(), deposits)
    }

    /// Executes one flashblock after `parent` and adopts it under a digest of its own. Transactions that are refused
    /// panic.
    pub fn flashblock(
        &self,
        parent: Digest,
        attributes: Option<&BlockAttributes>,
        transactions: &[Arc<Transaction>],
        seal: bool,
    ) -> Result<Arc<Executed>, EngineError> {
        let height = self.engine.executed(parent).map_or(0, |executed| executed.position.height) + 1;
        let mut draft = self.engine.draft(parent, attributes)?;
        for transaction in transactions {
            draft.extend(transaction).unwrap_or_else(|error| panic!("transaction {}: {error}", transaction.hash()));
        }
        let finished = draft.finish(seal)?;
        let outcome = finished.executed.outcome_root;
        let digest = keccak256([parent.as_slice(), outcome.as_slice(), &[u8::from(seal)]].concat());
        self.engine.adopt(digest, height, finished)
    }

    /// Builds and commits one block in `flashblocks` flashblocks, the transactions spread evenly.
    pub fn block(
        &self,
        attributes: &BlockAttributes,
        transactions: &[Arc<Transaction>],
        flashblocks: usize,
    ) -> Result<Arc<SealedBlock>, EngineError> {
        let size = transactions.len().div_ceil(flashblocks);
        let mut opening = Some(attributes);
        for index in 0..flashblocks {
            let part = transactions.iter().skip(index * size).take(size).cloned().collect::<Vec<_>>();
            let executed = self.flashblock(self.tip().digest, opening.take(), &part, index + 1 == flashblocks)?;
            self.engine.commit(executed.position.digest, Batch::default())?;
            if let Some(block) = &executed.sealed {
                return Ok(block.clone());
            }
        }
        Err(EngineError::Misuse("a block needs at least one flashblock"))
    }

    /// Builds and commits the next block with these transactions in one flashblock.
    pub fn next(&self, transactions: &[Arc<Transaction>]) -> Result<Arc<SealedBlock>, EngineError> {
        self.block(&self.attributes(Vec::new()), transactions, 1)
    }

    /// What the engine says to a transaction as the first one of the next block.
    pub fn offer(&self, transaction: &Arc<Transaction>) -> Result<u64, Rejection> {
        let attributes = self.attributes(Vec::new());
        let draft = self.engine.draft(self.tip().digest, Some(&attributes));
        draft.unwrap_or_else(|error| panic!("{error}")).extend(transaction)
    }

    /// The nonce of an account at the newest sealed, certified block.
    pub fn nonce(&self, address: Address) -> u64 {
        let head = At::Block(self.engine.head().number);
        let account = self.engine.account(head, address).unwrap_or_else(|error| panic!("{error}"));
        account.map_or(0, |account| account.nonce)
    }
}
