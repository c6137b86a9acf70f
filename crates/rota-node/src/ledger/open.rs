//! Opening the ledger: is it of this chain, does it agree with the engine, what has to be executed again.

use super::{
    Block, Certified, Ledger, LedgerError, Replay, Tip,
    codec::{FlashblockRecord, HeaderRecord, decode_block},
    epochs::EpochLog,
    keys,
    prune::{Pruner, Retention},
    put_block,
};
use alloy_consensus::{BlockBody, TxEnvelope};
use alloy_primitives::{Bytes, map::B256Map};
use parking_lot::{Mutex, RwLock};
use rayon::prelude::*;
use rota_consensus::Epochs;
use rota_execution::{Batch, Executed, ExecutionEngine, SealedBlock, Store, Table};
use rota_types::{ChainSpec, Transaction};
use std::{collections::VecDeque, sync::Arc};

impl Ledger {
    /// Opens the ledger of a chain; an empty store becomes one that holds genesis.
    ///
    /// Flashblocks that are certified here but that the engine has not committed (those of the open block, after a
    /// restart) are executed again, from what is on disk alone.
    ///
    /// # Errors
    /// [`LedgerError::OtherChain`] for the data of another chain or lineage, [`LedgerError::Corrupt`] if ledger and
    /// engine contradict each other, failures of store and engine.
    pub fn open(
        store: Arc<dyn Store>,
        engine: Arc<dyn ExecutionEngine>,
        spec: Arc<ChainSpec>,
        retention: Retention,
    ) -> Result<Self, LedgerError> {
        match store.get(Table::Meta, keys::CHAIN)? {
            None => write_genesis(store.as_ref(), engine.as_ref(), &spec)?,
            Some(found) => {
                let (expected, found) = (spec.id(), keys::read_hash(&found)?);
                if expected != found {
                    return Err(LedgerError::OtherChain { expected, found });
                }
            }
        }
        let genesis = spec.rollup.genesis.l2.number;
        let pruner = Pruner::load(retention, genesis, store.get(Table::Meta, keys::PRUNED)?)?;
        let oldest = pruner.oldest_block().into();
        let evidence = Mutex::new(Self::count_evidence(store.as_ref())?);
        let overruled = Mutex::new(Self::load_overruled(store.as_ref())?);
        let head = last_block(store.as_ref())?;
        // After the last seal; the flashblocks of the open block follow.
        let height = head.last_height();
        let tip = Tip {
            height,
            digest: digest_at(store.as_ref(), &spec, height)?,
            open: Vec::new(),
            open_transactions: B256Map::default(),
            recent: VecDeque::from([Arc::new(head)]),
        };
        let epochs = Epochs::new(spec.clone());
        let last = last_flashblock(store.as_ref())?;
        let epoch_log = Mutex::new(EpochLog::load(store.as_ref(), &spec, last, &epochs)?);
        let ledger = Self {
            store,
            engine,
            spec,
            tip: RwLock::new(tip),
            writer: Mutex::new(pruner),
            evidence,
            overruled,
            posted: Mutex::default(),
            oldest,
            epochs,
            epoch_log,
        };
        ledger.replay()?;
        Ok(ledger)
    }

    /// The certified flashblocks after the last sealed block, in order, with the attributes of the block they open.
    pub fn flashblocks_since_seal(&self) -> Result<Vec<Replay>, LedgerError> {
        let from = keys::number(self.head().last_height() + 1);
        let limit = usize::from(self.spec.last_index()) + 2;
        self.store
            .range(Table::Flashblocks, &from, &[0xff; 9], limit)?
            .into_iter()
            .map(|(_, value)| {
                let (flashblock, attributes) = FlashblockRecord::decode(&value, self.spec.limits.max_flashblock_bytes)?;
                Ok(Replay { flashblock: Arc::new(flashblock), attributes })
            })
            .collect()
    }

    /// Executes the open block's flashblocks again as far as the engine lacks them, and fills the pending view.
    fn replay(&self) -> Result<(), LedgerError> {
        let engine_at = self.engine.certified();
        let sealed_height = self.tip().0;
        if engine_at.height < sealed_height || (engine_at.height == sealed_height && engine_at.digest != self.tip().1) {
            return Err(LedgerError::Corrupt(format!(
                "the engine stands at height {} ({}), the ledger's last seal is at {} ({})",
                engine_at.height,
                engine_at.digest,
                sealed_height,
                self.tip().1
            )));
        }
        for replay in self.flashblocks_since_seal()? {
            let Replay { flashblock, attributes } = replay;
            let (height, digest) = (flashblock.header.height, flashblock.digest());
            let (tip_height, tip_digest) = self.tip();
            if height != tip_height + 1 || flashblock.header.parent != tip_digest || flashblock.header.seals() {
                return Err(LedgerError::Corrupt(format!("flashblock {height} does not follow {tip_height}")));
            }
            let executed = match self.engine.executed(digest) {
                Some(executed) => executed,
                None => self.execute(&Replay { flashblock: flashblock.clone(), attributes })?,
            };
            if height > engine_at.height {
                self.engine.commit(digest, Batch::default())?;
            }
            let mut tip = self.tip.write();
            (tip.height, tip.digest) = (height, digest);
            tip.push_open(Certified { flashblock, executed });
        }
        let (height, digest) = self.tip();
        let engine_at = self.engine.certified();
        if (engine_at.height, engine_at.digest) != (height, digest) {
            return Err(LedgerError::Corrupt(format!(
                "the engine stands at height {} ({}), the ledger at {height} ({digest})",
                engine_at.height, engine_at.digest
            )));
        }
        Ok(())
    }

