//! Whether this operator should lead, and what is wrong with it, in words.
//!
//! An operator declines its turn at once (a view is nullified without a timeout) when its engine is sick, its clock is
//! off, its store has failed, or it is stopping; once L1 has overruled what is certified, it votes no more either. A stale L1 view or missing certificates are shown, but are no reason
//! to decline: origins stay legal for as long as the drift allows.

use crate::ledger::Overruled;
use alloy_primitives::B256;
use parking_lot::Mutex;
use rota_types::{BlockId, Identity};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Executions in a row over the budget that make an engine sick, and within it that cure it: one may be a hiccup.
const STREAK: u32 = 3;

/// How long a sick engine stays sick when it has nothing to execute: if every operator declined until it had proven
/// itself, nobody would ever get the chance.
const SICK_FOR: Duration = Duration::from_secs(5);

/// How far the clock may be from the others' median. A leader that far ahead would make verifiers wait, one that far
/// behind would leave slots empty; NTP keeps hosts within 50 ms.
pub const CLOCK_TOLERANCE: Duration = Duration::from_millis(500);

/// How long a peer's clock reading counts.
const CLOCK_FRESH: Duration = Duration::from_secs(10);

/// Without a new certificate for this long the chain is degraded: a few failed turns take less.
pub const CERTIFICATES_STALE: Duration = Duration::from_secs(5);

/// Without a new L1 block for this long the L1 view is stale: five missed slots of 12 s.
pub const L1_STALE: Duration = Duration::from_secs(60);

/// Reading the inbox may wait this long without a word: a beacon node that is some blocks behind is usual.
const INBOX_STALE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct State {
    /// Executions in a row over the budget.
    slow: u32,
    /// Executions in a row within the budget.
    fast: u32,
    /// When the engine was last found sick.
    sick: Option<SystemTime>,
    /// Why the engine failed, and when.
    engine_error: Option<(String, SystemTime)>,
    store_error: Option<String>,
    stopping: bool,
    /// Peer → (its clock minus ours in milliseconds, when we read it).
    clocks: BTreeMap<Identity, (i64, SystemTime)>,
    certified: Option<SystemTime>,
    l1: Option<SystemTime>,
    /// A certified origin that L1 has not shown yet, and since when it is missing.
    missing_origin: Option<(BlockId, SystemTime)>,
    /// A certified origin in whose place too few L1 endpoints have finalized this other block to believe them.
    disputed_origin: Option<(BlockId, B256)>,
    overruled: Option<Overruled>,
    /// A block that waits for posting and is pruned here.
    unpostable: Option<u64>,
    /// What reading the inbox waits for, and since when.
    inbox: Option<(String, SystemTime)>,
    /// L1 blocks since the oldest block that is not posted, of how many in the sequencing window.
    backlog: Option<(u64, u64)>,
    /// Whether that is so much that only empty blocks should be added.
    empty_blocks: bool,
    /// A block of which something else was posted than what was certified.
    differs: Option<u64>,
    /// What keeps this operator from posting, or soon will.
    posting: Option<String>,
}

/// The health of one node: fed by whoever notices something, asked before each proposal.
#[derive(Debug)]
pub struct Health {
    budget: Duration,
    state: Mutex<State>,
}

/// A snapshot of the health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether the node would lead now.
    pub lead: bool,
    /// Whether it can serve: its store works and certificates come.
    pub ready: bool,
    /// Everything that is wrong, in words.
    pub conditions: Vec<String>,
}

impl Health {
    /// `budget` is how long one flashblock may take to execute: longer, and the chain can't keep its pace.
    pub fn new(budget: Duration) -> Arc<Self> {
        Arc::new(Self { budget, state: Mutex::default() })
    }

    /// A flashblock was executed in this time, just now.
    pub fn executed(&self, took: Duration, now: SystemTime) {
        let mut state = self.state.lock();
        state.engine_error = None;
        if took > self.budget {
            (state.slow, state.fast) = (state.slow + 1, 0);
        } else {
            (state.slow, state.fast) = (0, state.fast.saturating_add(1));
        }
        if state.slow >= STREAK {
            state.sick = Some(now);
        } else if state.fast >= STREAK {
            state.sick = None;
        }
    }

