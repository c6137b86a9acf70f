//! What a transaction must satisfy whatever the state: protocol rules and this node's floor prices. The words are
//! geth's, because wallets match on them.

use crate::rpc::SubmitError;
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, U256, address};
use revm::{context_interface::cfg::gas::calculate_initial_tx_gas, primitives::hardfork::SpecId};
use rota_execution::{L1Fees, estimated_size};
use rota_types::{
    Transaction,
    limits::{MAX_TRANSACTION_BYTES, MAX_TRANSACTION_GAS},
};

/// The largest init code, bytes (EIP-3860).
pub const MAX_INIT_CODE_BYTES: usize = 49_152;

/// The L1Block predeploy.
pub(super) const L1_BLOCK: Address = address!("0x4200000000000000000000000000000000000015");

/// Its slot with the DA footprint's scalar in bytes 18..20 (OP specs, Jovian), the operator fee's in bytes 20..24 and its
/// constant in bytes 24..32 (Isthmus).
pub(super) const FEE_SLOT: U256 = U256::from_limbs([8, 0, 0, 0]);

/// What admission compares with: the chain and its newest certified block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Environment {
    /// L2 chain id.
    pub chain_id: u64,
    /// Gas limit of a block.
    pub block_gas_limit: u64,
    /// The base fee can't fall below this, wei (Jovian).
    pub min_base_fee: u64,
    /// Smallest priority fee that this node admits, wei.
    pub min_tip: u64,
    /// Operator fee.
    pub operator_fee: OperatorFee,
    /// What L1 charges for data.
    pub l1_fees: L1Fees,
    /// Gas that a byte of estimated compressed size counts against the block's DA footprint; 0: not limited (before
    /// Jovian).
    pub da_footprint_scalar: u16,
}

/// The operator fee of Isthmus and later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OperatorFee {
    /// Per gas; in millionths before Jovian, in hundreds from Jovian on.
    pub scalar: u32,
    /// Per transaction, wei.
    pub constant: u64,
    /// Whether Jovian is active.
    pub jovian: bool,
}

impl OperatorFee {
    /// Reads the packed storage slot.
    pub fn from_slot(slot: U256, jovian: bool) -> Self {
        let limbs = slot.as_limbs();
        Self { scalar: limbs[1] as u32, constant: limbs[0], jovian }
    }

    /// The most that a transaction with this gas limit pays, wei.
    pub fn charge(&self, gas_limit: u64) -> U256 {
        let product = U256::from(gas_limit) * U256::from(self.scalar);
        let variable = if self.jovian { product * U256::from(100) } else { product / U256::from(1_000_000) };
        variable + U256::from(self.constant)
    }
}

/// The scalar of the DA footprint, in the storage slot of the `L1Block` contract that packs the fee parameters.
pub fn da_footprint_scalar(slot: U256) -> u16 {
    (slot.as_limbs()[1] >> 32) as u16
}

/// Checks everything that needs no account.
pub fn check(transaction: &Transaction, environment: &Environment) -> Result<(), SubmitError> {
    let envelope = transaction.envelope();
    check_size(transaction.encoded().len())?;
    if envelope.chain_id() != Some(environment.chain_id) {
        return Err(SubmitError::ChainId { expected: environment.chain_id, found: envelope.chain_id() });
    }
    let invalid = |why: String| Err(SubmitError::Invalid(why));
    if envelope.nonce() == u64::MAX {
        return invalid("nonce has max value".into());
    }
    let (found, limit) = (envelope.gas_limit(), MAX_TRANSACTION_GAS.min(environment.block_gas_limit));
    if found > limit {
        return Err(SubmitError::GasLimit { limit, found });
    }
    let (tip, cap) = (envelope.priority_fee_or_price(), envelope.max_fee_per_gas());
    if tip > cap {
        return invalid(format!(
            "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {cap}"
        ));
    }
    if envelope.is_create() && envelope.input().len() > MAX_INIT_CODE_BYTES {
        let size = envelope.input().len();
        return invalid(format!("max initcode size exceeded: code size {size}, limit {MAX_INIT_CODE_BYTES}"));
    }
    if envelope.authorization_list().is_some_and(<[_]>::is_empty) {
        return invalid("EIP-7702 transaction with empty auth list".into());
    }
    check_intrinsic_gas(transaction)?;
    check_da_footprint(transaction, environment)?;
    if tip < u128::from(environment.min_tip) {
        let needed = environment.min_tip;
        return Err(SubmitError::Underpriced(format!("gas tip cap {tip}, minimum needed {needed}")));
    }
    if cap < u128::from(environment.min_base_fee) {
        let needed = environment.min_base_fee;
        return Err(SubmitError::Underpriced(format!("gas fee cap {cap}, minimum base fee {needed}")));
    }
    Ok(())
}

/// Refuses what is too large to be worth decoding.
pub fn check_size(size: usize) -> Result<(), SubmitError> {
    if size > MAX_TRANSACTION_BYTES {
        return Err(SubmitError::Oversized { size, limit: MAX_TRANSACTION_BYTES });
    }
    Ok(())
}

/// The gas limit must cover what the transaction uses before its first instruction, and EIP-7623's floor.
fn check_intrinsic_gas(transaction: &Transaction) -> Result<(), SubmitError> {
    let envelope = transaction.envelope();
    let (accounts, slots) = envelope.access_list().map_or((0, 0), |list| (list.len(), list.storage_keys_count()));
    let gas = calculate_initial_tx_gas(
        SpecId::PRAGUE,
        envelope.input(),
        envelope.is_create(),
        accounts as u64,
        slots as u64,
        envelope.authorization_count().unwrap_or(0),
    );
    let (found, needed) = (envelope.gas_limit(), gas.initial_total_gas.max(gas.floor_gas));
    if found < needed {
        return Err(SubmitError::IntrinsicGas { needed, found });
    }
    Ok(())
}

/// A block's DA footprint is limited like its gas (Jovian): what exceeds it alone is never included.
fn check_da_footprint(transaction: &Transaction, environment: &Environment) -> Result<(), SubmitError> {
    let size = estimated_size(transaction) / 1_000_000;
    let (found, limit) = (size.saturating_mul(environment.da_footprint_scalar.into()), environment.block_gas_limit);
    if found > limit {
        return Err(SubmitError::DaFootprint { limit, found });
    }
    Ok(())
}

/// What a transaction may cost its sender at most, wei: value, gas at the fee cap, L1 fee and operator fee.
pub fn cost(transaction: &Transaction, environment: &Environment) -> U256 {
    let envelope = transaction.envelope();
    U256::from(envelope.gas_limit())
        .saturating_mul(U256::from(envelope.max_fee_per_gas()))
        .saturating_add(envelope.value())
        .saturating_add(environment.l1_fees.fee(transaction))
        .saturating_add(environment.operator_fee.charge(envelope.gas_limit()))
}
