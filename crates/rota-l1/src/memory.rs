//! An L1 in memory: blocks at fixed times, reorgs, and views of it that lag or go offline, for simulations and tests.

use crate::{
    block::L1Block,
    deposits,
    provider::{InboxTransaction, L1Provider, ProviderError},
    sender::{Fees, Inclusion, L1Sender, SendError, Submission},
    system_config::ConfigUpdate,
};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Log, U256, keccak256};
use async_trait::async_trait;
use op_alloy_consensus::TxDeposit;
use parking_lot::Mutex;
use rota_types::{BlockId, RollupConfig};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// An L1 chain: block n after the rollup's first has timestamp T + n × block time. Cheap to clone; all clones are one
/// chain.
#[derive(Debug, Clone)]
pub struct MemoryL1(Arc<Mutex<Chain>>);

#[derive(Debug)]
struct Chain {
    rollup: RollupConfig,
    block_time: u64,
    /// Blocks from the rollup's genesis on.
    blocks: Vec<Mined>,
    /// Distinguishes the hashes of blocks that replace each other.
    forks: u64,
    /// What the next block will hold.
    queue: Content,
    /// Next nonce of each sender.
    nonces: BTreeMap<Address, u64>,
    base_fee: u64,
    finality_depth: u64,
}

#[derive(Debug)]
struct Mined {
    block: Arc<L1Block>,
    content: Content,
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
        };
        Self(Arc::new(Mutex::new(Chain {
            rollup: rollup.clone(),
            block_time,
            blocks: vec![Mined { block: Arc::new(genesis), content: Content::default() }],
            forks: 0,
            queue: Content::default(),
            nonces: BTreeMap::new(),
            base_fee: 7,
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
    }

    /// Puts a deposit into the next block. Its source hash is the one of that place, not the one given.
    pub fn deposit(&self, deposit: &TxDeposit) {
        let mut chain = self.0.lock();
        let log = deposits::encode(chain.rollup.deposit_contract_address, deposit);
        chain.queue.logs.push(log);
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

    /// The newest block.
    pub fn head(&self) -> Arc<L1Block> {
        self.0.lock().head().clone()
    }

    /// A block of the chain as it is now.
    pub fn block(&self, id: BlockId) -> Option<Arc<L1Block>> {
        let chain = self.0.lock();
        chain.blocks.iter().map(|mined| &mined.block).find(|block| block.id == id).cloned()
    }

    /// A way to look at this chain.
    pub fn view(&self) -> Arc<MemoryView> {
        Arc::new(MemoryView { chain: self.clone(), lag: AtomicU64::new(0), offline: AtomicBool::new(false) })
    }

    /// A way to send transactions from an address.
    pub fn sender(&self, address: Address) -> Arc<MemorySender> {
        Arc::new(MemorySender { chain: self.clone(), address, broke: AtomicBool::new(false) })
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
        let block = L1Block::new(&self.rollup, &header, hash, (0..).zip(&logs));
        let block = Arc::new(block.expect("the logs were made by the encoders"));
        let transactions = self.take_transactions();
        self.blocks.push(Mined { block: block.clone(), content: Content { logs, transactions } });
        block
    }

    /// Takes what can be mined now: the next nonce of each sender, and only if it pays the base fee.
    fn take_transactions(&mut self) -> Vec<Transaction> {
        let mut taken = Vec::new();
        loop {
            let next = self.queue.transactions.iter().position(|transaction| {
                let nonce = self.nonces.get(&transaction.from).copied().unwrap_or_default();
                transaction.submission.nonce == nonce
                    && transaction.submission.fees.max_fee_per_gas >= u128::from(self.base_fee)
            });
            let Some(index) = next else { break };
            let transaction = self.queue.transactions.remove(index);
            self.nonces.insert(transaction.from, transaction.submission.nonce + 1);
            taken.push(transaction);
        }
        let nonces = &self.nonces;
        self.queue
            .transactions
            .retain(|waiting| waiting.submission.nonce >= nonces.get(&waiting.from).copied().unwrap_or_default());
        taken
    }

    fn by_hash(&self, hash: B256) -> Option<&Mined> {
        self.blocks.iter().rev().find(|mined| mined.block.id.hash == hash)
    }
}

/// A view of a [`MemoryL1`] as an operator's endpoint gives it.
#[derive(Debug)]
pub struct MemoryView {
    chain: MemoryL1,
    lag: AtomicU64,
    offline: AtomicBool,
}

impl MemoryView {
    /// Shows the chain without its newest `blocks` blocks.
    pub fn set_lag(&self, blocks: u64) {
        self.lag.store(blocks, Ordering::Relaxed);
    }

    /// Answers nothing while offline.
    pub fn set_offline(&self, offline: bool) {
        self.offline.store(offline, Ordering::Relaxed);
    }

    /// Runs `look` on the chain and the number of its newest visible block.
    fn look<T>(&self, look: impl FnOnce(&Chain, u64) -> T) -> Result<T, ProviderError> {
        if self.offline.load(Ordering::Relaxed) {
            return Err(ProviderError::Unavailable("offline".into()));
        }
        let chain = self.chain.0.lock();
        let first = chain.rollup.genesis.l1.number;
        let head = chain.head().id.number.saturating_sub(self.lag.load(Ordering::Relaxed)).max(first);
        Ok(look(&chain, head))
    }

    fn number(chain: &Chain, head: u64, number: u64) -> Option<&Mined> {
        let index = number.checked_sub(chain.rollup.genesis.l1.number)?;
        if number > head { None } else { chain.blocks.get(usize::try_from(index).ok()?) }
    }
}

#[async_trait]
impl L1Provider for MemoryView {
    async fn head(&self) -> Result<BlockId, ProviderError> {
        self.look(|chain, head| Self::number(chain, head, head).expect("the head exists").block.id)
    }

    async fn finalized(&self) -> Result<Option<BlockId>, ProviderError> {
        self.look(|chain, head| {
            let number = head.checked_sub(chain.finality_depth)?;
            Self::number(chain, head, number).map(|mined| mined.block.id)
        })
    }

    async fn block_by_number(&self, number: u64) -> Result<Option<Arc<L1Block>>, ProviderError> {
        self.look(|chain, head| Self::number(chain, head, number).map(|mined| mined.block.clone()))
    }

    async fn block_by_hash(&self, hash: B256) -> Result<Option<Arc<L1Block>>, ProviderError> {
        self.look(|chain, head| {
            let block = &chain.by_hash(hash)?.block;
            (block.id.number <= head).then(|| block.clone())
        })
    }

    async fn inbox(&self, hash: B256) -> Result<Option<Vec<InboxTransaction>>, ProviderError> {
        self.look(|chain, head| {
            let mined = chain.by_hash(hash).filter(|mined| mined.block.id.number <= head)?;
            let inbox = chain.rollup.batch_inbox_address;
            let transactions = mined.content.transactions.iter().filter(|sent| sent.submission.to == inbox);
            Some(
                transactions
                    .map(|sent| InboxTransaction {
                        hash: sent.hash,
                        from: sent.from,
                        input: sent.submission.input.clone(),
                    })
                    .collect(),
            )
        })
    }
}

/// Sends to a [`MemoryL1`] without keys.
#[derive(Debug)]
pub struct MemorySender {
    chain: MemoryL1,
    address: Address,
    broke: AtomicBool,
}

impl MemorySender {
    /// Refuses transactions for lack of funds while `broke`.
    pub fn set_broke(&self, broke: bool) {
        self.broke.store(broke, Ordering::Relaxed);
    }
}

#[async_trait]
impl L1Sender for MemorySender {
    fn address(&self) -> Address {
        self.address
    }

    async fn next_nonce(&self) -> Result<u64, SendError> {
        Ok(self.chain.0.lock().nonces.get(&self.address).copied().unwrap_or_default())
    }

    async fn fees(&self) -> Result<Fees, SendError> {
        let base_fee = u128::from(self.chain.0.lock().base_fee);
        Ok(Fees { max_fee_per_gas: 2 * base_fee + 1, max_priority_fee_per_gas: 1 })
    }

    async fn submit(&self, submission: &Submission) -> Result<B256, SendError> {
        if self.broke.load(Ordering::Relaxed) {
            return Err(SendError::InsufficientFunds("broke".into()));
        }
        let mut chain = self.chain.0.lock();
        let next = chain.nonces.get(&self.address).copied().unwrap_or_default();
        if submission.nonce < next {
            return Err(SendError::NonceTooLow);
        }
        let waiting = &mut chain.queue.transactions;
        let same = |sent: &Transaction| sent.from == self.address && sent.submission.nonce == submission.nonce;
        if let Some(index) = waiting.iter().position(same) {
            if !submission.fees.replaces(&waiting[index].submission.fees) {
                return Err(SendError::Underpriced);
            }
            waiting.remove(index);
        }
        let hash = submission_hash(self.address, submission);
        waiting.push(Transaction { from: self.address, hash, submission: submission.clone() });
        Ok(hash)
    }

    async fn inclusion(&self, hash: B256) -> Result<Option<Inclusion>, SendError> {
        let chain = self.chain.0.lock();
        let holds = |mined: &&Mined| mined.content.transactions.iter().any(|sent| sent.hash == hash);
        let mined = chain.blocks.iter().rev().find(holds);
        Ok(mined.map(|mined| Inclusion { block: mined.block.id, success: true }))
    }
}

fn submission_hash(from: Address, submission: &Submission) -> B256 {
    let mut bytes = from.to_vec();
    bytes.extend_from_slice(&submission.nonce.to_be_bytes());
    bytes.extend_from_slice(&submission.fees.max_fee_per_gas.to_be_bytes());
    bytes.extend_from_slice(submission.to.as_slice());
    bytes.extend_from_slice(&submission.input);
    keccak256(bytes)
}
