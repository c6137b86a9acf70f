//! The pool against a model that keeps a plain list and sorts it at every question: thousands of random operations,
//! the same answers throughout.

use alloy_consensus::{SignableTransaction, Transaction as _, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use op_alloy_consensus::OpTxEnvelope;
use rota_node::{
    mempool::{
        Best, PoolLimits,
        pool::{Certified, Changes, Crowding, Pool, SenderState, Slot},
    },
    rpc::SubmitError,
};
use rota_types::{Digest, Transaction};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};

const LIMITS: PoolLimits = PoolLimits { transactions: 12, bytes: 1400, per_sender: 5, queued: Duration::from_secs(50) };
const COST: u64 = 100;

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Signs every combination once.
#[derive(Default)]
struct Signed(BTreeMap<(u8, u64, u128, u128, usize), Arc<Transaction>>);

impl Signed {
    fn get(&mut self, key: u8, nonce: u64, tip: u128, cap: u128, input: usize) -> Arc<Transaction> {
        let sign = || {
            let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(key)).expect("a valid key");
            let transaction = TxEip1559 {
                nonce,
                max_priority_fee_per_gas: tip,
                max_fee_per_gas: cap,
                to: TxKind::Call(Address::ZERO),
                input: vec![0; input].into(),
                ..Default::default()
            };
            let signature = signer.sign_hash_sync(&transaction.signature_hash()).expect("signs");
            let envelope = OpTxEnvelope::Eip1559(transaction.into_signed(signature));
            Arc::new(Transaction::decode(Bytes::from(envelope.encoded_2718())).expect("well formed"))
        };
        self.0.entry((key, nonce, tip, cap, input)).or_insert_with(sign).clone()
    }
}

#[derive(Clone)]
struct Held {
    transaction: Arc<Transaction>,
    arrival: u64,
    waited: Option<u64>,
}

impl Held {
    fn hash(&self) -> B256 {
        self.transaction.hash()
    }
    fn sender(&self) -> Address {
        self.transaction.sender()
    }
    fn nonce(&self) -> u64 {
        self.transaction.envelope().nonce()
    }
    fn caps(&self) -> (u128, u128) {
        (self.transaction.envelope().priority_fee_or_price(), self.transaction.envelope().max_fee_per_gas())
    }
    fn len(&self) -> usize {
        self.transaction.encoded().len()
    }
}

/// Waiting, payable or proposed; the smallest tip and the latest arrival up to it; its nonce: larger is better.
type Worth = (u8, u128, Reverse<u64>, Reverse<u64>);

#[derive(Default)]
struct Model {
    held: Vec<Held>,
    arrivals: u64,
    base_fee: u128,
    chain: BTreeMap<Address, SenderState>,
    proposals: BTreeMap<Digest, (u64, Vec<Arc<Transaction>>)>,
    included: BTreeSet<B256>,
    crowding: Option<Crowding>,
    swept: Option<u64>,
}

impl Model {
    fn state(&self, sender: Address) -> SenderState {
        self.chain[&sender]
    }

    fn proposed(&self) -> impl Iterator<Item = &Arc<Transaction>> {
        self.proposals.values().flat_map(|(_, transactions)| transactions)
    }

    fn in_flight(&self, sender: Address, nonce: u64) -> bool {
        self.proposed().any(|transaction| transaction.sender() == sender && transaction.envelope().nonce() == nonce)
    }

    fn at(&self, sender: Address, nonce: u64) -> Option<&Held> {
        self.held.iter().find(|held| held.sender() == sender && held.nonce() == nonce)
    }

    /// The executable nonces of a sender, and the nonce after them.
    fn run(&self, sender: Address) -> (Vec<u64>, u64) {
        let state = self.state(sender);
        let (mut run, mut next, mut spent) = (Vec::new(), state.nonce, 0);
        loop {
            if self.at(sender, next).is_some() {
                spent += COST;
                if U256::from(spent) > state.balance {
                    if !self.in_flight(sender, next) {
                        return (run, next);
                    }
                } else {
                    run.push(next);
                }
            } else if !self.in_flight(sender, next) {
                return (run, next);
            }
            next += 1;
        }
    }

