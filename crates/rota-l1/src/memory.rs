//! An L1 in memory: blocks at fixed times, reorgs, and views of it that lag or go offline, for simulations and tests.

mod inbox;
mod sender;
mod turns;
mod view;

pub use inbox::{InboxBatch, InboxSent, MemoryInbox};
pub use sender::MemorySender;
pub use turns::{MemoryTurns, TurnMember};
pub use view::MemoryView;

use crate::{
    block::L1Block,
    deposits, registry,
    sender::{Payload, Submission},
    system_config::ConfigUpdate,
};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, Log, U256, keccak256};
use op_alloy_consensus::TxDeposit;
use parking_lot::Mutex;
use rota_batch::encode_blob;
use rota_types::{BlockId, RegistryEvent, RollupConfig};
use std::{collections::BTreeMap, sync::Arc};

/// Blobs that fit into one block (Prague).
const MAX_BLOBS: usize = 9;

/// An L1 chain: block n after the rollup's first has timestamp T + n × block time. Cheap to clone; all clones are one
/// chain.
#[derive(Debug, Clone)]
pub struct MemoryL1(Arc<Mutex<Chain>>);

#[derive(Debug)]
struct Chain {
    rollup: RollupConfig,
    registry: Option<Address>,
    block_time: u64,
    /// Blocks from the rollup's genesis on.
    blocks: Vec<Mined>,
    /// PostingTurns, if it is deployed.
    turns: Option<turns::Turns>,
    /// Blocks that were reorged away.
    replaced: Vec<Arc<L1Block>>,
    /// Distinguishes the hashes of blocks that replace each other.
    forks: u64,
    /// What the next block will hold.
    queue: Content,
    /// Next nonce of each sender.
    nonces: BTreeMap<Address, u64>,
    /// Transactions that fit into one block.
    capacity: usize,
    base_fee: u64,
    blob_base_fee: u64,
    finality_depth: u64,
}

#[derive(Debug)]
struct Mined {
    block: Arc<L1Block>,
    content: Content,
    /// PostingTurns after this block.
    turns: Option<turns::Turns>,
}

#[derive(Debug, Clone, Default)]
struct Content {
    logs: Vec<Log>,
    transactions: Vec<Transaction>,
}

#[derive(Debug, Clone)]
struct Transaction {
    from: Address,
    hash: B256,
    submission: Submission,
    /// By versioned hash, in order.
    blobs: Vec<(B256, Bytes)>,
    /// Whether it was mined and did not revert.
    success: bool,
}

impl Transaction {
    /// `None` if its data doesn't fit into its blobs.
    fn new(from: Address, submission: &Submission) -> Option<Self> {
        let data: &[Bytes] = match &submission.payload {
            Payload::Calldata(_) | Payload::Call { .. } => &[],
            Payload::Blobs(data) => data,
        };
        let blobs = data.iter().map(|data| encode_blob(data).ok().map(|blob| (versioned_hash(&blob), blob.into())));
        let blobs = blobs.collect::<Option<Vec<_>>>()?;
        let mut bytes = from.to_vec();
        bytes.extend_from_slice(&submission.nonce.to_be_bytes());
        bytes.extend_from_slice(&submission.fees.max_fee_per_gas.to_be_bytes());
        bytes.extend_from_slice(submission.to.as_slice());
        match &submission.payload {
            Payload::Calldata(input) | Payload::Call { input, .. } => bytes.extend_from_slice(input),
            Payload::Blobs(_) => blobs.iter().for_each(|(hash, _)| bytes.extend_from_slice(hash.as_slice())),
        }
        Some(Self { from, hash: keccak256(bytes), submission: submission.clone(), blobs, success: true })
    }
}

/// The versioned hash of a blob here: no commitment, which would take longer than all else in a simulation.
fn versioned_hash(blob: &[u8]) -> B256 {
    let mut hash = keccak256(blob);
    hash[0] = 1;
    hash
}

impl MemoryL1 {
    /// A chain whose only block is the rollup's L1 genesis, at the rollup's L2 genesis time.
    pub fn new(rollup: &RollupConfig, block_time: u64) -> Self {
        let genesis = L1Block {
            id: rollup.genesis.l1,
            parent_hash: B256::ZERO,
            timestamp: rollup.genesis.l2_time,
            base_fee: U256::from(7),
            blob_base_fee: U256::from(1),
            prev_randao: rollup.genesis.l1.hash,
            parent_beacon_block_root: B256::ZERO,
            deposits: Vec::new(),
            config_updates: Vec::new(),
            registry_events: Vec::new(),
        };
        Self(Arc::new(Mutex::new(Chain {
            rollup: rollup.clone(),
            registry: None,
            block_time,
            blocks: vec![Mined { block: Arc::new(genesis), content: Content::default(), turns: None }],
            turns: None,
            replaced: Vec::new(),
            forks: 0,
            queue: Content::default(),
            nonces: BTreeMap::new(),
            capacity: usize::MAX,
            base_fee: 7,
            blob_base_fee: 1,
            finality_depth: 32,
        })))
    }

