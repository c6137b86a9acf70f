//! Claims about several nodes' pools together: copies, acknowledgements, loss, restarts.

use super::{Accounts, Wallet, executed, spec, transfer};
use crate::{
    feed::{Feed, FeedEvent},
    gossip::Message,
    mempool::{Mempool, Parts, PoolLimits, PoolStats},
    rpc::{PoolView, Submit, SubmitError},
};
use alloy_consensus::TxEip1559;
use alloy_primitives::{B256, Bytes, U256};
use commonware_runtime::{
    Clock as _, Runner as _, Spawner as _, Supervisor as _,
    deterministic::{Context, Runner},
};
use parking_lot::Mutex;
use rota_consensus::{Gossip, To};
use rota_execution::Rejection;
use rota_types::{Digest, Identity, Transaction};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::sync::broadcast;

/// Messages under way: from, to, bytes.
type Wire = Arc<Mutex<VecDeque<(Identity, Identity, bytes::Bytes)>>>;

struct Post {
    me: Identity,
    wire: Wire,
}

impl Gossip for Post {
    fn send(&self, to: To, message: bytes::Bytes) -> bool {
        let To::Some(peers) = to else { panic!("transactions and acknowledgements go to operators") };
        self.wire.lock().extend(peers.into_iter().map(|peer| (self.me, peer, message.clone())));
        true
    }
}

struct Node {
    identity: Identity,
    engine: Arc<Accounts>,
    mempool: Mempool,
    feed: broadcast::Receiver<FeedEvent>,
}

impl Node {
    fn receive(&self, from: Identity, transactions: Vec<Bytes>, clock: &Context) {
        self.mempool.received(from, transactions, clock.current());
    }

    /// The hashes that the feed has called evicted since the last time.
    fn evicted(&mut self) -> Vec<B256> {
        let events = std::iter::from_fn(|| self.feed.try_recv().ok());
        let evicted = |event| if let FeedEvent::Evicted(hash) = event { Some(hash) } else { None };
        events.filter_map(evicted).collect()
    }
}

/// Nodes on one wire; the first four are the operators.
struct Net {
    context: Context,
    wire: Wire,
    nodes: Vec<Node>,
    down: BTreeSet<usize>,
}

impl Net {
    /// Operator 2 leads; the first operator of the list that is not one is a follower.
    fn start(context: Context, nodes: usize) -> Self {
        let mut net = Self { context, wire: Wire::default(), nodes: Vec::new(), down: BTreeSet::new() };
        for index in 0..nodes {
            let node = net.node(index);
            net.nodes.push(node);
        }
        net
    }

    fn node(&self, index: usize) -> Node {
        let operators = spec();
        let operators = operators.committee.operators();
        let identity = operators.get(index).map_or(Identity::repeat_byte(0xee), |operator| operator.identity);
        let (engine, feed) = (Accounts::new(), Feed::new(1024));
        let events = feed.subscribe();
        let parts = Parts {
            spec: spec(),
            epochs: rota_consensus::Epochs::new(spec()),
            identity,
            engine: engine.clone(),
            gossip: Arc::new(Post { me: identity, wire: self.wire.clone() }),
            feed,
            now: Arc::new(|| (0, 2 * 50 + 7)),
            limits: PoolLimits { transactions: 100, bytes: 1 << 20, per_sender: 16, queued: Duration::from_secs(60) },
            min_tip: 0,
        };
        let (mempool, _) = Mempool::start(self.context.child("pool"), parts);
        Node { identity, engine, mempool, feed: events }
    }

    /// Lets time pass and delivers messages to the nodes that are up.
    async fn run(&self, time: Duration) {
        let end = self.context.current() + time;
        while self.context.current() < end {
            self.context.sleep(Duration::from_millis(1)).await;
            while let Some((from, to, message)) = { self.wire.lock().pop_front() } {
                let index = |identity| self.nodes.iter().position(|node| node.identity == identity);
                let (Some(from_index), Some(to_index)) = (index(from), index(to)) else { continue };
                if self.down.contains(&from_index) || self.down.contains(&to_index) {
                    continue;
                }
                match Message::decode(&message).expect("nodes send what nodes read") {
                    Message::Transactions(list) => self.nodes[to_index].receive(from, list, &self.context),
                    Message::Acknowledge(hashes) => self.nodes[to_index].mempool.acknowledged(&from, &hashes),
                    Message::Origin(_) | Message::Clock(_) | Message::Skip { .. } => {}
                }
            }
        }
    }

