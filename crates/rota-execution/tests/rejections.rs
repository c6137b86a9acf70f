//! What is refused, how it is classified, and that a refusal leaves no trace.

mod common;

use alloy_genesis::Genesis;
use alloy_primitives::{Address, Bytes, U256, hex, keccak256};
use common::{deployments, fresh, open, spec};
use rota_execution::{
    Batch, Draft, MemoryStore, Rejection, Store, Table,
    testing::{
        Chain, Request, chain_spec,
        contracts::{COUNTER, forward},
        dev_account, dev_genesis,
    },
};
use rota_types::{ChainSpec, Limits, Transaction};
use std::sync::Arc;

fn limited(limits: Limits, gas_limit: u64) -> Arc<ChainSpec> {
    let spec = chain_spec(Genesis { gas_limit, ..dev_genesis() }, 0);
    Arc::new(ChainSpec { limits, ..(*spec).clone() })
}

#[test]
fn refusals_say_whether_waiting_helps() {
    let chain = fresh(&spec());
    let account = dev_account(0);
    let to = Address::repeat_byte(0x77);
    let say = |request: Request| chain.offer(&request.sign(account)).expect_err("refused");
    let invalid = |rejection: &Rejection| matches!(rejection, Rejection::Invalid(_));
    let waits = |rejection: &Rejection| matches!(rejection, Rejection::NotYet(_));
    let base = || Request::transfer(0, to, 1);

    chain.next(&[base().sign(account)]).expect("a block");
    let next = || Request::transfer(1, to, 1);
    let low = say(base());
    assert!(waits(&low), "nonce used up on this branch: {low}");
    let gap = say(Request::transfer(5, to, 1));
    assert!(waits(&gap), "nonce gap: {gap}");
    let rich = say(Request { value: U256::MAX >> 8, ..next() });
    assert!(waits(&rich), "balance: {rich}");
    let cheap = say(Request { max_fee: 1, priority_fee: 1, ..next() });
    assert!(waits(&cheap), "fee cap: {cheap}");
    let foreign = say(Request { chain_id: 1, ..next() });
    assert!(invalid(&foreign), "chain id: {foreign}");
    let starved = say(Request { gas: 20_000, ..next() });
    assert!(invalid(&starved), "intrinsic gas: {starved}");
    let huge = say(Request { gas: 16_777_217, ..next() });
    assert!(invalid(&huge), "EIP-7825: {huge}");
    let inverted = say(Request { max_fee: 2_000_000_000, priority_fee: 3_000_000_000, ..next() });
    assert!(invalid(&inverted), "priority above cap: {inverted}");
    let deposit = chain.attributes(Vec::new()).deposits[0].clone();
    assert!(invalid(&chain.offer(&deposit).expect_err("refused")), "deposits are never carried");
    chain.next(&[next().sign(account)]).expect("the good one still goes");
}

#[test]
fn a_refusal_leaves_the_draft_unchanged() {
    let spec = spec();
    let (clean, troubled) = (fresh(&spec), fresh(&spec));
    let good: Vec<_> = (0..5).map(|nonce| Request::transfer(nonce, Address::ZERO, 1).sign(dev_account(0))).collect();
    let expected = clean.next(&good).expect("a block");
    let attributes = troubled.attributes(Vec::new());
    let mut draft = troubled.engine.draft(troubled.tip().digest, Some(&attributes)).expect("a draft");
    let gas_left = draft.gas_left();
    let gap = Request::transfer(9, Address::ZERO, 1).sign(dev_account(0));
    let poor = Request { value: U256::MAX >> 8, ..Request::transfer(0, Address::ZERO, 1) }.sign(dev_account(1));
    for transaction in &good {
        for bad in [&gap, &poor] {
            draft.extend(bad).expect_err("refused");
        }
        draft.extend(transaction).expect("fits");
        draft.extend(transaction).expect_err("twice");
    }
    assert_eq!(gas_left - draft.gas_left(), 5 * 21_000);
    let finished = draft.finish(true).expect("finished");
    assert_eq!(finished.executed.sealed.as_ref().expect("sealed").hash, expected.hash);
}

