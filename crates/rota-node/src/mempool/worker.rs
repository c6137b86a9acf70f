//! The one task that changes the pool from outside: takes what wallets and peers send, in batches, and keeps copies
//! coming until transactions are included.

use super::{
    Shared,
    budget::{Fault, TRANSACTION_BYTES},
    pool::Changes,
    replication::Reply,
};
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

/// The pause between two batches, so that under load messages and threads carry many transactions; a lone one doesn't
/// wait. Every batch may send each peer two messages, transactions and acknowledgements, and the network takes 256 a
/// second: what is beyond is lost until it is sent again.
const COALESCE: Duration = Duration::from_millis(8);

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

/// Something to admit.
#[derive(Debug)]
pub(super) enum Job {
    /// A wallet's transaction.
    Local(Bytes, Reply),
    /// A peer's transactions.
    Peer(Identity, Vec<Bytes>),
}

impl Job {
    /// What it takes of the queue, and of its peer's budget: its bytes, and something for each transaction.
    pub(super) fn weight(&self) -> usize {
        let bytes = match self {
            Self::Local(raw, _) => raw.len(),
            Self::Peer(_, transactions) => transactions.iter().map(|raw| raw.len()).sum(),
        };
        bytes + self.transactions() * TRANSACTION_BYTES
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

/// Runs until the runtime ends it.
pub(super) async fn run<E: Clock>(context: E, shared: Arc<Shared>, mut jobs: mpsc::Receiver<Job>) {
    let mut batch_end = SystemTime::UNIX_EPOCH;
    let mut look = context.current();
    let mut sweep = look;
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
            shared.process(batch, context.current());
            batch_end = context.current();
        }
        if context.current() >= shared.next_look(look) {
            look = context.current();
            shared.look(look);
        }
        if context.current() >= sweep + TICK {
            sweep = context.current();
            let expired = shared.pool.lock().expire(sweep);
            shared.depart(expired);
        }
    }
}

impl Shared {
    fn process(&self, batch: Vec<Job>, now: SystemTime) {
        let (mut raw, mut sources) = (Vec::new(), Vec::new());
        for job in batch {
            self.queued_bytes.fetch_sub(job.weight(), Relaxed);
            match job {
                Job::Local(transaction, reply) => {
                    raw.push(transaction);
                    sources.push(Source::Wallet(reply));
                }
                Job::Peer(peer, transactions) => {
                    sources.extend(transactions.iter().map(|_| Source::Peer(peer)));
                    raw.extend(transactions);
                }
            }
        }
        let mut outgoing = Vec::new();
        let mut acknowledgements: BTreeMap<Identity, Vec<B256>> = BTreeMap::new();
        let (mut pooled, mut changes) = (Vec::new(), Changes::default());
        let results = self.admit(&raw);
        for ((raw, source), (hash, result)) in raw.into_iter().zip(sources).zip(results) {
            match (&result, &source) {
                (Ok(_), _) => self.counters.pooled.add(1),
                (Err(SubmitError::AlreadyKnown), _) => {}
                (Err(_), Source::Wallet(_)) => self.counters.refused.add(1),
                (Err(error), Source::Peer(peer)) => self.blame(*peer, error, now),
            }
            let result = result.map(|changed| {
                pooled.push(hash);
                changes.extend(changed);
            });
            match (source, result) {
                (Source::Peer(peer), Ok(()) | Err(SubmitError::AlreadyKnown)) => {
                    acknowledgements.entry(peer).or_default().push(hash);
                }
                (Source::Peer(_), Err(_)) => {}
                (Source::Wallet(reply), Err(error)) if self.pool.lock().get(&hash).is_none() => {
                    drop(reply.send(Err(error)));
                }
                (Source::Wallet(reply), _) => {
                    outgoing.extend(self.replication.lock().submitted(hash, raw, reply, now));
                }
            }
        }
        if !pooled.is_empty() {
            self.feed.publish(FeedEvent::Pooled(pooled.into()));
        }
        self.depart(changes);
        self.send(outgoing);
        for (peer, hashes) in acknowledgements {
            for hashes in hashes.chunks(MAX_ACKNOWLEDGEMENTS) {
                self.gossip.send(To::Some(vec![peer]), Message::Acknowledge(hashes.to_vec()).encode().0);
            }
        }
    }

    /// A peer pays for a refused transaction, as far as it is to blame.
    fn blame(&self, peer: Identity, error: &SubmitError, now: SystemTime) {
        let Some(fault) = Fault::of(error) else { return };
        match fault {
            Fault::Invalid => self.counters.invalid.add(1),
            Fault::Declined => self.counters.declined.add(1),
        }
        self.budgets.lock().punish(peer, fault, now);
    }

    /// Sends transactions to every operator, to the current and the next leader first.
    fn send(&self, transactions: Vec<Bytes>) {
        if transactions.is_empty() {
            return;
        }
        let (number, view) = (self.now)();
        let Some(epoch) = self.epochs.get(number) else { return };
        let turn = epoch.turn_of(view);
        let leading = [epoch.turn_leader(turn), epoch.turn_leader(turn + 1)];
        let (first, rest): (Vec<_>, Vec<_>) = {
            let mut replication = self.replication.lock();
            replication.enter(epoch.committee());
            replication.others().partition(|identity| leading.contains(identity))
        };
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
