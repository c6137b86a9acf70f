//! `posting-size`: what a stock op-batcher and Rota's poster write to L1 for the same blocks.

use super::{
    cluster::{Cluster, number},
    report::{Figure, Report, Target},
    stock::{self, Format},
    workload::{MIX, Workload},
};
use crate::rpc::Rpc;
use alloy_primitives::{Address, Bytes, U64};
use eyre::{OptionExt as _, ensure};
use rota_batch::{Batch, ChannelAssembler, ChannelReader, Compression, compression::decompress, parse_frames};
use rota_types::RollupConfig;
use serde::Deserialize;
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

/// Transactions per second, and for how long.
const RATE: usize = 20;
const LASTS: Duration = Duration::from_secs(60);
/// Rota's posters wait for so long, in seconds: op-batcher comes first, and one batch holds everything.
const WAIT: &str = "180";
/// How long each may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// How op-batcher is run, and what is printed of it. Each posts everything.
const FORMATS: [(&str, Format); 3] = [
    ("op-batcher, span batches, brotli-10", Format { batches: 1, compression: "brotli-10" }),
    ("op-batcher, span batches, zlib", Format { batches: 1, compression: "zlib" }),
    ("op-batcher, its defaults (singular batches, zlib)", Format { batches: 0, compression: "zlib" }),
];

