//! Watches the posting turns on every operator, and says so when the poster is silent.

use super::{reader::InboxView, skips::Skips, source::PostedSource};
use crate::{gossip::Message, ledger::LedgerError};
use alloy_primitives::Address;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use commonware_runtime::{
    Clock, Metrics,
    telemetry::metrics::{Counter, Gauge, GaugeExt, MetricsExt},
};
use futures::{FutureExt, future::select};
use rota_consensus::{Gossip, To};
use rota_l1::{L1Chain, PostingTurns, SkipDomain, TurnSource};
use rota_types::{BlockId, RollupConfig};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::watch;
use tracing::{info, warn};

/// Time between looks at what no L1 block announces: how long the poster has been silent.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// An attestation is told again after this time, to those who did not hear it or were in another turn.
const REPEAT_EVERY: Duration = Duration::from_secs(5);

/// The turns after an L1 block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnView {
    /// What skips are signed for, and where calls go.
    pub domain: SkipDomain,
    /// The head of this node's view of L1 when they were read.
    pub head: BlockId,
    /// The turns.
    pub turns: PostingTurns,
    /// The members' posting addresses, from the one after the running turn's.
    pub order: Vec<Address>,
}

impl TurnView {
    /// How many turns are before the next one of a posting address, if it is a member's: 0 is the next turn.
    pub fn distance(&self, posting: Address) -> Option<u64> {
        self.order.iter().position(|member| *member == posting).map(|index| index as u64)
    }
}

/// Watches the turns for a member.
pub struct TurnWatch {
    /// The chain's rollup config.
    pub rollup: Arc<RollupConfig>,
    /// PostingTurns.
    pub source: Arc<dyn TurnSource>,
    /// Certified blocks.
    pub blocks: Arc<dyn PostedSource>,
    /// This node's view of L1.
    pub chain: L1Chain,
    /// What the inbox holds.
    pub inbox: watch::Receiver<InboxView>,
    /// This operator's posting key.
    pub key: PrivateKeySigner,
    /// A certified block that is not posted for this long, in the poster's turn, makes the poster silent.
    pub timeout: Duration,
    /// Where attestations are collected.
    pub skips: Arc<Skips>,
    /// Tells the other members.
    pub gossip: Arc<dyn Gossip>,
    /// The turns as they were read last.
    pub view: watch::Sender<Option<TurnView>>,
}

struct Meters {
    turn: Gauge,
    mine: Gauge,
    silent: Counter,
    errors: Counter,
}

impl TurnWatch {
    /// Watches until the ledger fails, which is why it returns.
    pub async fn run<E: Clock + Metrics>(self, context: E) -> LedgerError {
        let meters = Meters {
            turn: context.gauge("posting_turn", "Number of the running posting turn"),
            mine: context.gauge("posting_turn_is_mine", "1 in this operator's posting turn"),
            silent: context.counter("skips_signed", "Turns whose poster this operator called silent"),
            errors: context.counter("posting_turn_errors", "Attempts to read PostingTurns that failed"),
        };
        // The turn that was attested, and when that was told last.
        let mut attested: Option<(u64, SystemTime)> = None;
        loop {
            // Registered before looking, so that no change is missed.
            let mut changed = self.chain.changed().boxed();
            let _ = futures::poll!(&mut changed);
            self.look(&meters).await;
            let now = context.current();
            let view = self.view.borrow().clone();
            if let Some(view) = view {
                match self.silent(&view, now) {
                    Ok(true) => self.attest(&view, now, &mut attested, &meters),
                    Ok(false) => {}
                    Err(error) => return error,
                }
            }
            select(changed, context.sleep(LOOK_EVERY).boxed()).await;
        }
    }

    /// Reads the turns if L1 has changed since they were read last.
    async fn look(&self, meters: &Meters) {
        let Some(head) = self.chain.head() else { return };
        if self.view.borrow().as_ref().is_some_and(|view| view.head == head) {
            return;
        }
        let domain = self.source.domain();
        match futures::try_join!(self.source.turns(), self.source.order()) {
            Ok((turns, order)) => {
                self.skips.turn(domain, turns.turn.number, &order);
                let _ = meters.turn.try_set(turns.turn.number);
                let _ = meters.mine.try_set(u64::from(turns.turn.posting == self.key.address()));
                self.view.send_replace(Some(TurnView { domain, head, turns, order }));
            }
            Err(error) => {
                meters.errors.inc();
                warn!(%error, "cannot read the posting turns now");
            }
        }
    }

    /// Whether the poster of the running turn is silent, and can be skipped for it.
    fn silent(&self, view: &TurnView, now: SystemTime) -> Result<bool, LedgerError> {
        let inbox = *self.inbox.borrow();
        let PostingTurns { turn, skippable_from, owned, .. } = view.turns;
        let skippable = (skippable_from..turn.end_block).contains(&view.head.number);
        let others = turn.posting != self.key.address() && view.distance(self.key.address()).is_some();
        // What is not read is not known to be missing.
        let Some(posted) = inbox.posted.filter(|_| inbox.synced && owned && skippable && others && turn.number > 0)
        else {
            return Ok(false);
        };
        if posted >= self.blocks.head() {
            return Ok(false);
        }
        let oldest =
            self.rollup.genesis.l2_time + (posted + 1 - self.rollup.genesis.l2.number) * self.rollup.block_time;
        // The time before its turn is not the poster's.
        let begun = self.chain.get_number(turn.start_block).map_or(0, |block| block.timestamp);
        let since = UNIX_EPOCH + Duration::from_secs(oldest.max(begun));
        Ok(now.duration_since(since).unwrap_or_default() >= self.timeout)
    }

    fn attest(&self, view: &TurnView, now: SystemTime, attested: &mut Option<(u64, SystemTime)>, meters: &Meters) {
        let turn = view.turns.turn.number;
        let again = attested.filter(|(number, _)| *number == turn);
        if again.is_some_and(|(_, told)| now < told + REPEAT_EVERY) {
            return;
        }
        let Ok(signature) = self.key.sign_hash_sync(&view.domain.digest(turn)) else { return };
        if again.is_none() {
            meters.silent.inc();
            info!(turn, posting = %view.turns.turn.posting, "the poster is silent: asking for a skip");
        }
        self.skips.own(turn, self.key.address(), signature);
        self.gossip.send(To::All, Message::Skip { turn, signature }.encode().into());
        *attested = Some((turn, now));
    }
}
