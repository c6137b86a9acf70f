//! Our [`Application`] as the library's: propose and verify in its types, and the gate before the notarize vote.
//!
//! The library's `Deferred` wrapper votes to notarize a flashblock that is here and fits its context, and lets
//! re-execution gate the finalize vote. Checks that may wait for something must not stand there: once f+1 honest
//! operators have voted to finalize, a view can't be nullified any more, and the chain would wait as long as the rest
//! waits. So [`Gate`] puts them before the notarize vote: its verdict is `Deferred`'s and then [`Application::check`]'s.

use crate::{
    Application,
    block::{self, Block, Digest, SimplexContext},
    keys::PublicKey,
    scheme::Signatures,
};
use commonware_actor::Feedback;
use commonware_consensus::{
    Automaton, CertifiableAutomaton, Handoff, Relay, Reporter,
    marshal::{
        ancestry::Ancestry,
        core::{DigestFallback, Mailbox},
        standard::{Deferred, Standard},
    },
    simplex::{Plan, types::Activity},
    types::{FixedEpocher, Round},
};
use commonware_cryptography::Digested;
use commonware_runtime::{
    Clock, Metrics, Spawner, Storage,
    telemetry::metrics::{
        MetricsExt as _,
        histogram::{Buckets, Timed},
    },
};
use commonware_utils::channel::{fallible::OneshotExt as _, oneshot};
use futures::{FutureExt as _, StreamExt as _, future};
use rand_core::CryptoRng;
use std::{marker::PhantomData, sync::Arc};
use tracing::error;

pub(crate) type Marshal<S> = Mailbox<S, Standard<Block>>;

/// The application under the library's trait.
#[derive(Clone)]
pub(crate) struct Adapter<S> {
    application: Arc<dyn Application>,
    max_bytes: usize,
    scheme: PhantomData<fn() -> S>,
}

impl<S> Adapter<S> {
    pub(crate) fn new(application: Arc<dyn Application>, max_bytes: usize) -> Self {
        Self { application, max_bytes, scheme: PhantomData }
    }
}

fn ancestry(blocks: impl Ancestry<Block>) -> crate::Ancestry {
    blocks.map(|block| block.inner().flashblock().clone()).boxed()
}

impl<E, S> commonware_consensus::Application<E> for Adapter<S>
where
    E: CryptoRng + Spawner + Metrics + Clock + Storage,
    S: Signatures,
{
    type SigningScheme = S;
    type Context = SimplexContext;
    type Block = Block;
    type Input = ();

    async fn propose(
        &mut self,
        (_, context): (E, SimplexContext),
        ancestors: impl Ancestry<Block>,
        (): (),
    ) -> Option<Digested<Block>> {
        let wanted = block::context(&context);
        let flashblock = self.application.propose(wanted, ancestry(ancestors)).await?;
        let header = &flashblock.header;
        let found = crate::Context {
            epoch: header.epoch,
            view: header.view,
            leader: header.leader,
            parent_view: header.parent_view,
            parent: header.parent,
        };
        if found != wanted
            || header.body_hash != flashblock.body.hash()
            || flashblock.body.transaction_bytes() > self.max_bytes
        {
            error!(?wanted, ?found, "own flashblock does not fit its context or limits, turn declined");
            return None;
        }
        Block::new(flashblock).map(Block::digested)
    }

    async fn verify(&mut self, _: (E, SimplexContext), mut ancestors: impl Ancestry<Block>) -> bool {
        let Some(block) = ancestors.next().await else { return false };
        self.application.verify(block.inner().flashblock().clone(), ancestry(ancestors)).await
    }
}

type Wrapped<E, S> = Deferred<E, S, Adapter<S>, Block, FixedEpocher>;

/// `Deferred` with [`Application::check`] before the notarize vote.
pub(crate) struct Gate<E: CryptoRng + Spawner + Metrics + Clock + Storage, S: Signatures> {
    context: Arc<E>,
    application: Arc<dyn Application>,
    marshal: Marshal<S>,
    fetch_duration: Timed,
    inner: Wrapped<E, S>,
}

impl<E: CryptoRng + Spawner + Metrics + Clock + Storage, S: Signatures> Clone for Gate<E, S> {
    fn clone(&self) -> Self {
        Self {
            context: self.context.clone(),
            application: self.application.clone(),
            marshal: self.marshal.clone(),
            fetch_duration: self.fetch_duration.clone(),
            inner: self.inner.clone(),
        }
    }
}

