//! What must hold in every run, by name: checked while it goes on and at its end.

use crate::trace::{Trace, What};
use alloy_primitives::B256;
use parking_lot::Mutex;
use rota_consensus::Evidence;
use rota_execution::{EmbeddedEngine, ExecutionEngine, MemoryStore};
use rota_l1::{MemoryL1, SystemConfig, attributes};
use rota_types::{ChainSpec, Digest, Flashblock, Header, Transaction};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

macro_rules! invariants {
    ($($(#[doc = $sentence:literal])+ $variant:ident = $name:literal, $checked:literal;)*) => {
        /// Something that must hold in every run.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Invariant {
            $($(#[doc = $sentence])+ $variant,)*
        }

        impl Invariant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What it says.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => concat!($($sentence),+).trim_ascii_start()),* }
            }

            /// When it is checked.
            pub const fn checked(self) -> &'static str {
                match self { $(Self::$variant => $checked),* }
            }
        }
    };
}

invariants! {
    /// Never two digests finalized at one height.
    OneDigestPerHeight = "one-digest-per-height", "whenever an operator certifies a height";
    /// What is certified is never changed within a lineage: every flashblock goes on from the certified one before it.
    CertifiedStays = "certified-stays", "whenever an operator certifies a height";
    /// What an operator has certified is not lost: whatever happened to its node, it is on its disk.
    CertifiedIsDurable = "certified-is-durable", "at the end, on every disk that was not taken away";
    /// Every operator's ledger is a prefix of the longest one.
    LedgersAgree = "ledgers-agree", "at the end, with the disks of those that do not run";
    /// Every sealed block re-executes to its hash on an independent engine, on what L1 says.
    SealedBlocksReexecute = "sealed-blocks-reexecute", "at the end, from genesis on";
    /// What anybody derives from L1 is what was certified, and nobody honest has evidence of a difference.
    PostedIsCertified = "posted-is-certified", "at the end, and wherever a scenario derives";
    /// Posting goes on after the last fault has healed, and everybody reads the same.
    PostingGoesOn = "posting-goes-on", "at the end of runs with posting";
    /// A hash that an operator returned is included, once, within a bound while 2f+1 operators are honest and live.
    ReturnedIsIncluded = "returned-is-included", "while it runs, and at the end";
    /// No honest operator votes twice: nobody has evidence against one.
    NobodyVotesTwice = "nobody-votes-twice", "whenever an operator verifies evidence, and in every ledger at the end";
    /// No honest operator is cut off by another.
    NobodyHonestIsCutOff = "nobody-honest-is-cut-off", "at the end of explored runs";
    /// No queue grows without bound.
    QueuesAreBounded = "queues-are-bounded", "every second in explored runs, and whenever a feed is read";
    /// A node ends only when it is told to, or when its disk or its engine has failed.
    NodesEndWhenTold = "nodes-end-when-told", "every tick of explored runs";
    /// The chain goes on within a bound while 2f+1 operators are honest, live and connected.
    Progress = "progress", "every tick of explored runs";
    /// After the last fault has healed, every operator certifies new heights within a bound.
    ProgressAfterHealing = "progress-after-healing", "at the end of explored runs";
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How long a returned hash may wait for its inclusion while the chain must go on: longer than the pause between two
/// copies, for an operator that restarted has an empty pool.
pub(crate) const INCLUSION: Duration = Duration::from_secs(20);

/// Ends the run: an invariant does not hold.
#[track_caller]
pub fn violated(invariant: Invariant, seen: impl fmt::Display) -> ! {
    panic!("invariant {invariant} violated: {seen}")
}

/// Ends the run unless this holds.
#[track_caller]
pub(crate) fn must<T: fmt::Display>(invariant: Invariant, holds: bool, seen: impl FnOnce() -> T) {
    if !holds {
        violated(invariant, seen());
    }
}

/// A flashblock as the first operator that certified it saw it.
#[derive(Debug, Clone, Copy)]
struct First {
    digest: Digest,
    epoch: u64,
    view: u64,
    at: SystemTime,
    operator: usize,
}

#[derive(Debug)]
struct Observed {
    start: SystemTime,
    trace: Trace,
    /// By height, the first certification anywhere.
    certified: BTreeMap<u64, First>,
    /// By operator, the newest height it has certified.
    tips: BTreeMap<usize, u64>,
    /// Hashes that `submit` returned and that are not included yet, with when.
    outstanding: BTreeMap<B256, SystemTime>,
    /// Hashes that `submit` returned, if they must be included.
    returned: BTreeSet<B256>,
    /// Transactions seen in certified flashblocks, with how often.
    included: BTreeMap<B256, usize>,
    /// Operators that were told to misbehave at some time.
    distrusted: BTreeSet<usize>,
}

/// Watches every operator of a world. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Invariants(Arc<Mutex<Observed>>);

impl Invariants {
    pub(crate) fn new(start: SystemTime, trace: Trace) -> Self {
        Self(Arc::new(Mutex::new(Observed {
            start,
            trace,
            certified: BTreeMap::new(),
            tips: BTreeMap::new(),
            outstanding: BTreeMap::new(),
            returned: BTreeSet::new(),
            included: BTreeMap::new(),
            distrusted: BTreeSet::new(),
        })))
    }

    /// An operator has certified a flashblock, as all others that certify its height must.
    pub fn certified(&self, operator: usize, flashblock: &Flashblock, at: SystemTime) {
        let (height, digest) = (flashblock.header.height, flashblock.digest());
        let mut observed = self.0.lock();
        let tip = observed.tips.entry(operator).or_default();
        *tip = (*tip).max(height);
        if let Some(first) = observed.certified.get(&height) {
            must(Invariant::OneDigestPerHeight, first.digest == digest, || {
                let (other, there) = (first.operator, first.digest);
                format!("height {height} is {there} at operator {other} and {digest} at operator {operator}")
            });
            return;
        }
        if let Some(parent) = height.checked_sub(1).and_then(|parent| observed.certified.get(&parent)) {
            must(Invariant::CertifiedStays, parent.digest == flashblock.header.parent, || {
                format!("height {height} of operator {operator} goes on from another than the certified {}", height - 1)
            });
        }
        let Header { epoch, view, .. } = flashblock.header;
        observed.certified.insert(height, First { digest, epoch, view, at, operator });
        for transaction in &flashblock.body.transactions {
            observed.includes(alloy_primitives::keccak256(transaction), height, at);
        }
    }

    /// An operator answered `submit` with this hash.
    pub fn returned(&self, operator: usize, hash: B256, at: SystemTime) {
        let mut observed = self.0.lock();
        observed.record(at, Some(operator), || What::Returned { hash });
        if observed.returned.insert(hash) && !observed.included.contains_key(&hash) {
            observed.outstanding.insert(hash, at);
        }
    }

    /// Those that hold the returned hashes may all be gone: none of these must be included any more.
    pub fn excuse_outstanding(&self) {
        let mut observed = self.0.lock();
        let excused = std::mem::take(&mut observed.outstanding);
        observed.returned.retain(|hash| !excused.contains_key(hash));
    }

    /// This operator's disk was taken away, and with it what it had certified.
    pub(crate) fn forget(&self, operator: usize) {
        self.0.lock().tips.remove(&operator);
    }

    /// From now on this operator's misbehaviour is no surprise.
    pub fn distrust(&self, operator: usize) {
        self.0.lock().distrusted.insert(operator);
    }

    /// Whether this operator was never told to misbehave.
    pub fn is_honest(&self, operator: usize) -> bool {
        !self.0.lock().distrusted.contains(&operator)
    }

    /// An operator has evidence, which must not be against an honest one.
    pub fn accused(&self, by: usize, offender: Option<usize>, evidence: &Evidence) {
        must(Invariant::NobodyVotesTwice, offender.is_some_and(|offender| !self.is_honest(offender)), || {
            format!("operator {by} has evidence against operator {offender:?}, which is honest: {evidence:?}")
        });
    }

    /// A node's feed had more events than its reader's queue takes.
    pub(crate) fn overtaken(&self, operator: usize, events: u64) {
        violated(Invariant::QueuesAreBounded, format_args!("{events} events of operator {operator}'s feed were lost"));
    }

    /// **A returned hash is included**, exactly once.
    pub fn every_returned_hash_is_included_once(&self) {
        let observed = self.0.lock();
        for hash in &observed.returned {
            let times = observed.included.get(hash).copied().unwrap_or(0);
            must(Invariant::ReturnedIsIncluded, times == 1, || {
                format!("returned transaction {hash} is included {times} times")
            });
        }
        let twice = observed.included.iter().find(|(_, times)| **times > 1);
        must(Invariant::ReturnedIsIncluded, twice.is_none(), || format!("included more than once: {twice:?}"));
    }

    /// Returned hashes that are not included yet.
    pub fn outstanding(&self) -> usize {
        self.0.lock().outstanding.len()
    }

    /// The returned hash that has waited longest for its inclusion.
    pub fn longest_outstanding(&self) -> Option<(B256, SystemTime)> {
        let observed = self.0.lock();
        observed.outstanding.iter().min_by_key(|(_, at)| **at).map(|(hash, at)| (*hash, *at))
    }

    /// Whether a transaction is in a certified flashblock.
    pub fn is_included(&self, hash: &B256) -> bool {
        self.0.lock().included.contains_key(hash)
    }

    /// Newest height that any operator has certified.
    pub fn height(&self) -> u64 {
        self.0.lock().certified.last_key_value().map_or(0, |(height, _)| *height)
    }

    /// When the newest height was certified first.
    pub fn newest(&self) -> Option<SystemTime> {
        self.0.lock().certified.last_key_value().map(|(_, first)| first.at)
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

    /// Views in which nothing was certified, between two consecutive certified heights of an epoch, the later one certified
    /// at or after `since`.
    pub fn views_lost(&self, since: SystemTime) -> u64 {
        let observed = self.0.lock();
        let certified: Vec<_> = observed.certified.values().collect();
        let pairs = certified.windows(2).filter(|pair| pair[1].at >= since && pair[0].epoch == pair[1].epoch);
        pairs.map(|pair| pair[1].view - pair[0].view - 1).sum()
    }
}

impl Observed {
    fn record(&self, at: SystemTime, operator: Option<usize>, what: impl FnOnce() -> What) {
        self.trace.record(at.duration_since(self.start).unwrap_or_default(), operator, what);
    }

    fn includes(&mut self, hash: B256, height: u64, at: SystemTime) {
        *self.included.entry(hash).or_default() += 1;
        if self.outstanding.remove(&hash).is_some() {
            self.record(at, None, || What::Included { hash, height });
        }
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
        must(Invariant::SealedBlocksReexecute, outcome.outcome_root == header.outcome_root, || {
            format!("height {} has the outcome root {}", header.height, outcome.outcome_root)
        });
        let seal = outcome.sealed.as_ref().map(|block| block.hash).unwrap_or_default();
        must(Invariant::SealedBlocksReexecute, seal == header.seal, || {
            format!("block {} has the hash {seal}, certified is {}", header.block_number, header.seal)
        });
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_invariant_has_a_name_and_a_sentence() {
        let names: BTreeSet<_> = Invariant::ALL.iter().map(|invariant| invariant.name()).collect();
        assert_eq!(names.len(), Invariant::ALL.len());
        assert!(Invariant::ALL.iter().all(|invariant| invariant.sentence().ends_with('.')));
    }
}
