//! The tree of uncertified flashblocks, the store below it, and reads at its states.

mod common;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::{
    Nibbles, TrieAccount,
    proof::verify_proof,
    root::{state_root_unhashed, storage_root_unhashed},
};
use common::{deployments, fresh, mixed, open, spec};
use rota_execution::{
    At, Batch, CallOutcome, CallRequest, EmbeddedEngine, EngineError, FjallStore, MemoryStore, Store, Table,
    testing::{Chain, Request, contracts::forward, dev_account},
};
use std::{collections::BTreeMap, sync::Arc};

#[test]
fn siblings_are_discarded_when_one_is_certified() {
    let chain = fresh(&spec());
    let tip = chain.tip();
    let to = Address::repeat_byte(0x77);
    let pay = |value| [Request::transfer(0, to, value).sign(dev_account(0))];
    let attributes = chain.attributes(Vec::new());
    let left = chain.flashblock(tip.digest, Some(&attributes), &pay(1), false).expect("left").position;
    let right = chain.flashblock(tip.digest, Some(&attributes), &pay(2), false).expect("right").position;
    let child = chain.flashblock(right.digest, None, &[], true).expect("child").position;
    let balance = |digest| chain.engine.account(At::Flashblock(digest), to).expect("read").expect("exists").balance;
    assert_eq!((balance(left.digest), balance(right.digest)), (U256::from(1), U256::from(2)));
    assert!(matches!(chain.engine.commit(child.digest, Batch::default()), Err(EngineError::Misuse(_))));

    chain.engine.commit(right.digest, Batch::default()).expect("committed");
    assert_eq!(chain.tip(), right);
    assert!(chain.engine.executed(left.digest).is_none());
    assert!(chain.engine.executed(tip.digest).is_none());
    assert!(matches!(chain.engine.draft(left.digest, None), Err(EngineError::UnknownFlashblock(_))));
    // A draft begun on a branch that is gone by now can't be adopted.
    let late = chain.engine.draft(right.digest, None).expect("a draft").finish(true).expect("finished");
    chain.engine.commit(child.digest, Batch::default()).expect("committed");
    assert_eq!(chain.engine.head().number, 1);
    assert!(matches!(chain.engine.adopt(B256::repeat_byte(9), 3, late), Err(EngineError::UnknownFlashblock(_))));
}

#[test]
fn a_nullified_flashblock_goes_with_its_descendants() {
    let chain = fresh(&spec());
    let attributes = chain.attributes(Vec::new());
    let one = chain.flashblock(chain.tip().digest, Some(&attributes), &[], false).expect("one").position;
    let two = chain.flashblock(one.digest, None, &[], true).expect("two").position;
    chain.engine.discard(one.digest);
    assert!(chain.engine.executed(one.digest).is_none() && chain.engine.executed(two.digest).is_none());
    chain.engine.discard(chain.tip().digest);
    assert!(chain.engine.executed(chain.tip().digest).is_some(), "the certified flashblock stays");
}

#[test]
fn code_created_by_an_uncertified_flashblock_runs_in_its_child() {
    let chain = fresh(&spec());
    let (contracts, deploy) = deployments();
    let attributes = chain.attributes(Vec::new());
    let one = chain.flashblock(chain.tip().digest, Some(&attributes), &deploy, true).expect("one").position;
    let attributes = rota_execution::testing::attributes(&chain.spec, &one, Vec::new());
    let call = [Request::call(0, contracts.counter, Bytes::new()).sign(dev_account(1))];
    let two = chain.flashblock(one.digest, Some(&attributes), &call, true).expect("two").position;
    let count = |at| chain.engine.storage(at, contracts.counter, U256::ZERO).expect("read");
    assert_eq!(count(At::Flashblock(two.digest)), U256::from(1));
    chain.engine.commit(one.digest, Batch::default()).expect("committed");
    assert_eq!(count(At::Block(1)), U256::ZERO);
    chain.engine.commit(two.digest, Batch::default()).expect("committed");
    assert_eq!(count(At::Block(2)), U256::from(1));
}

