//! What must hold in every scenario, by name, checked while it runs and at its end.

use alloy_primitives::B256;
use parking_lot::Mutex;
use rota_execution::{EmbeddedEngine, ExecutionEngine, MemoryStore};
use rota_l1::{MemoryL1, SystemConfig, attributes};
use rota_types::{ChainSpec, Digest, Flashblock, Transaction};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// A flashblock as the first operator that certified it saw it.
#[derive(Debug, Clone, Copy)]
struct First {
    digest: Digest,
    at: SystemTime,
    operator: usize,
}

#[derive(Debug, Default)]
struct Observed {
    /// By height, the first certification anywhere.
    certified: BTreeMap<u64, First>,
    /// By operator, the newest height it has certified.
    tips: BTreeMap<usize, u64>,
    /// Hashes that `submit` returned.
    returned: BTreeSet<B256>,
    /// Transactions seen in certified flashblocks, with how often.
    included: BTreeMap<B256, usize>,
}

/// Watches every operator of a world. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Invariants(Arc<Mutex<Observed>>);

impl Invariants {
    /// **Never two digests finalized at one height**, and **a certified prefix never changes**: every operator
    /// certifies the same digest at a height, whenever and however often it does.
    pub fn certified(&self, operator: usize, flashblock: &Flashblock, at: SystemTime) {
        let (height, digest) = (flashblock.header.height, flashblock.digest());
        let mut observed = self.0.lock();
        let tip = observed.tips.entry(operator).or_default();
        *tip = (*tip).max(height);
        if let Some(first) = observed.certified.get(&height) {
            assert_eq!(
                first.digest, digest,
                "two digests finalized at height {height}: by operator {} and operator {operator}",
                first.operator
            );
            return;
        }
        if let Some(parent) = height.checked_sub(1).and_then(|parent| observed.certified.get(&parent)) {
            assert_eq!(parent.digest, flashblock.header.parent, "height {height} changes the certified prefix");
        }
        observed.certified.insert(height, First { digest, at, operator });
        for transaction in &flashblock.body.transactions {
            *observed.included.entry(alloy_primitives::keccak256(transaction)).or_default() += 1;
        }
    }

    /// An operator answered `submit` with this hash.
    pub fn returned(&self, hash: B256) {
        self.0.lock().returned.insert(hash);
    }

    /// **A returned hash is included**, exactly once, while 2f+1 operators are honest and live.
    pub fn every_returned_hash_is_included_once(&self) {
        let observed = self.0.lock();
        for hash in &observed.returned {
            let times = observed.included.get(hash).copied().unwrap_or(0);
            assert_eq!(times, 1, "returned transaction {hash} is included {times} times");
        }
    }

    /// Returned hashes that are not included yet.
    pub fn outstanding(&self) -> usize {
        let observed = self.0.lock();
        observed.returned.iter().filter(|hash| !observed.included.contains_key(*hash)).count()
    }

    /// Newest height that any operator has certified.
    pub fn height(&self) -> u64 {
        self.0.lock().certified.last_key_value().map_or(0, |(height, _)| *height)
    }

    /// Newest height that this operator has certified while watched.
    pub fn height_of(&self, operator: usize) -> u64 {
        self.0.lock().tips.get(&operator).copied().unwrap_or(0)
    }

    /// The certified digest at a height.
    pub fn digest(&self, height: u64) -> Option<Digest> {
        self.0.lock().certified.get(&height).map(|first| first.digest)
    }

    /// Every certified digest, by height.
    pub fn digests(&self) -> Vec<Digest> {
        self.0.lock().certified.values().map(|first| first.digest).collect()
    }

    /// The longest time between two consecutive certified heights, the later one certified at or after `since`.
    pub fn longest_gap(&self, since: SystemTime) -> Duration {
        let observed = self.0.lock();
        let times: Vec<_> = observed.certified.values().map(|first| first.at).collect();
        let gaps = times.windows(2).filter(|pair| pair[1] >= since);
        gaps.map(|pair| pair[1].duration_since(pair[0]).unwrap_or_default()).max().unwrap_or_default()
    }
}

/// **Every sealed block re-executes to its hash on an independent engine instance**: derives the attributes of every
/// block from L1 anew and executes the certified flashblocks from genesis on. Returns the number of sealed blocks.
pub fn sealed_blocks_reexecute(spec: &Arc<ChainSpec>, l1: &MemoryL1, chain: &[Flashblock]) -> u64 {
    let store = Arc::new(MemoryStore::default());
    let engine = EmbeddedEngine::open(store, spec.clone()).expect("a fresh engine opens");
    let mut config = SystemConfig::from_genesis(&spec.rollup);
    let mut sealed = 0;
    for flashblock in chain {
        let header = &flashblock.header;
        let parent = engine.executed(header.parent).expect("ancestors come first").position;
        let attributes = flashblock.body.opening.as_ref().map(|opening| {
            let origin = l1.block(opening.origin).expect("origins are L1 blocks");
            attributes(spec, &parent, &config, *opening, &origin).expect("origins fit their blocks")
        });
        let mut draft = engine.draft(header.parent, attributes.as_ref()).expect("the parent is executed");
        for bytes in &flashblock.body.transactions {
            let transaction = Arc::new(Transaction::decode(bytes.clone()).expect("carried transactions decode"));
            draft.extend(&transaction).expect("carried transactions are valid");
        }
        let finished = draft.finish(header.seals()).expect("a draft can be finished");
        let outcome = finished.executed.clone();
        assert_eq!(outcome.outcome_root, header.outcome_root, "outcome of height {}", header.height);
        let seal = outcome.sealed.as_ref().map(|block| block.hash).unwrap_or_default();
        assert_eq!(seal, header.seal, "block {} does not re-execute to its hash", header.block_number);
        if let Some(block) = &outcome.sealed {
            sealed += 1;
            let info = block.transactions[0].transaction.envelope();
            let input = alloy_consensus::Transaction::input(info);
            config = SystemConfig::from_l2_block(spec, &block.header, input).expect("blocks begin with L1 info");
        }
        engine.adopt(header.digest(), header.height, finished).expect("a child is adopted");
        engine.commit(header.digest(), Default::default()).expect("a memory store works");
    }
    sealed
}
