//! What must hold at the end of every run.

use super::World;
use crate::{
    invariants::{self, INCLUSION, Invariant, must, violated},
    trace::What,
};
use rota_execution::{EmbeddedEngine, ExecutionEngine, Store};
use rota_node::ledger::{Ledger, Retention};
use rota_types::Flashblock;
use std::{sync::Arc, time::Duration};

impl World {
    /// Checks what must hold at the end of every run.
    pub(crate) async fn finish(&mut self) {
        if self.operators().any(|operator| self.runs(operator)) {
            let deadline = self.now() + INCLUSION;
            while let Some((hash, since)) = self.invariants.longest_outstanding() {
                let (waits, late) = (self.now().duration_since(since).unwrap_or_default(), self.now() >= deadline);
                must(Invariant::ReturnedIsIncluded, !late, || {
                    let holds = |operator: &usize| {
                        self.running(*operator).is_some_and(|node| node.mempool.get(&hash).is_some())
                    };
                    let holders: Vec<_> = self.operators().filter(holds).collect();
                    format!("{hash} waits for {waits:?}, in the pools of operators {holders:?}")
                });
                self.sleep(Duration::from_millis(5)).await;
            }
        }
        self.invariants.every_returned_hash_is_included_once();
        self.finish_posting().await;
        let ledgers: Vec<_> =
            self.operators().filter_map(|operator| Some((operator, self.ledger(operator)?))).collect();
        let Some((longest, ledger)) = ledgers.iter().max_by_key(|(_, ledger)| ledger.tip().0) else { return };
        let flashblock = |ledger: &Ledger, height| ledger.flashblock(height).expect("the disk is sound");
        let lost =
            |height| violated(Invariant::CertifiedIsDurable, format_args!("operator {longest} lost height {height}"));
        let chain: Vec<Flashblock> =
            (1..=ledger.tip().0).map(|height| flashblock(ledger, height).unwrap_or_else(|| lost(height))).collect();
        for (operator, ledger) in &ledgers {
            let (tip, certified) = (ledger.tip().0, self.invariants.height_of(*operator));
            must(Invariant::CertifiedIsDurable, tip >= certified, || {
                format!("operator {operator} has certified height {certified}, and its ledger ends at {tip}")
            });
            for ours in chain.iter().take(tip as usize) {
                let (height, theirs) = (ours.header.height, flashblock(ledger, ours.header.height));
                must(Invariant::LedgersAgree, theirs.as_ref() == Some(ours), || {
                    format!("operators {longest} and {operator} have different flashblocks at height {height}")
                });
            }
            for evidence in ledger.evidence(0, usize::MAX).expect("the disk is sound") {
                let offender = self.operators().find(|offender| self.identity(*offender) == evidence.operator);
                self.invariants.accused(*operator, offender, &evidence);
            }
        }
        let sealed = invariants::sealed_blocks_reexecute(&self.chain.spec, &self.l1, &chain);
        assert!(sealed > 0, "the run sealed no block");
        self.record(None, || What::Passed);
    }

    /// An operator's ledger, of its running node or from its disk; nothing if it has never been started.
    fn ledger(&self, operator: usize) -> Option<Arc<Ledger>> {
        if self.runs(operator) {
            return Some(self.node(operator).ledger.clone());
        }
        let place = &self.operators[operator];
        if place.starts == 0 {
            return None;
        }
        let (store, spec): (Arc<dyn Store>, _) = (Arc::new(place.disk.store.clone()), self.chain.spec.clone());
        let engine: Arc<dyn ExecutionEngine> =
            Arc::new(EmbeddedEngine::open(store.clone(), spec.clone()).expect("the disk is sound"));
        Some(Arc::new(Ledger::open(store, engine, spec, Retention::ALL).expect("the disk is sound")))
    }

    /// Waits for a condition without which an invariant does not hold.
    pub(crate) async fn must_within(
        &self,
        invariant: Invariant,
        within: Duration,
        what: &str,
        holds: impl Fn(&Self) -> bool,
    ) {
        let deadline = self.now() + within;
        while !holds(self) {
            if self.now() >= deadline {
                let height = self.invariants.height();
                violated(invariant, format_args!("not within {within:?}: {what} (height {height})"));
            }
            self.sleep(Duration::from_millis(5)).await;
        }
    }
}
