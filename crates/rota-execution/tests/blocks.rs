//! The same blocks come out, however they are built.

mod common;

use alloy_primitives::{B256, U256};
use common::{fresh, mixed, open, spec};
use op_alloy_consensus::OpReceiptEnvelope;
use rota_execution::{
    Batch, FjallStore, MemoryStore,
    testing::{Request, bench_engine, chain_spec, conformance, dev_account, dev_genesis},
};
use std::sync::Arc;

#[test]
fn one_or_five_flashblocks_seal_the_same_block() {
    let spec = spec();
    let (whole, split) = (fresh(&spec), fresh(&spec));
    for index in 0..20 {
        let (attributes, transactions) = mixed(&whole, index);
        let one = whole.block(&attributes, &transactions, 1).expect("a block");
        let five = split.block(&attributes, &transactions, 5).expect("a block");
        assert_eq!(one.header, five.header, "block {index}");
        assert_eq!(one.hash, five.hash);
        assert_eq!(one.size, five.size);
        assert_eq!(one.transactions.len(), transactions.len() + attributes.deposits.len());
    }
}

#[test]
fn a_verifier_executes_to_the_same() {
    let spec = spec();
    let (leader, verifier) = (fresh(&spec), fresh(&spec));
    for index in 0..4 {
        let (attributes, transactions) = mixed(&leader, index);
        for (part, carried) in transactions.chunks(4).enumerate() {
            let seal = (part + 1) * 4 >= transactions.len();
            let opening = (part == 0).then_some(&attributes);
            let proposed = leader.flashblock(leader.tip().digest, opening, carried, seal).expect("a flashblock");
            assert_eq!(proposed.attributes.as_deref(), opening);
            let opening = proposed.attributes.as_deref();
            let executed = verifier.flashblock(verifier.tip().digest, opening, carried, seal).expect("a flashblock");
            assert_eq!(executed.position, proposed.position);
            assert_eq!(executed.outcome_root, proposed.outcome_root);
            assert_eq!(executed.cumulative_gas, proposed.cumulative_gas);
            leader.engine.commit(proposed.position.digest, Batch::default()).expect("committed");
            verifier.engine.commit(executed.position.digest, Batch::default()).expect("committed");
        }
    }
    assert_eq!(leader.engine.head(), verifier.engine.head());
}

#[test]
fn receipts_tell_what_happened() {
    let chain = fresh(&spec());
    let (attributes, transactions) = mixed(&chain, 0);
    let block = chain.block(&attributes, &transactions, 1).expect("a block");
    let creation = &block.transactions[1];
    assert_eq!(creation.created, Some(dev_account(0).address().create(0)));
    assert!(creation.l1_fee > U256::ZERO);
    assert_eq!(block.transactions[0].l1_fee, U256::ZERO);

    let (attributes, transactions) = mixed(&chain, 1);
    let block = chain.block(&attributes, &transactions, 1).expect("a block");
    let statuses: Vec<_> = block.transactions.iter().map(|executed| executed.receipt.status()).collect();
    // L1 info; deposits: transfer, no balance, revert, out of gas, creation; then the carried ones.
    assert_eq!(statuses[..6], [true, true, false, false, false, true]);
    assert_eq!(statuses[6..12], [true, true, true, false, false, true]);
    let OpReceiptEnvelope::Deposit(failed) = &block.transactions[2].receipt else { panic!("a deposit receipt") };
    assert_eq!((failed.receipt.deposit_nonce, failed.receipt.deposit_receipt_version), (Some(0), Some(1)));
    let sum: u64 = block.transactions.iter().map(|executed| executed.gas_used).sum();
    assert_eq!(sum, block.header.gas_used);
    let counted = block.transactions[7].receipt.logs();
    assert_eq!(counted.len(), 2);
    assert_eq!(counted[1].topics()[0], B256::from(U256::from(1)));
}

