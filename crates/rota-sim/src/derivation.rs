//! The chain that anybody derives from the batch inbox on L1, with no word from the operators.

use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, Bytes};
use rota_execution::{EmbeddedEngine, ExecutionEngine, MemoryStore};
use rota_l1::{MemoryL1, SystemConfig, attributes, memory::InboxBatch};
use rota_types::{ChainSpec, Opening, Transaction};
use std::sync::Arc;

/// A block that was derived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// Its number.
    pub number: u64,
    /// Its hash, from executing it.
    pub hash: B256,
    /// The L1 block that completed its batch.
    pub l1_block: u64,
    /// Who posted it.
    pub batcher: Address,
    /// Number of its L1 origin.
    origin: u64,
    /// What its batch says that it carries.
    transactions: Vec<Bytes>,
}

/// Derives and executes what the inbox holds, from genesis on: batches that go on from the chain so far, in their
/// sequencing window, on origins that L1 has.
pub fn derive(spec: &Arc<ChainSpec>, l1: &MemoryL1) -> Vec<Derived> {
    let store = Arc::new(MemoryStore::default());
    let engine = EmbeddedEngine::open(store, spec.clone()).expect("a fresh engine opens");
    let genesis = spec.rollup.genesis.l2;
    let mut config = SystemConfig::from_genesis(&spec.rollup);
    let mut chain: Vec<Derived> = Vec::new();
    for InboxBatch { l1_block, batcher, span } in l1.inbox().batches {
        let rollup = &spec.rollup;
        let first = genesis.number + span.rel_timestamp / rollup.block_time;
        let next = chain.last().map_or(genesis.number, |block| block.number) + 1;
        let known = |number: u64| number.checked_sub(genesis.number + 1).and_then(|index| chain.get(index as usize));
        let parent = if first == genesis.number + 1 { Some(genesis.hash) } else { known(first - 1).map(|b| b.hash) };
        let blocks: Vec<_> = (first..).zip(span.blocks(rollup)).collect();
        let goes_on = first + blocks.len() as u64 > next && parent.is_some_and(|parent| span.follows(parent));
        let in_time = blocks[0].1.origin_number + rollup.seq_window_size >= l1_block;
        let origin = l1.canonical(span.last_origin).is_some_and(|origin| span.ends_on(origin.id.hash));
        let mut again = blocks.iter().filter_map(|(number, block)| Some((known(*number)?, block)));
        let same =
            again.all(|(ours, block)| ours.origin == block.origin_number && ours.transactions == block.transactions);
        if !(goes_on && in_time && origin && same) {
            continue;
        }
        for (number, block) in blocks.into_iter().filter(|(number, _)| *number >= next) {
            let parent = engine.certified();
            let origin = l1.canonical(block.origin_number).expect("before the last origin");
            let opening = Opening { timestamp: block.timestamp, origin: origin.id };
            let attributes = attributes(spec, &parent, &config, opening, &origin).expect("origins fit their blocks");
            let mut draft = engine.draft(parent.digest, Some(&attributes)).expect("the parent is executed");
            for bytes in block.transactions {
                let transaction = Arc::new(Transaction::decode(bytes.clone()).expect("posted transactions decode"));
                draft.extend(&transaction).expect("posted transactions are valid");
            }
            let finished = draft.finish(true).expect("a draft can be finished");
            let sealed = finished.executed.sealed.clone().expect("the block was sealed");
            let info = sealed.transactions[0].transaction.envelope().input();
            config = SystemConfig::from_l2_block(spec, &sealed.header, info).expect("blocks begin with L1 info");
            engine.adopt(sealed.hash, parent.height + 1, finished).expect("a child is adopted");
            engine.commit(sealed.hash, Default::default()).expect("a memory store works");
            chain.push(Derived {
                number,
                hash: sealed.hash,
                l1_block,
                batcher,
                origin: block.origin_number,
                transactions: block.transactions.to_vec(),
            });
        }
    }
    chain
}