pub(super) async fn run(operators: usize, clients: &Path) -> eyre::Result<Report> {
    let cluster = Cluster::up(operators).await?;
    // Nobody is silent who waits on purpose.
    let knobs = [("poster_interval_s", WAIT), ("poster_skip_timeout_s", "3600"), ("poster_carrier", "\"calldata\"")];
    cluster.reconfigure(&knobs).await?;
    let mut inbox = Inbox::new(&cluster).await?;
    let mut workload = Workload::new(&cluster).await?;
    workload.send(&cluster, &(0..operators).collect::<Vec<_>>(), RATE, LASTS).await?;
    // Without a quorum there are no more blocks; those who are left serve, and post what there is.
    for k in operators - (operators - 1) / 3 - 1..operators {
        cluster.kill(k)?;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let head = number(&cluster.status(0).await?, "/heads/latest/number")?;

    let mut stock = Vec::new();
    for ((name, format), account) in FORMATS.into_iter().zip(&cluster.accounts[1..]) {
        let mut client = stock::batcher(clients, &cluster, 0, account.to_bytes(), format).await?;
        let written = inbox.wait(head, |from| from == account.address(), || client.ensure_runs()).await?;
        stock.push((name, account.address(), written));
    }
    let ours = |from| stock.iter().all(|(_, account, _)| *account != from);
    let rota = inbox.wait(head, ours, || Ok(())).await?;
    for (name, _, written) in &stock {
        ensure!(written.blocks == rota.blocks, "{name} posted other blocks than Rota");
    }

    let best = stock.iter().map(|(_, _, written)| written.bytes).min().unwrap_or_default();
    let share = rota.bytes as f64 / best as f64 * 100.0;
    let mut figures = vec![
        Figure::new("Rota's bytes, of op-batcher's fewest", share, "%").target(Target::AtMost(100.0)),
        Figure::new("Rota, span batches, brotli-11", rota.bytes as f64, "bytes"),
    ];
    figures.extend(stock.iter().map(|(name, _, written)| Figure::new(*name, written.bytes as f64, "bytes")));
    figures.extend(compressions(&rota.raw));
    let conditions = vec![
        ("operators", operators.to_string()),
        ("blocks", rota.blocks.len().to_string()),
        ("transactions", rota.blocks.values().sum::<usize>().to_string()),
        ("load_per_s", RATE.to_string()),
        ("mix", MIX.into()),
        ("poster_interval_s", WAIT.into()),
        ("counted", "call data of L1 transactions to the inbox".into()),
        ("l1_transactions", format!("Rota {}, op-batcher {}", rota.transactions, stock[0].2.transactions)),
    ];
    Ok(Report::new("posting-size", figures, conditions, Vec::new()))
}

/// What Rota's batches would be compressed otherwise, without frames, and how fast.
fn compressions(raw: &[u8]) -> Vec<Figure> {
    let mut figures = vec![Figure::new("Rota's batches, uncompressed", raw.len() as f64, "bytes")];
    for quality in [5, 9, 10, 11] {
        let start = Instant::now();
        let compressed = Compression::Brotli(quality).compress(raw).len();
        let speed = raw.len() as f64 / start.elapsed().as_secs_f64() / 1e6;
        figures.push(Figure::new(format!("brotli {quality}"), compressed as f64, "bytes"));
        figures.push(Figure::new(format!("brotli {quality}, speed"), speed, "MB/s"));
    }
    figures
}

/// What somebody wrote.
#[derive(Debug, Default)]
struct Written {
    /// Bytes of call data, and in how many L1 transactions.
    bytes: usize,
    transactions: usize,
    /// Number of L2 transactions in each L2 block, by its timestamp.
    blocks: BTreeMap<u64, usize>,
    /// The channels before compression, one after the other.
    raw: Vec<u8>,
}

/// The batch inbox on L1 from now on.
struct Inbox {
    l1: Rpc,
    rollup: RollupConfig,
    /// Next L1 block.
    next: u64,
    /// L1 block, sender, call data.
    found: Vec<(u64, Address, Bytes)>,
}

#[derive(Deserialize)]
struct L1Block {
    transactions: Vec<L1Transaction>,
}

#[derive(Deserialize)]
struct L1Transaction {
    from: Address,
    to: Option<Address>,
    input: Bytes,
}

impl Inbox {
    async fn new(cluster: &Cluster) -> eyre::Result<Self> {
        let l1 = Rpc::new(&cluster.l1.rpc)?;
        let rollup = Rpc::new(&cluster.operators[0].rpc)?.get("optimism_rollupConfig").await?;
        let next = l1.get::<U64>("eth_blockNumber").await?.to::<u64>() + 1;
        Ok(Self { l1, rollup, next, found: Vec::new() })
    }

    /// What these senders have written when they have come to an L2 block.
    async fn wait(
        &mut self,
        block: u64,
        by: impl Fn(Address) -> bool,
        mut runs: impl FnMut() -> eyre::Result<()>,
    ) -> eyre::Result<Written> {
        let genesis = &self.rollup.genesis;
        let timestamp = genesis.l2_time + (block - genesis.l2.number) * self.rollup.block_time;
        let start = Instant::now();
        loop {
            self.read().await?;
            let written = self.written(&by)?;
            if written.blocks.contains_key(&timestamp) {
                return Ok(written);
            }
            runs()?;
            let blocks = written.blocks.len();
            ensure!(start.elapsed() < PATIENCE, "{blocks} blocks posted, not all, after {} s", PATIENCE.as_secs());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn read(&mut self) -> eyre::Result<()> {
        let head = self.l1.get::<U64>("eth_blockNumber").await?.to::<u64>();
        while self.next <= head {
            let params = [json!(format!("{:#x}", self.next)), json!(true)];
            let block: Option<L1Block> = self.l1.call("eth_getBlockByNumber", &params).await?;
            let block = block.ok_or_eyre("L1 has lost a block")?;
            let ours = |transaction: &L1Transaction| transaction.to == Some(self.rollup.batch_inbox_address);
            let found = block.transactions.into_iter().filter(ours);
            self.found.extend(found.map(|transaction| (self.next, transaction.from, transaction.input)));
            self.next += 1;
        }
        Ok(())
    }

    /// What these senders have written.
    fn written(&self, by: impl Fn(Address) -> bool) -> eyre::Result<Written> {
        let mut written = Written::default();
        let mut assembler = ChannelAssembler::default();
        for (l1_block, _, input) in self.found.iter().filter(|(_, from, _)| by(*from)) {
            written.bytes += input.len();
            written.transactions += 1;
            let frames = parse_frames(input)?;
            for channel in frames.into_iter().filter_map(|frame| assembler.push(*l1_block, frame)) {
                written.raw.extend(decompress(&channel)?);
                for batch in ChannelReader::new(&channel, self.rollup.l2_chain_id)? {
                    match batch? {
                        Batch::Singular(batch) => written.block(batch.timestamp, batch.transactions.len()),
                        Batch::Span(batch) => batch
                            .blocks(&self.rollup)
                            .for_each(|block| written.block(block.timestamp, block.transactions.len())),
                    }
                }
            }
        }
        Ok(written)
    }
}

impl Written {
    fn block(&mut self, timestamp: u64, transactions: usize) {
        self.blocks.insert(timestamp, transactions);
    }
}
