//! Four whole nodes on the deterministic runtime: they agree, execute, certify, and carry a transaction.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_network::TxSignerSync;
use alloy_primitives::{Address, Bytes, TxKind, U256};
use alloy_signer_local::PrivateKeySigner;
use commonware_runtime::{Clock, Runner, Spawner, Supervisor, deterministic};
use op_alloy_consensus::OpTxEnvelope;
use rota_consensus::{Config, IdentityKey, VotingKey, simulated};
use rota_execution::{EmbeddedEngine, MemoryStore, genesis_header};
use rota_l1::{L1ChainConfig, MemoryL1};
use rota_node::{Edges, Node, Setup, ledger::Retention, mempool::PoolLimits, rpc::Submit};
use rota_types::{ChainSpec, Operator};
use std::{sync::Arc, time::Duration};

const NODES: u64 = 4;
const LINK: simulated::Link =
    simulated::Link { latency: Duration::from_millis(20), jitter: Duration::from_millis(1), loss_ppm: 0 };

fn operator(seed: u64) -> Operator {
    let voting = VotingKey::from_seed(seed);
    Operator {
        name: format!("operator-{seed}"),
        identity: IdentityKey::from_seed(seed).identity(),
        bls_public_key: voting.public(),
        proof_of_possession: voting.proof_of_possession(),
        posting_address: Address::ZERO,
        endpoint: "127.0.0.1:1".into(),
        weight: 1,
    }
}

/// The recorded genesis, at the start of simulated time.
fn spec() -> Arc<ChainSpec> {
    let mut genesis: alloy_genesis::Genesis =
        serde_json::from_str(include_str!("../../../vectors/genesis-jovian.json")).expect("genesis");
    genesis.timestamp = 10;
    genesis.alloc.entry(wallet().address()).or_default().balance = U256::from(10).pow(U256::from(20));
    let mut rollup: rota_types::RollupConfig =
        serde_json::from_str(include_str!("../../../vectors/spec/rollup.json")).expect("rollup");
    rollup.genesis.l2.hash = genesis_header(&genesis).hash_slow();
    rollup.genesis.l2_time = genesis.timestamp;
    rollup.l2_chain_id = genesis.config.chain_id;
    let committee = rota_types::chain_spec::CommitteeFile {
        lineage: 0,
        flashblocks_per_block: 5,
        epoch_length: 40,
        turn_length: 20,
        limits: Default::default(),
        operators: (0..NODES).map(operator).collect(),
    };
    Arc::new(ChainSpec::new(genesis, rollup, committee).expect("consistent"))
}

fn setup(spec: &Arc<ChainSpec>, seed: u64) -> Setup {
    Setup {
        spec: spec.clone(),
        identity: IdentityKey::from_seed(seed),
        voting: Some(VotingKey::from_seed(seed)),
        first_start: true,
        max_rtt: Duration::from_millis(50),
        l1: L1ChainConfig { confirmation_depth: 2, ..Default::default() },
        retention: Retention::ALL,
        pool: PoolLimits { transactions: 1_000, bytes: 1 << 20, per_sender: 64, queued: Duration::from_secs(60) },
        pool_min_tip: 0,
        storage_prefix: format!("node{seed}"),
        execution_cost: None,
        interposer: None,
    }
}

fn wallet() -> PrivateKeySigner {
    PrivateKeySigner::from_slice(&[7; 32]).expect("a scalar")
}

fn transfer(spec: &ChainSpec, nonce: u64) -> Bytes {
    let mut transaction = TxEip1559 {
        chain_id: spec.chain_id(),
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(9)),
        value: U256::from(1),
        ..Default::default()
    };
    let signature = wallet().sign_transaction_sync(&mut transaction).expect("signed");
    OpTxEnvelope::Eip1559(transaction.into_signed(signature)).encoded_2718().into()
}

#[test]
fn four_operators_certify_and_carry_a_transaction() {
    let runner = deterministic::Runner::from(
        deterministic::Config::default().with_seed(1).with_cycle(Duration::from_micros(50)),
    );
    runner.start(|context| async move {
        let spec = spec();
        let network = simulated::Network::start(
            context.child("world"),
            &Config::new(spec.clone(), IdentityKey::from_seed(0), None),
            &[],
        );
        network.link_all(LINK).await;
        let l1 = MemoryL1::new(&spec.rollup, 2);
        context.child("miner").spawn({
            let l1 = l1.clone();
            move |clock| async move {
                loop {
                    let now = clock.current().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
                    l1.advance_to(now.as_secs());
                    clock.sleep(Duration::from_millis(500)).await;
                }
            }
        });
        context.sleep(Duration::from_secs(10)).await;
        let mut nodes = Vec::new();
        for seed in 0..NODES {
            let store = Arc::new(MemoryStore::default());
            let engine = EmbeddedEngine::open(store.clone(), spec.clone()).expect("an empty store");
            let edges = Edges { transport: network.transport(), store, engine: Arc::new(engine), l1: l1.view() };
            let context = context.child("node").with_attribute("id", seed);
            nodes.push(Node::start(context, setup(&spec, seed), edges).await.expect("starts"));
        }
        context.sleep(Duration::from_secs(5)).await;
        let hash = nodes[1].mempool.submit(transfer(&spec, 0)).await.expect("acknowledged by another operator");
        context.sleep(Duration::from_secs(25)).await;
        for node in &nodes {
            let (height, _) = node.ledger.tip();
            assert!(height > 120, "height {height} after 30 s at 200 ms: {:?}", node.report());
            let found = node.ledger.transaction(&hash).expect("readable").expect("certified everywhere");
            assert!(found.height() < 60);
            assert!(node.engine.certified().origin.number > 5, "origins advance");
            assert!(node.report().ready, "{:?}", node.report());
        }
    });
}