    /// Submits at a node, and returns the answer with the time that it took.
    async fn submit(&self, node: usize, raw: Bytes) -> (Result<B256, SubmitError>, Duration) {
        let start = self.context.current();
        let answer = self.nodes[node].mempool.submit(raw);
        let mut task = self.context.child("submit").spawn(|context| async move { (answer.await, context.current()) });
        loop {
            if let futures::future::Either::Left((answer, _)) =
                futures::future::select(&mut task, std::pin::pin!(self.run(Duration::from_millis(1)))).await
            {
                let (answer, end) = answer.expect("not aborted");
                return (answer, end.duration_since(start).unwrap_or_default());
            }
        }
    }

    fn holders(&self, hash: &B256) -> Vec<usize> {
        (0..self.nodes.len()).filter(|index| self.nodes[*index].mempool.get(hash).is_some()).collect()
    }
}

fn simulate<F: Future<Output = ()>>(test: impl FnOnce(Context) -> F) {
    Runner::timed(Duration::from_secs(600)).start(test);
}

fn pay(key: u8, nonce: u64) -> Arc<Transaction> {
    Wallet::new(key).pay(nonce, 1)
}

#[test]
fn a_returned_hash_is_held_by_others() {
    simulate(|context| async {
        let net = Net::start(context, 4);
        let transaction = pay(1, 0);
        let (answer, took) = net.submit(0, transaction.encoded().clone()).await;
        assert_eq!(answer, Ok(transaction.hash()));
        assert!(took < Duration::from_millis(20), "{took:?}");
        net.run(Duration::from_millis(10)).await;
        assert_eq!(net.holders(&transaction.hash()), [0, 1, 2, 3]);
        let sender = Wallet::new(1).address();
        assert_eq!(PoolView::next_nonce(&net.nodes[3].mempool, &sender), Some(1));
    });
}

#[test]
fn current_and_next_leader_are_told_first() {
    simulate(|context| async {
        let net = Net::start(context, 4);
        let _answer = net.nodes[0].mempool.submit(pay(1, 0).encoded().clone());
        net.context.sleep(Duration::from_millis(10)).await;
        let order: Vec<_> = net.wire.lock().iter().map(|(_, to, _)| *to).collect();
        assert_eq!(order, [2, 3, 1].map(|index: usize| net.nodes[index].identity));
    });
}

#[test]
fn alone_the_answer_is_not_replicated_and_the_transaction_is_kept() {
    simulate(|context| async {
        let mut net = Net::start(context, 4);
        net.down = [1, 2, 3].into();
        let transaction = pay(1, 0);
        let (answer, took) = net.submit(0, transaction.encoded().clone()).await;
        assert_eq!(answer, Err(SubmitError::NotReplicated(transaction.hash())));
        assert!((2000..2200).contains(&took.as_millis()), "{took:?}");
        assert_eq!(net.holders(&transaction.hash()), [0]);
        // Trying again waits again; when the others are back, a copy reaches them without anybody's doing.
        let (answer, _) = net.submit(0, transaction.encoded().clone()).await;
        assert_eq!(answer, Err(SubmitError::NotReplicated(transaction.hash())));
        net.down.clear();
        net.run(Duration::from_secs(9)).await;
        assert_eq!(net.holders(&transaction.hash()), [0, 1, 2, 3]);
        let (answer, _) = net.submit(0, transaction.encoded().clone()).await;
        assert_eq!(answer, Err(SubmitError::AlreadyKnown));
    });
}

