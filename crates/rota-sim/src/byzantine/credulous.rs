//! An operator that votes for everything, without a look at it.

use futures::{FutureExt as _, future::BoxFuture};
use rota_consensus::{Ancestry, Application, Context, Event};
use rota_types::{Certificate, Flashblock};
use std::sync::Arc;

/// An application for which everything is valid; honest in all else.
pub struct Credulous(pub Arc<dyn Application>);

impl Application for Credulous {
    fn genesis(&self) -> Flashblock {
        self.0.genesis()
    }

    fn propose(&self, context: Context, ancestry: Ancestry) -> BoxFuture<'static, Option<Flashblock>> {
        self.0.propose(context, ancestry)
    }

    fn check(&self, _: Arc<Flashblock>, _: Ancestry) -> BoxFuture<'static, bool> {
        futures::future::ready(true).boxed()
    }

    fn verify(&self, _: Arc<Flashblock>, _: Ancestry) -> BoxFuture<'static, bool> {
        futures::future::ready(true).boxed()
    }

    fn may_vote(&self) -> bool {
        true
    }

    fn certified(&self, flashblock: Arc<Flashblock>, certificate: Option<Certificate>) -> BoxFuture<'static, ()> {
        self.0.certified(flashblock, certificate)
    }

    fn report(&self, event: Event) {
        self.0.report(event);
    }
}
