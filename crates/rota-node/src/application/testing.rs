//! An application over a chain in memory, and its verdict on a flashblock: what tests and fuzz targets judge with.

use super::{NodeApplication, Parts, rules::Violation};
use crate::{
    fatal::Fatal,
    health::Health,
    ledger::fixture::Fixture,
    mempool::{self, Mempool, PoolLimits},
    metrics::NodeMetrics,
};
use commonware_runtime::{
    Clock as _, Runner as _, Supervisor as _,
    deterministic::{Config, Context, Runner},
};
use futures::{FutureExt as _, StreamExt as _, future::Either, stream};
use parking_lot::Mutex;
use rota_consensus::{
    Ancestry, Epochs, Gossip, To,
    simulated::{Host, HostContext},
};
use rota_execution::ExecutionEngine as _;
use rota_l1::{L1Chain, L1ChainConfig};
use rota_types::Flashblock;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// How long a verdict may take before it counts as pending, in simulated time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Nobody listens.
struct Silence;

impl Gossip for Silence {
    fn send(&self, _: To, _: bytes::Bytes) -> bool {
        true
    }
}

/// The application at the tip of a chain, with a pool of its own, and that pool.
pub(super) fn application(
    context: &Context,
    host: &Host,
    fixture: &Fixture,
) -> (NodeApplication<HostContext>, Mempool) {
    let spec = fixture.spec.clone();
    let parts = mempool::Parts {
        spec: spec.clone(),
        epochs: Epochs::new(spec.clone()),
        identity: spec.committee.operators()[0].identity,
        engine: fixture.engine.clone(),
        gossip: Arc::new(Silence),
        feed: fixture.feed.clone(),
        now: Arc::new(|| (0, 1)),
        limits: PoolLimits { transactions: 100, bytes: 1 << 20, per_sender: 16, queued: Duration::from_secs(60) },
        min_tip: 0,
    };
    let (mempool, _) = Mempool::start(context.child("mempool"), parts);
    let tip = fixture.ledger.flashblock(fixture.ledger.tip().0).expect("a memory store").expect("the tip is kept");
    let parts = Parts {
        engine: fixture.engine.clone(),
        l1: L1Chain::new(L1ChainConfig::default(), fixture.engine.certified().origin),
        origins: Arc::new(Mutex::default()),
        ledger: fixture.ledger.clone(),
        mempool: mempool.clone(),
        feed: fixture.feed.clone(),
        health: Health::new(spec.pace()),
        metrics: Arc::new(NodeMetrics::new(context)),
        fatal: Fatal::default(),
        tip: tip.header,
        spec,
    };
    (NodeApplication::new(host.boot(context.child("application")), parts), mempool)
}

/// What a node makes of a flashblock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It votes for it.
    Valid,
    /// It never will, and says why.
    Invalid(String),
    /// It waits for something that did not come.
    Pending,
}

/// What a node at the tip of this chain, which sees the fixture's L1, makes of a flashblock that somebody proposes on the
/// tip at `now`. Both verdicts are asked for, whatever the first one is.
pub fn judge(fixture: &Fixture, flashblock: &Arc<Flashblock>, now: SystemTime) -> Judgement {
    let (fixture_l1, digest) = (fixture.l1.view(), flashblock.digest());
    let judgement = Runner::new(Config::default().with_start_time(now)).start(|context| async move {
        let host = Host::new(1, 0);
        let (application, _mempool) = application(&context, &host, fixture);
        application.l1.poll(fixture_l1.as_ref()).await.expect("an L1 in memory");
        let tip = fixture.ledger.flashblock(fixture.ledger.tip().0).expect("a memory store").expect("the tip is kept");
        let tip = Arc::new(tip);
        let ancestry = || -> Ancestry { stream::iter([tip.clone()]).boxed() };
        let checked = in_time(&context, application.check_cheaply(flashblock, ancestry())).await;
        let executed = application.execute_branch(flashblock.clone(), ancestry()).map(|it| it.map(drop));
        let verified = in_time(&context, executed).await;
        assert_eq!(host.died(), None, "a verdict");
        match (checked, verified) {
            (Judgement::Valid, verified) => verified,
            (checked, _) => checked,
        }
    });
    fixture.engine.discard(digest);
    judgement
}

async fn in_time(context: &Context, verdict: impl Future<Output = Result<(), Violation>>) -> Judgement {
    let (verdict, patience) = (std::pin::pin!(verdict), std::pin::pin!(context.sleep(PATIENCE)));
    match futures::future::select(verdict, patience).await {
        Either::Left((Ok(()), _)) => Judgement::Valid,
        Either::Left((Err(violation), _)) => Judgement::Invalid(violation.to_string()),
        Either::Right(_) => Judgement::Pending,
    }
}