#[test]
fn whoever_a_wallet_asks_again_takes_the_transaction_over() {
    simulate(|context| async {
        let mut net = Net::start(context, 4);
        net.down = [2, 3].into();
        let transaction = pay(1, 0);
        assert_eq!(net.submit(0, transaction.encoded().clone()).await.0, Ok(transaction.hash()));
        assert_eq!(net.holders(&transaction.hash()), [0, 1]);
        // The one that took it is gone, and its wallet asks the only other one that holds it.
        net.down = [0].into();
        let (answer, took) = net.submit(1, transaction.encoded().clone()).await;
        assert_eq!(answer, Ok(transaction.hash()));
        assert!(took < Duration::from_millis(20), "{took:?}");
        net.run(Duration::from_millis(10)).await;
        assert_eq!(net.holders(&transaction.hash()), [0, 1, 2, 3]);
        let (answer, _) = net.submit(1, transaction.encoded().clone()).await;
        assert_eq!(answer, Err(SubmitError::AlreadyKnown));
    });
}

#[test]
fn a_follower_needs_two_operators() {
    simulate(|context| async {
        let mut net = Net::start(context, 5);
        net.down = [0, 1, 2].into();
        let (answer, _) = net.submit(4, pay(1, 0).encoded().clone()).await;
        assert!(matches!(answer, Err(SubmitError::NotReplicated(_))));
        net.down = [0, 1].into();
        let (answer, _) = net.submit(4, pay(2, 0).encoded().clone()).await;
        assert_eq!(answer, Ok(pay(2, 0).hash()));
    });
}

#[test]
fn an_operator_that_restarts_is_told_again() {
    simulate(|context| async {
        let mut net = Net::start(context, 4);
        let transaction = pay(1, 0);
        assert!(net.submit(0, transaction.encoded().clone()).await.0.is_ok());
        net.run(Duration::from_millis(10)).await;
        net.nodes[2] = net.node(2);
        assert_eq!(net.holders(&transaction.hash()), [0, 1, 3]);
        net.run(Duration::from_secs(10)).await;
        assert_eq!(net.holders(&transaction.hash()), [0, 1, 2, 3]);
    });
}

#[test]
fn included_transactions_are_acknowledged_and_not_sent_again() {
    simulate(|context| async {
        let mut net = Net::start(context, 4);
        let transaction = pay(1, 0);
        assert!(net.submit(0, transaction.encoded().clone()).await.0.is_ok());
        net.run(Duration::from_millis(10)).await;
        let flashblock = executed(1, std::slice::from_ref(&transaction));
        for node in &net.nodes {
            node.engine.set(transaction.sender(), 1, 0);
            node.mempool.proposed(&flashblock);
            assert_eq!(node.mempool.best(1).count(), 0);
            node.mempool.certified(&flashblock);
            assert_eq!(node.mempool.size().transactions, 0);
        }
        net.run(Duration::from_secs(30)).await;
        assert_eq!(net.nodes[0].mempool.stats().resent, 0);
        let (answer, _) = net.submit(1, transaction.encoded().clone()).await;
        assert_eq!(answer, Err(SubmitError::AlreadyKnown));
        // One that missed it all still learns that the others have it.
        net.nodes[0] = net.node(0);
        let (answer, _) = net.submit(0, transaction.encoded().clone()).await;
        assert_eq!(answer, Ok(transaction.hash()));
    });
}

#[test]
fn inclusion_answers_who_still_waits() {
    simulate(|context| async {
        let mut net = Net::start(context, 4);
        net.down = [1, 2, 3].into();
        let transaction = pay(1, 0);
        let mempool = net.nodes[0].mempool.clone();
        let answer = net.context.child("wait").spawn({
            let answer = mempool.submit(transaction.encoded().clone());
            |_| answer
        });
        net.run(Duration::from_millis(100)).await;
        mempool.certified(&executed(1, std::slice::from_ref(&transaction)));
        assert_eq!(answer.await.expect("not aborted"), Ok(transaction.hash()));
    });
}

