//! What consensus asks of this operator: propose, check, verify, and take what is certified.

mod certify;
mod execute;
mod pace;
mod propose;
mod rules;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tree;
mod verify;

use crate::{
    fatal::Fatal,
    feed::{Feed, FeedEvent},
    health::Health,
    ledger::Ledger,
    mempool::Mempool,
    metrics::NodeMetrics,
};
use futures::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use rota_consensus::{Ancestry, Application, Context, Event, Runtime};
use rota_execution::{Executed, ExecutionEngine};
use rota_l1::{L1Chain, OriginAnnouncements};
use rota_types::{Certificate, ChainSpec, Digest, Flashblock, Header};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::{Mutex as AsyncMutex, watch};
use tracing::{debug, error, info};
use tree::{Inserted, Tree};

/// What the application works with.
pub(crate) struct Parts {
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) engine: Arc<dyn ExecutionEngine>,
    pub(crate) l1: L1Chain,
    pub(crate) origins: Arc<Mutex<OriginAnnouncements>>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) mempool: Mempool,
    pub(crate) feed: Feed,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<NodeMetrics>,
    pub(crate) fatal: Fatal,
    /// The newest certified header.
    pub(crate) tip: Header,
}

pub(crate) struct Inner<E> {
    context: E,
    parts: Parts,
    tree: Mutex<Tree>,
    /// Flashblocks are executed one after the other: each needs its parent.
    executing: Arc<AsyncMutex<()>>,
    /// Flashblocks are appended one after the other.
    appending: Arc<AsyncMutex<()>>,
    /// Height of the newest certified flashblock.
    certified: watch::Sender<u64>,
    /// How long building a flashblock takes, smoothed.
    building: Mutex<Duration>,
}

impl<E> std::ops::Deref for Inner<E> {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// The application of one node. Cheap to clone.
pub(crate) struct NodeApplication<E>(Arc<Inner<E>>);

impl<E> Clone for NodeApplication<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E> std::ops::Deref for NodeApplication<E> {
    type Target = Inner<E>;

    fn deref(&self) -> &Inner<E> {
        &self.0
    }
}

impl<E: Runtime> NodeApplication<E> {
    pub(crate) fn new(context: E, parts: Parts) -> Self {
        Self(Arc::new(Inner {
            context,
            tree: Mutex::new(Tree::new(parts.tip)),
            executing: Arc::default(),
            appending: Arc::default(),
            certified: watch::Sender::new(parts.tip.height),
            building: Mutex::default(),
            parts,
        }))
    }

    /// Follows the height of the newest certified flashblock.
    pub(crate) fn certified_height(&self) -> watch::Receiver<u64> {
        self.certified.subscribe()
    }

    fn now(&self) -> SystemTime {
        self.context.current()
    }

    /// Runs work that takes a thread for milliseconds, off the threads that move messages. It ends even if nobody
    /// waits for it any more.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> T {
        let this = self.clone();
        let task = self.context.child("blocking").shared(true).spawn(move |_| async move { work(&this) });
        match task.await {
            Ok(result) => result,
            // The runtime is shutting down and drops this future too.
            Err(_) => futures::future::pending().await,
        }
    }

    /// Like [`Self::blocking`], for work whose time tells whether the engine keeps up. Returns that time too.
    async fn executing<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> (T, Duration) {
        let this = self.clone();
        let task = self.context.child("executing").spawn(move |context| async move {
            let start = context.current();
            let result = this.blocking(work).await;
            let end = context.current();
            let took = end.duration_since(start).unwrap_or_default();
            this.health.executed(took, end);
            (result, took)
        });
        match task.await {
            Ok(result) => result,
            Err(_) => futures::future::pending().await,
        }
    }

    /// An executed proposal, seen or made here.
    fn proposed(&self, digest: Digest, flashblock: Arc<Flashblock>, executed: &Arc<Executed>) {
        let mut tree = self.tree.lock();
        let inserted = tree.insert(digest, flashblock, executed.clone());
        if inserted == Inserted::Known {
            return;
        }
        // Told under the lock: nobody hears that it is notarized, or nullified, before it is proposed.
        self.feed.publish(FeedEvent::Proposed(executed.clone()));
        if inserted == Inserted::NewAndNotarized {
            self.feed.publish(FeedEvent::Notarized(digest));
        }
        self.mempool.proposed(executed);
    }

