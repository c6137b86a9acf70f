//! A world's L1, and what operators see of it.

use super::World;
use crate::{
    chain::{L1_BLOCK_TIME, REGISTRY},
    trace::What,
};
use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _};
use rota_l1::{MemoryL1, MemoryView};
use rota_types::BlockId;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// L1 blocks that are remembered to notice a reorg.
const MAX_SEEN: u64 = 128;

impl World {
    /// What an operator sees of L1.
    pub fn l1_view(&self, operator: usize) -> &Arc<MemoryView> {
        &self.operators[operator].l1
    }

    /// The operator's L1 endpoints are this many blocks behind.
    pub fn l1_lags(&self, operator: usize, blocks: u64) {
        self.act(operator, format_args!("its L1 endpoints are {blocks} blocks behind"));
        self.l1_view(operator).set_lag(blocks);
    }

    /// The operator's L1 endpoints answer nothing, or answer again.
    pub fn l1_offline(&self, operator: usize, offline: bool) {
        self.act(operator, if offline { "its L1 endpoints are gone" } else { "its L1 endpoints are back" });
        self.l1_view(operator).set_offline(offline);
    }

    /// As [`World::l1_offline`], for everybody.
    pub fn l1_offline_for_all(&self, offline: bool) {
        self.operators().for_each(|operator| self.l1_offline(operator, offline));
    }

    /// The operator's beacon node has no blobs, or has them again.
    pub fn blobs_offline(&self, operator: usize, offline: bool) {
        self.act(operator, if offline { "its beacon node has no blobs" } else { "its beacon node has blobs again" });
        self.l1_view(operator).set_blobs_offline(offline);
    }

    /// From its next start on, the operator has one L1 endpoint more: one that shows another L1.
    pub fn add_l1_endpoint(&mut self, operator: usize, l1: &MemoryL1) {
        self.act(operator, "will have an endpoint of another L1 too");
        self.operators[operator].strange_l1.push(l1.view());
    }

    /// From its next start on, the operator has its own L1 endpoints only.
    pub fn remove_l1_endpoints(&mut self, operator: usize) {
        self.act(operator, "will have its own L1 endpoints only");
        self.operators[operator].strange_l1.clear();
    }

    /// An L1 that is not this chain's: all its blocks but the first are others. It mines as the real one does.
    pub fn another_l1(&self) -> MemoryL1 {
        let l1 = MemoryL1::new(&self.chain.spec.rollup, L1_BLOCK_TIME);
        l1.set_registry(REGISTRY, self.chain.first_events());
        l1.mine();
        l1.reorg(1);
        self.mine(&l1, false);
        l1
    }

    /// Mines what is due, for ever; the blocks of the `own` L1 are recorded.
    pub(super) fn mine(&self, l1: &MemoryL1, own: bool) {
        let (l1, start) = (l1.clone(), self.start);
        let trace = if own { self.scenario.trace.clone() } else { Default::default() };
        self.context.child("miner").spawn(move |clock| async move {
            // The newest blocks that were recorded.
            let mut seen = VecDeque::from([l1.head().id]);
            loop {
                let now = clock.current();
                let at = now.duration_since(start).unwrap_or_default();
                l1.advance_to(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs());
                let canonical = |id: &BlockId| l1.canonical(id.number).is_some_and(|block| block.id == *id);
                let replaced = seen.iter().position(|id| !canonical(id));
                if let Some(from) = replaced.and_then(|index| seen.drain(index..).next()) {
                    trace.record(at, None, || What::L1Reorg { from: from.number });
                }
                let next =
                    seen.back().map_or(0, |newest| newest.number + 1).max(l1.head().id.number.saturating_sub(MAX_SEEN));
                for block in (next..).map_while(|number| l1.canonical(number)) {
                    trace.record(at, None, || What::L1Block { number: block.id.number, hash: block.id.hash });
                    seen.push_back(block.id);
                }
                seen.drain(..seen.len().saturating_sub(MAX_SEEN as usize));
                clock.sleep(Duration::from_millis(100)).await;
            }
        });
    }
}