#[test]
fn recent_states_are_read_and_older_ones_are_pruned() {
    let spec = spec();
    let store = MemoryStore::default();
    let windowed = |store: MemoryStore| {
        let engine = EmbeddedEngine::open(Arc::new(store), spec.clone()).expect("opens").with_state_window(4);
        Chain { engine: Arc::new(engine), spec: spec.clone() }
    };
    let chain = windowed(store.clone());
    let (contracts, _) = deployments();
    let mut counts = Vec::new();
    for index in 0..10 {
        let (attributes, transactions) = mixed(&chain, index);
        let block = chain.block(&attributes, &transactions, 1).expect("a block");
        let at = At::Block(block.header.number);
        let count = chain.engine.storage(at, contracts.counter, U256::ZERO).expect("read");
        counts.push((count, chain.engine.account(at, dev_account(1).address()).expect("read"), block));
    }
    for chain in [&chain, &windowed(store.clone())] {
        for number in 1..=10u64 {
            let (count, account, block) = &counts[number as usize - 1];
            let at = At::Block(number);
            if number < 6 {
                let read = chain.engine.storage(at, contracts.counter, U256::ZERO);
                assert!(matches!(read, Err(EngineError::StatePruned)), "block {number}");
                continue;
            }
            assert_eq!(chain.engine.storage(at, contracts.counter, U256::ZERO).expect("read"), *count);
            assert_eq!(chain.engine.account(at, dev_account(1).address()).expect("read"), *account);
            assert_eq!(*chain.engine.block_header(at).expect("header"), block.header);
        }
        assert!(matches!(chain.engine.block_header(At::Block(11)), Err(EngineError::UnknownBlock(11))));
        // A stranger paid in block 9 does not exist before.
        let stranger = Address::left_padding_from(&0xabcd_0008u64.to_be_bytes());
        assert!(chain.engine.account(At::Block(8), stranger).expect("read").is_none());
        assert!(chain.engine.account(At::Block(9), stranger).expect("read").is_some());
    }
    let reverts = store.range(Table::Reverts, &[0], &[2], usize::MAX).expect("read");
    let oldest = reverts.iter().map(|(key, _)| u64::from_be_bytes(key[key.len() - 8..].try_into().expect("8 bytes")));
    assert_eq!(oldest.min(), Some(7), "reverts of blocks 1..=6 are gone");
}

#[test]
fn a_failed_write_certifies_nothing() {
    let store = MemoryStore::default();
    let chain = open(store.clone(), &spec());
    let before = chain.tip();
    let attributes = chain.attributes(Vec::new());
    let one = chain.flashblock(before.digest, Some(&attributes), &[], true).expect("one").position;
    let mut extra = Batch::default();
    extra.put(Table::Flashblocks, b"height", b"flashblock");
    store.fail_writes(true);
    assert!(matches!(chain.engine.commit(one.digest, extra.clone()), Err(EngineError::Store(_))));
    assert_eq!(chain.tip(), before);
    assert_eq!(store.get(Table::Flashblocks, b"height").expect("read"), None);
    store.fail_writes(false);
    chain.engine.commit(one.digest, extra).expect("committed");
    assert_eq!(store.get(Table::Flashblocks, b"height").expect("read").as_deref(), Some(&b"flashblock"[..]));
}

#[test]
fn stores_that_do_not_fit_are_refused() {
    let spec = spec();
    let store = MemoryStore::default();
    let refused = |store: &MemoryStore, spec: &Arc<rota_types::ChainSpec>, why: &str| {
        let error = EmbeddedEngine::open(Arc::new(store.clone()), spec.clone()).expect_err("refused").to_string();
        assert!(error.contains(why), "{error}");
    };
    let mut wrong_hash = (*spec).clone();
    wrong_hash.rollup.genesis.l2.hash = B256::repeat_byte(1);
    refused(&store, &Arc::new(wrong_hash), "rollup.json");
    drop(open(store.clone(), &spec));
    let mut lineage = (*spec).clone();
    lineage.lineage = 1;
    refused(&store, &Arc::new(lineage), "another chain or lineage");
    let mut rich = Batch::default();
    rich.put(Table::Accounts, Address::repeat_byte(0x42).as_slice(), [0xff; 72]);
    store.write(rich).expect("written");
    refused(&store, &spec, "the stored state hashes to");
}

