//! What is read back from a node's own disk: rows of the ledger and of the engine, changed by whatever it was.
//!
//! An input is the number of a row and the bytes that stand there instead.

use crate::{Outcome, Target, refused};
use alloy_primitives::{Address, B256, Bytes};
use alloy_rpc_types_eth::Filter;
use rota_consensus::{Evidence, EvidenceKind};
use rota_execution::{Batch, EmbeddedEngine, ExecutionEngine, MemoryStore, Store as _, Table};
use rota_node::{
    ledger::{InboxPosition, Ledger, LogLimits, PostedDifference, Retention},
    testing::{Fixture, account, logger, sign},
};
use rota_types::codec::Reader;
use std::sync::Arc;

pub(crate) const LEDGER_ROW: Target = Target {
    name: "ledger-row",
    executions: 5_000,
    seeds: || CHAIN.with(|chain| chain.seeds(&LEDGER)),
    feed: |bytes| {
        CHAIN.with(|chain| {
            let (row, value) = chain.row(&LEDGER, bytes)?;
            chain.write(&chain.fixture.store, row, value);
            let outcome = chain.read_everything(&chain.fixture.store, chain.fixture.engine.clone());
            chain.write(&chain.fixture.store, row, &row.value);
            outcome
        })
    },
};

pub(crate) const RESTART: Target = Target {
    name: "restart",
    executions: 60,
    seeds: || CHAIN.with(|chain| chain.seeds(&Table::ALL)),
    feed: |bytes| {
        CHAIN.with(|chain| {
            let (row, value) = chain.row(&Table::ALL, bytes)?;
            let store = chain.copy();
            chain.write(&store, row, value);
            let engine = EmbeddedEngine::open(Arc::new(store.clone()), chain.fixture.spec.clone()).map_err(refused)?;
            chain.read_everything(&store, Arc::new(engine))
        })
    },
};

/// Tables that only the ledger reads.
const LEDGER: [Table; 8] = [
    Table::Flashblocks,
    Table::Certificates,
    Table::Blocks,
    Table::BlockHashes,
    Table::Receipts,
    Table::Transactions,
    Table::Evidence,
    Table::Epochs,
];

/// Rows of a table that may be changed: genesis has some thousand alike.
const ROWS: usize = 8;

thread_local! {
    static CHAIN: Chain = Chain::new();
}

struct Row {
    table: Table,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// A chain that has a row of every kind.
struct Chain {
    fixture: Fixture,
    rows: Vec<Row>,
    transactions: Vec<B256>,
}

impl Chain {
    fn new() -> Self {
        let fixture = Fixture::new();
        let contract = account(0).address().create(0);
        let sent =
            [sign(0, 0, None, 0, logger()), sign(0, 1, Some(contract), 0, []), sign(1, 0, Some(contract), 7, [])];
        for transaction in &sent {
            fixture.certify(&[], false, false);
            fixture.block(std::slice::from_ref(transaction));
        }
        let evidence = Evidence {
            kind: EvidenceKind::NullifyFinalize,
            epoch: 0,
            view: 3,
            operator: B256::repeat_byte(1),
            votes: vec![1, 2, 3].into(),
        };
        fixture.ledger.store_evidence(&evidence).expect("a memory store");
        let difference = PostedDifference {
            l1_number: 1,
            l1_hash: B256::repeat_byte(2),
            batcher: Address::ZERO,
            block: 1,
            certified: B256::ZERO,
            channel: Bytes::from_static(b"channel"),
        };
        fixture.ledger.store_difference(difference).expect("a memory store");
        let position = InboxPosition { l1_number: 1, l1_hash: B256::ZERO, posted: 1, batcher: Address::ZERO };
        fixture.ledger.store_inbox_position(&position).expect("a memory store");
        let fixture = fixture.reopened();
        let rows = Table::ALL.into_iter().flat_map(|table| {
            let rows = fixture.store.range(table, &[], &[0xff; 64], ROWS).expect("a memory store");
            rows.into_iter().map(move |(key, value)| Row { table, key, value })
        });
        let transactions = sent.iter().map(alloy_primitives::keccak256).collect();
        Self { rows: rows.collect(), fixture, transactions }
    }

    fn rows<'a>(&'a self, tables: &[Table]) -> Vec<&'a Row> {
        self.rows.iter().filter(|row| tables.contains(&row.table)).collect()
    }

    /// Every row as it is; those that are too long for an input are left out.
    fn seeds(&self, tables: &[Table]) -> Vec<Vec<u8>> {
        let rows = self.rows(tables);
        let input = |(index, row): (usize, &&Row)| [&(index as u16).to_be_bytes()[..], &row.value].concat();
        rows.iter().enumerate().map(input).filter(|input| input.len() < 1 << 14).collect()
    }

    fn row<'a, 'b>(&'a self, tables: &[Table], bytes: &'b [u8]) -> Result<(&'a Row, &'b [u8]), String> {
        let (mut reader, rows) = (Reader::new(bytes), self.rows(tables));
        let index = u16::from_be_bytes(reader.array().map_err(refused)?);
        Ok((rows[usize::from(index) % rows.len()], &bytes[2..]))
    }

    fn write(&self, store: &MemoryStore, row: &Row, value: &[u8]) {
        let mut batch = Batch::default();
        batch.put(row.table, row.key.clone(), value);
        store.write(batch).expect("a memory store");
    }

    fn copy(&self) -> MemoryStore {
        let (store, mut batch) = (MemoryStore::default(), Batch::default());
        for table in Table::ALL {
            let entries = self.fixture.store.range(table, &[], &[0xff; 64], usize::MAX).expect("a memory store");
            entries.into_iter().for_each(|(key, value)| batch.put(table, key, value));
        }
        store.write(batch).expect("a memory store");
        store
    }

    /// Opens the ledger and asks it everything.
    fn read_everything(&self, store: &MemoryStore, engine: Arc<dyn ExecutionEngine>) -> Outcome {
        let ledger = Ledger::open(Arc::new(store.clone()), engine, self.fixture.spec.clone(), Retention::ALL);
        let ledger = ledger.map_err(refused)?;
        let everything = 0..=ledger.head().number().min(8);
        for number in everything.clone() {
            ledger.header(number).map_err(refused)?;
            if let Some(block) = ledger.block(number).map_err(refused)? {
                let (_, _) = (block.last_height(), block.flashblock_of(1));
                ledger.block_number(&block.sealed.hash).map_err(refused)?;
            }
        }
        for height in 0..=ledger.tip().0.min(16) {
            ledger.certificate_for(height).map_err(refused)?;
            if let Some(flashblock) = ledger.flashblock(height).map_err(refused)? {
                ledger.height_of(&flashblock.digest()).map_err(refused)?;
            }
        }
        for hash in &self.transactions {
            if let Some(located) = ledger.transaction(hash).map_err(refused)? {
                let (_, _) = (located.height(), located.outcome());
            }
        }
        ledger.logs(&Filter::new(), everything, &LogLimits::default()).map_err(|error| format!("{error:?}"))?;
        ledger.evidence(0, usize::MAX).map_err(refused)?;
        ledger.differences().map_err(refused)?;
        ledger.inbox_position().map_err(refused)?;
        Ok(())
    }
}