    /// The engine answered with an error.
    pub fn engine_failed(&self, why: String, now: SystemTime) {
        self.state.lock().engine_error = Some((why, now));
    }

    /// The store failed: the node stops.
    pub fn store_failed(&self, why: String) {
        self.state.lock().store_error = Some(why);
    }

    /// The node is about to stop.
    pub fn stopping(&self) {
        self.state.lock().stopping = true;
    }

    /// A committee member's clock, read when its message arrived. The way of the message is in the difference; it is
    /// small against [`CLOCK_TOLERANCE`].
    pub fn clock(&self, peer: Identity, theirs: SystemTime, now: SystemTime) {
        let millis = |a: SystemTime, b: SystemTime| a.duration_since(b).map(|d| d.as_millis() as i64);
        let offset = millis(theirs, now).unwrap_or_else(|_| -millis(now, theirs).unwrap_or_default());
        self.state.lock().clocks.insert(peer, (offset, now));
    }

    /// A flashblock was certified.
    pub fn certified(&self, now: SystemTime) {
        self.state.lock().certified = Some(now);
    }

    /// A new L1 block was seen.
    pub fn l1(&self, now: SystemTime) {
        self.state.lock().l1 = Some(now);
    }

    /// A certified flashblock waits for its origin (or no longer does): either L1 is late here, or L1 has overruled
    /// what is certified.
    pub fn missing_origin(&self, origin: Option<BlockId>, now: SystemTime) {
        self.state.lock().missing_origin = origin.map(|origin| (origin, now));
    }

    /// Too few L1 endpoints contradict a certified origin to believe them (or none does any more): another block's hash
    /// in its place.
    pub fn disputed_origin(&self, disputed: Option<(BlockId, B256)>) {
        self.state.lock().disputed_origin = disputed;
    }

    /// Finalized L1 contradicts what is certified: nobody may propose or vote in this lineage any more.
    pub fn overruled(&self, overruled: Overruled) {
        self.state.lock().overruled = Some(overruled);
    }

    /// The evidence that L1 has overruled what is certified, if it has.
    pub fn evidence_of_overruling(&self) -> Option<Overruled> {
        self.state.lock().overruled
    }

    /// Whether this operator may vote at all. One that is sick declines its turn but votes.
    pub fn may_vote(&self) -> bool {
        self.state.lock().overruled.is_none()
    }

    /// The next block to be posted is pruned here (or it is not): this operator can't post any more. Whether that is
    /// new.
    pub fn unpostable(&self, block: Option<u64>) -> bool {
        let mut state = self.state.lock();
        std::mem::replace(&mut state.unpostable, block) != block
    }

    /// What reading the inbox waits for, and since when.
    pub fn inbox(&self, waits: Option<(String, SystemTime)>) {
        self.state.lock().inbox = waits;
    }

    /// Certified blocks wait for posting for this many L1 blocks, of how many in the sequencing window (`None`: not
    /// worth an alarm), and whether that is a reason to propose only empty blocks.
    pub fn backlog(&self, backlog: Option<(u64, u64)>, empty_blocks: bool) {
        let mut state = self.state.lock();
        (state.backlog, state.empty_blocks) = (backlog, empty_blocks);
    }

    /// Whether this operator, as the leader, should propose only empty blocks until more is posted. A policy: blocks of
    /// others are judged as always.
    pub fn empty_blocks(&self) -> bool {
        self.state.lock().empty_blocks
    }

    /// Something else was posted of this block than what was certified (or L1 has taken that back).
    pub fn differs(&self, block: Option<u64>) {
        self.state.lock().differs = block;
    }

    /// What keeps this operator from posting, or soon will.
    pub fn posting(&self, why: Option<String>) {
        self.state.lock().posting = why;
    }

    /// Whether to take a turn.
    pub fn healthy_to_lead(&self, now: SystemTime) -> bool {
        self.report(now).lead
    }