#[test]
fn flashblock_limits_hold() {
    let fits_not = |rejection: Rejection, what: &str| assert_eq!(rejection, Rejection::DoesNotFit(static_of(what)));
    fn static_of(what: &str) -> &'static str {
        ["flashblock bytes", "flashblock gas", "precompile gas", "DA footprint", "block gas"]
            .into_iter()
            .find(|known| *known == what)
            .expect("a known limit")
    }
    let limits =
        Limits { max_flashblock_bytes: 500, max_flashblock_gas: 20_000_000, max_flashblock_precompile_gas: 100_000 };
    let chain = fresh(&limited(limits, 30_000_000));
    let (contracts, deploy) = deployments();
    let account = dev_account(1);
    for transaction in &deploy {
        chain.next(std::slice::from_ref(transaction)).expect("a block");
    }

    // Bytes: four transfers of about 115 bytes fit, a fifth does not; one of 600 bytes never does.
    let mut bytes = draft(&chain);
    let refused =
        (0..9).find_map(|nonce| bytes.extend(&Request::transfer(nonce, Address::ZERO, 1).sign(account)).err());
    fits_not(refused.expect("the limit"), "flashblock bytes");
    let big = Request { gas: 100_000, ..Request::call(0, Address::ZERO, vec![1; 600]) };
    assert!(matches!(draft(&chain).extend(&big.sign(account)), Err(Rejection::NeverFits(_))));

    // Gas: two that burn 11 million each don't fit into 20 million; the next flashblock takes the second.
    let burn =
        |nonce| Request { gas: 11_000_000, ..Request::call(nonce, contracts.looping, Bytes::new()) }.sign(account);
    let mut gas = draft(&chain);
    assert_eq!(gas.extend(&burn(0)).expect("fits"), 11_000_000);
    fits_not(gas.extend(&burn(1)).expect_err("refused"), "flashblock gas");
    let one = chain.engine.adopt(Default::default(), 9, gas.finish(false).expect("finished")).expect("adopted");
    let mut next = chain.engine.draft(one.position.digest, None).expect("a draft");
    next.extend(&burn(1)).expect("fits");
    fits_not(next.extend(&burn(2)).expect_err("refused"), "block gas");

    // Precompiles: a pairing of nothing costs 45 000, so two fit; one of two pairs (113 000) never does, wherever.
    let pairing = forward(Address::with_last_byte(8), &[]);
    let pair = |nonce| Request::call(nonce, contracts.forwarder, pairing.clone()).sign(account);
    let mut precompiles = draft(&chain);
    precompiles.extend(&pair(0)).expect("fits");
    precompiles.extend(&pair(1)).expect("fits");
    fits_not(precompiles.extend(&pair(2)).expect_err("refused"), "precompile gas");
    precompiles.extend(&Request::transfer(2, Address::ZERO, 1).sign(account)).expect("others still fit");
    let pairs = forward(Address::with_last_byte(8), &[0; 192 * 2]);
    let heavy = Request { gas: 400_000, ..Request::call(0, contracts.forwarder, pairs) }.sign(account);
    assert!(matches!(draft(&chain).extend(&heavy), Err(Rejection::NeverFits(_))));
    // Cheap precompiles are free of that limit.
    let hash = forward(Address::with_last_byte(2), &[0; 32]);
    let hash = Request { gas: 5_000_000, ..Request::call(0, contracts.forwarder, hash) }.sign(account);
    draft(&chain).extend(&hash).expect("fits");
}

/// A chain on which a flashblock may spend 100 000 gas in precompiles, with the small contracts; and a pairing of two
/// pairs (113 000 gas) by this account.
fn scarce_precompiles() -> (Chain, impl Fn(usize) -> Arc<Transaction>) {
    let limits = Limits { max_flashblock_precompile_gas: 100_000, ..Limits::default() };
    let chain = fresh(&limited(limits, 60_000_000));
    let (contracts, deploy) = deployments();
    chain.next(&deploy).expect("a block");
    let input = forward(Address::with_last_byte(8), &[0; 192 * 2]);
    let heavy = Request { gas: 400_000, ..Request::call(0, contracts.forwarder, input) };
    (chain, move |account| heavy.clone().sign(dev_account(account)))
}

fn draft(chain: &Chain) -> Box<dyn Draft> {
    let attributes = chain.attributes(Vec::new());
    chain.engine.draft(chain.tip().digest, Some(&attributes)).expect("a draft")
}

