//! What every [`crate::ExecutionEngine`] must do, whatever executes inside. Each function panics with the claim that it
//! breaks.
//!
//! An engine that builds whole blocks only passes the claims of [`whole_blocks`]; one that builds flashblocks passes
//! those of [`flashblocks`] too.

use crate::{
    At, CallOutcome, CallRequest, EngineError, Rejection,
    store::Batch,
    testing::{
        Chain, Request, attributes,
        contracts::{COUNTER, init_code},
        dev_account,
    },
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use rota_types::{Position, Transaction};
use std::sync::Arc;

/// Claims about engines that build whole blocks. `fresh` makes a chain at genesis on an empty store.
pub fn whole_blocks(fresh: &dyn Fn() -> Chain) {
    blocks_are_deterministic(&fresh(), &fresh());
    refusals_leave_no_trace(&fresh(), &fresh());
    siblings_do_not_survive(&fresh());
    adoption_is_idempotent(&fresh());
    misuse_is_an_error(&fresh());
    reads_follow_the_chain(&fresh());
}

/// Claims about engines that build flashblocks.
pub fn flashblocks(fresh: &dyn Fn() -> Chain) {
    splitting_does_not_change_a_block(&fresh(), &fresh());
    discarding_takes_descendants_along(&fresh());
}

fn transfers(from: usize, nonces: std::ops::Range<u64>) -> Vec<Arc<Transaction>> {
    nonces.map(|nonce| Request::transfer(nonce, Address::repeat_byte(0x55), 1).sign(dev_account(from))).collect()
}

fn must<T>(result: Result<T, EngineError>) -> T {
    result.unwrap_or_else(|error| panic!("the engine failed: {error}"))
}

fn whole(chain: &Chain, parent: &Position, transactions: &[Arc<Transaction>]) -> Position {
    let attributes = attributes(&chain.spec, parent, Vec::new());
    must(chain.flashblock(parent.digest, Some(&attributes), transactions, true)).position
}

/// Two instances make the same blocks out of the same transactions.
fn blocks_are_deterministic(one: &Chain, two: &Chain) {
    for block in 0..3 {
        let transactions = transfers(0, block * 4..block * 4 + 4);
        assert_eq!(must(one.next(&transactions)).hash, must(two.next(&transactions)).hash, "block {block} differs");
    }
    assert_eq!(one.engine.head(), two.engine.head());
}

/// What was refused does not show in the block.
fn refusals_leave_no_trace(clean: &Chain, troubled: &Chain) {
    let good = transfers(0, 0..3);
    let bad = transfers(0, 7..8);
    let attributes = troubled.attributes(Vec::new());
    let mut draft = must(troubled.engine.draft(troubled.tip().digest, Some(&attributes)));
    for transaction in &good {
        assert!(matches!(draft.extend(&bad[0]), Err(Rejection::NotYet(_))), "a nonce gap may close");
        assert!(draft.extend(transaction).is_ok(), "a good transaction is taken after a refusal");
        assert!(matches!(draft.extend(transaction), Err(Rejection::NotYet(_))), "a nonce is used once");
    }
    let finished = must(draft.finish(true));
    let hash = finished.executed.sealed.as_ref().map(|block| block.hash);
    assert_eq!(hash, Some(must(clean.next(&good)).hash));
}

/// Certifying one child discards the others.
fn siblings_do_not_survive(chain: &Chain) {
    let tip = chain.tip();
    let left = whole(chain, &tip, &transfers(0, 0..1));
    let right = whole(chain, &tip, &transfers(1, 0..2));
    must(chain.engine.commit(right.digest, Batch::default()));
    assert_eq!(chain.tip(), right);
    assert!(chain.engine.executed(left.digest).is_none(), "the sibling is gone");
    assert!(chain.engine.executed(right.digest).is_some(), "the certified one stays");
}

/// Adopting twice is adopting once.
fn adoption_is_idempotent(chain: &Chain) {
    let tip = chain.tip();
    let finish = || {
        let draft = must(chain.engine.draft(tip.digest, Some(&attributes(&chain.spec, &tip, Vec::new()))));
        must(draft.finish(true))
    };
    let digest = keccak256("adopted twice");
    let first = must(chain.engine.adopt(digest, tip.height + 1, finish()));
    let second = must(chain.engine.adopt(digest, tip.height + 1, finish()));
    assert_eq!(first.position, second.position);
    assert_eq!((first.position.digest, first.position.height), (digest, tip.height + 1));
}

/// Calls that make no sense are errors.
fn misuse_is_an_error(chain: &Chain) {
    let tip = chain.tip();
    let nowhere = B256::repeat_byte(0xee);
    assert!(matches!(chain.engine.draft(tip.digest, None), Err(EngineError::Misuse(_))), "a block must be opened");
    assert!(matches!(chain.engine.draft(nowhere, None), Err(EngineError::UnknownFlashblock(d)) if d == nowhere));
    assert!(chain.engine.commit(nowhere, Batch::default()).is_err());
    assert!(chain.engine.commit(tip.digest, Batch::default()).is_err(), "the certified one is no child of itself");
    let far = At::Block(tip.block_number + 1);
    assert!(matches!(chain.engine.block_header(far), Err(EngineError::UnknownBlock(_))));
    chain.engine.discard(nowhere);
}

/// Reads see the state that they name.
fn reads_follow_the_chain(chain: &Chain) {
    let deployer = dev_account(2);
    let counter = deployer.address().create(0);
    let genesis = chain.tip();
    must(chain.next(&[Request::create(0, init_code(COUNTER)).sign(deployer)]));
    let one = chain.tip();
    let two = whole(chain, &one, &[Request::call(1, counter, Bytes::new()).sign(deployer)]);
    let count = |at| must(chain.engine.storage(at, counter, U256::ZERO));
    assert_eq!(count(At::Flashblock(two.digest)), U256::ONE);
    assert_eq!(count(At::Block(one.block_number)), U256::ZERO);
    must(chain.engine.commit(two.digest, Batch::default()));
    assert_eq!(count(At::Block(two.block_number)), U256::ONE);
    assert_eq!(count(At::Block(one.block_number)), U256::ZERO);
    let at = At::Block(genesis.block_number);
    assert!(must(chain.engine.account(at, counter)).is_none());
    assert_eq!(must(chain.engine.code(At::Block(two.block_number), counter)).as_ref(), COUNTER);
    let request = CallRequest { to: Some(counter), gas: 100_000, ..Default::default() };
    let outcome = must(chain.engine.call(At::Block(two.block_number), &request));
    assert!(matches!(outcome, CallOutcome::Success { .. }), "{outcome:?}");
    assert_eq!(count(At::Block(two.block_number)), U256::ONE, "calls change nothing");
    assert_eq!(
        must(chain.engine.block_header(At::Block(two.block_number))).hash_slow(),
        two.sealed.unwrap_or_default()
    );
}

/// One flashblock or four: the same block.
fn splitting_does_not_change_a_block(one: &Chain, four: &Chain) {
    let transactions = transfers(0, 0..8);
    let attributes = one.attributes(Vec::new());
    let whole = must(one.block(&attributes, &transactions, 1));
    assert_eq!(whole.hash, must(four.block(&attributes, &transactions, 4)).hash);
}

/// A nullified flashblock goes with everything built on it.
fn discarding_takes_descendants_along(chain: &Chain) {
    let attributes = chain.attributes(Vec::new());
    let parent = must(chain.flashblock(chain.tip().digest, Some(&attributes), &[], false)).position;
    let child = must(chain.flashblock(parent.digest, None, &transfers(0, 0..1), true)).position;
    chain.engine.discard(parent.digest);
    assert!(chain.engine.executed(parent.digest).is_none());
    assert!(chain.engine.executed(child.digest).is_none());
    assert!(chain.engine.executed(chain.tip().digest).is_some());
}
