//! An operator that is honest until it is told otherwise.

use super::Behaviour;
use futures::future::BoxFuture;
use rota_consensus::{Ancestry, Application, Context, Event};
use rota_types::{Certificate, Flashblock};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether it is time. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct Now(Arc<AtomicBool>);

impl Now {
    /// From now on.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// An application that has a behaviour from some time on; honest before.
pub struct Later {
    honest: Arc<dyn Application>,
    changed: Arc<dyn Application>,
    now: Now,
}

impl Later {
    /// What makes an operator behave so from `now` on.
    pub fn behaviour(behaviour: Behaviour, now: Now) -> Behaviour {
        Arc::new(move |honest| {
            Arc::new(Self { changed: behaviour(honest.clone()), honest, now: now.clone() }) as Arc<dyn Application>
        })
    }

    fn inner(&self) -> &dyn Application {
        if self.now.is_set() { &*self.changed } else { &*self.honest }
    }
}

impl Application for Later {
    fn genesis(&self) -> Flashblock {
        self.inner().genesis()
    }

    fn propose(&self, context: Context, ancestry: Ancestry) -> BoxFuture<'static, Option<Flashblock>> {
        self.inner().propose(context, ancestry)
    }

    fn check(&self, flashblock: Arc<Flashblock>, ancestry: Ancestry) -> BoxFuture<'static, bool> {
        self.inner().check(flashblock, ancestry)
    }

    fn verify(&self, flashblock: Arc<Flashblock>, ancestry: Ancestry) -> BoxFuture<'static, bool> {
        self.inner().verify(flashblock, ancestry)
    }

    fn may_vote(&self) -> bool {
        self.inner().may_vote()
    }

    fn certified(&self, flashblock: Arc<Flashblock>, certificate: Option<Certificate>) -> BoxFuture<'static, ()> {
        self.inner().certified(flashblock, certificate)
    }

    fn report(&self, event: Event) {
        self.inner().report(event);
    }
}
