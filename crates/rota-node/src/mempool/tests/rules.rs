//! Claims about what is refused whatever the state, in geth's words.

use super::{CHAIN_ID, Wallet, transfer};
use crate::{
    mempool::rules::{Environment, MAX_INIT_CODE_BYTES, OperatorFee, check, cost, da_footprint_scalar},
    rpc::SubmitError,
};
use alloy_consensus::{TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy_primitives::{Address, Bytes, TxKind, U256};
use rota_execution::L1Fees;
use rota_types::{Transaction, limits::MAX_TRANSACTION_BYTES};
use std::sync::Arc;

const ENVIRONMENT: Environment = Environment {
    chain_id: CHAIN_ID,
    block_gas_limit: 60_000_000,
    min_base_fee: 10,
    min_tip: 0,
    operator_fee: OperatorFee { scalar: 0, constant: 0, jovian: true },
    l1_fees: L1Fees { byte_price: U256::ZERO },
    da_footprint_scalar: 400,
};

fn sign(transaction: TxEip1559) -> Arc<Transaction> {
    Wallet::new(1).sign(transaction)
}

fn refused(transaction: &Transaction) -> String {
    check(transaction, &ENVIRONMENT).expect_err("refused").to_string()
}

#[test]
fn a_good_transfer_is_admitted_and_one_gas_less_is_not() {
    assert_eq!(check(&sign(transfer()), &ENVIRONMENT), Ok(()));
    let why = refused(&sign(TxEip1559 { gas_limit: 20_999, ..transfer() }));
    assert_eq!(why, "intrinsic gas too low: gas 20999, minimum needed 21000");
}

#[test]
fn other_chains_and_unprotected_transactions_are_refused() {
    let other = sign(TxEip1559 { chain_id: 1, ..transfer() });
    let expected = SubmitError::ChainId { expected: CHAIN_ID, found: Some(1) };
    assert_eq!(check(&other, &ENVIRONMENT), Err(expected));
    let legacy = TxLegacy { gas_limit: 21_000, gas_price: 100, to: TxKind::Call(Address::ZERO), ..Default::default() };
    let unprotected = Wallet::new(1).sign(legacy.clone());
    assert!(refused(&unprotected).starts_with("invalid chain id for signer"));
    let protected = Wallet::new(1).sign(TxLegacy { chain_id: Some(CHAIN_ID), ..legacy });
    assert_eq!(check(&protected, &ENVIRONMENT), Ok(()));
}

#[test]
fn calldata_floor_counts() {
    // 1 000 non-zero bytes: 21 000 + 16 000 intrinsic, 21 000 + 40 000 at least (EIP-7623).
    let with_gas = |gas_limit| sign(TxEip1559 { gas_limit, input: vec![1; 1000].into(), ..transfer() });
    assert_eq!(refused(&with_gas(60_999)), "intrinsic gas too low: gas 60999, minimum needed 61000");
    assert_eq!(check(&with_gas(61_000), &ENVIRONMENT), Ok(()));
}

#[test]
fn access_lists_cost_gas() {
    let list = alloy_eips::eip2930::AccessList(vec![alloy_eips::eip2930::AccessListItem {
        address: Address::ZERO,
        storage_keys: vec![Default::default(); 2],
    }]);
    let with_gas = |gas_limit| {
        Wallet::new(1).sign(TxEip2930 {
            chain_id: CHAIN_ID,
            gas_limit,
            gas_price: 100,
            to: TxKind::Call(Address::ZERO),
            access_list: list.clone(),
            ..Default::default()
        })
    };
    assert!(refused(&with_gas(21_000 + 2_400 + 2 * 1_900 - 1)).starts_with("intrinsic gas too low"));
    assert_eq!(check(&with_gas(21_000 + 2_400 + 2 * 1_900), &ENVIRONMENT), Ok(()));
}

#[test]
fn gas_limit_is_capped() {
    let with_gas = |gas_limit| sign(TxEip1559 { gas_limit, ..transfer() });
    assert_eq!(check(&with_gas(16_777_216), &ENVIRONMENT), Ok(()));
    assert_eq!(refused(&with_gas(16_777_217)), "exceeds transaction gas limit: gas 16777217, limit 16777216");
    let small = Environment { block_gas_limit: 1_000_000, ..ENVIRONMENT };
    assert!(matches!(check(&with_gas(1_000_001), &small), Err(SubmitError::GasLimit { limit: 1_000_000, .. })));
}

#[test]
fn init_code_is_limited() {
    let create = |size| {
        let input = Bytes::from(vec![0; size]);
        sign(TxEip1559 { to: TxKind::Create, gas_limit: 16_000_000, input, ..transfer() })
    };
    assert_eq!(check(&create(MAX_INIT_CODE_BYTES), &ENVIRONMENT), Ok(()));
    assert!(refused(&create(MAX_INIT_CODE_BYTES + 1)).starts_with("max initcode size exceeded"));
}

#[test]
fn size_is_limited() {
    let large = sign(TxEip1559 { gas_limit: 16_000_000, input: vec![0; MAX_TRANSACTION_BYTES].into(), ..transfer() });
    assert!(refused(&large).starts_with("oversized data"));
}

#[test]
fn what_exceeds_a_blocks_da_footprint_alone_is_refused() {
    // keccak256 doesn't compress.
    let noise: Vec<u8> = (0..1000u32).flat_map(|n| alloy_primitives::keccak256(n.to_be_bytes()).0).collect();
    let large = sign(TxEip1559 { gas_limit: 16_000_000, input: noise.into(), ..transfer() });
    let footprint = op_revm::estimate_tx_compressed_size(large.encoded()) / 1_000_000 * 400;
    assert!(footprint > 400 * 25_000, "{footprint}");
    let with_limit = |block_gas_limit| check(&large, &Environment { block_gas_limit, ..ENVIRONMENT });
    assert_eq!(with_limit(footprint.max(16_000_000)), Ok(()));
    let small = Environment { da_footprint_scalar: 4000, ..ENVIRONMENT };
    let limit = small.block_gas_limit;
    let refused = check(&large, &small).expect_err("too large");
    assert_eq!(refused, SubmitError::DaFootprint { limit, found: footprint * 10 });
    assert_eq!(refused.to_string(), format!("exceeds block DA footprint: footprint {}, limit {limit}", footprint * 10));
    assert_eq!(check(&large, &Environment { da_footprint_scalar: 0, ..small }), Ok(()), "not before Jovian");
    // As L1Block packs it.
    assert_eq!(da_footprint_scalar((U256::from(400) << 96) | (U256::from(7) << 64) | U256::from(9)), 400);
}

#[test]
fn prices_below_the_floor_are_refused() {
    let upside_down = sign(TxEip1559 { max_priority_fee_per_gas: 101, ..transfer() });
    assert!(refused(&upside_down).starts_with("max priority fee per gas higher than max fee per gas"));
    let below = sign(TxEip1559 { max_fee_per_gas: 9, ..transfer() });
    assert_eq!(refused(&below), "transaction underpriced: gas fee cap 9, minimum base fee 10");
    let picky = Environment { min_tip: 2, ..ENVIRONMENT };
    let tip = |tip| check(&sign(TxEip1559 { max_priority_fee_per_gas: tip, ..transfer() }), &picky);
    let expected = "transaction underpriced: gas tip cap 1, minimum needed 2";
    assert_eq!(tip(1).expect_err("too small").to_string(), expected);
    assert_eq!(tip(2), Ok(()));
}

#[test]
fn the_last_nonce_is_never_used() {
    assert_eq!(refused(&sign(TxEip1559 { nonce: u64::MAX, ..transfer() })), "nonce has max value");
}

#[test]
fn delegations_need_authorizations() {
    let with = |authorization_list| {
        Wallet::new(1).sign(TxEip7702 {
            chain_id: CHAIN_ID,
            gas_limit: 46_000,
            max_fee_per_gas: 100,
            authorization_list,
            ..Default::default()
        })
    };
    assert_eq!(refused(&with(vec![])), "EIP-7702 transaction with empty auth list");
    let authorization = alloy_eips::eip7702::Authorization { chain_id: U256::ZERO, address: Address::ZERO, nonce: 0 };
    let signed = authorization.into_signed(alloy_primitives::Signature::test_signature());
    assert_eq!(check(&with(vec![signed.clone()]), &ENVIRONMENT), Ok(()));
    assert!(refused(&with(vec![signed.clone(), signed])).starts_with("intrinsic gas too low"));
}

#[test]
fn cost_is_value_gas_and_the_fees_of_the_rollup() {
    let transaction = sign(TxEip1559 { value: U256::from(7), ..transfer() });
    // Small transactions are estimated to take 100 bytes.
    let l1_fees = L1Fees { byte_price: U256::from(10_000_000) };
    let with = |operator_fee| cost(&transaction, &Environment { operator_fee, l1_fees, ..ENVIRONMENT });
    let base = 7 + 21_000 * 100 + 1_000;
    assert_eq!(with(OperatorFee::default()), U256::from(base));
    // scalar 5, constant 9, packed as L1Block packs them.
    let slot = (U256::from(5) << 64) | U256::from(9);
    assert_eq!(with(OperatorFee::from_slot(slot, true)), U256::from(base + 21_000 * 5 * 100 + 9));
    assert_eq!(with(OperatorFee::from_slot(slot, false)), U256::from(base + 9));
    let everything = sign(TxEip1559 { value: U256::MAX, ..transfer() });
    assert_eq!(cost(&everything, &ENVIRONMENT), U256::MAX);
}