    /// Mines every block that is due at `now` (seconds since the epoch).
    pub fn advance_to(&self, now: u64) {
        let mut chain = self.0.lock();
        while chain.next_timestamp() <= now {
            chain.mine();
        }
    }

    /// Mines one block, whatever the time.
    pub fn mine(&self) -> Arc<L1Block> {
        self.0.lock().mine()
    }

    /// Replaces the newest `depth` blocks by others at the same times; the first holds what the replaced ones held.
    pub fn reorg(&self, depth: usize) {
        self.replace(depth, true);
    }

    /// As [`Self::reorg`], but transactions (not deposits) of the replaced blocks are lost, as if no pool had them.
    pub fn reorg_losing_transactions(&self, depth: usize) {
        self.replace(depth, false);
    }

    fn replace(&self, depth: usize, keep_transactions: bool) {
        let mut chain = self.0.lock();
        let keep = chain.blocks.len().saturating_sub(depth).max(1);
        let replaced = chain.blocks.split_off(keep);
        chain.turns = chain.blocks.last().and_then(|mined| mined.turns.clone());
        let queue = std::mem::take(&mut chain.queue);
        for content in replaced.iter().map(|mined| &mined.content).chain([&queue]) {
            chain.queue.logs.extend(content.logs.iter().cloned());
            chain.queue.transactions.extend(content.transactions.iter().cloned());
        }
        for mined in &replaced {
            for transaction in &mined.content.transactions {
                let nonce = chain.nonces.entry(transaction.from).or_default();
                *nonce = (*nonce).min(transaction.submission.nonce);
            }
        }
        if !keep_transactions {
            chain.queue.transactions.clear();
        }
        chain.forks += 1;
        replaced.iter().for_each(|_| drop(chain.mine()));
        chain.replaced.extend(replaced.into_iter().map(|mined| mined.block));
    }

    /// Puts a deposit into the next block. Its source hash is the one of that place, not the one given.
    pub fn deposit(&self, deposit: &TxDeposit) {
        let mut chain = self.0.lock();
        let log = deposits::encode(chain.rollup.deposit_contract_address, deposit);
        chain.queue.logs.push(log);
    }

    /// Puts a registry on the chain, with what it said up to the rollup's L1 genesis.
    pub fn set_registry(&self, registry: Address, events: Vec<RegistryEvent>) {
        let mut chain = self.0.lock();
        chain.registry = Some(registry);
        let genesis = &mut chain.blocks.first_mut().expect("the genesis block is never removed").block;
        Arc::make_mut(genesis).registry_events = events;
    }

    /// Puts a change of the registry into the next block.
    pub fn change_registry(&self, event: &RegistryEvent) {
        let mut chain = self.0.lock();
        let registry = chain.registry.expect("a chain with a registry");
        chain.queue.logs.push(registry::encode(registry, event));
    }

    /// Puts a change of the system config into the next block.
    pub fn update_config(&self, update: ConfigUpdate) {
        let mut chain = self.0.lock();
        let log = update.encode(chain.rollup.l1_system_config_address);
        chain.queue.logs.push(log);
    }

    /// Sets the base fee (wei): transactions that offer less wait.
    pub fn set_base_fee(&self, base_fee: u64) {
        self.0.lock().base_fee = base_fee;
    }

    /// Sets the blob base fee (wei): transactions with blobs that offer less wait.
    pub fn set_blob_base_fee(&self, blob_base_fee: u64) {
        self.0.lock().blob_base_fee = blob_base_fee;
    }

    /// Sets how many transactions fit into one block: the others wait, as when L1 is congested.
    pub fn set_capacity(&self, transactions: usize) {
        self.0.lock().capacity = transactions;
    }

    /// The newest block.
    pub fn head(&self) -> Arc<L1Block> {
        self.0.lock().head().clone()
    }

    /// The block with this number on the chain as it is now.
    pub fn canonical(&self, number: u64) -> Option<Arc<L1Block>> {
        self.0.lock().by_number(number).map(|mined| mined.block.clone())
    }