impl<E: CryptoRng + Spawner + Metrics + Clock + Storage, S: Signatures> Gate<E, S> {
    pub(crate) fn new(context: E, adapter: Adapter<S>, marshal: Marshal<S>, epocher: FixedEpocher) -> Self {
        let fetch_duration =
            Timed::new(context.histogram("fetch_duration", "Seconds to fetch an ancestor", Buckets::LOCAL));
        let application = adapter.application.clone();
        let inner = Deferred::new(context.child("deferred"), adapter, marshal.clone(), epocher);
        Self { context: Arc::new(context), application, marshal, fetch_duration, inner }
    }

    /// Answers with a verdict when it is known, unless nobody waits for it any more or this operator may not vote.
    fn decide(&self, verdict: impl Future<Output = Option<bool>> + Send + 'static) -> oneshot::Receiver<bool> {
        let application = self.application.clone();
        let (mut response, receiver) = oneshot::channel();
        self.context.child("decide").spawn(move |_| async move {
            let decided = {
                let abandoned = response.closed().fuse();
                futures::pin_mut!(abandoned, verdict);
                match future::select(abandoned, verdict).await {
                    future::Either::Left(_) => None,
                    future::Either::Right((decided, _)) => decided,
                }
            };
            if let Some(valid) = decided
                && application.may_vote()
            {
                response.send_lossy(valid);
            }
        });
        receiver
    }

    /// The application's cheap verdict; `None` if what it needs can't be had any more.
    async fn check(self, context: SimplexContext, digest: Digest) -> Option<bool> {
        let block = self.marshal.subscribe_by_digest(digest, DigestFallback::Wait).await.ok()?;
        let (parent_view, parent) = context.parent;
        let fallback = if parent_view.is_zero() {
            DigestFallback::Wait
        } else {
            DigestFallback::FetchByRound { round: Round::new(context.round.epoch(), parent_view) }
        };
        let ancestors = self.marshal.ancestry(self.context, (fallback, parent), self.fetch_duration).await?;
        Some(self.application.check(block.inner().flashblock().clone(), ancestry(ancestors)).await)
    }
}

impl<E: CryptoRng + Spawner + Metrics + Clock + Storage, S: Signatures> Automaton for Gate<E, S> {
    type Context = SimplexContext;
    type Digest = Digest;

    async fn propose(&mut self, context: SimplexContext) -> oneshot::Receiver<Digest> {
        if !self.application.may_vote() {
            return oneshot::channel().1;
        }
        self.inner.propose(context).await
    }

    #[allow(clippy::async_yields_async)]
    async fn verify(&mut self, context: SimplexContext, digest: Digest) -> oneshot::Receiver<bool> {
        let verdict = self.inner.verify(context.clone(), digest).await;
        let gate = self.clone();
        self.decide(async move {
            match verdict.await {
                // A boundary flashblock that is proposed again was checked when it was new.
                Ok(true) if digest == context.parent.1 => Some(true),
                Ok(true) => gate.check(context, digest).await,
                Ok(false) => Some(false),
                Err(_) => None,
            }
        })
    }
}

impl<E: CryptoRng + Spawner + Metrics + Clock + Storage, S: Signatures> CertifiableAutomaton for Gate<E, S> {
    async fn prepare(&mut self, context: SimplexContext) -> oneshot::Receiver<Handoff<Digest>> {
        if !self.application.may_vote() {
            return oneshot::channel().1;
        }
        self.inner.prepare(context).await
    }

    async fn certify(&mut self, round: Round, digest: Digest) -> oneshot::Receiver<bool> {
        let verdict = self.inner.certify(round, digest).await;
        self.decide(async move { verdict.await.ok() })
    }
}

impl<E: CryptoRng + Spawner + Metrics + Clock + Storage, S: Signatures> Relay for Gate<E, S> {
    type Digest = Digest;
    type PublicKey = PublicKey;
    type Plan = Plan<PublicKey>;

    fn broadcast(&mut self, digest: Digest, plan: Plan<PublicKey>) -> Feedback {
        self.inner.broadcast(digest, plan)
    }
}

impl<E: CryptoRng + Spawner + Metrics + Clock + Storage, S: Signatures> Reporter for Gate<E, S> {
    type Activity = Activity<S, Digest>;

    fn report(&mut self, activity: Self::Activity) -> Feedback {
        self.inner.report(activity)
    }
}
