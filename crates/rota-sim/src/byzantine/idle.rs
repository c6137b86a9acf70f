//! A leader that builds nothing: asked for a flashblock it is never done, and all the while it follows, votes and answers.

use futures::{FutureExt as _, future::BoxFuture};
use rota_consensus::{Ancestry, Application, Context, Event};
use rota_types::{Certificate, Flashblock};
use std::sync::Arc;

/// An application that never proposes, nor says that it won't; honest in all else.
pub struct Idle(pub Arc<dyn Application>);

impl Application for Idle {
    fn genesis(&self) -> Flashblock {
        self.0.genesis()
    }

    fn propose(&self, _: Context, _: Ancestry) -> BoxFuture<'static, Option<Flashblock>> {
        futures::future::pending().boxed()
    }

    fn check(&self, flashblock: Arc<Flashblock>, ancestry: Ancestry) -> BoxFuture<'static, bool> {
        self.0.check(flashblock, ancestry)
    }

    fn verify(&self, flashblock: Arc<Flashblock>, ancestry: Ancestry) -> BoxFuture<'static, bool> {
        self.0.verify(flashblock, ancestry)
    }

    fn may_vote(&self) -> bool {
        self.0.may_vote()
    }

    fn certified(&self, flashblock: Arc<Flashblock>, certificate: Option<Certificate>) -> BoxFuture<'static, ()> {
        self.0.certified(flashblock, certificate)
    }

    fn report(&self, event: Event) {
        self.0.report(event);
    }
}