    fn tip(&self, held: &Held) -> u128 {
        let (tip, cap) = held.caps();
        tip.min(cap.saturating_sub(self.base_fee))
    }

    fn worth(&self, held: &Held) -> Worth {
        let run = self.run(held.sender()).0;
        let up_to: Vec<_> =
            self.held.iter().filter(|other| other.sender() == held.sender() && other.nonce() <= held.nonce()).collect();
        let class = |other: &&Held| match run.contains(&other.nonce()) {
            true if self.proposed().any(|transaction| transaction.hash() == other.hash()) => 2,
            true if other.caps().1 >= self.base_fee => 1,
            _ => 0,
        };
        let class = up_to.iter().map(class).min().unwrap_or_default();
        let tip = up_to.iter().map(|other| self.tip(other)).min().unwrap_or_default();
        let arrival = up_to.iter().map(|other| other.arrival).max().unwrap_or_default();
        (class, if class == 0 { 0 } else { tip }, Reverse(arrival), Reverse(held.nonce()))
    }

    fn insert(&mut self, transaction: Arc<Transaction>) -> Result<(), SubmitError> {
        let (sender, nonce, hash) = (transaction.sender(), transaction.envelope().nonce(), transaction.hash());
        if self.included.contains(&hash) || self.held.iter().any(|held| held.hash() == hash) {
            return Err(SubmitError::AlreadyKnown);
        }
        let state = self.state(sender);
        if nonce < state.nonce {
            return Err(SubmitError::NonceTooLow { next: state.nonce, found: nonce });
        }
        if nonce >= state.nonce + LIMITS.per_sender as u64 {
            return Err(SubmitError::NonceTooHigh { next: state.nonce, found: nonce });
        }
        if self.in_flight(sender, nonce) && !self.proposed().any(|transaction| transaction.hash() == hash) {
            return Err(SubmitError::NonceTooLow { next: nonce + 1, found: nonce });
        }
        let new = Held { transaction, arrival: self.arrivals, waited: None };
        let old = self.at(sender, nonce).cloned();
        if let Some(old) = &old {
            let enough = |old: u128, new: u128| new > old && new * 100 >= old * 110 - (old * 110) % 100;
            if !enough(old.caps().0, new.caps().0) || !enough(old.caps().1, new.caps().1) {
                return Err(SubmitError::ReplacementUnderpriced);
            }
        }
        let earlier = self.held.iter().filter(|held| held.sender() == sender && held.nonce() < nonce).count() as u64;
        let cost = U256::from((earlier + 1) * COST);
        if cost > state.balance {
            return Err(SubmitError::InsufficientFunds { balance: state.balance, cost });
        }
        // Put it in, and take the worst out until the rest fits: it had better not be the newcomer.
        let before = self.held.clone();
        self.held.retain(|held| old.as_ref().is_none_or(|old| old.arrival != held.arrival));
        self.held.push(new.clone());
        let payable = self.worth(&new).0 > 0;
        while self.held.len() > LIMITS.transactions || self.held.iter().map(Held::len).sum::<usize>() > LIMITS.bytes {
            let worst = self.held.iter().min_by_key(|held| self.worth(held)).map(|held| held.arrival);
            if worst == Some(new.arrival) {
                self.held = before;
                return Err(if payable { SubmitError::Underpriced(String::new()) } else { SubmitError::PoolFull });
            }
            self.held.retain(|held| worst != Some(held.arrival));
        }
        self.arrivals += 1;
        Ok(())
    }

    fn best(&self) -> Vec<B256> {
        let mut next: BTreeMap<Address, u64> = BTreeMap::new();
        for sender in self.chain.keys() {
            let run = self.run(*sender).0;
            next.extend(run.into_iter().find(|nonce| !self.in_flight(*sender, *nonce)).map(|nonce| (*sender, nonce)));
        }
        let mut order = Vec::new();
        loop {
            let heads = next.iter().filter_map(|(sender, nonce)| self.at(*sender, *nonce));
            let heads = heads.filter(|held| self.worth(held).0 > 0 && !self.in_flight(held.sender(), held.nonce()));
            let Some(best) = heads.max_by_key(|held| (self.tip(held), Reverse(held.arrival))) else { return order };
            order.push(best.hash());
            next.insert(best.sender(), best.nonce() + 1);
        }
    }

