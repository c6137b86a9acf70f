//! Block attributes without an L1: one origin forever, fixed fees.

use crate::engine::BlockAttributes;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, keccak256};
use op_alloy_consensus::{DepositSourceDomain, L1InfoDepositSource, TxDeposit, UserDepositSource};
use rota_types::{BlockId, ChainSpec, Opening, Position, Transaction};
use std::sync::Arc;

const L1_BLOCK: Address = address!("0x4200000000000000000000000000000000000015");
const DEPOSITOR: Address = address!("0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001");
const FEE_VAULT: Address = address!("0x4200000000000000000000000000000000000011");

/// DA footprint gas scalar of the L1 info deposits made here.
pub const DA_FOOTPRINT_SCALAR: u16 = 400;

/// Attributes of the block after `parent`: origin kept, one block time later, `deposits` after the L1 info deposit.
pub fn attributes(spec: &ChainSpec, parent: &Position, deposits: Vec<Arc<Transaction>>) -> BlockAttributes {
    let timestamp = parent.timestamp + spec.rollup.block_time;
    let sequence_number = parent.sequence_number + 1;
    // The activation block still carries the L1 info of the fork before.
    let jovian = spec.rollup.jovian_time.is_some_and(|time| time <= spec.rollup.genesis.l2_time || time < timestamp);
    let info = l1_info(jovian, parent.origin, timestamp, sequence_number);
    BlockAttributes {
        opening: Opening { timestamp, origin: parent.origin },
        sequence_number,
        prev_randao: keccak256(timestamp.to_be_bytes()),
        fee_recipient: FEE_VAULT,
        gas_limit: spec.genesis.gas_limit,
        parent_beacon_block_root: B256::repeat_byte(0xbe),
        eip1559_params: Default::default(),
        min_base_fee: 0,
        deposits: [info].into_iter().chain(deposits).collect(),
        user_transactions: true,
        registry_events: Vec::new(),
    }
}

fn l1_info(jovian: bool, origin: BlockId, l1_time: u64, sequence_number: u64) -> Arc<Transaction> {
    let selector: [u8; 4] = if jovian { [0x3d, 0xb6, 0xbe, 0x2b] } else { [0x09, 0x89, 0x99, 0xbe] };
    let mut input = selector.to_vec();
    input.extend(1_368u32.to_be_bytes());
    input.extend(810_949u32.to_be_bytes());
    input.extend(sequence_number.to_be_bytes());
    input.extend(l1_time.to_be_bytes());
    input.extend(origin.number.to_be_bytes());
    input.extend(U256::from(1_000_000_000u64).to_be_bytes::<32>());
    input.extend(U256::ONE.to_be_bytes::<32>());
    input.extend(origin.hash);
    input.extend(Address::repeat_byte(0xba).into_word());
    input.extend(100u32.to_be_bytes());
    input.extend(7u64.to_be_bytes());
    if jovian {
        input.extend(DA_FOOTPRINT_SCALAR.to_be_bytes());
    }
    let source = L1InfoDepositSource::new(origin.hash, sequence_number);
    Arc::new(Transaction::deposit(TxDeposit {
        source_hash: DepositSourceDomain::L1Info(source).source_hash(),
        from: DEPOSITOR,
        to: TxKind::Call(L1_BLOCK),
        mint: 0,
        value: U256::ZERO,
        gas_limit: 1_000_000,
        is_system_transaction: false,
        input: input.into(),
    }))
}

/// A user's deposit with 100 000 gas; `salt` makes it unique.
pub fn deposit(from: Address, to: TxKind, mint: u128, value: u128, input: Bytes, salt: u64) -> Arc<Transaction> {
    let source = UserDepositSource::new(B256::repeat_byte(0x11), salt);
    Arc::new(Transaction::deposit(TxDeposit {
        source_hash: DepositSourceDomain::User(source).source_hash(),
        from,
        to,
        mint,
        value: U256::from(value),
        gas_limit: 100_000,
        is_system_transaction: false,
        input,
    }))
}
