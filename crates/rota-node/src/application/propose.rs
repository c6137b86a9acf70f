//! This operator's turn: wait for the slot, pick from the pool, execute, propose.

use super::{
    NodeApplication,
    pace::{self, Slot},
    rules,
};
use alloy_primitives::B256;
use futures::{
    FutureExt, StreamExt,
    future::{Either, select},
};
use rota_consensus::{Ancestry, Context, Runtime};
use rota_execution::{BlockAttributes, Draft, EngineError, Executed, Rejection};
use rota_l1::{OriginVerdict, attributes, choose_origin};
use rota_types::{Body, Flashblock, Header, PROTOCOL_VERSION};
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tracing::{debug, info};

/// Transactions in a row that don't fit before the flashblock counts as full.
const MISFITS: usize = 16;

/// Gas of the cheapest transaction.
const MIN_TRANSACTION_GAS: u64 = 21_000;

/// Why a turn is declined.
#[derive(Debug, thiserror::Error)]
pub(super) enum Decline {
    /// The operator should not lead now.
    #[error("not healthy: {0}")]
    Unhealthy(String),
    /// What to build on is missing or invalid.
    #[error("parent: {0}")]
    Parent(String),
    /// No L1 origin that verifiers would accept.
    #[error("no origin: {0}")]
    Origin(String),
    /// The engine failed.
    #[error("engine: {0}")]
    Engine(#[from] EngineError),
}

impl Decline {
    /// The word in metrics.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::Unhealthy(_) => "unhealthy",
            Self::Parent(_) => "parent",
            Self::Origin(_) => "origin",
            Self::Engine(_) => "engine",
        }
    }
}

/// A flashblock in the making.
pub(super) struct Work {
    draft: Box<dyn Draft>,
    pub(super) body: Body,
    bytes: usize,
    /// Transactions that are in it, or under way in its ancestors.
    taken: HashSet<B256>,
    /// Whether user transactions may be carried at all.
    open: bool,
    /// Whether the state below is certified, so that what it makes invalid is so for good.
    certified: bool,
}

impl<E: Runtime> NodeApplication<E> {
    pub(super) async fn build(&self, context: Context, mut ancestry: Ancestry) -> Result<Flashblock, Decline> {
        self.require_health()?;
        let parent_flashblock = ancestry.next().await.ok_or_else(|| Decline::Parent("missing".into()))?;
        let parent_header = parent_flashblock.header;
        let parent = match self.engine.executed(context.parent) {
            Some(executed) => executed,
            None => self
                .execute_branch(parent_flashblock, ancestry)
                .await
                .map_err(|violation| Decline::Parent(violation.to_string()))?,
        };

        let opens = parent.position.sealed.is_some();
        let height = parent_header.height + 1;
        let (timestamp, block_number, index) = if opens {
            (parent.position.timestamp + self.spec.rollup.block_time, parent_header.block_number + 1, 0)
        } else {
            (parent.position.timestamp, parent_header.block_number, parent_header.index + 1)
        };
        let slot = pace::slot(&self.spec, self.now(), timestamp, index, height);
        if slot.behind {
            self.wait_for_certified(parent_header.height.saturating_sub(1)).await;
        }
        let lead = (*self.building.lock() * 3 / 2).min(self.spec.pace() / 2);
        self.context.sleep_until(slot.end - lead).await;
        self.require_health()?;

        let attributes = if opens { Some(self.open(&parent)?) } else { None };
        // A chain that is behind has waited for certificates since its slot ended.
        let deadline = slot.end.max(self.now()) + self.spec.pace() / 2;
        let begin = move |this: &Self| this.begin(context.parent, &parent, attributes, height, deadline);
        let (work, spent) = self.executing(begin).await;
        let work = work?;
        if slot.end > self.now() {
            self.context.sleep_until(slot.end).await;
        }
        let header = Header {
            version: PROTOCOL_VERSION,
            chain_id: self.spec.chain_id(),
            lineage: self.spec.lineage,
            epoch: context.epoch,
            view: context.view,
            leader: context.leader,
            parent_view: context.parent_view,
            parent: context.parent,
            height,
            block_number,
            index,
            body_hash: B256::ZERO,
            outcome_root: B256::ZERO,
            cumulative_gas: 0,
            seal: B256::ZERO,
            next_committee_root: rules::next_committee_root(&self.spec, self.ledger.epochs(), height)
                .ok_or_else(|| Decline::Parent("the next epoch is not known".into()))?,
        };
        Ok(self.blocking(move |this| this.finish(work, header, slot, deadline, spent)).await?)
    }

    fn require_health(&self) -> Result<(), Decline> {
        let report = self.health.report(self.now());
        if report.lead { Ok(()) } else { Err(Decline::Unhealthy(report.conditions.join("; "))) }
    }

    /// Keeps at most two flashblocks in flight while the chain is behind. Not for longer than a pace: when finalize
    /// votes are missing, only a descendant brings the certificate.
    async fn wait_for_certified(&self, height: u64) {
        let mut certified = self.certified_height();
        let reached = certified.wait_for(|certified| *certified >= height).map(drop).boxed();
        let patience = self.context.sleep(self.spec.pace()).boxed();
        match select(reached, patience).await {
            Either::Left(_) => {}
            Either::Right(_) => debug!(height, "not certified in time, going on"),
        }
    }

