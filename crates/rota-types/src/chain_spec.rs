//! What makes a chain this chain: the standard `genesis.json` and `rollup.json`, and a small committee file.

use crate::{
    Body, Committee, Digest, Flashblock, Header, Limits, Operator, PROTOCOL_VERSION, Position,
    committee::CommitteeError, position::BlockId,
};
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, keccak256};
use serde::{Deserialize, Serialize};
use std::{path::Path, time::Duration};

/// Why a chain spec is unusable.
#[derive(Debug, thiserror::Error)]
pub enum ChainSpecError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("cannot parse {path}: {source}")]
    Parse {
        /// The file.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The operators are no committee.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
    /// The files contradict each other or a rule.
    #[error("{0}")]
    Inconsistent(String),
}

/// `rollup.json` as op-node reads it (optimism v1.16.11, `rollup.Config`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RollupConfig {
    /// Where the rollup starts.
    pub genesis: RollupGenesis,
    /// Seconds between L2 blocks.
    pub block_time: u64,
    /// Seconds that L2 time may run ahead of the origin's (1 800 from Fjord on).
    pub max_sequencer_drift: u64,
    /// L1 blocks in which a batch must be included.
    pub seq_window_size: u64,
    /// L1 blocks in which a channel must be completed (50 from Granite on).
    pub channel_timeout: u64,
    /// L1 chain id.
    pub l1_chain_id: u64,
    /// L2 chain id.
    pub l2_chain_id: u64,
    /// Regolith activation.
    pub regolith_time: Option<u64>,
    /// Canyon activation.
    pub canyon_time: Option<u64>,
    /// Delta activation.
    pub delta_time: Option<u64>,
    /// Ecotone activation.
    pub ecotone_time: Option<u64>,
    /// Fjord activation.
    pub fjord_time: Option<u64>,
    /// Granite activation.
    pub granite_time: Option<u64>,
    /// Holocene activation.
    pub holocene_time: Option<u64>,
    /// Isthmus activation.
    pub isthmus_time: Option<u64>,
    /// Jovian activation.
    pub jovian_time: Option<u64>,
    /// Address that batches are sent to.
    pub batch_inbox_address: Address,
    /// OptimismPortal.
    pub deposit_contract_address: Address,
    /// SystemConfig.
    pub l1_system_config_address: Address,
    /// ProtocolVersions.
    pub protocol_versions_address: Address,
    /// EIP-1559 parameters of the chain.
    pub chain_op_config: ChainOpConfig,
}

/// `rollup.json`: genesis.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RollupGenesis {
    /// First L1 block that can hold batches.
    pub l1: BlockId,
    /// L2 genesis block.
    pub l2: BlockId,
    /// L2 genesis timestamp.
    pub l2_time: u64,
    /// System config at genesis.
    pub system_config: GenesisSystemConfig,
}

/// `rollup.json`: genesis system config.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenesisSystemConfig {
    /// Address that may post batches.
    pub batcher_addr: Address,
    /// Unused since Ecotone.
    pub overhead: B256,
    /// `0x01 ‖ 0… ‖ blobBaseFeeScalar ‖ baseFeeScalar`.
    pub scalar: B256,
    /// L2 gas limit.
    pub gas_limit: u64,
    /// `denominator ‖ elasticity`, 4 bytes each.
    #[serde(default)]
    pub eip1559_params: alloy_primitives::B64,
    /// `operatorFeeScalar ‖ operatorFeeConstant` in the low 12 bytes.
    #[serde(default)]
    pub operator_fee_params: B256,
    /// Minimum base fee (Jovian).
    #[serde(default)]
    pub min_base_fee: u64,
    /// DA footprint gas scalar (Jovian).
    #[serde(default)]
    pub da_footprint_gas_scalar: u16,
}

/// `rollup.json`: EIP-1559 parameters.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainOpConfig {
    /// Elasticity.
    pub eip1559_elasticity: u32,
    /// Denominator before Canyon.
    pub eip1559_denominator: u32,
    /// Denominator from Canyon on.
    pub eip1559_denominator_canyon: u32,
}

/// The committee file: who sequences, and in what rhythm.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitteeFile {
    /// Lineage of the chain.
    #[serde(default)]
    pub lineage: u32,
    /// Flashblocks in one L2 block at the nominal pace.
    pub flashblocks_per_block: u16,
    /// Heights in one epoch.
    pub epoch_length: u64,
    /// Views in one turn.
    pub turn_length: u32,
    /// Limits of a flashblock.
    #[serde(default)]
    pub limits: Limits,
    /// The operators.
    pub operators: Vec<Operator>,
}

/// A chain: immutable, shared by every part of the node.
#[derive(Debug, Clone)]
pub struct ChainSpec {
    /// Standard L2 genesis.
    pub genesis: Genesis,
    /// Standard rollup config.
    pub rollup: RollupConfig,
    /// Lineage.
    pub lineage: u32,
    /// Flashblocks in one L2 block at the nominal pace.
    pub flashblocks_per_block: u16,
    /// Heights in one epoch; epoch e holds heights `e·length ..= (e+1)·length − 1`.
    pub epoch_length: u64,
    /// Views in one turn.
    pub turn_length: u32,
    /// Limits of a flashblock.
    pub limits: Limits,
    /// The committee of every epoch (until the registry gives one per epoch).
    pub committee: Committee,
}

