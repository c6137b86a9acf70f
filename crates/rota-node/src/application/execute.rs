//! Re-execution: from a flashblock and its executed parent to a verdict on everything that its header says.

use super::{NodeApplication, rules, rules::Violation};
use alloy_primitives::{Bytes, keccak256};
use futures::StreamExt;
use rayon::prelude::*;
use rota_consensus::{Ancestry, Runtime};
use rota_execution::{BlockAttributes, EngineError, Executed, Rejection};
use rota_l1::{SystemConfig, attributes};
use rota_types::{Flashblock, Header, Opening, Position, Transaction};
use std::{sync::Arc, time::Duration};
use tracing::{debug, error};

/// How far above the certified height flashblocks are executed: a node further behind waits until it has caught up,
/// instead of walking (and fetching) a long branch for every proposal. Optimistic views reach half as far.
const MAX_BRANCH: u64 = 32;

/// Why a flashblock was not executed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The flashblock breaks a rule.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The engine could not; says nothing about the flashblock.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl<E: Runtime> NodeApplication<E> {
    /// Executes a flashblock and those of its ancestors that are not executed yet. Waits for what is missing; errors
    /// are verdicts.
    pub(super) async fn execute_branch(
        &self,
        flashblock: Arc<Flashblock>,
        mut ancestry: Ancestry,
    ) -> Result<Arc<Executed>, Violation> {
        let height = flashblock.header.height;
        let mut certified = self.certified_height();
        // The sender lives as long as this application.
        let _ = certified.wait_for(|certified| certified.saturating_add(MAX_BRANCH) >= height).await;
        let mut branch = vec![flashblock];
        loop {
            let oldest = branch.last().expect("the flashblock itself stays until the end");
            if let Some(executed) = self.engine.executed(oldest.digest()) {
                branch.pop();
                if branch.is_empty() {
                    return Ok(executed);
                }
            } else if self.tree.lock().header(&oldest.header.parent).is_none() {
                if oldest.header.height <= self.tree.lock().certified().height {
                    if matches!(self.ledger.height_of(&oldest.digest()), Ok(None)) {
                        return Err(Violation::Conflict);
                    }
                    // Certified meanwhile (or the store can't tell): nobody needs a verdict any more.
                    futures::future::pending::<()>().await;
                }
                match ancestry.next().await {
                    Some(parent) => branch.push(parent),
                    // Nothing older can be had: certification brings it, or the view ends.
                    None => futures::future::pending().await,
                }
                continue;
            }
            let oldest = branch.last().expect("checked").clone();
            match self.execute_child(oldest).await {
                Ok(executed) if branch.len() == 1 => return Ok(executed),
                Ok(_) => drop(branch.pop()),
                Err(Failure::Violation(violation)) => return Err(violation),
                // Discarded in between: look again.
                Err(Failure::Engine(EngineError::UnknownFlashblock(_))) => {
                    self.context.sleep(Duration::from_millis(1)).await;
                }
                Err(Failure::Engine(error)) => self.engine_failed(error).await,
            }
        }
    }

    /// Executes a flashblock whose parent is executed.
    pub(super) async fn execute_child(&self, flashblock: Arc<Flashblock>) -> Result<Arc<Executed>, Failure> {
        let parent = flashblock.header.parent;
        let unknown = || Failure::Engine(EngineError::UnknownFlashblock(parent));
        let parent_header = self.tree.lock().header(&parent).ok_or_else(unknown)?;
        rules::check_form(&self.spec, self.ledger.epochs(), &flashblock, &parent_header)?;
        let parent = self.engine.executed(parent).ok_or_else(unknown)?;
        let attributes = match &flashblock.body.opening {
            Some(opening) => Some(self.settle_opening(&parent, opening).await?),
            None => None,
        };
        let guard = self.executing.clone().lock_owned().await;
        let work = move |this: &Self| {
            let _guard = guard;
            let digest = flashblock.digest();
            if let Some(executed) = this.engine.executed(digest) {
                return Ok(executed);
            }
            let executed = this.execute(&flashblock, &parent.position, attributes.as_ref())?;
            debug!(height = flashblock.header.height, %digest, transactions = executed.transactions.len(),
                gas = executed.cumulative_gas, "executed");
            this.proposed(digest, flashblock, &executed);
            Ok(executed)
        };
        let (result, took) = self.executing(work).await;
        self.metrics.executed(took);
        result
    }

    /// Waits until the opening's origin is valid here, and gives the attributes of the block.
    async fn settle_opening(&self, parent: &Executed, opening: &Opening) -> Result<BlockAttributes, Failure> {
        let invalid = |why: &str| Violation::Origin(why.to_owned());
        let origin = self.l1.settle(&self.spec, &parent.position, opening).await.map_err(invalid)?;
        let config = self.parent_config(parent)?;
        attributes(&self.spec, &parent.position, &config, *opening, &origin)
            .map_err(|error| invalid(&error.to_string()).into())
    }

    /// The system config that a sealed parent block leaves to its child. After a restart the engine has the block's
    /// header only, the ledger has its transactions. An error is this node's trouble, never a verdict.
    pub(super) fn parent_config(&self, parent: &Executed) -> Result<SystemConfig, EngineError> {
        let number = parent.position.block_number;
        if number == self.spec.rollup.genesis.l2.number {
            return Ok(SystemConfig::from_genesis(&self.spec.rollup));
        }
        let corrupt = |why: String| EngineError::Corrupt(format!("block {number}: {why}"));
        let sealed = parent.sealed.as_ref().ok_or(EngineError::Misuse("the parent is not sealed"))?;
        let stored = match sealed.transactions.first() {
            Some(_) => None,
            None => self.ledger.block(number).map_err(|error| corrupt(error.to_string()))?,
        };
        let transactions = stored.as_ref().map_or(&sealed.transactions, |block| &block.sealed.transactions);
        let info = transactions.first().ok_or_else(|| corrupt("no L1 info".into()))?;
        let input = alloy_consensus::Transaction::input(info.transaction.envelope());
        SystemConfig::from_l2_block(&self.spec, &sealed.header, input).map_err(|error| corrupt(error.to_string()))
    }

    pub(super) fn execute(
        &self,
        flashblock: &Flashblock,
        parent: &Position,
        attributes: Option<&BlockAttributes>,
    ) -> Result<Arc<Executed>, Failure> {
        let Flashblock { header, body } = flashblock;
        let user_transactions = attributes.map_or(parent.user_transactions, |attributes| attributes.user_transactions);
        if !user_transactions && !body.transactions.is_empty() {
            return Err(Violation::UserTransactions.into());
        }
        let transactions = self.decode(&body.transactions)?;
        let mut draft = self.engine.draft(header.parent, attributes)?;
        for (index, transaction) in transactions.iter().enumerate() {
            match draft.extend(transaction) {
                Ok(_) => {}
                // Ending the draft tells what happened.
                Err(Rejection::Engine(_)) => break,
                Err(why) => {
                    if matches!(why, Rejection::NeverFits(_)) {
                        // Executed once for nothing: this node won't propose it too.
                        self.mempool.refuse(transaction.hash(), why.to_string());
                    }
                    return Err(Violation::Transaction(index, why.to_string()).into());
                }
            }
        }
        let finished = draft.finish(header.seals())?;
        compare(header, &finished.executed)?;
        Ok(self.engine.adopt(header.digest(), header.height, finished)?)
    }

    /// Decodes carried transactions. Senders that the pool knows are not recovered again; the others in parallel.
    fn decode(&self, transactions: &[Bytes]) -> Result<Vec<Arc<Transaction>>, Violation> {
        transactions
            .par_iter()
            .enumerate()
            .map(|(index, bytes)| match self.mempool.get(&keccak256(bytes)) {
                Some(known) => Ok(known),
                None => Transaction::decode(bytes.clone())
                    .map(Arc::new)
                    .map_err(|why| Violation::Transaction(index, why.to_string())),
            })
            .collect()
    }

    /// The engine failed: this says nothing about the flashblock, so there is no verdict. A node whose store failed
    /// or whose data are corrupt stops.
    pub(super) async fn engine_failed(&self, error: EngineError) {
        error!(%error, "engine failed");
        self.health.engine_failed(error.to_string(), self.now());
        if matches!(error, EngineError::Store(_) | EngineError::Corrupt(_)) {
            self.fatal.stop(error.to_string());
        }
        futures::future::pending::<()>().await;
    }
}

/// Everything that the header says about the outcome.
fn compare(header: &Header, executed: &Executed) -> Result<(), Violation> {
    let seal = executed.sealed.as_ref().map(|block| block.hash).unwrap_or_default();
    let same = [
        ("outcome root", header.outcome_root == executed.outcome_root),
        ("cumulative gas", header.cumulative_gas == executed.cumulative_gas),
        ("seal", header.seal == seal),
    ];
    match same.iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(Violation::Outcome(what)),
        None => Ok(()),
    }
}
