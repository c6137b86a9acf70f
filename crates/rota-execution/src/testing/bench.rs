//! The engine benchmark: blocks of transfers on one thread, senders known, roots included.

use crate::{
    EmbeddedEngine, EngineError, MemoryStore, Store,
    engine::ExecutionEngine,
    store::Batch,
    testing::{Request, attributes, chain_spec, dev_genesis},
};
use alloy_genesis::GenesisAccount;
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_signer_local::PrivateKeySigner;
use rota_types::Transaction;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Accounts in the state beside the senders.
const ACCOUNTS: u64 = 100_000;

/// What the benchmark found.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct BenchReport {
    /// Blocks measured.
    pub blocks: usize,
    /// Transactions in each.
    pub transactions_per_block: usize,
    /// Accounts in the state at the start.
    pub accounts: usize,
    /// What the times are of: `thread` (processor time of the calling thread, so that a busy machine doesn't show) or
    /// `wall`.
    pub clock: &'static str,
    /// Transactions per second of the median block: draft, execute, roots, seal, adopt.
    pub transactions_per_second: f64,
    /// Microseconds per transaction of the median block spent executing.
    pub execute_us: f64,
    /// Microseconds per transaction of the median block spent on tries, roots and header.
    pub seal_us: f64,
    /// Milliseconds of the median commit (not part of the rate: it runs beside the next block).
    pub commit_ms: f64,
    /// Microseconds per transaction of each block, execution and sealing together.
    pub samples_us: Vec<f64>,
}

/// Executes and seals `blocks` blocks of `transactions_per_block` transfers between random accounts out of 100 000, on
/// the calling thread, with a store in memory.
pub fn bench_engine(blocks: usize, transactions_per_block: usize) -> Result<BenchReport, EngineError> {
    bench_engine_on(Arc::new(MemoryStore::default()), blocks, transactions_per_block)
}

/// The same on another, empty store.
pub fn bench_engine_on(
    store: Arc<dyn Store>,
    blocks: usize,
    transactions_per_block: usize,
) -> Result<BenchReport, EngineError> {
    let signers = transactions_per_block.clamp(1, 1_000);
    let senders: Vec<_> = (0..signers as u64).map(sender).collect();
    let mut genesis = dev_genesis();
    genesis.gas_limit = u64::from(u32::MAX);
    let rich = GenesisAccount::default().with_balance(U256::from(10).pow(U256::from(24)));
    genesis.alloc.extend(senders.iter().map(|sender| (sender.address(), rich.clone())));
    let dust = GenesisAccount::default().with_balance(U256::ONE);
    genesis.alloc.extend((0..ACCOUNTS).map(|index| (recipient(index), dust.clone())));
    let accounts = genesis.alloc.len();
    let mut spec = (*chain_spec(genesis, 0)).clone();
    spec.limits.max_flashblock_gas = u64::MAX;
    spec.limits.max_flashblock_bytes = usize::MAX;
    let engine = EmbeddedEngine::open(store, Arc::new(spec.clone()))?;

    let clock = Clock::new();
    let mut nonces = vec![0u64; signers];
    let mut random = B256::ZERO;
    let mut runs = Vec::with_capacity(blocks);
    for _ in 0..blocks {
        let transactions: Vec<Arc<Transaction>> = (0..transactions_per_block)
            .map(|index| {
                random = keccak256(random);
                let to =
                    recipient(random.as_slice()[..8].iter().fold(0, |n, byte| n << 8 | u64::from(*byte)) % ACCOUNTS);
                let nonce = &mut nonces[index % signers];
                *nonce += 1;
                Request::transfer(*nonce - 1, to, 1).sign(&senders[index % signers])
            })
            .collect();
        let tip = engine.certified();
        let attributes = attributes(&spec, &tip, Vec::new());

        let start = clock.now();
        let mut draft = engine.draft(tip.digest, Some(&attributes))?;
        for transaction in &transactions {
            draft.extend(transaction).map_err(|error| EngineError::Forced(error.to_string()))?;
        }
        let execute = clock.now() - start;
        let finished = draft.finish(true)?;
        let digest = finished.executed.sealed.as_ref().map(|block| block.hash).unwrap_or_default();
        let executed = engine.adopt(digest, tip.height + 1, finished)?;
        let total = clock.now() - start;
        engine.commit(executed.position.digest, Batch::default())?;
        runs.push(Run { execute, total, commit: clock.now() - start - total });
    }
    Ok(report(runs, transactions_per_block, accounts, clock.name()))
}

/// Processor time of this thread where the system tells it, else wall time.
struct Clock(Instant);

impl Clock {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn now(&self) -> Duration {
        thread_time().unwrap_or_else(|| self.0.elapsed())
    }

    fn name(&self) -> &'static str {
        if thread_time().is_some() { "thread" } else { "wall" }
    }
}

/// Linux: nanoseconds on a processor, the first field. Yielding brings it up to date.
fn thread_time() -> Option<Duration> {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

struct Run {
    execute: Duration,
    total: Duration,
    commit: Duration,
}

fn report(runs: Vec<Run>, transactions_per_block: usize, accounts: usize, clock: &'static str) -> BenchReport {
    let each = |duration: Duration| duration.as_secs_f64() * 1e6 / transactions_per_block.max(1) as f64;
    let total = median(runs.iter().map(|run| each(run.total)));
    let execute = median(runs.iter().map(|run| each(run.execute)));
    BenchReport {
        blocks: runs.len(),
        transactions_per_block,
        accounts,
        clock,
        transactions_per_second: if total > 0.0 { 1e6 / total } else { 0.0 },
        execute_us: execute,
        seal_us: median(runs.iter().map(|run| each(run.total - run.execute))),
        commit_ms: median(runs.iter().map(|run| run.commit.as_secs_f64() * 1e3)),
        samples_us: runs.iter().map(|run| each(run.total)).collect(),
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn sender(index: u64) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keccak256(index.to_be_bytes())).expect("a hash is a valid key")
}

fn recipient(index: u64) -> Address {
    Address::from_word(keccak256((index + (1 << 32)).to_be_bytes()))
}
