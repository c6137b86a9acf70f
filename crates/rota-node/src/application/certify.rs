//! What is certified: executed if it wasn't, appended durably, and told to everybody.

use super::{NodeApplication, execute::Failure};
use crate::feed::FeedEvent;
use rota_consensus::Runtime;
use rota_execution::Executed;
use rota_types::{Certificate, Flashblock};
use std::sync::Arc;
use tracing::{debug, info};

impl<E: Runtime> NodeApplication<E> {
    /// Resolves when the flashblock is durable here. Never resolves on a failure: the node stops.
    pub(super) async fn take_certified(&self, flashblock: Arc<Flashblock>, certificate: Option<Certificate>) {
        let guard = self.appending.clone().lock_owned().await;
        let height = flashblock.header.height;
        if height <= self.ledger.tip().0 {
            // Delivered again after a crash: the same one, perhaps with its certificate this time.
            let again = move |this: &Self| this.ledger.append_again(height, flashblock.digest(), certificate);
            if let Err(error) = self.blocking(again).await {
                self.stop(format!("ledger: {error}")).await;
            }
            return;
        }
        // What is certified is notarized, whether this node was told or not: a nullified view doesn't take it out of the
        // tree and the engine between its execution and the append.
        self.tree.lock().notarized(flashblock.header.epoch, flashblock.header.view, flashblock.digest());
        let executed = match self.execute_certified(&flashblock).await {
            Ok(executed) => executed,
            Err(why) => return self.stop(format!("certified flashblock at height {height}: {why}")).await,
        };
        let result = self
            .blocking(move |this| {
                let _guard = guard;
                this.append(&flashblock, &executed, certificate)
            })
            .await;
        if let Err(error) = result {
            self.health.store_failed(error.to_string());
            self.stop(format!("ledger: {error}")).await;
        }
    }

    /// A certified flashblock is valid: when it doesn't execute to its header here, this node or the quorum is wrong,
    /// and going on would fork.
    async fn execute_certified(&self, flashblock: &Arc<Flashblock>) -> Result<Arc<Executed>, Failure> {
        match self.engine.executed(flashblock.digest()) {
            Some(executed) => Ok(executed),
            None => {
                let origin = flashblock.body.opening.map(|opening| opening.origin);
                self.health.missing_origin(origin, self.now());
                let executed = self.execute_child(flashblock.clone()).await;
                self.health.missing_origin(None, self.now());
                executed
            }
        }
    }

    fn append(
        &self,
        flashblock: &Arc<Flashblock>,
        executed: &Arc<Executed>,
        certificate: Option<Certificate>,
    ) -> Result<(), crate::ledger::LedgerError> {
        let now = self.now();
        self.ledger.append(flashblock, executed, certificate)?;
        self.metrics.appended(self.now().duration_since(now).unwrap_or_default());
        let header = flashblock.header;
        let lost = self.tree.lock().certify(header);
        self.mempool.certified(executed);
        self.lost(lost);
        self.health.certified(now);
        self.metrics.certified(flashblock, executed);
        self.l1.release(executed.position.origin.number);
        self.feed.publish(FeedEvent::Certified { flashblock: flashblock.clone(), executed: executed.clone() });
        debug!(height = header.height, digest = %header.digest(), transactions = executed.transactions.len(), "certified");
        if let Some(block) = &executed.sealed {
            info!(block = header.block_number, hash = %block.hash, height = header.height,
                transactions = block.transactions.len(), gas = block.header.gas_used, "sealed");
            self.feed.publish(FeedEvent::Sealed(block.clone()));
        }
        self.certified.send_replace(header.height);
        Ok(())
    }

    /// Ends the node; what waits here waits for that.
    async fn stop(&self, why: String) {
        self.fatal.stop(why);
        futures::future::pending::<()>().await;
    }
}
