//! The in-memory L1 enforces PostingTurns' rules, as `contracts/test/PostingTurns.t.sol` has them.

use alloy_primitives::{Address, B256, Signature};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use commonware_runtime::{Runner, deterministic};
use rota_l1::{
    ConfigUpdate, Fees, L1Sender, MemoryL1, MemoryTurns, Payload, PostingTurns, SkipDomain, Submission, TurnMember,
    TurnSource, rotate_call, skip_call,
};
use rota_types::RollupConfig;

const CONTRACT: Address = Address::repeat_byte(0xc0);
const WINDOW: u64 = 10;
const TENURE: u64 = 3;

fn key(index: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(index)).expect("a key")
}

fn member(index: u8) -> TurnMember {
    TurnMember {
        identity: B256::repeat_byte(index),
        operator: Address::repeat_byte(index),
        posting: key(index).address(),
    }
}

struct World {
    l1: MemoryL1,
    turns: MemoryTurns,
    domain: SkipDomain,
    nonce: u64,
}

impl World {
    fn new() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/spec/rollup.json");
        let rollup = std::fs::read(path).expect("the vectors are committed");
        let rollup: RollupConfig = serde_json::from_slice(&rollup).expect("a rollup config");
        let l1 = MemoryL1::new(&rollup, 2);
        l1.deploy_turns(CONTRACT, WINDOW, TENURE, &[1, 2, 3].map(member));
        let domain = SkipDomain { l1_chain_id: rollup.l1_chain_id, contract: CONTRACT };
        let turns = MemoryTurns::new(l1.view(), domain);
        Self { l1, turns, domain, nonce: 0 }
    }

    /// Mines a block with this call: whether it succeeded, and the batcher that the block sets.
    async fn call(&mut self, payload: Payload) -> (bool, Option<Address>) {
        let sender = self.l1.sender(Address::repeat_byte(0xaa));
        let fees = Fees { max_fee_per_gas: 100, max_priority_fee_per_gas: 1, max_fee_per_blob_gas: 0 };
        let hash = sender.submit(&Submission { nonce: self.nonce, fees, to: CONTRACT, payload }).await;
        self.nonce += 1;
        let block = self.l1.mine();
        let included = sender.inclusion(hash.expect("taken")).await.expect("in memory").expect("mined");
        let mut batcher = block.config_updates.iter().map(|update| match update {
            ConfigUpdate::Batcher(batcher) => *batcher,
            other => panic!("{other:?}"),
        });
        (included.success, batcher.next_back())
    }

    async fn overview(&self) -> PostingTurns {
        self.turns.turns().await.expect("in memory")
    }

    fn mine(&self, blocks: u64) {
        (0..blocks).for_each(|_| drop(self.l1.mine()));
    }

    fn skips(&self, turn: u64, members: &[u8]) -> Vec<Signature> {
        let mut keys: Vec<_> = members.iter().map(|index| key(*index)).collect();
        keys.sort_by_key(PrivateKeySigner::address);
        keys.iter().map(|key| key.sign_hash_sync(&self.domain.digest(turn)).expect("a local key signs")).collect()
    }
}

fn run<F: Future<Output = ()>>(test: impl FnOnce(World) -> F) {
    deterministic::Runner::default().start(|_| test(World::new()));
}

#[test]
fn anybody_rotates_when_the_window_is_over_and_not_before() {
    run(|mut world| async move {
        assert!(world.overview().await.rotatable);
        assert_eq!(world.call(rotate_call()).await, (true, Some(key(1).address())));
        let first = world.overview().await.turn;
        assert_eq!((first.number, first.start_block, first.end_block), (1, 1, 1 + WINDOW));
        world.mine(WINDOW - 2);
        assert_eq!(world.call(rotate_call()).await, (false, None), "block 10 is still in the window");
        assert_eq!(world.call(rotate_call()).await, (true, Some(key(2).address())));
        let order = world.turns.order().await.expect("in memory");
        assert_eq!(order, [3, 1, 2].map(|index| key(index).address()));
    });
}

#[test]
fn more_than_a_third_skips_after_the_tenure() {
    run(|mut world| async move {
        world.call(rotate_call()).await;
        let two = world.skips(1, &[2, 3]);
        assert_eq!(world.call(skip_call(1, &two)).await, (false, None), "too early");
        world.mine(TENURE);
        assert_eq!(world.call(skip_call(1, &world.skips(1, &[2]))).await, (false, None), "a third");
        assert_eq!(world.call(skip_call(1, &world.skips(1, &[2, 9]))).await, (false, None), "a stranger");
        assert_eq!(world.call(skip_call(1, &[two[0], two[0]])).await, (false, None), "one twice");
        assert_eq!(world.call(skip_call(2, &two)).await, (false, None), "another turn");
        assert_eq!(world.call(skip_call(1, &two)).await, (true, Some(key(2).address())));
        world.mine(TENURE);
        assert_eq!(world.call(skip_call(1, &two)).await, (false, None), "replayed");
    });
}

#[test]
fn a_reorg_takes_turns_back() {
    run(|mut world| async move {
        world.call(rotate_call()).await;
        world.mine(WINDOW);
        world.call(rotate_call()).await;
        assert_eq!(world.overview().await.turn.number, 2);
        world.l1.reorg_losing_transactions(1);
        assert_eq!(world.overview().await.turn.number, 1);
        assert!(world.overview().await.rotatable);
        world.nonce -= 1;
        assert_eq!(world.call(rotate_call()).await, (true, Some(key(2).address())));
        // What a reorg keeps is executed again in its new block.
        world.l1.reorg(1);
        assert_eq!(world.overview().await.turn.number, 2);
    });
}

#[test]
fn a_poster_that_is_no_member_any_more_is_rotated_at_once() {
    run(|mut world| async move {
        world.call(rotate_call()).await;
        assert!(!world.overview().await.rotatable);
        world.l1.remove_member(B256::repeat_byte(1));
        world.mine(1);
        assert!(world.overview().await.rotatable);
        assert_eq!(world.call(rotate_call()).await, (true, Some(key(2).address())));
    });
}