    fn certified(&mut self, flashblock: &Certified<'_>) {
        self.chain.extend(flashblock.changed.iter().copied());
        self.included.extend(flashblock.included.iter().map(|(.., hash)| *hash));
        self.proposals.retain(|_, (above, _)| *above > flashblock.height);
        self.crowding = self.crowding.max(flashblock.crowding);
        let chain = &self.chain;
        self.held.retain(|held| held.nonce() >= chain[&held.sender()].nonce);
    }

    fn expire(&mut self, now: u64) {
        let passed = now - self.swept.replace(now).unwrap_or(now);
        let classes: Vec<_> = self.held.iter().map(|held| self.worth(held)).collect();
        for (held, (class, tip, ..)) in self.held.iter_mut().zip(classes) {
            let waits = match (class, self.crowding) {
                (0, _) | (1, Some(Crowding::Room)) => true,
                (1, Some(Crowding::Tip(taken))) => tip > taken,
                (1, None) => continue,
                _ => false,
            };
            held.waited = waits.then(|| held.waited.map_or(0, |waited| waited + passed));
        }
        self.crowding = None;
        self.held.retain(|held| held.waited.is_none_or(|waited| waited <= LIMITS.queued.as_secs()));
    }
}

fn same(outcome: &Result<(), SubmitError>, expected: &Result<(), SubmitError>) -> bool {
    match (outcome, expected) {
        (Err(SubmitError::Underpriced(_)), Err(SubmitError::Underpriced(_))) => true,
        (outcome, expected) => outcome == expected,
    }
}

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn slots(transactions: &[Arc<Transaction>]) -> Vec<Slot> {
    transactions.iter().map(|t| (t.sender(), t.envelope().nonce(), t.hash())).collect()
}

/// The pool says what the model says, and has told what left: but never of what is certified.
fn compare(pool: &Pool, model: &Model, before: &[B256], told: &Changes, step: &str) {
    let mut best = Best::default();
    let order: Vec<_> = std::iter::from_fn(|| pool.next_best(&mut best)).map(|t| t.hash()).collect();
    assert_eq!(order, model.best(), "{step}: order");
    let bytes = model.held.iter().map(Held::len).sum::<usize>();
    assert_eq!((pool.size().transactions, pool.size().bytes), (model.held.len(), bytes), "{step}: size");
    assert!(model.held.len() <= LIMITS.transactions && bytes <= LIMITS.bytes);
    for held in &model.held {
        assert_eq!(pool.get(&held.hash()), Some(&held.transaction), "{step}");
    }
    for (sender, state) in &model.chain {
        let (run, next) = model.run(*sender);
        let held = model.held.iter().filter(|held| held.sender() == *sender);
        for held in held.clone() {
            assert_eq!(pool.is_executable(&held.hash()), run.contains(&held.nonce()), "{step}: {}", held.nonce());
        }
        assert_eq!(pool.holds(sender), held.count() > 0, "{step}");
        if !run.is_empty() {
            assert_eq!(pool.next_nonce(sender), Some(next), "{step}: next nonce from {}", state.nonce);
        }
    }
    let gone: BTreeSet<_> = before
        .iter()
        .filter(|hash| model.held.iter().all(|held| held.hash() != **hash) && !model.included.contains(*hash))
        .copied()
        .collect();
    let told: Vec<_> = told.evicted.iter().chain(told.replaced.iter().map(|(old, _)| old)).copied().collect();
    assert_eq!(told.len(), gone.len(), "{step}: told of what left");
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), gone, "{step}: told of what left");
}