    /// Everything at once.
    pub fn report(&self, now: SystemTime) -> Report {
        let state = self.state.lock();
        let mut conditions = Vec::new();
        if let Some(why) = &state.store_error {
            conditions.push(format!("store failed: {why}"));
        }
        let since = |at: SystemTime| now.duration_since(at).unwrap_or_default();
        if state.sick.is_some_and(|at| since(at) <= SICK_FOR) {
            conditions.push(format!("engine sick: executions take longer than {} ms", self.budget.as_millis()));
        }
        // Like a sick engine, it gets another chance: else nobody might ever execute again.
        if let Some((why, _)) = state.engine_error.as_ref().filter(|(_, at)| since(*at) <= SICK_FOR) {
            conditions.push(format!("engine error: {why}"));
        }
        if let Some(offset) = clock_off(&state.clocks, now) {
            conditions.push(format!("clock off: {offset} ms from the median of the operators"));
        }
        if state.stopping {
            conditions.push("stopping".into());
        }
        if let Some(overruled) = &state.overruled {
            conditions.push(format!("overruled by L1: {overruled}"));
        }
        let lead = conditions.is_empty();
        let certificates = state.certified.map(since);
        if let Some(age) = certificates.filter(|age| *age > CERTIFICATES_STALE) {
            conditions.push(format!("degraded: no certificate for {} s", age.as_secs()));
        } else if certificates.is_none() {
            conditions.push("starting: no certificate yet".into());
        }
        if let Some((origin, at)) = state.missing_origin
            && since(at) > CERTIFICATES_STALE
        {
            conditions.push(format!("certified origin {} ({}) not on L1 here", origin.number, origin.hash));
        }
        if let Some((origin, other)) = state.disputed_origin {
            conditions.push(format!(
                "certified origin {} ({}): too few L1 endpoints say that {other} is finalized there",
                origin.number, origin.hash
            ));
        }
        if let Some(block) = state.unpostable {
            conditions.push(format!("cannot post: block {block} is not posted and was pruned here"));
        }
        if let Some(block) = state.differs {
            conditions.push(format!("posted, but not certified: L1 has a batch with another block {block}"));
        }
        if let Some((backlog, window)) = state.backlog {
            let empty = if state.empty_blocks { ", only empty blocks are proposed" } else { "" };
            conditions.push(format!("backlog: blocks wait for posting for {backlog} of {window} L1 blocks{empty}"));
        }
        if let Some((why, age)) = state.inbox.as_ref().map(|(why, at)| (why, since(*at)))
            && age > INBOX_STALE
        {
            conditions.push(format!("inbox not read for {} s: {why}", age.as_secs()));
        }
        if let Some(why) = &state.posting {
            conditions.push(format!("posting: {why}"));
        }
        if let Some(age) = state.l1.map(since).filter(|age| *age > L1_STALE) {
            conditions.push(format!("L1 stale: no block for {} s", age.as_secs()));
        }
        let works = state.store_error.is_none() && state.overruled.is_none() && !state.stopping;
        let ready = works && certificates.is_some_and(|age| age <= CERTIFICATES_STALE);
        Report { lead, ready, conditions }
    }
}

