//! Watches what passes between consensus and a node's application, whatever stands in between: for the trace, and for
//! what must hold of votes.

use crate::{
    invariants::Invariants,
    trace::{Trace, What},
};
use commonware_runtime::{Clock as _, deterministic};
use futures::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;
use rota_consensus::{Ancestry, Application, Context, Event};
use rota_types::{Certificate, Flashblock, Identity};
use std::{sync::Arc, time::SystemTime};

/// Records for one operator.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) operator: usize,
    pub(crate) trace: Trace,
    pub(crate) invariants: Invariants,
    /// When the simulation started.
    pub(crate) start: SystemTime,
}

impl Recorder {
    pub(crate) fn record(&self, now: SystemTime, what: impl FnOnce() -> What) {
        let at = now.duration_since(self.start).unwrap_or_default();
        self.trace.record(at, Some(self.operator), what);
    }
}

/// Stands in front of an application, changes nothing, and tells what happens.
pub(crate) struct Observer {
    inner: Arc<dyn Application>,
    clock: Arc<deterministic::Context>,
    recorder: Recorder,
    /// Indices of operators.
    identities: Arc<[Identity]>,
    turn_length: u64,
    /// Epoch and index of the newest turn in which it was asked for a flashblock.
    turn: Mutex<Option<(u64, u64)>>,
}

impl Observer {
    pub(crate) fn new(
        inner: Arc<dyn Application>,
        clock: deterministic::Context,
        recorder: Recorder,
        identities: Arc<[Identity]>,
        turn_length: u32,
    ) -> Self {
        let turn_length = turn_length.into();
        Self { inner, clock: Arc::new(clock), recorder, identities, turn_length, turn: Mutex::default() }
    }

    fn record(&self, what: impl FnOnce() -> What) {
        self.recorder.record(self.clock.current(), what);
    }
}

impl Application for Observer {
    fn genesis(&self) -> Flashblock {
        self.inner.genesis()
    }

    fn propose(&self, context: Context, ancestry: Ancestry) -> BoxFuture<'static, Option<Flashblock>> {
        let (epoch, view) = (context.epoch, context.view);
        let turn = Some((epoch, view.saturating_sub(1) / self.turn_length));
        if std::mem::replace(&mut *self.turn.lock(), turn) != turn {
            self.record(|| What::Leads { epoch, view });
        }
        let (inner, clock, recorder) =
            (self.inner.propose(context, ancestry), self.clock.clone(), self.recorder.clone());
        async move {
            let flashblock = inner.await;
            recorder.record(clock.current(), || match &flashblock {
                None => What::Declined { epoch, view },
                Some(flashblock) => {
                    let digest = flashblock.digest();
                    recorder.trace.remember(digest, flashblock.header.height);
                    What::Proposed(recorder.trace.name(epoch, view, digest))
                }
            });
            flashblock
        }
        .boxed()
    }

    fn check(&self, flashblock: Arc<Flashblock>, ancestry: Ancestry) -> BoxFuture<'static, bool> {
        self.inner.check(flashblock, ancestry)
    }

    fn verify(&self, flashblock: Arc<Flashblock>, ancestry: Ancestry) -> BoxFuture<'static, bool> {
        self.inner.verify(flashblock, ancestry)
    }

    fn may_vote(&self) -> bool {
        self.inner.may_vote()
    }

    fn certified(&self, flashblock: Arc<Flashblock>, certificate: Option<Certificate>) -> BoxFuture<'static, ()> {
        self.inner.certified(flashblock, certificate)
    }

    fn report(&self, event: Event) {
        match &event {
            Event::EpochEntered { epoch, signing } => {
                self.record(|| What::EpochEntered { epoch: *epoch, signing: *signing });
            }
            Event::Notarized { epoch, view, digest } => {
                let named = self.recorder.trace.name(*epoch, *view, *digest);
                self.record(|| What::Notarized(named));
            }
            Event::Nullified { epoch, view } => self.record(|| What::Nullified { epoch: *epoch, view: *view }),
            Event::Fault(evidence) => {
                let offender = self.identities.iter().position(|identity| *identity == evidence.operator);
                let kind = format!("{:?}", evidence.kind);
                let (epoch, view) = (evidence.epoch, evidence.view);
                self.record(|| What::Evidence { offender, kind, epoch, view });
                self.recorder.invariants.accused(self.recorder.operator, offender, evidence);
            }
            Event::Finalized { epoch, view, digest } => {
                let named = self.recorder.trace.name(*epoch, *view, *digest);
                self.record(|| What::Finalized(named));
            }
            Event::Proposed { .. } => {}
        }
        self.inner.report(event);
    }
}