    /// The attributes of the next block, on the newest origin that a quorum has confirmed.
    fn open(&self, parent: &Executed) -> Result<BlockAttributes, Decline> {
        let missing = |what: &str| Decline::Origin(what.into());
        let position = &parent.position;
        let origin = self.l1.get(position.origin);
        let next = self.l1.next_of(position.origin.number);
        let epoch = self.ledger.epochs().get(self.spec.epoch_of(position.height + 1));
        let epoch = epoch.ok_or_else(|| missing("the epoch is not known"))?;
        let announced = self.origins.lock().quorum_origin(epoch.committee());
        let confirmed = self.l1.confirmed().map(|block| block.number);
        let newest = announced.zip(confirmed).map(|(announced, confirmed)| announced.min(confirmed));
        let opening = choose_origin(&self.spec, position, origin.as_deref(), next.as_deref(), newest)
            .ok_or_else(|| missing("past max drift and the next L1 block is unknown"))?;
        if let OriginVerdict::Invalid(why) | OriginVerdict::Pending(why) = self.l1.check(&self.spec, position, &opening)
        {
            return Err(missing(why));
        }
        let origin = self.l1.get(opening.origin).ok_or_else(|| missing("L1 block not seen"))?;
        let config = self.parent_config(parent)?;
        attributes(&self.spec, position, &config, opening, &origin).map_err(|error| missing(&error.to_string()))
    }

    /// Opens or continues the block and takes what the pool has.
    pub(super) fn begin(
        &self,
        parent_digest: B256,
        parent: &Executed,
        attributes: Option<BlockAttributes>,
        height: u64,
        deadline: SystemTime,
    ) -> Result<Work, EngineError> {
        let user_transactions =
            attributes.as_ref().map_or(parent.position.user_transactions, |attributes| attributes.user_transactions);
        let mut work = Work {
            draft: self.engine.draft(parent_digest, attributes.as_ref())?,
            body: Body { opening: attributes.map(|attributes| attributes.opening), transactions: Vec::new() },
            bytes: 0,
            taken: self.tree.lock().under_way(parent_digest),
            open: user_transactions && !self.spec.ends_epoch(height) && !self.health.empty_blocks(),
            certified: self.ledger.tip().1 == parent_digest,
        };
        self.fill(&mut work, deadline);
        Ok(work)
    }

    /// Appends transactions in the pool's order until time, gas or bytes are used up.
    fn fill(&self, work: &mut Work, deadline: SystemTime) {
        if !work.open {
            return;
        }
        let mut misfits = 0;
        let mut best = self.mempool.best(work.draft.base_fee());
        while let Some(transaction) = best.next() {
            if misfits >= MISFITS || work.draft.gas_left() < MIN_TRANSACTION_GAS || self.now() >= deadline {
                return;
            }
            let (hash, sender) = (transaction.hash(), transaction.sender());
            if work.taken.contains(&hash) {
                continue;
            }
            let bytes = work.bytes + 4 + transaction.encoded().len();
            let result = if bytes > self.spec.limits.max_flashblock_bytes {
                Err(Rejection::DoesNotFit("flashblock bytes"))
            } else {
                work.draft.extend(&transaction)
            };
            match result {
                Ok(_) => {
                    misfits = 0;
                    work.bytes = bytes;
                    work.taken.insert(hash);
                    work.body.transactions.push(transaction.encoded().clone());
                }
                Err(rejection) => {
                    best.skip_sender(sender);
                    match rejection {
                        Rejection::DoesNotFit(_) => misfits += 1,
                        // No sign of a full flashblock: what can't be executed for nothing still fits.
                        Rejection::NotTried => {}
                        Rejection::NeverFits(_) => self.mempool.refuse(hash, rejection.to_string()),
                        // Ending the draft tells what happened.
                        Rejection::Engine(_) => return,
                        Rejection::Invalid(_) | Rejection::NotYet(_) if work.certified => {
                            self.mempool.reject(hash, &rejection);
                        }
                        // An uncertified ancestor may be why, and may go away again.
                        Rejection::Invalid(_) | Rejection::NotYet(_) => {}
                    }
                }
            }
        }
    }

    /// Takes what came in the meantime, and closes the flashblock.
    fn finish(
        &self,
        mut work: Work,
        header: Header,
        slot: Slot,
        deadline: SystemTime,
        spent: Duration,
    ) -> Result<Flashblock, EngineError> {
        let start = self.now();
        self.fill(&mut work, deadline);
        let finished = work.draft.finish(slot.seal)?;
        let outcome = &finished.executed;
        let header = Header {
            body_hash: work.body.hash(),
            outcome_root: outcome.outcome_root,
            cumulative_gas: outcome.cumulative_gas,
            seal: outcome.sealed.as_ref().map(|block| block.hash).unwrap_or_default(),
            ..header
        };
        let flashblock = Flashblock { header, body: work.body };
        let digest = flashblock.digest();
        let executed = self.engine.adopt(digest, header.height, finished)?;
        let took = spent + self.now().duration_since(start).unwrap_or_default();
        {
            let mut building = self.building.lock();
            *building = (*building * 3 + took) / 4;
        }
        self.metrics.built(took);
        info!(
            epoch = header.epoch,
            view = header.view,
            height = header.height,
            block = header.block_number,
            index = header.index,
            seal = slot.seal,
            transactions = flashblock.body.transactions.len(),
            ?took,
            "proposed"
        );
        self.proposed(digest, Arc::new(flashblock.clone()), &executed);
        Ok(flashblock)
    }
}