    /// A block of the chain as it is now, or as it was before a reorg.
    pub fn block(&self, id: BlockId) -> Option<Arc<L1Block>> {
        let chain = self.0.lock();
        let canonical = chain.blocks.iter().map(|mined| &mined.block);
        canonical.chain(&chain.replaced).find(|block| block.id == id).cloned()
    }

    /// A way to look at this chain.
    pub fn view(&self) -> Arc<MemoryView> {
        Arc::new(MemoryView::new(self.clone()))
    }

    /// A way to send transactions from an address.
    pub fn sender(&self, address: Address) -> Arc<MemorySender> {
        Arc::new(MemorySender::new(self.clone(), address))
    }
}

impl Chain {
    fn head(&self) -> &Arc<L1Block> {
        &self.blocks.last().expect("the genesis block is never removed").block
    }

    fn next_timestamp(&self) -> u64 {
        self.head().timestamp + self.block_time
    }

    fn mine(&mut self) -> Arc<L1Block> {
        let parent = self.head().clone();
        let number = parent.id.number + 1;
        let salted = [parent.id.hash.as_slice(), &number.to_be_bytes(), &self.forks.to_be_bytes()].concat();
        let hash = keccak256(salted);
        let logs = std::mem::take(&mut self.queue.logs);
        let header = Header {
            number,
            parent_hash: parent.id.hash,
            timestamp: self.next_timestamp(),
            mix_hash: keccak256(hash),
            base_fee_per_gas: Some(self.base_fee),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(keccak256(parent.prev_randao)),
            ..Header::default()
        };
        let (transactions, updates) = self.execute(number);
        let called: Vec<_> = updates.iter().map(|update| update.encode(self.rollup.l1_system_config_address)).collect();
        let logs_in_order = (0..).zip(logs.iter().chain(&called));
        let block = L1Block::new(&self.rollup, self.registry, &header, hash, logs_in_order);
        let mut block = block.expect("the logs were made by the encoders");
        block.blob_base_fee = U256::from(self.blob_base_fee);
        let block = Arc::new(block);
        let content = Content { logs, transactions };
        self.blocks.push(Mined { block: block.clone(), content, turns: self.turns.clone() });
        block
    }

    /// Takes what can be mined now, and executes the calls of PostingTurns: what they change in `SystemConfig`.
    fn execute(&mut self, number: u64) -> (Vec<Transaction>, Vec<ConfigUpdate>) {
        let mut transactions = self.take_transactions();
        let mut updates = Vec::new();
        if let Some(turns) = &mut self.turns {
            for sent in &mut transactions {
                if sent.submission.to == turns.contract() {
                    let update = turns.execute(sent, number);
                    sent.success = update.is_some();
                    updates.extend(update);
                }
            }
        }
        (transactions, updates)
    }

    /// Takes what can be mined now: the next nonce of each sender, only if it pays the fees and its blobs still fit.
    fn take_transactions(&mut self) -> Vec<Transaction> {
        let mut taken = Vec::new();
        let mut blobs = 0;
        while taken.len() < self.capacity {
            let next = self.queue.transactions.iter().position(|transaction| {
                let Submission { nonce, fees, .. } = &transaction.submission;
                let expected = self.nonces.get(&transaction.from).copied().unwrap_or_default();
                *nonce == expected
                    && fees.max_fee_per_gas >= u128::from(self.base_fee)
                    && (transaction.blobs.is_empty() || fees.max_fee_per_blob_gas >= u128::from(self.blob_base_fee))
                    && blobs + transaction.blobs.len() <= MAX_BLOBS
            });
            let Some(index) = next else { break };
            let transaction = self.queue.transactions.remove(index);
            self.nonces.insert(transaction.from, transaction.submission.nonce + 1);
            blobs += transaction.blobs.len();
            taken.push(transaction);
        }
        let nonces = &self.nonces;
        self.queue
            .transactions
            .retain(|waiting| waiting.submission.nonce >= nonces.get(&waiting.from).copied().unwrap_or_default());
        taken
    }

    fn by_number(&self, number: u64) -> Option<&Mined> {
        let index = number.checked_sub(self.rollup.genesis.l1.number)?;
        self.blocks.get(usize::try_from(index).ok()?)
    }

    fn by_hash(&self, hash: B256) -> Option<&Mined> {
        self.blocks.iter().rev().find(|mined| mined.block.id.hash == hash)
    }
}
