//! Every block that the embedded engine makes, a stock op-geth makes too: same hash, same receipts, same refusals.
//!
//! The attributes come from L1 blocks as in a node (deposits, system config, L1 info), so their mistakes would show here
//! as well. For every block, op-geth first builds on the same parent with the same attributes and transactions (which
//! checks what `newPayload` does not: gas limit, extra data, randao, fee recipient), then takes ours by
//! `engine_newPayloadV4` and makes it the head.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod contracts;
mod geth;
mod workload;

use alloy_consensus::{Header, Transaction as _};
use alloy_primitives::{Address, B256, U256, b256, keccak256};
use geth::Geth;
use op_alloy_consensus::OpReceiptEnvelope;
use rota_execution::{
    Batch, BlockAttributes, EmbeddedEngine, MemoryStore, Rejection, SealedBlock,
    testing::{Chain, chain_spec, dev_account, dev_genesis},
};
use rota_l1::{L1Block, SystemConfig, attributes};
use rota_types::{ChainSpec, Opening, Transaction, TransactionError};
use serde_json::{Value, json};
use std::sync::Arc;
use workload::{Block, Random, contract};

/// Blocks of a run: L1 moves every second one, so every config update of the workload takes effect.
const BLOCKS: u64 = 32;

/// `0x01 ‖ 0… ‖ blobBaseFeeScalar 810949 ‖ baseFeeScalar 1368`, as OP Mainnet had them.
const FEE_SCALAR: B256 = b256!("010000000000000000000000000000000000000000000000000c5fc500000558");

/// A chain in the embedded engine, its L1, and op-geth beside it.
struct Run {
    chain: Chain,
    geth: Geth,
    origin: L1Block,
    /// The newest block's L1 info.
    l1_info: Vec<u8>,
    refused: usize,
}

impl Run {
    /// A chain on which Jovian activates `jovian_after` seconds after genesis.
    fn start(jovian_after: u64) -> Self {
        let mut spec = ChainSpec::clone(&chain_spec(dev_genesis(), jovian_after));
        let config = &mut spec.rollup.genesis.system_config;
        config.scalar = FEE_SCALAR;
        config.da_footprint_gas_scalar = 200;
        if jovian_after == 0 {
            config.min_base_fee = 1_000_000;
        }
        let mut file: Value =
            serde_json::from_str(include_str!("../../../../vectors/genesis-jovian.json")).expect("JSON");
        file["extraData"] = json!(spec.genesis.extra_data);
        file["config"]["jovianTime"] = json!(spec.rollup.jovian_time);
        let mut geth = Geth::start(&file);
        assert_eq!(geth.head(), json!(spec.rollup.genesis.l2.hash), "the genesis blocks differ");
        let spec = Arc::new(spec);
        let engine = EmbeddedEngine::open(Arc::new(MemoryStore::default()), spec.clone()).expect("the engine opens");
        let origin = L1Block {
            id: spec.rollup.genesis.l1,
            parent_hash: B256::ZERO,
            timestamp: spec.rollup.genesis.l2_time,
            base_fee: U256::from(1_000_000_000),
            blob_base_fee: U256::ONE,
            prev_randao: B256::repeat_byte(1),
            parent_beacon_block_root: B256::repeat_byte(2),
            deposits: Vec::new(),
            config_updates: Vec::new(),
            registry_events: Vec::new(),
        };
        Self { chain: Chain { engine: Arc::new(engine), spec }, geth, origin, l1_info: Vec::new(), refused: 0 }
    }

    fn number(&self) -> u64 {
        self.chain.tip().block_number + 1
    }

    /// The next L1 block, two seconds later.
    fn advance_l1(&mut self) {
        let rollup = &self.chain.spec.rollup;
        let number = self.origin.id.number + 1;
        let hash = keccak256(number.to_be_bytes());
        let header = Header {
            number,
            parent_hash: self.origin.id.hash,
            timestamp: self.origin.timestamp + 2,
            base_fee_per_gas: Some(1_000_000_000 + number * 77_777_777),
            excess_blob_gas: Some(number * 10_000_000),
            mix_hash: keccak256(hash),
            parent_beacon_block_root: Some(keccak256(keccak256(hash))),
            ..Default::default()
        };
        let deposits = workload::deposit_logs(rollup.deposit_contract_address, number);
        let config = workload::config_logs(rollup.l1_system_config_address, number);
        let logs: Vec<_> = deposits.iter().chain(&config).collect();
        self.origin = L1Block::new(rollup, None, &header, hash, (0..).zip(logs)).expect("well-formed deposits");
    }