    fn execute(&self, replay: &Replay) -> Result<Arc<Executed>, LedgerError> {
        let header = &replay.flashblock.header;
        let corrupt = |why: String| LedgerError::Corrupt(format!("replay of flashblock {}: {why}", header.height));
        let mut draft = self.engine.draft(header.parent, replay.attributes.as_deref())?;
        let decode = |encoded: &Bytes| Transaction::decode(encoded.clone()).map(Arc::new);
        let transactions = replay.flashblock.body.transactions.par_iter().map(decode).collect::<Result<Vec<_>, _>>();
        for transaction in transactions.map_err(|error| corrupt(error.to_string()))? {
            draft.extend(&transaction).map_err(|rejection| corrupt(rejection.to_string()))?;
        }
        let finished = draft.finish(header.seals())?;
        if finished.executed.outcome_root != header.outcome_root {
            return Err(corrupt("another outcome".into()));
        }
        Ok(self.engine.adopt(replay.flashblock.digest(), header.height, finished)?)
    }
}

/// The first write: chain id, genesis flashblock, genesis block.
fn write_genesis(store: &dyn Store, engine: &dyn ExecutionEngine, spec: &ChainSpec) -> Result<(), LedgerError> {
    let (header, flashblock) = (engine.head(), spec.genesis_flashblock());
    let hash = header.hash_slow();
    let (certified, digest) = (engine.certified(), flashblock.digest());
    if certified.digest != digest || hash != spec.rollup.genesis.l2.hash {
        return Err(LedgerError::Corrupt(format!(
            "the ledger is empty, but the engine stands at height {} with head {hash}",
            certified.height
        )));
    }
    let body = BlockBody::<TxEnvelope> { withdrawals: Some(Default::default()), ..Default::default() };
    let size = alloy_consensus::Block::<TxEnvelope>::rlp_length_for(&header, &body);
    let sealed = Arc::new(SealedBlock { header: header.as_ref().clone(), hash, transactions: Vec::new(), size });
    let block = Block { sealed, first_height: flashblock.header.height, counts: vec![0] };
    let mut batch = Batch::default();
    batch.put(Table::Meta, keys::CHAIN, spec.id().to_vec());
    batch.put(Table::Flashblocks, keys::number(0), FlashblockRecord::encode(&flashblock, None));
    batch.put(Table::BlockHashes, keys::digest(&digest), keys::number(0));
    put_block(&mut batch, &block);
    Ok(store.write(batch)?)
}

fn last_block(store: &dyn Store) -> Result<Block, LedgerError> {
    let missing = || LedgerError::Corrupt("no sealed block".into());
    // Transactions lie right behind their header.
    let (key, transactions) = store.last_before(Table::Blocks, &[0xff; 10])?.ok_or_else(missing)?;
    let number = key.get(..8).ok_or_else(missing).and_then(keys::read_number)?;
    let header = store.get(Table::Blocks, &keys::number(number))?.ok_or_else(missing)?;
    let receipts = store.get(Table::Receipts, &keys::number(number))?.ok_or_else(missing)?;
    decode_block(HeaderRecord::decode(&header)?, &transactions, &receipts)
}

/// Height of the newest certified flashblock.
fn last_flashblock(store: &dyn Store) -> Result<u64, LedgerError> {
    let newest = store.last_before(Table::Flashblocks, &[0xff; 9])?;
    let (key, _) = newest.ok_or_else(|| LedgerError::Corrupt("no flashblock".into()))?;
    keys::read_number(&key)
}

fn digest_at(store: &dyn Store, spec: &ChainSpec, height: u64) -> Result<rota_types::Digest, LedgerError> {
    let bytes = store
        .get(Table::Flashblocks, &keys::number(height))?
        .ok_or_else(|| LedgerError::Corrupt(format!("flashblock {height} is missing")))?;
    Ok(FlashblockRecord::flashblock(&bytes, spec.limits.max_flashblock_bytes)?.digest())
}
