//! Watches whether finalized L1 still has the origins of what is certified here. If it has others, L1 has overruled
//! this lineage: the evidence is kept, and this operator never proposes or votes in it again.

use crate::{
    fatal::Fatal,
    health::Health,
    ledger::{Ledger, LedgerError, Overruled},
    metrics::NodeMetrics,
};
use rota_consensus::Runtime;
use rota_l1::{Finality, L1Chain, L1Provider, finality};
use rota_types::BlockId;
use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

/// Time between looks: finality moves once in some minutes.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Compares the ledger with finalized L1.
pub(crate) struct OverruleWatch {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) l1: L1Chain,
    pub(crate) provider: Arc<dyn L1Provider>,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<NodeMetrics>,
    pub(crate) fatal: Fatal,
}

impl OverruleWatch {
    /// Looks until L1 has overruled what is certified. A ledger that fails stops the node.
    pub(crate) async fn run<E: Runtime>(self, clock: E) {
        // The newest block whose origin finalized L1 has. Each origin is the child of the one before, so all below are
        // final too.
        let mut settled = self.ledger.oldest_block() - 1;
        while self.ledger.overruled().is_none() {
            let overruled = match self.look(&mut settled).await {
                Ok(None) => {
                    clock.sleep(LOOK_EVERY).await;
                    continue;
                }
                Ok(Some(overruled)) => overruled,
                Err(error) => return self.fatal.stop(format!("ledger: {error}")),
            };
            let noticed = clock.current().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            if let Err(error) = self.ledger.store_overruled(Overruled { noticed, ..overruled }) {
                return self.fatal.stop(format!("ledger: {error}"));
            }
        }
        if let Some(overruled) = self.ledger.overruled() {
            tracing::error!(%overruled, "L1 has overruled what is certified: this operator votes no more");
            self.metrics.overruled();
            self.health.overruled(overruled);
        }
    }

    /// Compares the newest certified origin that L1 has finalized.
    async fn look(&self, settled: &mut u64) -> Result<Option<Overruled>, LedgerError> {
        let Some(finalized) = self.l1.finalized() else { return Ok(None) };
        let newest = self.newest_below(*settled, finalized.number)?;
        let Some((found, origin)) = self.origin(newest)?.filter(|_| newest > *settled) else { return Ok(None) };
        let mut disputed = None;
        match self.judge(origin).await {
            Finality::Holds => *settled = newest,
            Finality::Unknown => {}
            Finality::Disputed(other) => disputed = Some((origin, other.hash)),
            Finality::Contradicted(other) => {
                return self.first_overruled(*settled, Overruled { finalized: other.hash, ..found }).await.map(Some);
            }
        }
        self.health.disputed_origin(disputed);
        Ok(None)
    }

    /// The first certified block that finalized L1 contradicts, after `settled`, which it does not; `found` is one.
    async fn first_overruled(&self, settled: u64, found: Overruled) -> Result<Overruled, LedgerError> {
        let (mut low, mut first) = (settled, found);
        while first.block - low > 1 {
            let middle = low + (first.block - low) / 2;
            if let Some((found, origin)) = self.origin(middle)?
                && let Finality::Contradicted(other) = self.judge(origin).await
            {
                first = Overruled { finalized: other.hash, ..found };
            } else {
                low = middle;
            }
        }
        Ok(first)
    }

    /// The newest certified block, at least `low`, whose origin is not above this L1 block.
    fn newest_below(&self, mut low: u64, l1_number: u64) -> Result<u64, LedgerError> {
        let mut high = self.ledger.newest_block() + 1;
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            // What is pruned is old.
            let above = self.origin(middle)?.is_some_and(|(_, origin)| origin.number > l1_number);
            *if above { &mut high } else { &mut low } = middle;
        }
        Ok(low)
    }

    /// A certified block's origin, and what would be evidence if L1 contradicted it.
    fn origin(&self, block: u64) -> Result<Option<(Overruled, BlockId)>, LedgerError> {
        let Some(flashblock) = self.ledger.opener(block)?.map(|opener| opener.flashblock) else { return Ok(None) };
        let Some(opening) = flashblock.body.opening else { return Ok(None) };
        let evidence = Overruled {
            block,
            height: flashblock.header.height,
            digest: flashblock.digest(),
            l1_number: opening.origin.number,
            certified: opening.origin.hash,
            finalized: Default::default(),
            noticed: 0,
        };
        Ok(Some((evidence, opening.origin)))
    }

    async fn judge(&self, origin: BlockId) -> Finality {
        finality(origin, &self.provider.finalized_at(origin.number).await)
    }
}