    /// The attributes of the next block on the current origin.
    fn attributes(&self) -> BlockAttributes {
        let (spec, parent) = (&self.chain.spec, self.chain.tip());
        let config = SystemConfig::from_l2_block(spec, &self.chain.engine.head(), &self.l1_info).expect("L1 info");
        let opening = Opening { timestamp: parent.timestamp + 1, origin: self.origin.id };
        attributes(spec, &parent, &config, opening, &self.origin).expect("a valid opening")
    }

    /// Executes a block in as many flashblocks as it takes, asks op-geth for its own, and hands ours in.
    fn block(&mut self, attributes: &BlockAttributes, transactions: &[Arc<Transaction>]) -> Arc<SealedBlock> {
        let parent = self.chain.engine.head().hash_slow();
        let engine = &self.chain.engine;
        let mut waiting = transactions.iter().peekable();
        let mut opening = Some(attributes);
        for index in 0.. {
            assert!(index < 10, "{} transactions don't fit into the block", waiting.count());
            let tip = self.chain.tip();
            let mut draft = engine.draft(tip.digest, opening.take()).expect("a draft");
            let mut carried = 0;
            while let Some(transaction) = waiting.peek() {
                match draft.extend(transaction) {
                    Ok(_) => carried += 1,
                    Err(Rejection::DoesNotFit(_)) if carried > 0 => break,
                    Err(error) => panic!("transaction {} of block {}: {error}", transaction.hash(), self.number()),
                }
                waiting.next();
                // More flashblocks than the limits ask for: their seams must not show.
                if carried == 40 {
                    break;
                }
            }
            let seals = waiting.peek().is_none();
            let finished = draft.finish(seals).expect("a flashblock");
            let digest = keccak256([tip.digest.as_slice(), finished.executed.outcome_root.as_slice()].concat());
            let executed = engine.adopt(digest, tip.height + 1, finished).expect("adopted");
            engine.commit(digest, Batch::default()).expect("committed");
            if let Some(block) = &executed.sealed {
                self.l1_info = block.transactions[0].transaction.envelope().input().to_vec();
                self.compare(parent, attributes, block);
                return block.clone();
            }
        }
        unreachable!("the loop ends with a seal")
    }

    fn compare(&mut self, parent: B256, attributes: &BlockAttributes, block: &SealedBlock) {
        let built = self.geth.build(parent, attributes, self.is_jovian(block.header.timestamp), block);
        let ours = geth::payload(block);
        for (key, value) in ours.as_object().expect("an object") {
            assert_eq!(&built[key], value, "{key} of block {}: op-geth's on the left", block.header.number);
        }
        self.geth.insert(block);
        self.compare_receipts(block);
        self.compare_proofs(block);
    }

    fn is_jovian(&self, timestamp: u64) -> bool {
        self.chain.spec.rollup.jovian_time.is_some_and(|time| time <= timestamp)
    }

    /// What op-geth tells wallets of each transaction.
    fn compare_receipts(&mut self, block: &SealedBlock) {
        let receipts = self.geth.call("eth_getBlockReceipts", json!([block.hash]));
        let receipts = receipts.as_array().expect("receipts");
        assert_eq!(receipts.len(), block.transactions.len());
        for (theirs, ours) in receipts.iter().zip(&block.transactions) {
            let hash = ours.transaction.hash();
            assert_eq!(theirs["transactionHash"], json!(hash));
            assert_eq!(theirs["from"], json!(ours.transaction.sender()), "{hash}");
            assert_eq!(theirs["gasUsed"], format!("{:#x}", ours.gas_used), "{hash}");
            assert_eq!(theirs["contractAddress"], json!(ours.created), "{hash}");
            assert_eq!(theirs["status"], format!("{:#x}", u8::from(ours.receipt.status())), "{hash}");
            if matches!(ours.receipt, OpReceiptEnvelope::Deposit(_)) {
                assert_eq!(ours.l1_fee, U256::ZERO);
            } else {
                assert_eq!(theirs["l1Fee"], format!("{:#x}", ours.l1_fee), "L1 fee of {hash}");
            }
        }
    }