fn run(seed: u64, steps: usize, signed: &mut Signed) -> [usize; 9] {
    let mut random = Random(seed);
    let (mut pool, mut model) = (Pool::new(LIMITS), Model::default());
    let senders: BTreeMap<u8, Address> = (1..=5).map(|key| (key, signed.get(key, 0, 1, 1, 0).sender())).collect();
    for sender in senders.values() {
        model.chain.insert(*sender, SenderState { nonce: 0, balance: U256::from(10 * COST) });
    }
    let (mut height, mut now, mut done) = (0, 0, [0; 9]);
    for index in 0..steps {
        now += random.below(3);
        let kind = [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7][random.below(13) as usize];
        let step = format!("seed {seed}, step {index}, kind {kind}");
        let sender = senders[&(1 + random.below(5) as u8)];
        let crowding = [None, Some(Crowding::Room), Some(Crowding::Tip(10))][random.below(3) as usize];
        let before: Vec<_> = model.held.iter().map(Held::hash).collect();
        let mut told = Changes::default();
        match kind {
            0 => {
                let key = 1 + random.below(5) as u8;
                let state = model.state(senders[&key]);
                let nonce = (state.nonce + random.below(7)).saturating_sub(1);
                let tip = [0, 1, 10, 11, 12, 20][random.below(6) as usize];
                let cap = tip + [0, 20, 22, 24, 40][random.below(5) as usize];
                let transaction = signed.get(key, nonce, tip, cap, 150 * (random.below(8) == 0) as usize);
                let outcome = pool.insert(transaction.clone(), U256::from(COST), state);
                let outcome = outcome.map(|changes| told = changes);
                let expected = model.insert(transaction);
                assert!(same(&outcome, &expected), "{step}: {outcome:?}, not {expected:?}");
                done[8] += usize::from(!told.evicted.is_empty());
            }
            // A leader proposes some of the best on top of what is proposed already.
            1 => {
                let mut best = Best::default();
                let count = random.below(4) as usize;
                let taken: Vec<_> = std::iter::from_fn(|| pool.next_best(&mut best)).take(count).collect();
                let digest = Digest::left_padding_from(&(index as u64).to_be_bytes());
                let above = height + 1 + model.proposals.len() as u64;
                pool.proposed(digest, above, slots(&taken));
                model.proposals.insert(digest, (above, taken));
            }
            // The newest proposal is nullified.
            2 => {
                if let Some(digest) = model.proposals.keys().next_back().copied() {
                    pool.unproposed(digest);
                    model.proposals.remove(&digest);
                }
            }
            // The oldest proposal is certified.
            3 => {
                let Some((_, (certified, transactions))) = model.proposals.first_key_value() else { continue };
                height = *certified;
                let mut changed = BTreeMap::new();
                for transaction in transactions {
                    let mut state = model.state(transaction.sender());
                    state.nonce = state.nonce.max(transaction.envelope().nonce() + 1);
                    state.balance = state.balance.saturating_sub(U256::from(COST / 2));
                    changed.insert(transaction.sender(), state);
                }
                let (included, changed): (_, Vec<_>) = (slots(transactions), changed.into_iter().collect());
                let flashblock = Certified { height, included: &included, changed: &changed, crowding };
                told = pool.certified(flashblock);
                model.certified(&flashblock);
            }
            // Others' transactions change an account.
            4 => {
                let nonce = model.state(sender).nonce + u64::from(random.below(8) == 0);
                let changed = [(sender, SenderState { nonce, balance: U256::from(random.below(12) * COST) })];
                let flashblock = Certified { height, included: &[], changed: &changed, crowding };
                told = pool.certified(flashblock);
                model.certified(&flashblock);
            }
            5 => {
                model.base_fee = u128::from(random.below(4) * 8);
                pool.set_base_fee(model.base_fee as u64);
            }
            6 => {
                told = pool.expire(time(now));
                model.expire(now);
            }
            _ => {
                if let Some(held) = model.held.get(random.below(16) as usize) {
                    let (hash, arrival) = (held.hash(), held.arrival);
                    assert!(pool.remove_hash(&hash), "{step}");
                    told.evicted.push(hash);
                    model.held.retain(|held| held.arrival != arrival);
                }
            }
        }
        done[kind] += 1;
        compare(&pool, &model, &before, &told, &step);
    }
    done
}

#[test]
fn random_operations_give_what_a_plain_list_gives() {
    let mut signed = Signed::default();
    for seed in 0..100 {
        let done = run(seed, 500, &mut signed);
        assert!(done.iter().all(|count| *count > 0), "{done:?}");
    }
}