impl ChainSpec {
    /// Reads the three files.
    pub fn load(genesis: &Path, rollup: &Path, committee: &Path) -> Result<Self, ChainSpecError> {
        Self::new(parse(genesis)?, parse(rollup)?, parse(committee)?)
    }

    /// Checks that the three files describe one chain.
    pub fn new(genesis: Genesis, rollup: RollupConfig, file: CommitteeFile) -> Result<Self, ChainSpecError> {
        let refuse = |why: String| Err(ChainSpecError::Inconsistent(why));
        if genesis.config.chain_id != rollup.l2_chain_id {
            return refuse(format!(
                "genesis is of chain {}, rollup of chain {}",
                genesis.config.chain_id, rollup.l2_chain_id
            ));
        }
        if genesis.timestamp != rollup.genesis.l2_time {
            return refuse(format!(
                "genesis timestamp {} differs from rollup l2_time {}",
                genesis.timestamp, rollup.genesis.l2_time
            ));
        }
        if rollup.isthmus_time.is_none_or(|time| time > rollup.genesis.l2_time) {
            return refuse("Isthmus must be active at genesis".into());
        }
        if file.flashblocks_per_block == 0 || rollup.block_time == 0 {
            return refuse("flashblocks_per_block and block_time must be positive".into());
        }
        if file.epoch_length < 2 || file.turn_length < 2 {
            return refuse("epoch_length and turn_length must be at least 2".into());
        }
        if file.limits.max_flashblock_gas < crate::limits::MAX_TRANSACTION_GAS {
            return refuse(format!(
                "max_flashblock_gas must be at least {} (EIP-7825)",
                crate::limits::MAX_TRANSACTION_GAS
            ));
        }
        Ok(Self {
            genesis,
            rollup,
            lineage: file.lineage,
            flashblocks_per_block: file.flashblocks_per_block,
            epoch_length: file.epoch_length,
            turn_length: file.turn_length,
            limits: file.limits,
            committee: Committee::new(file.operators)?,
        })
    }

    /// L2 chain id.
    pub const fn chain_id(&self) -> u64 {
        self.rollup.l2_chain_id
    }

    /// Nominal time between flashblocks.
    pub fn pace(&self) -> Duration {
        Duration::from_secs(self.rollup.block_time) / u32::from(self.flashblocks_per_block)
    }

    /// The index at which a block must be sealed at the latest: `2 × flashblocks per block − 1` (0 with one flashblock
    /// per block).
    pub const fn last_index(&self) -> u16 {
        if self.flashblocks_per_block == 1 { 0 } else { 2 * self.flashblocks_per_block - 1 }
    }

    /// The epoch of a height.
    pub const fn epoch_of(&self, height: u64) -> u64 {
        height / self.epoch_length
    }

    /// Whether a height is the last of its epoch: it seals its block and carries no user transactions.
    pub const fn ends_epoch(&self, height: u64) -> bool {
        (height + 1).is_multiple_of(self.epoch_length)
    }

    /// What every consensus signature is bound to: `"rota" ‖ version ‖ chain id ‖ lineage`.
    pub fn namespace(&self) -> Vec<u8> {
        let mut out = b"rota".to_vec();
        out.extend_from_slice(&PROTOCOL_VERSION.to_be_bytes());
        out.extend_from_slice(&self.chain_id().to_be_bytes());
        out.extend_from_slice(&self.lineage.to_be_bytes());
        out
    }

    /// Identifies the chain on disk and in the handshake: namespace, genesis hashes and rhythm, hashed.
    pub fn id(&self) -> B256 {
        let mut out = self.namespace();
        out.extend_from_slice(self.rollup.genesis.l2.hash.as_slice());
        out.extend_from_slice(self.rollup.genesis.l1.hash.as_slice());
        out.extend_from_slice(&self.flashblocks_per_block.to_be_bytes());
        out.extend_from_slice(&self.epoch_length.to_be_bytes());
        out.extend_from_slice(&self.turn_length.to_be_bytes());
        keccak256(out)
    }

    /// The flashblock at height 0: it stands for the L2 genesis block.
    pub fn genesis_flashblock(&self) -> Flashblock {
        let body = Body::default();
        Flashblock {
            header: Header {
                version: PROTOCOL_VERSION,
                chain_id: self.chain_id(),
                lineage: self.lineage,
                epoch: 0,
                view: 0,
                leader: B256::ZERO,
                parent_view: 0,
                parent: Digest::ZERO,
                height: 0,
                block_number: self.rollup.genesis.l2.number,
                index: 0,
                body_hash: body.hash(),
                outcome_root: B256::ZERO,
                cumulative_gas: 0,
                seal: self.rollup.genesis.l2.hash,
                next_committee_root: B256::ZERO,
            },
            body,
        }
    }

    /// The chain before its first flashblock.
    pub fn genesis_position(&self) -> Position {
        Position {
            digest: self.genesis_flashblock().digest(),
            height: 0,
            block_number: self.rollup.genesis.l2.number,
            index: 0,
            sealed: Some(self.rollup.genesis.l2.hash),
            timestamp: self.rollup.genesis.l2_time,
            origin: self.rollup.genesis.l1,
            sequence_number: 0,
            user_transactions: true,
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ChainSpecError> {
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| ChainSpecError::Read { path: shown.clone(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| ChainSpecError::Parse { path: shown, source })
}
