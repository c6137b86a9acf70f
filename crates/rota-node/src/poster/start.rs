//! Posting as one node does it, started: the reader of the inbox everywhere, the turns and the poster on operators.

use super::{InboxReader, InboxView, Poster, PosterConfig, Skips, TurnWatch, Turns};
use crate::{fatal::Fatal, feed::Feed, health::Health, ledger::Ledger};
use alloy_signer_local::PrivateKeySigner;
use rota_consensus::{Gossip, Runtime};
use rota_l1::{BlobSource, L1Chain, L1Provider, L1Sender, TurnSource};
use rota_types::RollupConfig;
use std::sync::Arc;
use tokio::sync::watch;

/// How a node takes part in posting. The default only reads, as followers do.
#[derive(Default)]
pub struct Posting {
    /// How to post, and when others are silent.
    pub config: PosterConfig,
    /// PostingTurns, on a chain that has it, and the posting key, which attests silent posters.
    pub turns: Option<(Arc<dyn TurnSource>, PrivateKeySigner)>,
    /// The posting account, if this node posts.
    pub sender: Option<Arc<dyn L1Sender>>,
}

/// What posting works on: parts of the node.
pub(crate) struct Parts {
    pub(crate) rollup: Arc<RollupConfig>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) chain: L1Chain,
    pub(crate) provider: Arc<dyn L1Provider>,
    pub(crate) blobs: Arc<dyn BlobSource>,
    pub(crate) feed: Feed,
    pub(crate) health: Arc<Health>,
    pub(crate) gossip: Arc<dyn Gossip>,
    pub(crate) fatal: Fatal,
}

/// What the rest of the node sees of posting.
pub(crate) struct Started {
    /// What the inbox holds.
    pub(crate) inbox: watch::Receiver<InboxView>,
    /// Where attestations are collected.
    pub(crate) skips: Arc<Skips>,
}

impl Posting {
    /// Starts what this node runs of it, below `context`. A ledger that fails ends the node.
    pub(crate) fn start<E: Runtime>(self, context: &E, parts: Parts) -> Started {
        let Self { config, turns, sender } = self;
        let Parts { rollup, ledger, chain, provider, blobs, feed, health, gossip, fatal } = parts;
        let (view, inbox) = watch::channel(InboxView::default());
        let reader = InboxReader {
            rollup: rollup.clone(),
            source: ledger.clone(),
            chain: chain.clone(),
            provider,
            blobs,
            feed,
            health: health.clone(),
            view,
        };
        context.child("inbox").spawn({
            let fatal = fatal.clone();
            move |clock| async move { fatal.stop(format!("inbox: {}", reader.run(clock).await)) }
        });

        let skips = Arc::new(Skips::default());
        let turns = turns.map(|(source, key)| {
            let (view, seen) = watch::channel(None);
            let turns = TurnWatch {
                rollup: rollup.clone(),
                source,
                blocks: ledger.clone(),
                chain,
                inbox: inbox.clone(),
                key,
                timeout: config.skip_timeout,
                skips: skips.clone(),
                gossip,
                view,
            };
            let fatal = fatal.clone();
            context.child("turns").spawn(move |clock| async move {
                fatal.stop(format!("posting turns: {}", turns.run(clock).await));
            });
            Turns { view: seen, skips: skips.clone() }
        });

        if let Some(sender) = sender {
            let poster = Poster { config, rollup, source: ledger, inbox: inbox.clone(), turns, sender, health };
            context.child("poster").spawn(move |clock| async move {
                fatal.stop(format!("poster: {}", poster.run(clock).await));
            });
        }
        Started { inbox, skips }
    }
}