#[test]
fn refusals_come_at_once_and_in_words() {
    simulate(|context| async {
        let net = Net::start(context, 4);
        let wallet = Wallet::new(1);
        let engine = &net.nodes[0].engine;
        engine.set(wallet.address(), 5, 21_000 * 100 + 50);
        // Small transactions are estimated to take 100 bytes.
        engine.l1_fees.lock().byte_price = U256::from(510_000);
        let low = net.submit(0, wallet.pay(4, 1).encoded().clone()).await.0;
        assert_eq!(low, Err(SubmitError::NonceTooLow { next: 5, found: 4 }));
        let poor = net.submit(0, wallet.pay(5, 1).encoded().clone()).await.0;
        let (balance, cost) = (U256::from(21_000 * 100 + 50), U256::from(21_000 * 100 + 51));
        assert_eq!(poor, Err(SubmitError::InsufficientFunds { balance, cost }));
        let garbage = net.submit(0, Bytes::from_static(b"\x02garbage")).await.0;
        assert!(matches!(garbage, Err(SubmitError::Malformed(_))));
        let deposit = net.submit(0, Bytes::from_static(b"\x7e\xc0")).await.0;
        assert!(matches!(deposit, Err(SubmitError::Malformed(_))));
        let large = net.submit(0, vec![1; 128 * 1024 + 1].into()).await.0;
        assert!(matches!(large, Err(SubmitError::Oversized { .. })));
        assert_eq!(net.nodes[0].mempool.size().transactions, 0);
        assert_eq!(net.nodes[0].mempool.stats().refused, 4);
    });
}

#[test]
fn contracts_may_not_send_but_delegated_accounts_may() {
    simulate(|context| async {
        let net = Net::start(context, 4);
        for (key, code) in [(1, vec![0x60; 23]), (2, [&[0xef, 0x01, 0x00][..], &[7; 20]].concat())] {
            let (wallet, engine) = (Wallet::new(key), &net.nodes[0].engine);
            engine.set(wallet.address(), 0, u64::MAX);
            if let Some(account) = engine.accounts.lock().get_mut(&wallet.address()) {
                account.code_hash = alloy_primitives::keccak256(&code);
            }
            engine.code.lock().insert(wallet.address(), code.into());
        }
        let refused = net.submit(0, pay(1, 0).encoded().clone()).await.0.expect_err("a contract");
        assert!(refused.to_string().starts_with("sender not an eoa"), "{refused}");
        assert!(net.submit(0, pay(2, 0).encoded().clone()).await.0.is_ok());
    });
}

#[test]
fn only_what_is_invalid_in_every_place_leaves_when_execution_refuses_it() {
    simulate(|context| async {
        let mut net = Net::start(context, 4);
        let transaction = pay(1, 0);
        assert!(net.submit(0, transaction.encoded().clone()).await.0.is_ok());
        let mempool = net.nodes[0].mempool.clone();
        // A transaction before it in the draft has used its nonce: nothing is certified yet.
        mempool.reject(transaction.hash(), &Rejection::NotYet("nonce too low".into()));
        assert_eq!(mempool.best(1).count(), 1);
        mempool.reject(transaction.hash(), &Rejection::Invalid("rejected".into()));
        assert_eq!(mempool.best(1).count(), 0);
        assert_eq!(net.nodes[0].evicted(), [transaction.hash()]);
    });
}

#[test]
fn a_certified_transaction_is_never_called_evicted() {
    simulate(|context| async {
        let mut net = Net::start(context, 4);
        let (transaction, other) = (pay(1, 0), pay(1, 1));
        for transaction in [&transaction, &other] {
            assert!(net.submit(0, transaction.encoded().clone()).await.0.is_ok());
        }
        let (engine, mempool) = (net.nodes[0].engine.clone(), net.nodes[0].mempool.clone());
        // The engine has committed the flashblock; the pool has not been told when a leader tries it once more.
        engine.set(transaction.sender(), 1, 1 << 40);
        mempool.reject(transaction.hash(), &Rejection::NotYet("nonce too low".into()));
        let (answer, _) = net.submit(0, pay(1, 2).encoded().clone()).await;
        assert_eq!(answer, Ok(pay(1, 2).hash()));
        mempool.certified(&executed(1, std::slice::from_ref(&transaction)));
        mempool.certified(&executed(2, &[]));
        assert!(net.nodes[0].evicted().is_empty());
        assert_eq!(mempool.best(1).collect::<Vec<_>>(), [other, pay(1, 2)]);
    });
}

