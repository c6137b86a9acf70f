//! What the batch inbox of an L1 in memory holds, read as derivation reads it: written down here once more, so that the
//! node's reader is not its own judge.

use super::{MemoryL1, Transaction};
use crate::{
    sender::{Kind, Payload},
    system_config::ConfigUpdate,
};
use alloy_primitives::{Address, Bytes};
use rota_batch::{Batch, ChannelAssembler, ChannelReader, SpanBatch, decode_blob, parse_frames};

/// The inbox up to the head of the chain as it is now.
#[derive(Debug, Clone, Default)]
pub struct MemoryInbox {
    /// Every transaction to it, in order.
    pub sent: Vec<InboxSent>,
    /// The span batches in it, in order, of the batcher in their L1 blocks.
    pub batches: Vec<InboxBatch>,
    /// The L1 block in which a channel was opened that is not complete.
    pub unfinished: Option<u64>,
}

/// A transaction to the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxSent {
    /// Number of the L1 block.
    pub l1_block: u64,
    /// Who sent it.
    pub from: Address,
    /// How it carries its data.
    pub kind: Kind,
    /// Whether the sender was the batcher in that L1 block; nothing of others counts.
    pub counts: bool,
}

/// A batch of the batcher. Whether it counts depends on the L2 chain that it goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxBatch {
    /// Number of the L1 block that completed its channel.
    pub l1_block: u64,
    /// Who was the batcher there.
    pub batcher: Address,
    /// The batch.
    pub span: SpanBatch,
}

impl MemoryL1 {
    /// Reads the inbox from the rollup's first L1 block on.
    pub fn inbox(&self) -> MemoryInbox {
        let chain = self.0.lock();
        let rollup = &chain.rollup;
        let (mut inbox, mut assembler) = (MemoryInbox::default(), ChannelAssembler::default());
        let mut batcher = rollup.genesis.system_config.batcher_addr;
        for mined in &chain.blocks {
            let l1_block = mined.block.id.number;
            for update in &mined.block.config_updates {
                if let ConfigUpdate::Batcher(address) = update {
                    batcher = *address;
                }
            }
            for sent in &mined.content.transactions {
                if sent.submission.to != rollup.batch_inbox_address {
                    continue;
                }
                let counts = sent.from == batcher;
                inbox.sent.push(InboxSent { l1_block, from: sent.from, kind: sent.submission.payload.kind(), counts });
                let pieces = if counts { data(sent) } else { Vec::new() };
                for frame in pieces.iter().flat_map(|piece| parse_frames(piece).unwrap_or_default()) {
                    let Some(channel) = assembler.push(l1_block, frame) else { continue };
                    for batch in ChannelReader::new(&channel, rollup.l2_chain_id).into_iter().flatten().flatten() {
                        if let Batch::Span(span) = batch {
                            inbox.batches.push(InboxBatch { l1_block, batcher, span });
                        }
                    }
                }
            }
        }
        inbox.unfinished = assembler.opened_at();
        inbox
    }
}

fn data(sent: &Transaction) -> Vec<Bytes> {
    match &sent.submission.payload {
        Payload::Calldata(input) | Payload::Call { input, .. } => vec![input.clone()],
        Payload::Blobs(_) => {
            sent.blobs.iter().filter_map(|(_, blob)| decode_blob(blob).ok().map(Bytes::from)).collect()
        }
    }
}
