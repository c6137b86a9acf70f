//! Claims about the application of one node, over a real engine and ledger.

use super::{NodeApplication, execute::Failure, rules::Violation, testing};
use crate::{
    feed::FeedEvent,
    ledger::fixture::{Fixture, account, sign, sign_with_gas},
    mempool::Mempool,
    rpc::{Submit, SubmitError},
};
use alloy_primitives::{Bytes, hex};
use commonware_runtime::{
    Clock as _, Runner as _,
    deterministic::{Context, Runner},
};
use futures::{FutureExt, poll};
use rota_consensus::{
    Application, Event,
    simulated::{Host, HostContext},
};
use rota_execution::ExecutionEngine;
use rota_types::{Flashblock, Header};
use std::time::Duration;
use tokio::sync::broadcast;

/// The application at genesis, with a pool of its own.
struct Node {
    fixture: Fixture,
    application: NodeApplication<HostContext>,
    mempool: Mempool,
    feed: broadcast::Receiver<FeedEvent>,
}

impl Node {
    fn start(context: &Context) -> Self {
        let fixture = Fixture::new();
        let (application, mempool) = testing::application(context, &Host::new(1, 0), &fixture);
        let feed = fixture.feed.subscribe();
        Self { application, fixture, mempool, feed }
    }

    /// What the feed has told since the last call.
    fn told(&mut self) -> Vec<FeedEvent> {
        std::iter::from_fn(|| self.feed.try_recv().ok()).collect()
    }
}

fn simulate<F: Future<Output = ()>>(test: impl FnOnce(Context) -> F) {
    Runner::timed(Duration::from_secs(600)).start(test);
}

/// Creates a contract by pairing nothing (45 000 gas), again and again: more precompile gas than any flashblock has.
fn hog(index: u32) -> Bytes {
    sign_with_gas(index, 0, None, 0, hex!("5b5f5f5f5f60085afa505f56"), 16_000_000)
}

#[test]
fn notarized_is_told_when_the_flashblock_is_executed() {
    simulate(|context| async move {
        let mut node = Node::start(&context);
        let (flashblock, executed) = node.fixture.propose(&[], false);
        let digest = flashblock.digest();
        node.application.report(Event::Notarized { epoch: 0, view: 1, digest });
        assert!(node.told().is_empty(), "nobody knows the flashblock yet");
        node.application.proposed(digest, flashblock, &executed);
        let told = node.told();
        assert!(
            matches!(&told[..], [FeedEvent::Proposed(_), FeedEvent::Notarized(notarized)] if *notarized == digest),
            "{told:?}"
        );
        node.application.report(Event::Nullified { epoch: 0, view: 1 });
        assert!(node.told().is_empty(), "a notarized flashblock stays");
        assert!(node.fixture.engine.executed(digest).is_some());
    });
}

#[test]
fn a_nullified_view_does_not_take_back_what_is_certified() {
    simulate(|context| async move {
        let node = Node::start(&context);
        let (flashblock, executed) = node.fixture.propose(&[], false);
        node.application.proposed(flashblock.digest(), flashblock.clone(), &executed);
        let mut certified = node.application.certified(flashblock, None);
        assert!(poll!(&mut certified).is_pending(), "being appended");
        node.application.report(Event::Nullified { epoch: 0, view: 1 });
        futures::select! {
            () = certified.fuse() => {}
            why = node.application.fatal.reason().fuse() => panic!("the node stops: {why}"),
        }
        assert_eq!(node.fixture.ledger.tip().0, 1);
    });
}

#[test]
fn a_transaction_that_fits_into_no_flashblock_is_executed_once() {
    simulate(|context| async move {
        let node = Node::start(&context);
        let (parent, executed) = node.fixture.propose(&[], false);
        node.application.proposed(parent.digest(), parent.clone(), &executed);
        let (hog, transfer) = (hog(0), sign(1, 0, Some(account(1).address()), 1, []));
        for raw in [&hog, &transfer] {
            let (mempool, raw) = (node.mempool.clone(), raw.clone());
            // Too few operators hold it; it is pooled all the same.
            assert!(matches!(mempool.submit(raw).await, Err(SubmitError::NotReplicated(_))));
        }
        let deadline = context.current() + Duration::from_secs(1);
        let work = node.application.begin(parent.digest(), &executed, None, 2, deadline).expect("a draft");
        assert_eq!(work.body.transactions, [transfer]);
        assert_eq!(node.mempool.size().transactions, 1, "it has left the pool");
        assert!(matches!(node.mempool.submit(hog).await, Err(SubmitError::Refused(_))), "it does not come back");
    });
}

#[test]
fn a_verifier_remembers_what_it_has_executed_for_nothing() {
    simulate(|context| async move {
        let node = Node::start(&context);
        let (parent, executed) = node.fixture.propose(&[], false);
        let hog = hog(0);
        let header = Header { parent: parent.digest(), height: 2, ..parent.header };
        let flashblock =
            Flashblock { header, body: rota_types::Body { opening: None, transactions: vec![hog.clone()] } };
        let verdict = node.application.execute(&flashblock, &executed.position, None);
        assert!(matches!(verdict, Err(Failure::Violation(Violation::Transaction(0, _)))));
        assert!(matches!(node.mempool.submit(hog).await, Err(SubmitError::Refused(_))));
    });
}