#[test]
fn accounts_that_others_transactions_changed_are_noticed() {
    simulate(|context| async {
        let mut net = Net::start(context, 4);
        let [poor, delegated, other] = [1, 2, 3].map(|key| pay(key, 0));
        for transaction in [&poor, &delegated, &other] {
            assert!(net.submit(0, transaction.encoded().clone()).await.0.is_ok());
        }
        let (engine, mempool) = (net.nodes[0].engine.clone(), net.nodes[0].mempool.clone());
        // A contract of one has spent its money, the delegated code of another has created a contract.
        engine.set(poor.sender(), 0, 0);
        engine.set(delegated.sender(), 1, 1 << 40);
        assert_eq!(mempool.best(1).count(), 3);
        mempool.certified(&executed(1, &[pay(4, 0)]));
        assert_eq!(mempool.best(1).collect::<Vec<_>>(), [other]);
        assert_eq!(mempool.size().transactions, 2, "who has no money waits");
        assert_eq!(net.nodes[0].evicted(), [delegated.hash()], "whose nonce is used leaves");
    });
}

#[test]
fn a_follower_drops_what_leaders_pass_over() {
    simulate(|context| async {
        let mut net = Net::start(context, 5);
        let transaction = pay(1, 0);
        assert!(net.submit(4, transaction.encoded().clone()).await.0.is_ok());
        let mempool = net.nodes[4].mempool.clone();
        for height in 1..=70 {
            assert!(height > 60 || mempool.get(&transaction.hash()).is_some(), "{height}");
            mempool.certified(&executed(height, &[]));
            net.run(Duration::from_secs(1)).await;
        }
        assert_eq!(net.nodes[4].evicted(), [transaction.hash()]);
        assert_eq!(net.holders(&transaction.hash()), [0, 1, 2, 3], "who has seen no flashblock keeps it");
    });
}

#[test]
fn what_fits_into_no_flashblock_leaves_and_is_refused_from_then_on() {
    simulate(|context| async {
        let mut net = Net::start(context, 4);
        let transaction = pay(1, 0);
        assert!(net.submit(0, transaction.encoded().clone()).await.0.is_ok());
        let mempool = net.nodes[0].mempool.clone();
        mempool.refuse(transaction.hash(), "too much precompile gas");
        assert_eq!((mempool.size().transactions, mempool.best(1).count()), (0, 0));
        assert_eq!(net.nodes[0].evicted(), [transaction.hash()]);
        let (answer, _) = net.submit(0, transaction.encoded().clone()).await;
        assert_eq!(answer, Err(SubmitError::Refused("too much precompile gas".into())));
        net.nodes[0].receive(net.nodes[1].identity, vec![transaction.encoded().clone()], &net.context);
        net.run(Duration::from_secs(20)).await;
        assert_eq!(net.holders(&transaction.hash()), [1, 2, 3], "no copy comes back");
    });
}

