//! What the chain reads of an L1 block.

use crate::{
    blob_fee,
    deposits::{self, DepositError},
    l1_info::L1Info,
    registry,
    system_config::ConfigUpdate,
};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Log, U256};
use op_alloy_consensus::TxDeposit;
use rota_types::{BlockId, RegistryEvent, RollupConfig};

/// An L1 block, reduced to what L2 blocks are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L1Block {
    /// Number and hash.
    pub id: BlockId,
    /// Hash of the parent.
    pub parent_hash: B256,
    /// Timestamp, seconds.
    pub timestamp: u64,
    /// Base fee, wei.
    pub base_fee: U256,
    /// Blob base fee, wei.
    pub blob_base_fee: U256,
    /// prev-randao.
    pub prev_randao: B256,
    /// Parent beacon block root (zero before Cancun).
    pub parent_beacon_block_root: B256,
    /// User deposits of this block, in log order.
    pub deposits: Vec<TxDeposit>,
    /// Well-formed updates of the system config in this block, in log order.
    pub config_updates: Vec<ConfigUpdate>,
    /// Changes of the operators' registry in this block, in log order.
    pub registry_events: Vec<RegistryEvent>,
}

impl L1Block {
    /// Reduces a header and the logs of its successful transactions, given with their index in the block.
    ///
    /// As in op-node, a malformed deposit makes the whole block unusable (deposits may never be skipped), while a
    /// malformed config update is skipped.
    pub fn new<'a>(
        rollup: &RollupConfig,
        registry: Option<Address>,
        header: &Header,
        hash: B256,
        logs: impl IntoIterator<Item = (u64, &'a Log)>,
    ) -> Result<Self, DepositError> {
        let mut deposits = Vec::new();
        let mut config_updates = Vec::new();
        let mut registry_events = Vec::new();
        for (index, log) in logs {
            if log.address == rollup.deposit_contract_address && deposits::is_deposit(log) {
                deposits.push(deposits::decode(hash, index, log)?);
            } else if log.address == rollup.l1_system_config_address {
                config_updates.extend(ConfigUpdate::decode(log));
            } else if registry == Some(log.address) {
                registry_events.extend(registry::decode(log));
            }
        }
        Ok(Self {
            id: BlockId { number: header.number, hash },
            parent_hash: header.parent_hash,
            timestamp: header.timestamp,
            base_fee: U256::from(header.base_fee_per_gas.unwrap_or_default()),
            blob_base_fee: blob_fee::blob_base_fee(rollup.l1_chain_id, header),
            prev_randao: header.mix_hash,
            parent_beacon_block_root: header.parent_beacon_block_root.unwrap_or_default(),
            deposits,
            config_updates,
            registry_events,
        })
    }

    /// An origin as a block that has it tells of it: whatever further blocks on this origin are made of. Deposits,
    /// updates and events, which only its first block takes, are not in it.
    pub const fn recalled(info: &L1Info, parent_hash: B256, prev_randao: B256, parent_beacon_block_root: B256) -> Self {
        Self {
            id: info.origin,
            parent_hash,
            timestamp: info.timestamp,
            base_fee: info.base_fee,
            blob_base_fee: info.blob_base_fee,
            prev_randao,
            parent_beacon_block_root,
            deposits: Vec::new(),
            config_updates: Vec::new(),
            registry_events: Vec::new(),
        }
    }
}