#[test]
fn what_fits_into_no_flashblock_leaves_the_draft_unchanged() {
    let (chain, heavy) = scarce_precompiles();
    let good: Vec<_> = (0..2).map(|nonce| Request::transfer(nonce, Address::ZERO, 1).sign(dev_account(5))).collect();
    let mut troubled = draft(&chain);
    for (account, transaction) in good.iter().enumerate() {
        assert!(matches!(troubled.extend(&heavy(account + 1)), Err(Rejection::NeverFits(_))));
        troubled.extend(transaction).expect("fits");
    }
    let finished = troubled.finish(true).expect("finished");
    assert_eq!(finished.executed.sealed.as_ref().expect("sealed").hash, chain.next(&good).expect("a block").hash);
}

#[test]
fn a_draft_executes_few_transactions_for_nothing() {
    let (chain, heavy) = scarce_precompiles();
    let mut tired = draft(&chain);
    for account in 1..3 {
        assert!(matches!(tired.extend(&heavy(account)), Err(Rejection::NeverFits(_))));
    }
    assert_eq!(tired.extend(&heavy(3)), Err(Rejection::NotTried));
    let transfer = |gas| Request { gas, ..Request::transfer(0, Address::ZERO, 1) }.sign(dev_account(4));
    assert_eq!(tired.extend(&transfer(100_001)), Err(Rejection::NotTried), "it might not fit");
    tired.extend(&transfer(100_000)).expect("certain to fit");
    draft(&chain).extend(&transfer(100_001)).expect("fits into another flashblock");

    // What fits, but not any more, is executed for nothing just the same.
    let (contracts, _) = deployments();
    let pair = |account| {
        let input = forward(Address::with_last_byte(8), &[]);
        Request { gas: 120_000, ..Request::call(0, contracts.forwarder, input) }.sign(dev_account(account))
    };
    let mut full = draft(&chain);
    for account in 1..3 {
        full.extend(&pair(account)).expect("fits");
    }
    for account in 3..5 {
        assert_eq!(full.extend(&pair(account)), Err(Rejection::DoesNotFit("precompile gas")));
    }
    assert_eq!(full.extend(&pair(5)), Err(Rejection::NotTried));
}

#[test]
fn nothing_is_executed_beyond_the_precompile_gas_of_a_flashblock() {
    let limits = Limits { max_flashblock_precompile_gas: 100_000, ..Limits::default() };
    let spec = limited(limits, 60_000_000);
    let store = MemoryStore::default();
    let chain = open(store.clone(), &spec);
    let (contracts, deploy) = deployments();
    chain.next(&deploy).expect("a block");
    // Whoever looks at the counter's code from now on finds the store corrupt.
    let mut batch = Batch::default();
    batch.delete(Table::Code, *keccak256(COUNTER));
    store.write(batch).expect("written");
    let chain = open(store, &spec);
    // Pairings of nothing (45 000 gas each), then EXTCODESIZE of the counter.
    let look_after = |pairings| {
        let pairing = hex!("5f5f5f5f60085afa50");
        let init = [pairing.repeat(pairings), vec![0x73], contracts.counter.to_vec(), vec![0x3b, 0x00]].concat();
        chain.offer(&Request { gas: 1_000_000, ..Request::create(0, init) }.sign(dev_account(1)))
    };
    assert!(matches!(look_after(2), Err(Rejection::Engine(_))));
    assert!(matches!(look_after(3), Err(Rejection::NeverFits(_))));
}

#[test]
fn the_da_footprint_fills_a_block() {
    // A transfer counts with 100 bytes times a scalar of 400: 40 of them fill a limit of 1.6 million.
    let chain = fresh(&limited(Limits::default(), 1_600_000));
    let transfer = |nonce| Request::transfer(nonce, Address::ZERO, 1).sign(dev_account(2));
    let attributes = chain.attributes(Vec::new());
    let mut draft = chain.engine.draft(chain.tip().digest, Some(&attributes)).expect("a draft");
    for nonce in 0..40 {
        draft.extend(&transfer(nonce)).expect("fits");
    }
    assert_eq!(draft.extend(&transfer(40)), Err(Rejection::DoesNotFit("DA footprint")));
    let sealed = draft.finish(true).expect("finished").executed.sealed.clone().expect("sealed");
    assert_eq!(sealed.header.blob_gas_used, Some(1_600_000));
}