#[test]
fn feed_tells_of_arrival_and_replacement() {
    simulate(|context| async {
        let mut net = Net::start(context, 4);
        let (old, new) = (pay(1, 0), Wallet::new(1).pay_capped(0, 2, 110));
        for transaction in [&old, &new] {
            assert!(net.submit(0, transaction.encoded().clone()).await.0.is_ok());
        }
        let mut events = Vec::new();
        while let Ok(event) = net.nodes[0].feed.try_recv() {
            events.push(match event {
                FeedEvent::Pooled(hashes) => (hashes[0], None),
                FeedEvent::Replaced { old, new } => (old, Some(new)),
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(events, [(old.hash(), None), (new.hash(), None), (old.hash(), Some(new.hash()))]);
    });
}

/// A peer sends transactions that are refused; then it, and another, send good ones.
fn throttled(refused: impl FnOnce(&Net) -> Vec<Bytes> + 'static, counted: fn(PoolStats) -> u64) {
    simulate(|context| async move {
        let net = Net::start(context, 4);
        let (node, [peer, other]) = (&net.nodes[0], [1, 2].map(|index| net.nodes[index].identity));
        let refused = refused(&net);
        let count = refused.len() as u64;
        node.receive(peer, refused, &net.context);
        net.run(Duration::from_millis(10)).await;
        assert_eq!(counted(node.mempool.stats()), count);
        node.receive(peer, vec![pay(1, 0).encoded().clone()], &net.context);
        node.receive(other, vec![pay(2, 0).encoded().clone()], &net.context);
        net.run(Duration::from_millis(10)).await;
        assert_eq!(node.mempool.stats().dropped, 1);
        assert_eq!(net.holders(&pay(2, 0).hash()), [0], "others are heard");
        net.run(Duration::from_secs(3)).await;
        node.receive(peer, vec![pay(1, 0).encoded().clone()], &net.context);
        net.run(Duration::from_millis(10)).await;
        assert_eq!(net.holders(&pay(1, 0).hash()), [0], "and so is it after a while");
    });
}

#[test]
fn a_peers_invalid_transactions_use_up_its_budget() {
    let foreign = Wallet::new(1).sign(TxEip1559 { chain_id: 1, ..transfer() });
    throttled(move |_| vec![foreign.encoded().clone(); 300], |stats| stats.invalid);
}

#[test]
fn a_peers_transactions_that_accounts_refuse_use_up_its_budget_too() {
    let poor = |net: &Net| {
        net.nodes[0].engine.set(Wallet::new(3).address(), 0, 0);
        vec![pay(3, 0).encoded().clone(); 4000]
    };
    throttled(poor, |stats| stats.declined);
}

#[test]
fn a_peer_pays_before_anything_is_queued() {
    simulate(|context| async {
        let net = Net::start(context, 4);
        let (node, peer) = (&net.nodes[0], net.nodes[1].identity);
        // Nothing is taken out of the queue before this task waits.
        let bytes: usize = (0..100_000).map(|_| 100 + 512).sum();
        for _ in 0..100 {
            node.receive(peer, vec![vec![0; 100].into(); 1000], &net.context);
        }
        let heard = 100_000 - node.mempool.stats().dropped;
        assert!(heard as usize * 612 <= 16 << 20 && bytes > 32 << 20, "{heard}");
        assert_eq!(node.mempool.stats().overloaded, 0);
        // A wallet finds room.
        let (answer, _) = net.submit(0, pay(1, 0).encoded().clone()).await;
        assert_eq!(answer, Ok(pay(1, 0).hash()));
    });
}

#[test]
fn too_many_at_once_are_refused_in_words() {
    simulate(|context| async {
        let net = Net::start(context, 4);
        let mempool = &net.nodes[0].mempool;
        // The worker doesn't run before this task waits.
        let answers: Vec<_> = (0..20_000).map(|_| mempool.submit(Bytes::from_static(b"\x02"))).collect();
        let answers = futures::future::join_all(answers).await;
        let overloaded = |answer: &&Result<_, SubmitError>| matches!(answer, Err(SubmitError::Unavailable(_)));
        let refused = answers.iter().filter(overloaded).count();
        assert!(refused > 10_000 && refused < 20_000, "{refused}");
        assert_eq!(mempool.stats().overloaded, refused as u64);
    });
}

#[test]
fn a_batch_is_admitted_in_the_order_of_arrival() {
    simulate(|context| async {
        let net = Net::start(context, 4);
        let transactions: Vec<_> = (1..=40).map(|key| pay(key, 0)).collect();
        let raw = transactions.iter().map(|transaction| transaction.encoded().clone()).collect();
        net.nodes[0].receive(net.nodes[1].identity, raw, &net.context);
        net.run(Duration::from_millis(10)).await;
        assert_eq!(net.nodes[0].mempool.best(1).collect::<Vec<_>>(), transactions);
    });
}

#[test]
fn nullified_proposals_give_back_what_they_held() {
    simulate(|context| async {
        let net = Net::start(context, 4);
        let (mempool, transaction) = (&net.nodes[0].mempool, pay(1, 0));
        assert!(net.submit(0, transaction.encoded().clone()).await.0.is_ok());
        let proposal = executed(1, &[transaction]);
        assert_ne!(proposal.position.digest, Digest::ZERO);
        mempool.proposed(&proposal);
        assert_eq!(mempool.best(1).count(), 0);
        mempool.nullified(&proposal);
        assert_eq!(mempool.best(1).count(), 1);
    });
}
