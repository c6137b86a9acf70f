//! What the ledger knows of L1: the origins of certified blocks, and whether finalized L1 has overruled them.

use super::{FlashblockRecord, Ledger, LedgerError, Replay, keys};
use alloy_primitives::B256;
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use rota_execution::{Batch, SealedBlock, Store, Table};
use rota_l1::{L1Block, L1Info};
use rota_types::Digest;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Finalized L1 has another block in the place of a certified origin: the evidence that this lineage has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, RlpEncodable, RlpDecodable)]
#[serde(rename_all = "camelCase")]
pub struct Overruled {
    /// Number of the first certified L2 block whose origin is contradicted, as far as could be seen.
    pub block: u64,
    /// Height of the certified flashblock that opened it.
    pub height: u64,
    /// Digest of that flashblock: [`Ledger::certificate_for`] its height proves it.
    pub digest: Digest,
    /// Number of the origin.
    pub l1_number: u64,
    /// Hash of the origin.
    pub certified: B256,
    /// Hash of the block that finalized L1 has at that number.
    pub finalized: B256,
    /// When it was noticed here, seconds since the epoch.
    pub noticed: u64,
}

impl std::fmt::Display for Overruled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { block, height, l1_number, certified, finalized, .. } = self;
        write!(
            f,
            "block {block} (height {height}) is certified on L1 block {l1_number} ({certified}), finalized L1 has \
             {finalized} there"
        )
    }
}

impl Ledger {
    /// Number of the newest certified block, the open one included.
    pub fn newest_block(&self) -> u64 {
        let tip = self.tip.read();
        let sealed = tip.recent.back().expect("a ledger has its genesis block at least").number();
        sealed + u64::from(!tip.open.is_empty())
    }

    /// The flashblock that opened a certified block, the open one included; `None` if there is no such block, or if it
    /// was pruned. The genesis flashblock opens nothing.
    pub fn opener(&self, block: u64) -> Result<Option<Replay>, LedgerError> {
        let known = {
            let tip = self.tip.read();
            let open = tip.open.first().map(|certified| certified.flashblock.header);
            open.filter(|header| header.block_number == block).map(|header| header.height)
        };
        let height = match known {
            Some(height) => Some(height),
            None => match self.recent(block) {
                Some(block) => Some(block.first_height),
                None => self.header_record(block)?.map(|record| record.first_height),
            },
        };
        let Some(height) = height else { return Ok(None) };
        let Some(bytes) = self.store.get(Table::Flashblocks, &keys::number(height))? else { return Ok(None) };
        let (flashblock, attributes) = FlashblockRecord::decode(&bytes, self.spec.limits.max_flashblock_bytes)?;
        Ok(Some(Replay { flashblock: Arc::new(flashblock), attributes }))
    }

    /// The origin of the newest certified block, as the flashblock that opened it tells of it: enough to go on with
    /// this origin while L1 can't be asked. `None` at genesis, which tells nothing.
    pub fn recall_origin(&self) -> Result<Option<L1Block>, LedgerError> {
        let newest = self.newest_block();
        let Some(attributes) = self.opener(newest)?.and_then(|opener| opener.attributes) else { return Ok(None) };
        let corrupt = || LedgerError::Corrupt(format!("block {newest} without L1 info"));
        let info = attributes.deposits.first().ok_or_else(corrupt)?;
        let info = alloy_consensus::Transaction::input(info.envelope());
        let info = L1Info::decode(info).map_err(|_| corrupt())?;
        // No L1 block is skipped: the last block before the first one on this origin is on its parent.
        let genesis = self.spec.rollup.genesis.l2.number;
        let parent = match newest.checked_sub(info.sequence_number + 1).filter(|before| *before >= genesis) {
            // The parent of the rollup's first origin: nobody asks for it.
            None => B256::ZERO,
            Some(before) if before == genesis => self.spec.rollup.genesis.l1.hash,
            Some(before) => match self.opener(before)?.and_then(|opener| opener.flashblock.body.opening) {
                Some(opening) => opening.origin.hash,
                None => return Ok(None),
            },
        };
        Ok(Some(L1Block::recalled(&info, parent, attributes.prev_randao, attributes.parent_beacon_block_root)))
    }

    /// The evidence that L1 has overruled what is certified here, if it has.
    pub fn overruled(&self) -> Option<Overruled> {
        *self.overruled.lock()
    }

    /// Keeps this evidence durably, unless there is some already.
    pub fn store_overruled(&self, overruled: Overruled) -> Result<(), LedgerError> {
        let mut known = self.overruled.lock();
        if known.is_none() {
            let mut batch = Batch::default();
            batch.put(Table::Meta, keys::OVERRULED, alloy_rlp::encode(overruled));
            self.store.write(batch)?;
            *known = Some(overruled);
        }
        Ok(())
    }

    pub(super) fn load_overruled(store: &dyn Store) -> Result<Option<Overruled>, LedgerError> {
        let decode = |bytes: Vec<u8>| Overruled::decode(&mut bytes.as_slice());
        let stored = store.get(Table::Meta, keys::OVERRULED)?;
        stored.map(decode).transpose().map_err(|error| LedgerError::Corrupt(format!("overruled: {error}")))
    }
}

/// What a sealed block's first transaction says of L1; `None` for genesis.
pub(crate) fn l1_info(block: &SealedBlock) -> Option<L1Info> {
    L1Info::decode(alloy_consensus::Transaction::input(block.transactions.first()?.transaction.envelope())).ok()
}