/// The median difference of the operators' clocks (our own counts as 0) if it is beyond the tolerance. With fewer
/// than a third of them lying, the median lies between two honest clocks; of two middle values the smaller counts.
fn clock_off(clocks: &BTreeMap<Identity, (i64, SystemTime)>, now: SystemTime) -> Option<i64> {
    let fresh = |at: &SystemTime| now.duration_since(*at).unwrap_or_default() <= CLOCK_FRESH;
    let mut offsets: Vec<i64> =
        clocks.values().filter(|(_, at)| fresh(at)).map(|(offset, _)| *offset).chain([0]).collect();
    offsets.sort_unstable();
    let (low, high) = (offsets[(offsets.len() - 1) / 2], offsets[offsets.len() / 2]);
    let median = if low.abs() <= high.abs() { low } else { high };
    (median.unsigned_abs() > CLOCK_TOLERANCE.as_millis() as u64).then_some(median)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_millis(200);

    fn at(millis: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000 + millis)
    }

    fn peer(n: u8) -> Identity {
        Identity::repeat_byte(n)
    }

    #[test]
    fn one_slow_execution_is_a_hiccup_three_are_a_sickness_that_heals() {
        let health = Health::new(BUDGET);
        let (slow, fast) = (BUDGET * 2, BUDGET / 2);
        [slow, fast, slow, slow].into_iter().for_each(|took| health.executed(took, at(0)));
        assert!(health.healthy_to_lead(at(0)));
        health.executed(slow, at(0));
        assert!(!health.healthy_to_lead(at(0)));
        [fast, fast].into_iter().for_each(|took| health.executed(took, at(1)));
        assert!(!health.healthy_to_lead(at(1)));
        health.executed(fast, at(2));
        assert!(health.healthy_to_lead(at(2)));
    }

    #[test]
    fn a_sick_engine_without_work_gets_another_chance() {
        let health = Health::new(BUDGET);
        (0..3).for_each(|_| health.executed(BUDGET * 2, at(0)));
        assert!(!health.healthy_to_lead(at(5_000)));
        assert!(health.healthy_to_lead(at(5_001)));
    }

    #[test]
    fn a_clock_that_three_others_contradict_is_off() {
        let health = Health::new(BUDGET);
        (1..=3).for_each(|n| health.clock(peer(n), at(2_000), at(0)));
        assert!(!health.healthy_to_lead(at(1)));
        assert!(health.healthy_to_lead(at(20_000)), "old readings don't count");
    }

    #[test]
    fn one_liar_moves_nobodys_clock() {
        let health = Health::new(BUDGET);
        health.clock(peer(1), at(1_000_000), at(0));
        health.clock(peer(2), at(3), at(0));
        health.clock(peer(3), at(5), at(10));
        assert!(health.healthy_to_lead(at(11)));
    }

    #[test]
    fn a_stale_l1_or_missing_certificates_are_shown_but_no_reason_to_decline() {
        let health = Health::new(BUDGET);
        health.l1(at(0));
        health.certified(at(0));
        assert_eq!(health.report(at(1)), Report { lead: true, ready: true, conditions: vec![] });
        let later = health.report(at(100_000));
        assert!(later.lead && !later.ready);
        assert_eq!(later.conditions.len(), 2);
    }

    #[test]
    fn who_is_overruled_declines_and_votes_no_more() {
        let health = Health::new(BUDGET);
        (0..3).for_each(|_| health.executed(BUDGET * 2, at(0)));
        health.certified(at(0));
        assert!(!health.healthy_to_lead(at(0)) && health.may_vote(), "a sick operator votes");
        let overruled = Overruled {
            block: 7,
            height: 31,
            digest: B256::ZERO,
            l1_number: 3,
            certified: B256::repeat_byte(1),
            finalized: B256::repeat_byte(2),
            noticed: 1,
        };
        health.overruled(overruled);
        let report = health.report(at(10_000));
        assert!(!report.lead && !report.ready && !health.may_vote());
        assert!(report.conditions[0].starts_with("overruled by L1: block 7"), "{:?}", report.conditions);
    }

    #[test]
    fn a_pruned_block_that_waits_for_posting_is_an_alarm_once() {
        let health = Health::new(BUDGET);
        health.certified(at(0));
        assert!(health.unpostable(Some(4)) && !health.unpostable(Some(4)));
        let report = health.report(at(0));
        assert!(report.lead && report.conditions[0].contains("block 4 is not posted"), "{:?}", report.conditions);
        assert!(health.unpostable(None));
        assert!(health.report(at(0)).conditions.is_empty());
    }

    #[test]
    fn posting_troubles_are_told_and_are_no_reason_to_decline() {
        let health = Health::new(BUDGET);
        health.certified(at(0));
        health.backlog(Some((30, 80)), false);
        health.differs(Some(7));
        health.posting(Some("fund it".into()));
        health.inbox(Some(("no blobs".into(), at(0))));
        assert_eq!(health.report(at(1)).conditions.len(), 3, "blobs may be late for a while");
        health.certified(at(100_000));
        let report = health.report(at(100_000));
        assert!(report.lead && report.ready && report.conditions.len() == 4, "{:?}", report.conditions);
        assert!(!health.empty_blocks());
        health.backlog(Some((50, 80)), true);
        assert!(health.empty_blocks() && health.report(at(100_000)).lead);
    }

    #[test]
    fn who_stops_declines() {
        let health = Health::new(BUDGET);
        health.stopping();
        assert!(!health.healthy_to_lead(at(0)));
    }
}