    /// EIP-1186 proofs of accounts with and without storage, and of one that doesn't exist.
    fn compare_proofs(&mut self, block: &SealedBlock) {
        let nobody = Address::repeat_byte(0x99);
        for address in [contract("counter"), contract("environment"), contracts::WETH, dev_account(1).address(), nobody]
        {
            let slots = [B256::ZERO, B256::with_last_byte(3), B256::repeat_byte(9)];
            let ours = self.chain.engine.proof(address, &slots).expect("a proof");
            let theirs = self.geth.call("eth_getProof", json!([address, slots, block.hash]));
            assert_eq!(theirs["accountProof"], json!(ours.account_proof), "{address}");
            assert_eq!(theirs["storageHash"], json!(ours.storage_root), "{address}");
            assert_eq!(theirs["balance"], json!(ours.account.balance), "{address}");
            let storage = theirs["storageProof"].as_array().expect("proofs");
            for (theirs, (_, value, proof)) in storage.iter().zip(&ours.storage_proofs) {
                assert_eq!((&theirs["value"], &theirs["proof"]), (&json!(value), &json!(proof)), "{address}");
            }
        }
    }

    /// What our engine refuses, op-geth refuses.
    fn compare_refusals(&mut self) {
        let attributes = self.attributes();
        let parent = self.chain.engine.head().hash_slow();
        let jovian = self.is_jovian(attributes.opening.timestamp);
        for (reason, transaction) in workload::refused(&self.chain) {
            let mut draft = self.chain.engine.draft(self.chain.tip().digest, Some(&attributes)).expect("a draft");
            let ours = draft.extend(&transaction);
            assert!(ours.is_err(), "{reason}: accepted");
            let encoded = [transaction.encoded().clone()];
            let deposits = attributes.deposits.iter().map(|deposit| deposit.encoded().clone());
            let all: Vec<_> = deposits.chain(encoded).collect();
            assert!(self.geth.refuses(parent, &attributes, jovian, &all), "{reason}: op-geth accepts, we say {ours:?}");
            self.refused += 1;
        }
    }
}

/// The workload, block by block.
fn run(jovian_after: u64, seed: u64) {
    let mut run = Run::start(jovian_after);
    let mut random = Random(seed);
    let mut executed = 0;
    for number in 1..=BLOCKS {
        assert_eq!(run.number(), number);
        if number % 2 == 0 {
            run.advance_l1();
        }
        let attributes = run.attributes();
        let chain = run.chain.clone();
        let mut block = Block::new(&chain);
        if number == 1 {
            block.deploy();
        } else if attributes.user_transactions {
            block.transfers(number);
            block.contracts(number);
            block.tokens(number);
            block.delegations(number);
            block.random(&mut random);
            match number % 6 {
                0 => block.precompiles(),
                3 => block.fill_data(&mut random),
                5 => {
                    block = Block::new(&chain);
                    block.fill_gas(attributes.gas_limit);
                }
                _ => {}
            }
        }
        let transactions = std::mem::take(&mut block.transactions);
        let sealed = run.block(&attributes, &transactions);
        assert_eq!(sealed.transactions.len(), attributes.deposits.len() + transactions.len());
        executed += sealed.transactions.len();
        if [2, BLOCKS / 2, BLOCKS].contains(&number) {
            run.compare_refusals();
        }
    }
    assert!(executed > 1_500, "{executed} transactions are no workload");
    assert!(run.refused > 30);
}

#[test]
fn op_geth_agrees_from_a_jovian_genesis() {
    run(0, 1);
}

#[test]
fn op_geth_agrees_through_the_activation_of_jovian() {
    run(7, 2);
}

#[test]
fn blob_transactions_never_reach_a_block() {
    let refused = Transaction::decode(vec![0x03, 0xc0].into());
    assert_eq!(refused, Err(TransactionError::UnsupportedType(0x03)));
}
