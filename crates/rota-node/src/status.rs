//! What the node knows about itself, for `rota_status`, `/healthz` and `/readyz`.

use crate::{
    health::{Health, Report},
    poster::InboxView,
    rpc::{L1BlockRef, L1Status, NodeStatus, Role, StatusSource},
};
use rota_consensus::{Epochs, Monitor};
use rota_l1::L1Chain;
use rota_types::{BlockId, Epoch, Identity};
use std::{sync::Arc, time::SystemTime};
use tokio::sync::watch;

/// A node's view of itself.
pub struct Status {
    pub(crate) identity: Identity,
    pub(crate) operator: bool,
    pub(crate) epochs: Epochs,
    pub(crate) monitor: Monitor,
    pub(crate) health: Arc<Health>,
    pub(crate) l1: L1Chain,
    /// What is in L1 blocks.
    pub(crate) inbox: watch::Receiver<InboxView>,
    pub(crate) now: Box<dyn Fn() -> SystemTime + Send + Sync>,
}

impl Status {
    /// Health now.
    pub fn report(&self) -> Report {
        self.health.report((self.now)())
    }

    /// Whether it is this operator's turn.
    pub fn leads(&self) -> bool {
        let status = self.monitor.status();
        let leads = |epoch: Arc<Epoch>| epoch.leader(status.view) == self.identity;
        status.signing && self.epochs.get(status.epoch).is_some_and(leads)
    }

    fn l1_block(&self, id: BlockId) -> L1BlockRef {
        let (parent_hash, timestamp) =
            self.l1.get(id).map(|block| (block.parent_hash, block.timestamp)).unwrap_or_default();
        L1BlockRef { hash: id.hash, number: id.number, parent_hash, timestamp }
    }
}

impl StatusSource for Status {
    fn status(&self) -> NodeStatus {
        let (consensus, report) = (self.monitor.status(), self.report());
        let inbox = *self.inbox.borrow();
        NodeStatus {
            identity: self.identity,
            role: if self.operator { Role::Operator } else { Role::Follower },
            signing: consensus.signing,
            epoch: consensus.epoch,
            view: consensus.view,
            peers: consensus.peers,
            network_height: consensus.tip,
            healthy: report.lead,
            conditions: report.conditions,
            overruled: self.health.evidence_of_overruling(),
            l1: L1Status {
                head: self.l1.head().map(|id| self.l1_block(id)),
                confirmed: self.l1.confirmed().map(|id| self.l1_block(id)),
                finalized: self.l1.finalized().map(|id| self.l1_block(id)),
            },
            posted: inbox.posted,
            safe: inbox.safe,
            finalized: inbox.finalized,
            inbox: inbox.l1_block,
            batcher: inbox.batcher,
        }
    }
}