#[test]
fn two_engines_cannot_share_a_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = FjallStore::open(directory.path()).expect("a store");
    let error = FjallStore::open(directory.path()).expect_err("locked").to_string();
    assert!(error.contains("in use by another process"), "{error}");
    drop(first);
    FjallStore::open(directory.path()).expect("free again");
}

#[test]
fn both_stores_answer_alike() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores: [Arc<dyn Store>; 2] =
        [Arc::new(MemoryStore::default()), Arc::new(FjallStore::open(directory.path()).expect("a store"))];
    for store in &stores {
        let mut batch = Batch::default();
        for key in 0..10u8 {
            batch.put(Table::Blocks, [key], [key, key]);
        }
        batch.delete(Table::Blocks, [4]);
        batch.put(Table::Receipts, [3], [9]);
        store.write(batch).expect("written");
        let keys = |from: &[u8], to: &[u8], limit| {
            let entries = store.range(Table::Blocks, from, to, limit).expect("read");
            entries.into_iter().map(|(key, _)| key[0]).collect::<Vec<_>>()
        };
        assert_eq!(keys(&[3], &[7], 99), [3, 5, 6]);
        assert_eq!(keys(&[], &[7], 2), [0, 1]);
        assert_eq!(keys(&[7], &[3], 99), [0u8; 0]);
        assert_eq!(store.last_before(Table::Blocks, &[5]).expect("read"), Some((vec![3], vec![3, 3])));
        assert_eq!(store.last_before(Table::Blocks, &[0]).expect("read"), None);
        assert_eq!(store.last_before(Table::Receipts, &[0xff]).expect("read"), Some((vec![3], vec![9])));
        assert_eq!(store.get(Table::Blocks, &[4]).expect("read"), None);
        assert_eq!(store.get(Table::Blocks, &[5]).expect("read"), Some(vec![5, 5]));
    }
}

#[test]
fn proofs_verify_against_the_header() {
    let chain = fresh(&spec());
    for index in 0..3 {
        let (attributes, transactions) = mixed(&chain, index);
        chain.block(&attributes, &transactions, 1).expect("a block");
    }
    let (contracts, _) = deployments();
    let root = chain.engine.head().state_root;
    let absent = Address::repeat_byte(0x99);
    for address in [contracts.counter, dev_account(0).address(), absent] {
        let slots = [B256::ZERO, B256::repeat_byte(1)];
        let proof = chain.engine.proof(address, &slots).expect("a proof");
        let value = (address != absent).then(|| {
            alloy_rlp::encode(TrieAccount {
                nonce: proof.account.nonce,
                balance: proof.account.balance,
                storage_root: proof.storage_root,
                code_hash: proof.account.code_hash,
            })
        });
        let key = |bytes: &[u8]| Nibbles::unpack(keccak256(bytes));
        verify_proof(root, key(address.as_slice()), value, &proof.account_proof).expect("the account is proven");
        if address == absent {
            assert_eq!(proof.storage_root, B256::ZERO, "as op-geth shows it");
            continue;
        }
        for (slot, value, nodes) in &proof.storage_proofs {
            let encoded = (!value.is_zero()).then(|| alloy_rlp::encode(value));
            verify_proof(proof.storage_root, key(slot.as_slice()), encoded, nodes).expect("the slot is proven");
        }
    }
    let count = chain.engine.proof(contracts.counter, &[B256::ZERO]).expect("a proof").storage_proofs[0].1;
    assert_eq!(count, chain.engine.storage(At::Block(3), contracts.counter, U256::ZERO).expect("read"));
}

