//! Certified flashblocks in height order: from marshal to the orchestrator, which enters the next epoch at a boundary,
//! and then to the application, whose durable acknowledgement lets marshal forget them.

use crate::{Application, adapter::Marshal, block::Block, scheme::Signatures, state::State, welcome::certificate};
use commonware_actor::Feedback;
use commonware_consensus::{Heightable as _, Reporter, marshal::Update, types::Height};
use commonware_cryptography::Digested;
use commonware_utils::{Acknowledgement as _, acknowledgement::Exact};
use futures::{StreamExt as _, channel::mpsc};
use std::sync::Arc;

/// A delivered flashblock and its acknowledgement. At most `Config::pending_acks` are unacknowledged, which bounds every
/// queue of them.
pub(crate) type Delivered = (Digested<Block>, Exact);

/// How often old heights are pruned, in heights.
const PRUNE_EVERY: u64 = 256;

/// Marshal's reporter.
#[derive(Clone)]
pub(crate) struct Sink {
    pub(crate) state: Arc<State>,
    pub(crate) delivered: mpsc::UnboundedSender<Delivered>,
}

impl Reporter for Sink {
    type Activity = Update<Block>;

    fn report(&mut self, update: Update<Block>) -> Feedback {
        match update {
            Update::Tip(_, height, _) => self.state.update(|status| status.tip = status.tip.max(height.get())),
            Update::Block(block, acknowledgement) => {
                if self.delivered.unbounded_send((block, acknowledgement)).is_err() {
                    return Feedback::Closed;
                }
            }
        }
        Feedback::Ok
    }
}

/// Hands flashblocks to the application, one at a time.
pub(crate) async fn deliver<S: Signatures>(
    application: Arc<dyn Application>,
    marshal: Marshal<S>,
    retention: u64,
    mut delivered: mpsc::UnboundedReceiver<Delivered>,
) {
    while let Some((block, acknowledgement)) = delivered.next().await {
        let height = block.height().get();
        if height > 0 {
            let finalization = marshal.get_finalization(block.height()).await;
            let certificate = finalization.as_ref().and_then(certificate);
            application.certified(block.inner().flashblock().clone(), certificate).await;
        }
        acknowledgement.acknowledge();
        if height % PRUNE_EVERY == 0 && height > retention {
            marshal.prune(Height::new(height - retention));
        }
    }
}
