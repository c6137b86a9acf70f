//! The one task that changes the pool from outside: takes what wallets and peers send, in batches, and keeps copies
//! coming until transactions are included.

use super::{Shared, pool::Changes, replication::Reply};
use crate::{feed::FeedEvent, gossip::Message, rpc::SubmitError};
use alloy_primitives::{B256, Bytes};
use commonware_runtime::Clock;
use futures::{
    StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use rota_consensus::To;
use rota_types::Identity;
use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, SystemTime},
};

/// Batches begin at least this far apart, so that under load messages and threads carry many transactions; a lone one
/// doesn't wait.
const COALESCE: Duration = Duration::from_millis(2);

/// Transactions in one batch, about: 50 ms of recovery on one core.
const MAX_BATCH: usize = 1024;

/// Longest time between looks at what is due.
const TICK: Duration = Duration::from_secs(1);

/// Shortest time between such looks.
const TICK_MIN: Duration = Duration::from_millis(50);

/// Bytes sent again at one look, so that a backlog doesn't crowd out what is new.
const RESEND_BYTES: usize = 64 * 1024;

/// Acknowledgements in one message.
const MAX_ACKNOWLEDGEMENTS: usize = 4096;

/// Bytes of transactions that a peer may send in a second: more than ten times its share at 5 000 transfers/s.
const PEER_BYTES_PER_SECOND: i64 = 8 << 20;

/// What a peer may send at once after a quiet time.
const PEER_BURST_BYTES: i64 = 16 << 20;

/// What a transaction that no honest node would have sent on costs its sender of that.
const INVALID_BYTES: i64 = 64 << 10;

/// Peers whose budgets are remembered at once.
const MAX_PEERS: usize = 1024;

/// Something to admit.
#[derive(Debug)]
pub(super) enum Job {
    /// A wallet's transaction.
    Local(Bytes, Reply),
    /// A peer's transactions.
    Peer(Identity, Vec<Bytes>),
}

impl Job {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Local(raw, _) => raw.len(),
            Self::Peer(_, transactions) => transactions.iter().map(|raw| raw.len()).sum(),
        }
    }

    fn transactions(&self) -> usize {
        match self {
            Self::Local(..) => 1,
            Self::Peer(_, transactions) => transactions.len(),
        }
    }
}

/// Who is to be told about a transaction.
enum Source {
    Wallet(Reply),
    Peer(Identity),
}

/// How much each peer may still send; below zero it is not heard.
#[derive(Debug, Default)]
struct Budgets(BTreeMap<Identity, (i64, SystemTime)>);

impl Budgets {
    /// A peer's budget now.
    fn of(&mut self, peer: Identity, now: SystemTime) -> &mut i64 {
        if self.0.len() >= MAX_PEERS && !self.0.contains_key(&peer) {
            self.0.clear();
        }
        let (left, since) = self.0.entry(peer).or_insert((PEER_BURST_BYTES, now));
        let passed = i64::try_from(now.duration_since(*since).unwrap_or_default().as_millis()).unwrap_or(i64::MAX);
        *left = left.saturating_add(passed.saturating_mul(PEER_BYTES_PER_SECOND / 1000)).min(PEER_BURST_BYTES);
        *since = now;
        left
    }

    /// Takes bytes from a peer's budget; `false` if it hasn't got them.
    fn spend(&mut self, peer: Identity, bytes: usize, now: SystemTime) -> bool {
        let (left, bytes) = (self.of(peer, now), i64::try_from(bytes).unwrap_or(i64::MAX));
        let enough = *left >= bytes;
        if enough {
            *left -= bytes;
        }
        enough
    }

    /// Makes a peer pay for an invalid transaction, at most with two seconds of silence.
    fn punish(&mut self, peer: Identity, now: SystemTime) {
        let left = self.of(peer, now);
        *left = (*left - INVALID_BYTES).max(-PEER_BURST_BYTES);
    }
}

