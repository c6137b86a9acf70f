//! Where transactions stand and since when, as the feed tells it: bounded, in memory, lost with the node. What is
//! certified is in the ledger anyway.

use crate::feed::{Feed, FeedEvent};
use alloy_primitives::{B256, map::B256Map};
use parking_lot::Mutex;
use rota_execution::Executed;
use rota_types::{Digest, Stage};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound::{Excluded, Included},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::broadcast;

/// Transactions remembered, at most: the oldest are forgotten first.
const MAX_TRANSACTIONS: usize = 100_000;
/// Proposals whose outcome is open, at most.
const MAX_PROPOSALS: usize = 256;
/// The stages that L1 decides, and may take back.
const ON_L1: [Stage; 3] = [Stage::Posted, Stage::Safe, Stage::Finalized];
/// Batches of updates that a slow subscriber may fall behind.
const BACKLOG: usize = 1_024;

/// What happened to a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StageChange {
    /// It climbed, or came down (a nullified view, an L1 reorg), to a stage.
    Stage(Stage),
    /// It left the pool.
    Evicted,
    /// Another one took its place.
    Replaced(B256),
}

/// One step of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageUpdate {
    /// The transaction.
    pub hash: B256,
    /// What happened.
    #[serde(flatten)]
    pub change: StageChange,
    /// When, Unix milliseconds.
    pub time: u64,
}

/// What is remembered of a transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrackedTransaction {
    /// The newest change.
    pub change: Option<StageChange>,
    /// When it reached each stage, Unix milliseconds; zero for those that it is not at or above now.
    times: [u64; Stage::ALL.len()],
}

impl TrackedTransaction {
    /// When it reached the stages it is at or above now, Unix milliseconds.
    pub fn times(&self) -> BTreeMap<Stage, u64> {
        Stage::ALL.into_iter().zip(self.times).filter(|(_, time)| *time > 0).collect()
    }

    fn stage(&self) -> Option<Stage> {
        match self.change {
            Some(StageChange::Stage(stage)) => Some(stage),
            _ => None,
        }
    }

    /// Goes to a stage; forgets the times of those above.
    fn go(&mut self, stage: Stage, time: u64) {
        self.change = Some(StageChange::Stage(stage));
        let reached = stage as usize;
        self.times[reached + 1..].fill(0);
        if self.times[reached] == 0 {
            self.times[reached] = time;
        }
    }
}

#[derive(Debug, Default)]
struct Tracker {
    /// Never iterated.
    transactions: B256Map<TrackedTransaction>,
    /// Their hashes in the order of first sight.
    order: VecDeque<B256>,
    /// Transactions of proposals that are neither certified nor nullified, oldest first.
    proposals: VecDeque<(Digest, Vec<B256>)>,
    /// Certified transactions by block.
    blocks: BTreeMap<u64, Vec<B256>>,
    in_blocks: usize,
    /// Newest block that is posted, safe and finalized: 0 if none is.
    on_l1: [u64; ON_L1.len()],
}

/// The tracker and its subscribers.
#[derive(Debug)]
pub(super) struct Stages {
    tracker: Mutex<Tracker>,
    updates: broadcast::Sender<Arc<Vec<StageUpdate>>>,
}

impl Stages {
    pub(super) fn new() -> Self {
        Self { tracker: Mutex::default(), updates: broadcast::Sender::new(BACKLOG) }
    }

    /// What is remembered of a transaction.
    pub(super) fn get(&self, hash: &B256) -> Option<TrackedTransaction> {
        self.tracker.lock().transactions.get(hash).cloned()
    }

    /// Newest block that is posted, 0 if none.
    pub(super) fn posted(&self) -> u64 {
        self.tracker.lock().on_l1[0]
    }