    /// Proposals that will not be certified: their transactions may be proposed again.
    fn lost(&self, flashblocks: Vec<(Digest, Arc<Executed>)>) {
        for (digest, executed) in flashblocks {
            self.mempool.nullified(&executed);
            self.feed.publish(FeedEvent::Nullified(digest));
        }
    }

    /// A view (with a sticky leader: the rest of its turn) ended without a flashblock.
    fn nullified(&self, epoch: u64, view: u64) {
        let last = self.ledger.epochs().get(epoch).map_or(view, |epoch| epoch.last_view_of_turn(view));
        let gone = {
            let mut tree = self.tree.lock();
            let gone = tree.nullified(epoch, view..=last);
            // Under the lock: what is kept, because it is notarized or certified meanwhile, stays in the engine too.
            gone.iter().for_each(|(digest, _)| self.engine.discard(*digest));
            gone
        };
        self.lost(gone);
    }
}

impl<E: Runtime> Application for NodeApplication<E> {
    fn genesis(&self) -> Flashblock {
        self.spec.genesis_flashblock()
    }

    fn propose(&self, context: Context, ancestry: Ancestry) -> BoxFuture<'static, Option<Flashblock>> {
        let this = self.clone();
        async move {
            match this.build(context, ancestry).await {
                Ok(flashblock) => Some(flashblock),
                Err(reason) => {
                    info!(epoch = context.epoch, view = context.view, %reason, "declined");
                    this.metrics.declined(context.epoch, context.view, reason.label());
                    None
                }
            }
        }
        .boxed()
    }

    fn check(&self, flashblock: Arc<Flashblock>, ancestry: Ancestry) -> BoxFuture<'static, bool> {
        let this = self.clone();
        async move {
            let verdict = this.check_cheaply(&flashblock, ancestry).await;
            this.verdict("check", &flashblock, verdict)
        }
        .boxed()
    }

    fn verify(&self, flashblock: Arc<Flashblock>, ancestry: Ancestry) -> BoxFuture<'static, bool> {
        let this = self.clone();
        async move {
            let verdict = this.execute_branch(flashblock.clone(), ancestry).await.map(drop);
            this.verdict("verify", &flashblock, verdict)
        }
        .boxed()
    }

    fn certified(&self, flashblock: Arc<Flashblock>, certificate: Option<Certificate>) -> BoxFuture<'static, ()> {
        let this = self.clone();
        async move { this.take_certified(flashblock, certificate).await }.boxed()
    }

    fn may_vote(&self) -> bool {
        self.health.may_vote()
    }

    fn report(&self, event: Event) {
        match event {
            Event::EpochEntered { epoch, signing } => {
                info!(epoch, signing, "epoch entered");
                self.metrics.epoch(epoch);
            }
            Event::Proposed { epoch, view, digest } => debug!(epoch, view, %digest, "proposed"),
            Event::Notarized { epoch, view, digest } => {
                debug!(epoch, view, %digest, "notarized");
                self.metrics.view(view);
                let mut tree = self.tree.lock();
                if tree.notarized(epoch, view, digest) {
                    self.feed.publish(FeedEvent::Notarized(digest));
                }
            }
            Event::Finalized { epoch, view, digest } => {
                debug!(epoch, view, %digest, "finalized");
                self.health.certified(self.now());
            }
            Event::Nullified { epoch, view } => {
                info!(epoch, view, "nullified");
                self.metrics.nullified(epoch, view);
                self.nullified(epoch, view);
            }
            Event::Fault(evidence) => {
                error!(operator = %evidence.operator, kind = ?evidence.kind, epoch = evidence.epoch,
                    view = evidence.view, "provable fault");
                self.metrics.fault();
                let this = self.clone();
                self.context.child("evidence").shared(true).spawn(move |_| async move {
                    if let Err(error) = this.ledger.store_evidence(&evidence) {
                        this.fatal.stop(format!("evidence not stored: {error}"));
                    }
                });
            }
        }
    }
}