/// Runs until the runtime ends it.
pub(super) async fn run<E: Clock>(context: E, shared: Arc<Shared>, mut jobs: mpsc::Receiver<Job>) {
    let mut budgets = Budgets::default();
    let mut batch_end = SystemTime::UNIX_EPOCH;
    let mut look = context.current();
    loop {
        let wake = context.sleep_until(shared.next_look(look));
        let first = match select(jobs.next(), pin!(wake)).await {
            Either::Left((Some(job), _)) => Some(job),
            Either::Left((None, _)) => return,
            Either::Right(_) => None,
        };
        if let Some(first) = first {
            context.sleep_until(batch_end + COALESCE).await;
            let (mut count, mut batch) = (first.transactions(), vec![first]);
            while count < MAX_BATCH
                && let Ok(job) = jobs.try_recv()
            {
                count += job.transactions();
                batch.push(job);
            }
            shared.process(batch, &mut budgets, context.current());
            batch_end = context.current();
        }
        if context.current() >= shared.next_look(look) {
            look = context.current();
            shared.look(look);
        }
    }
}

impl Shared {
    fn process(&self, batch: Vec<Job>, budgets: &mut Budgets, now: SystemTime) {
        let (mut raw, mut sources) = (Vec::new(), Vec::new());
        for job in batch {
            let bytes = job.bytes();
            self.queued_bytes.fetch_sub(bytes, Relaxed);
            match job {
                Job::Local(transaction, reply) => {
                    raw.push(transaction);
                    sources.push(Source::Wallet(reply));
                }
                Job::Peer(peer, transactions) if budgets.spend(peer, bytes, now) => {
                    sources.extend(transactions.iter().map(|_| Source::Peer(peer)));
                    raw.extend(transactions);
                }
                Job::Peer(_, transactions) => self.counters.dropped.add(transactions.len()),
            }
        }
        let mut outgoing = Vec::new();
        let mut acknowledgements: BTreeMap<Identity, Vec<B256>> = BTreeMap::new();
        let results = self.admit(&raw, now);
        for ((raw, source), (hash, result)) in raw.into_iter().zip(sources).zip(results) {
            match (&result, &source) {
                (Ok(_), _) => self.counters.pooled.add(1),
                (Err(SubmitError::AlreadyKnown), _) => {}
                (Err(_), Source::Wallet(_)) => self.counters.refused.add(1),
                (Err(error), Source::Peer(peer)) => {
                    if is_always_invalid(error) {
                        self.counters.invalid.add(1);
                        budgets.punish(*peer, now);
                    }
                }
            }
            let known = match result {
                Ok(changes) => {
                    self.feed.publish(FeedEvent::Pooled(hash));
                    self.depart(changes);
                    Ok(true)
                }
                Err(SubmitError::AlreadyKnown) => Ok(false),
                Err(error) => Err(error),
            };
            match (source, known) {
                (Source::Wallet(reply), Ok(true)) => {
                    self.replication.lock().track(hash, raw.clone(), reply, now);
                    outgoing.push(raw);
                }
                (Source::Wallet(reply), Ok(false)) => {
                    outgoing.extend(self.replication.lock().submitted_again(hash, reply, now));
                }
                (Source::Wallet(reply), Err(error)) => drop(reply.send(Err(error))),
                (Source::Peer(peer), Ok(_)) => acknowledgements.entry(peer).or_default().push(hash),
                (Source::Peer(_), Err(_)) => {}
            }
        }
        self.send(outgoing);
        for (peer, hashes) in acknowledgements {
            for hashes in hashes.chunks(MAX_ACKNOWLEDGEMENTS) {
                self.gossip.send(To::Some(vec![peer]), Message::Acknowledge(hashes.to_vec()).encode().0);
            }
        }
    }