    /// Every change from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<Vec<StageUpdate>>> {
        self.updates.subscribe()
    }

    /// Follows the feed until it closes.
    pub(super) async fn follow(self: Arc<Self>, feed: Feed) {
        let mut events = feed.subscribe();
        // The loop must not keep the feed open.
        drop(feed);
        loop {
            match events.recv().await {
                Ok(event) => self.apply(&event, unix_ms()),
                // Some times are missing then; the ledger still knows the stage.
                Err(broadcast::error::RecvError::Lagged(events)) => {
                    tracing::warn!(events, "stage tracker fell behind");
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    fn apply(&self, event: &FeedEvent, time: u64) {
        let changes = self.tracker.lock().apply(event, time);
        if !changes.is_empty() && self.updates.receiver_count() > 0 {
            let updates = changes.into_iter().map(|(hash, change)| StageUpdate { hash, change, time }).collect();
            let _ = self.updates.send(Arc::new(updates));
        }
    }
}

impl Tracker {
    fn apply(&mut self, event: &FeedEvent, time: u64) -> Vec<(B256, StageChange)> {
        match event {
            FeedEvent::Pooled(hashes) => self.climb(hashes, Stage::Pooled, time),
            FeedEvent::Evicted(hash) => self.leave(*hash, StageChange::Evicted),
            FeedEvent::Replaced { old, new } => self.leave(*old, StageChange::Replaced(*new)),
            FeedEvent::Proposed(executed) => {
                let hashes = user_transactions(executed);
                let changes = self.climb(&hashes, Stage::Proposed, time);
                if !hashes.is_empty() {
                    self.proposals.push_back((executed.position.digest, hashes));
                }
                if self.proposals.len() > MAX_PROPOSALS {
                    self.proposals.pop_front();
                }
                changes
            }
            FeedEvent::Notarized(digest) => {
                let found = self.proposals.iter().find(|(proposal, _)| proposal == digest);
                let hashes = found.map(|(_, hashes)| hashes.clone()).unwrap_or_default();
                self.climb(&hashes, Stage::Notarized, time)
            }
            FeedEvent::Nullified(digest) => {
                let hashes = self.take_proposal(digest);
                self.fall(&hashes, &[Stage::Proposed, Stage::Notarized], Stage::Pooled, time)
            }
            FeedEvent::Certified { executed, .. } => {
                self.take_proposal(&executed.position.digest);
                let hashes = user_transactions(executed);
                let changes = self.climb(&hashes, Stage::Certified, time);
                if !hashes.is_empty() {
                    self.in_blocks += hashes.len();
                    self.blocks.entry(executed.position.block_number).or_default().extend(hashes);
                }
                while self.in_blocks > MAX_TRANSACTIONS {
                    let Some((_, hashes)) = self.blocks.pop_first() else { break };
                    self.in_blocks -= hashes.len();
                }
                changes
            }
            FeedEvent::Sealed(_) => Vec::new(),
            FeedEvent::Posted(number) => self.on_l1(0, *number, time),
            FeedEvent::Safe(number) => self.on_l1(1, *number, time),
            FeedEvent::Finalized(number) => self.on_l1(2, *number, time),
        }
    }

    /// Blocks up to `number` are at a stage of [`ON_L1`], those above it no more.
    fn on_l1(&mut self, index: usize, number: u64, time: u64) -> Vec<(B256, StageChange)> {
        let before = std::mem::replace(&mut self.on_l1[index], number);
        // From the start: blocks may be seen posted before they are certified here.
        let from = if before <= number { 0 } else { number };
        let range = (Excluded(from), Included(before.max(number)));
        let hashes: Vec<_> = self.blocks.range(range).flat_map(|(_, hashes)| hashes.iter().copied()).collect();
        if before <= number {
            self.climb(&hashes, ON_L1[index], time)
        } else {
            let below = index.checked_sub(1).map_or(Stage::Certified, |below| ON_L1[below]);
            self.fall(&hashes, &ON_L1[index..], below, time)
        }
    }

    /// Moves up those that are below `stage`.
    fn climb(&mut self, hashes: &[B256], stage: Stage, time: u64) -> Vec<(B256, StageChange)> {
        let mut changes = Vec::new();
        for hash in hashes {
            let tracked = match self.transactions.get_mut(hash) {
                Some(tracked) => tracked,
                // What was forgotten does not come back by being posted.
                None if stage > Stage::Certified => continue,
                None => {
                    self.order.push_back(*hash);
                    self.transactions.entry(*hash).or_default()
                }
            };
            if tracked.stage().is_none_or(|now| now < stage) {
                tracked.go(stage, time);
                changes.push((*hash, StageChange::Stage(stage)));
            }
        }
        while self.order.len() > MAX_TRANSACTIONS {
            if let Some(oldest) = self.order.pop_front() {
                self.transactions.remove(&oldest);
            }
        }
        changes
    }

    /// Moves down those that are at one of `from`.
    fn fall(&mut self, hashes: &[B256], from: &[Stage], to: Stage, time: u64) -> Vec<(B256, StageChange)> {
        let mut changes = Vec::new();
        for hash in hashes {
            let Some(tracked) = self.transactions.get_mut(hash) else { continue };
            if tracked.stage().is_some_and(|stage| from.contains(&stage)) {
                tracked.go(to, time);
                changes.push((*hash, StageChange::Stage(to)));
            }
        }
        changes
    }

    fn leave(&mut self, hash: B256, change: StageChange) -> Vec<(B256, StageChange)> {
        match self.transactions.get_mut(&hash) {
            Some(tracked) if tracked.stage().is_none_or(|stage| stage < Stage::Certified) => {
                tracked.change = Some(change);
                vec![(hash, change)]
            }
            _ => Vec::new(),
        }
    }

    fn take_proposal(&mut self, digest: &Digest) -> Vec<B256> {
        let index = self.proposals.iter().position(|(proposal, _)| proposal == digest);
        index.and_then(|index| self.proposals.remove(index)).map(|(_, hashes)| hashes).unwrap_or_default()
    }
}

fn user_transactions(executed: &Executed) -> Vec<B256> {
    let users = executed.transactions.iter().filter(|e| !e.transaction.envelope().is_deposit());
    users.map(|e| e.transaction.hash()).collect()
}

/// Milliseconds since the Unix epoch.
pub(super) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> B256 {
        B256::left_padding_from(&n.to_be_bytes())
    }

    fn stage(tracker: &Tracker, hash: B256) -> Option<Stage> {
        tracker.transactions.get(&hash).and_then(TrackedTransaction::stage)
    }

    #[test]
    fn a_nullified_proposal_puts_its_transactions_back() {
        let mut tracker = Tracker::default();
        let digest = Digest::repeat_byte(1);
        tracker.apply(&FeedEvent::Pooled([hash(1)].into()), 10);
        tracker.climb(&[hash(1)], Stage::Proposed, 20);
        tracker.proposals.push_back((digest, vec![hash(1)]));
        let up = tracker.apply(&FeedEvent::Notarized(digest), 30);
        assert_eq!(up, [(hash(1), StageChange::Stage(Stage::Notarized))]);
        let down = tracker.apply(&FeedEvent::Nullified(digest), 40);
        assert_eq!(down, [(hash(1), StageChange::Stage(Stage::Pooled))]);
        assert_eq!(tracker.transactions[&hash(1)].times(), BTreeMap::from([(Stage::Pooled, 10)]));
        assert!(tracker.apply(&FeedEvent::Notarized(digest), 50).is_empty(), "the proposal is gone");
    }

    #[test]
    fn an_l1_reorg_takes_posted_back_to_certified() {
        let mut tracker = Tracker::default();
        for block in 1..=3 {
            tracker.climb(&[hash(block)], Stage::Certified, 1);
            tracker.blocks.insert(block, vec![hash(block)]);
        }
        assert_eq!(tracker.apply(&FeedEvent::Posted(0), 1).len(), 0, "nothing is posted yet");
        assert_eq!(tracker.apply(&FeedEvent::Posted(2), 2).len(), 2);
        let down = tracker.apply(&FeedEvent::Posted(1), 3);
        assert_eq!(down, [(hash(2), StageChange::Stage(Stage::Certified))]);
        assert_eq!(stage(&tracker, hash(1)), Some(Stage::Posted));
        assert_eq!(tracker.apply(&FeedEvent::Posted(3), 4).len(), 2);
    }

    #[test]
    fn what_is_safe_can_be_taken_back_to_certified() {
        let mut tracker = Tracker::default();
        tracker.climb(&[hash(1)], Stage::Certified, 1);
        tracker.blocks.insert(1, vec![hash(1)]);
        for (event, expected) in [
            (FeedEvent::Posted(1), Stage::Posted),
            (FeedEvent::Safe(1), Stage::Safe),
            (FeedEvent::Posted(0), Stage::Certified),
            (FeedEvent::Safe(0), Stage::Certified),
            (FeedEvent::Posted(1), Stage::Posted),
            (FeedEvent::Safe(1), Stage::Safe),
            (FeedEvent::Finalized(1), Stage::Finalized),
        ] {
            tracker.apply(&event, 2);
            assert_eq!(stage(&tracker, hash(1)), Some(expected), "{event:?}");
        }
    }

    #[test]
    fn what_is_certified_is_not_evicted() {
        let mut tracker = Tracker::default();
        tracker.climb(&[hash(1)], Stage::Certified, 1);
        assert!(tracker.apply(&FeedEvent::Evicted(hash(1)), 2).is_empty());
        tracker.apply(&FeedEvent::Pooled([hash(2)].into()), 1);
        let replaced = tracker.apply(&FeedEvent::Replaced { old: hash(2), new: hash(3) }, 2);
        assert_eq!(replaced, [(hash(2), StageChange::Replaced(hash(3)))]);
        assert!(tracker.apply(&FeedEvent::Evicted(hash(9)), 2).is_empty(), "never seen");
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut tracker = Tracker::default();
        for n in 0..MAX_TRANSACTIONS as u64 + 5 {
            tracker.apply(&FeedEvent::Pooled([hash(n)].into()), n);
        }
        assert_eq!((tracker.transactions.len(), tracker.order.len()), (MAX_TRANSACTIONS, MAX_TRANSACTIONS));
        assert_eq!((stage(&tracker, hash(4)), stage(&tracker, hash(5))), (None, Some(Stage::Pooled)));
    }

    #[test]
    fn updates_say_what_happened_in_plain_words() {
        let update = |change| serde_json::to_value(StageUpdate { hash: hash(1), change, time: 5 });
        let staged = update(StageChange::Stage(Stage::Certified)).expect("serializes");
        assert_eq!((staged["stage"].as_str(), staged["time"].as_u64()), (Some("certified"), Some(5)));
        let replaced = update(StageChange::Replaced(hash(2))).expect("serializes");
        assert_eq!(replaced["replaced"], serde_json::json!(hash(2)));
        assert!(update(StageChange::Evicted).expect("serializes").get("evicted").is_some());
    }
}
