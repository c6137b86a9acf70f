//! The cheap checks that gate the notarize vote: they may wait, and they never take back a verdict.

use super::{NodeApplication, pace, rules, rules::Violation};
use futures::StreamExt;
use rota_consensus::{Ancestry, Runtime};
use rota_types::{Flashblock, Opening, Position};
use std::{sync::Arc, time::Duration};
use tracing::warn;

impl<E: Runtime> NodeApplication<E> {
    /// A verdict as consensus wants it; a bad one is logged and counted.
    pub(super) fn verdict(&self, what: &'static str, flashblock: &Flashblock, verdict: Result<(), Violation>) -> bool {
        let Err(violation) = &verdict else { return true };
        let header = &flashblock.header;
        warn!(what, epoch = header.epoch, view = header.view, height = header.height, leader = %header.leader,
            digest = %header.digest(), reason = %violation, "invalid flashblock");
        self.metrics.invalid(header.epoch, header.view);
        false
    }

    /// Form, timestamp and origin; waits for a parent, a clock or an L1 block that is not there yet.
    pub(super) async fn check_cheaply(&self, flashblock: &Flashblock, mut ancestry: Ancestry) -> Result<(), Violation> {
        let Some(parent) = ancestry.next().await else {
            // Without the parent there is no verdict; certification or the end of the view settles it.
            return futures::future::pending().await;
        };
        rules::check_form(&self.spec, self.ledger.epochs(), flashblock, &parent.header)?;
        let Some(opening) = &flashblock.body.opening else { return Ok(()) };
        let parent = self.sealed_position(parent, ancestry).await;
        rules::check_timestamp(&self.spec, opening, parent.timestamp)?;
        let ahead = Duration::from_secs(2 * self.spec.rollup.block_time);
        let due = pace::time(opening.timestamp);
        if due > self.now() + ahead {
            self.context.sleep_until(due - ahead).await;
        }
        let settled = self.l1.settle(&self.spec, &parent, opening).await;
        settled.map(drop).map_err(|why| Violation::Origin(why.to_owned()))
    }

    /// What the rules for an opening need of the block that `parent` sealed: known if it is executed, else read off
    /// the flashblock that opened it, so that the notarize vote doesn't wait for execution.
    async fn sealed_position(&self, parent: Arc<Flashblock>, mut ancestry: Ancestry) -> Position {
        let digest = parent.digest();
        if let Some(executed) = self.engine.executed(digest) {
            return executed.position;
        }
        let mut first = parent.clone();
        let mut steps = 0..self.spec.last_index();
        let Opening { timestamp, origin } = loop {
            if first.header.height == 0 {
                return self.spec.genesis_position();
            }
            if let Some(opening) = first.body.opening {
                break opening;
            }
            match ancestry.next().await {
                Some(older) if steps.next().is_some() => first = older,
                // Ancestors that break the rules, or can't be had: their own verdicts settle it.
                _ => return futures::future::pending().await,
            }
        };
        Position {
            digest,
            height: parent.header.height,
            block_number: parent.header.block_number,
            index: parent.header.index,
            sealed: Some(parent.header.seal),
            timestamp,
            origin,
            // Neither rule looks at these two.
            sequence_number: 0,
            user_transactions: true,
        }
    }
}