    /// Sends transactions to every operator, to the current and the next leader first.
    fn send(&self, transactions: Vec<Bytes>) {
        if transactions.is_empty() {
            return;
        }
        let (epoch, view) = (self.now)();
        let turn = self.schedule.turn_of(view);
        let leading = [self.schedule.turn_leader(epoch, turn), self.schedule.turn_leader(epoch, turn + 1)];
        let (first, rest): (Vec<_>, Vec<_>) =
            self.replication.lock().others().partition(|identity| leading.contains(identity));
        let messages: Vec<_> = Message::pack(transactions).iter().map(Message::encode).collect();
        for to in [first, rest] {
            if to.is_empty() {
                continue;
            }
            for message in &messages {
                if !self.gossip.send(To::Some(to.clone()), message.0.clone()) {
                    self.counters.unsent.add(1);
                }
            }
        }
    }

    /// When to look at what is due.
    fn next_look(&self, last: SystemTime) -> SystemTime {
        let due = self.replication.lock().next_due().unwrap_or(last + TICK);
        due.clamp(last + TICK_MIN, last + TICK)
    }

    fn look(&self, now: SystemTime) {
        let expired = self.pool.lock().expire(now);
        self.depart(expired);
        let copies = self.replication.lock().tick(now, RESEND_BYTES);
        let mut outgoing = Vec::new();
        for (hash, raw) in copies {
            let (pooled, included) = {
                let pool = self.pool.lock();
                (pool.get(&hash).is_some(), pool.was_included(&hash))
            };
            if pooled {
                outgoing.push(raw);
            } else {
                // It left the pool in the moment between pooling and tracking.
                let result = if included { Ok(()) } else { Err(SubmitError::PoolFull) };
                self.replication.lock().end(&hash, result);
            }
        }
        self.counters.resent.add(outgoing.len());
        self.send(outgoing);
    }

    /// Tells everybody what has left the pool without being certified.
    pub(super) fn depart(&self, changes: Changes) {
        for hash in changes.evicted {
            self.replication.lock().end(&hash, Err(SubmitError::PoolFull));
            self.feed.publish(FeedEvent::Evicted(hash));
        }
        for (old, new) in changes.replaced {
            let replaced = SubmitError::Unavailable(format!("replaced by transaction {new}"));
            self.replication.lock().end(&old, Err(replaced));
            self.feed.publish(FeedEvent::Replaced { old, new });
        }
    }
}

/// Whether no honest node would have sent such a transaction on, whatever its state.
const fn is_always_invalid(error: &SubmitError) -> bool {
    use SubmitError::{ChainId, GasLimit, IntrinsicGas, Invalid, Malformed, Oversized};
    matches!(
        error,
        Malformed(_) | Oversized { .. } | ChainId { .. } | IntrinsicGas { .. } | GasLimit { .. } | Invalid(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Identity = Identity::repeat_byte(1);
    const START: SystemTime = SystemTime::UNIX_EPOCH;
    const BURST: usize = PEER_BURST_BYTES as usize;

    #[test]
    fn a_peer_may_send_its_budget_and_earns_it_back_with_time() {
        let mut budgets = Budgets::default();
        assert!(budgets.spend(PEER, BURST, START));
        assert!(!budgets.spend(PEER, 1, START));
        assert!(budgets.spend(Identity::repeat_byte(2), BURST, START), "another's budget is its own");
        let second = START + Duration::from_secs(1);
        assert!(budgets.spend(PEER, PEER_BYTES_PER_SECOND as usize / 1000 * 1000, second));
        assert!(!budgets.spend(PEER, 1, second));
        assert!(!budgets.spend(PEER, BURST + 1, START + Duration::from_secs(3600)), "no more than a burst");
    }

    #[test]
    fn invalid_transactions_silence_a_peer_for_two_seconds_at_most() {
        let mut budgets = Budgets::default();
        (0..100_000).for_each(|_| budgets.punish(PEER, START));
        assert!(!budgets.spend(PEER, 1, START + Duration::from_millis(1900)));
        assert!(budgets.spend(PEER, 1000, START + Duration::from_millis(2100)));
    }

    #[test]
    fn budgets_take_bounded_memory() {
        let mut budgets = Budgets::default();
        for n in 0..3 * MAX_PEERS as u64 {
            budgets.spend(Identity::left_padding_from(&n.to_be_bytes()), 1, START);
        }
        assert!(budgets.0.len() <= MAX_PEERS);
    }
}