#[test]
fn calls_change_nothing_and_skip_what_wallets_skip() {
    let chain = fresh(&spec());
    for index in 0..2 {
        let (attributes, transactions) = mixed(&chain, index);
        chain.block(&attributes, &transactions, 1).expect("a block");
    }
    let (contracts, _) = deployments();
    let at = At::Block(2);
    let call = |request: CallRequest| chain.engine.call(at, &request).expect("answered");
    let pauper = Address::repeat_byte(0x31);
    let base = CallRequest { from: pauper, gas: 1_000_000, ..Default::default() };
    let counted = call(CallRequest { to: Some(contracts.counter), ..base.clone() });
    assert!(matches!(counted, CallOutcome::Success { gas_used, .. } if gas_used > 21_000), "{counted:?}");
    let reverted = call(CallRequest { to: Some(contracts.reverter), ..base.clone() });
    assert!(matches!(&reverted, CallOutcome::Revert { output, .. } if output.len() == 32), "{reverted:?}");
    let halted = call(CallRequest { to: Some(contracts.looping), ..base.clone() });
    assert!(matches!(halted, CallOutcome::Halt { gas_used: 1_000_000, .. }), "{halted:?}");
    let poor = call(CallRequest { to: Some(pauper), value: U256::from(1), ..base.clone() });
    assert_eq!(poor, CallOutcome::InsufficientFunds { balance: U256::ZERO, cost: U256::from(1) });
    let priced = call(CallRequest { to: Some(pauper), gas_price: 1, ..base.clone() });
    // Below the base fee.
    assert!(matches!(priced, CallOutcome::Invalid(_)), "{priced:?}");
    // A contract may be the sender, and keeps its code.
    let back = forward(contracts.counter, &[]);
    let to = Some(contracts.forwarder);
    let contract = call(CallRequest { from: contracts.counter, to, input: back, ..base.clone() });
    assert!(matches!(contract, CallOutcome::Success { .. }), "{contract:?}");
    let created = call(CallRequest { input: Bytes::from_static(&[0x33, 0xff]), ..base });
    assert!(matches!(created, CallOutcome::Success { .. }), "{created:?}");
    let before = chain.engine.storage(at, contracts.counter, U256::ZERO).expect("read");
    assert_eq!(before, U256::from(2));
    let fees = chain.engine.l1_fees(at).expect("fees");
    let paid = chain.engine.executed(chain.engine.certified().digest).expect("executed").transactions.clone();
    let paid = paid.iter().filter(|executed| executed.l1_fee > U256::ZERO).collect::<Vec<_>>();
    assert!(!paid.is_empty() && paid.iter().all(|executed| fees.fee(&executed.transaction) == executed.l1_fee));
    assert_eq!(
        chain.engine.code(at, contracts.counter).expect("code").as_ref(),
        rota_execution::testing::contracts::COUNTER
    );
}

#[test]
fn the_stored_state_hashes_to_the_header() {
    let spec = spec();
    let store = MemoryStore::default();
    let chain = open(store.clone(), &spec);
    for index in 0..6 {
        let (attributes, transactions) = mixed(&chain, index);
        chain.block(&attributes, &transactions, 3).expect("a block");
    }
    let all = |table| store.range(table, &[], &[0xff; 53], usize::MAX).expect("read");
    let mut slots: BTreeMap<Address, Vec<(B256, U256)>> = BTreeMap::new();
    for (key, value) in all(Table::Storage) {
        let slot = (B256::from_slice(&key[20..]), U256::from_be_slice(&value));
        slots.entry(Address::from_slice(&key[..20])).or_default().push(slot);
    }
    let accounts = all(Table::Accounts).into_iter().map(|(key, value)| {
        let address = Address::from_slice(&key);
        let account = TrieAccount {
            nonce: u64::from_be_bytes(value[..8].try_into().expect("8 bytes")),
            balance: U256::from_be_slice(&value[8..40]),
            storage_root: storage_root_unhashed(slots.remove(&address).unwrap_or_default()),
            code_hash: B256::from_slice(&value[40..]),
        };
        (address, account)
    });
    assert_eq!(state_root_unhashed(accounts.collect::<Vec<_>>()), chain.engine.head().state_root);
}