#[test]
fn a_reopened_store_goes_on_from_the_last_sealed_block() {
    let spec = spec();
    let directory = tempfile::tempdir().expect("a directory");
    let reference = fresh(&spec);
    let disk = open(FjallStore::open(directory.path()).expect("a store"), &spec);
    let build = |index| {
        let (attributes, transactions) = mixed(&reference, index);
        let block = reference.block(&attributes, &transactions, 2).expect("a block");
        (attributes, transactions, block)
    };
    for index in 0..5 {
        let (attributes, transactions, block) = build(index);
        assert_eq!(disk.block(&attributes, &transactions, 2).expect("a block").hash, block.hash);
    }
    let sealed = disk.tip();
    // A flashblock of the next block is certified, then the process dies.
    let (attributes, transactions, block) = build(5);
    let open_one = disk.flashblock(sealed.digest, Some(&attributes), &transactions[..3], false).expect("a flashblock");
    disk.engine.commit(open_one.position.digest, Batch::default()).expect("committed");
    drop(disk);

    let disk = open(FjallStore::open(directory.path()).expect("a store"), &spec);
    assert_eq!(disk.tip(), sealed);
    let again = disk.flashblock(sealed.digest, Some(&attributes), &transactions[..3], false).expect("a flashblock");
    assert_eq!(again.position, open_one.position);
    let rest = disk.flashblock(again.position.digest, None, &transactions[3..], true).expect("a flashblock");
    assert_eq!(rest.sealed.as_ref().expect("sealed").hash, block.hash);
    disk.engine.commit(again.position.digest, Batch::default()).expect("committed");
    disk.engine.commit(rest.position.digest, Batch::default()).expect("committed");
    assert_eq!(disk.engine.head().hash_slow(), block.hash);
}

#[test]
fn the_jovian_activation_block_changes_form() {
    let spec = chain_spec(dev_genesis(), 3);
    let chain = fresh(&spec);
    let upgrades: serde_json::Value =
        serde_json::from_str(include_str!("../../../vectors/upgrade-txs.json")).expect("the vector parses");
    let store = MemoryStore::default();
    let second = open(store.clone(), &spec);
    for number in 1..=5u64 {
        let activates = number == 3;
        let deposits = if activates { upgrade_deposits(&upgrades) } else { Vec::new() };
        let mut attributes = chain.attributes(deposits);
        attributes.user_transactions = !activates;
        attributes.min_base_fee = if number >= 3 { 5_000_000 } else { 0 };
        let transfer = Request::transfer(chain.nonce(dev_account(0).address()), dev_account(1).address(), 1);
        let transfer = transfer.sign(dev_account(0));
        if activates {
            let mut draft = chain.engine.draft(chain.tip().digest, Some(&attributes)).expect("a draft");
            assert!(draft.extend(&transfer).is_err(), "no user transactions in the activation block");
        }
        let carried = if activates { Vec::new() } else { vec![transfer] };
        let block = chain.block(&attributes, &carried, 1).expect("a block");
        assert_eq!(block.hash, second.block(&attributes, &carried, 2).expect("a block").hash);
        let (version, length) = if number < 3 { (0, 9) } else { (1, 17) };
        assert_eq!((block.header.extra_data[0], block.header.extra_data.len()), (version, length), "block {number}");
        let footprint = block.header.blob_gas_used.expect("present since Ecotone");
        assert_eq!(footprint > 0, number > 3, "DA footprint of block {number}");
    }
    drop(second);
    assert_eq!(open(store, &spec).engine.head(), chain.engine.head());
}

fn upgrade_deposits(upgrades: &serde_json::Value) -> Vec<Arc<rota_types::Transaction>> {
    use alloy_eips::eip2718::Decodable2718;
    let raw = upgrades["jovian"].as_array().expect("a list").iter().map(|upgrade| upgrade["raw"].as_str());
    raw.map(|raw| {
        let bytes = alloy_primitives::hex::decode(raw.expect("a string")).expect("hex");
        let envelope = op_alloy_consensus::OpTxEnvelope::decode_2718(&mut bytes.as_slice()).expect("a deposit");
        let deposit = envelope.as_deposit().expect("a deposit").inner().clone();
        Arc::new(rota_types::Transaction::deposit(deposit))
    })
    .collect()
}

#[test]
fn the_embedded_engine_conforms() {
    let spec = spec();
    conformance::whole_blocks(&|| fresh(&spec));
    conformance::flashblocks(&|| fresh(&spec));
}

#[test]
fn the_benchmark_reports() {
    let report = bench_engine(2, 10).expect("a report");
    assert_eq!((report.blocks, report.transactions_per_block, report.samples_us.len()), (2, 10, 2));
    assert!(report.transactions_per_second > 0.0 && report.execute_us > 0.0);
}
