//! From an L1 origin to the attributes of an L2 block, exactly as op-node's `PreparePayloadAttributes` makes them.

use crate::{
    block::L1Block,
    forks,
    l1_info::{L1Info, L1InfoError},
    system_config::SystemConfig,
    upgrades,
};
use alloy_primitives::{Address, address};
use rota_execution::BlockAttributes;
use rota_types::{BlockId, ChainSpec, Opening, Position, Transaction};
use std::sync::Arc;

/// The sequencer fee vault, fee recipient of every L2 block.
pub const SEQUENCER_FEE_VAULT: Address = address!("4200000000000000000000000000000000000011");

/// Why an opening makes no L2 block. Each is invalid for ever: a flashblock with such an opening deserves `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttributesError {
    /// The timestamp is not the parent's plus the block time.
    #[error("timestamp {found}, expected {expected}")]
    Timestamp {
        /// The only valid timestamp.
        expected: u64,
        /// The opening's.
        found: u64,
    },
    /// The L1 block given is not the one that the opening names. (A mistake of the caller, not of the leader.)
    #[error("opening names L1 block {named:?}, got {given:?}")]
    WrongOrigin {
        /// The opening's origin.
        named: BlockId,
        /// The block given.
        given: BlockId,
    },
    /// The origin is neither the parent's nor a child of it.
    #[error("origin {origin:?} does not follow the parent's origin {parent:?}")]
    NotNext {
        /// The opening's origin.
        origin: BlockId,
        /// The parent's origin.
        parent: BlockId,
    },
    /// The L2 block would be older than its origin.
    #[error("timestamp {timestamp} before the origin's {origin}")]
    BeforeOrigin {
        /// The opening's timestamp.
        timestamp: u64,
        /// The origin's.
        origin: u64,
    },
    /// The system config cannot be put into an L1 info transaction (only a wrong `rollup.json` does that).
    #[error(transparent)]
    L1Info(#[from] L1InfoError),
}

/// The attributes of the block that `opening` opens after `parent`, whose system config is `parent_config`
/// ([`SystemConfig::from_l2_block`]). `origin` is the L1 block that the opening names.
pub fn attributes(
    spec: &ChainSpec,
    parent: &Position,
    parent_config: &SystemConfig,
    opening: Opening,
    origin: &L1Block,
) -> Result<BlockAttributes, AttributesError> {
    let rollup = &spec.rollup;
    let timestamp = opening.timestamp;
    let expected = parent.timestamp.saturating_add(rollup.block_time);
    if timestamp != expected {
        return Err(AttributesError::Timestamp { expected, found: timestamp });
    }
    if opening.origin != origin.id {
        return Err(AttributesError::WrongOrigin { named: opening.origin, given: origin.id });
    }
    let not_next = AttributesError::NotNext { origin: origin.id, parent: parent.origin };
    let mut config = *parent_config;
    let (sequence_number, user_deposits, registry_events) = if origin.id == parent.origin {
        (parent.sequence_number.saturating_add(1), &[][..], &[][..])
    } else if parent.origin.number.checked_add(1) == Some(origin.id.number) && origin.parent_hash == parent.origin.hash
    {
        origin.config_updates.iter().for_each(|update| config.apply(update));
        (0, origin.deposits.as_slice(), origin.registry_events.as_slice())
    } else {
        return Err(not_next);
    };
    if timestamp < origin.timestamp {
        return Err(AttributesError::BeforeOrigin { timestamp, origin: origin.timestamp });
    }

    let is_jovian = forks::is_jovian(rollup, timestamp);
    let activates_jovian = forks::activates_jovian(rollup, timestamp);
    // The activation block still runs the old L1Block contract, so it gets the old form.
    let info = L1Info::new(origin, &config, sequence_number, is_jovian && !activates_jovian)?.deposit();
    let upgrade = if activates_jovian { upgrades::jovian() } else { &[] };
    let deposits = std::iter::once(&info).chain(user_deposits).chain(upgrade).cloned();
    let drift_ends = origin.timestamp.saturating_add(forks::max_sequencer_drift(rollup, origin.timestamp));
    Ok(BlockAttributes {
        opening,
        sequence_number,
        prev_randao: origin.prev_randao,
        fee_recipient: SEQUENCER_FEE_VAULT,
        gas_limit: config.gas_limit,
        parent_beacon_block_root: origin.parent_beacon_block_root,
        eip1559_params: config.eip1559_params,
        min_base_fee: if is_jovian { config.min_base_fee } else { 0 },
        deposits: deposits.map(|deposit| Arc::new(Transaction::deposit(deposit))).collect(),
        user_transactions: !activates_jovian && timestamp <= drift_ends,
        registry_events: registry_events.to_vec(),
    })
}
