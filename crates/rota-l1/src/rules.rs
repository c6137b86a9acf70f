//! Which L1 origin an L2 block may have (op-node `checkSingularBatch`), and which one a leader takes.
//!
//! Verdicts are stable: invalid only what contradicts facts that no L1 reorg can change. A hash that this node doesn't
//! see on L1 is pending, because reorgs are seen at different times and can reverse.

use crate::{block::L1Block, forks};
use rota_types::{ChainSpec, Opening, Position};

/// A node's judgement of an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginVerdict {
    /// Derivation will accept it.
    Valid,
    /// Derivation will never accept it.
    Invalid(&'static str),
    /// Not known yet: ask again when the view of L1 has changed.
    Pending(&'static str),
}

/// What a node sees of L1 around an opening.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen<'a> {
    /// The canonical L1 block at the opening's origin number.
    pub origin: Option<&'a L1Block>,
    /// The canonical L1 block after it.
    pub next: Option<&'a L1Block>,
    /// Whether `next` is at the confirmation depth, so that its timestamp counts as a fact.
    pub next_confirmed: bool,
}

/// Judges an opening after `parent` (whose last flashblock sealed its block).
///
/// That a block past max drift carries no user transactions is not judged here but by
/// [`BlockAttributes::user_transactions`](rota_execution::BlockAttributes::user_transactions).
pub fn check_origin(spec: &ChainSpec, parent: &Position, opening: &Opening, seen: Seen<'_>) -> OriginVerdict {
    use OriginVerdict::{Invalid, Pending, Valid};
    if parent.timestamp.checked_add(spec.rollup.block_time) != Some(opening.timestamp) {
        return Invalid("timestamp is not the parent's plus the block time");
    }
    let advances = parent.origin.number.checked_add(1) == Some(opening.origin.number);
    if !advances && opening.origin != parent.origin {
        return Invalid("origin is neither the parent's nor the next");
    }
    let Some(origin) = seen.origin else {
        return Pending("origin not seen yet");
    };
    if origin.id != opening.origin {
        return Pending("another L1 block seen at the origin's number");
    }
    if advances && origin.parent_hash != parent.origin.hash {
        return Invalid("origin is not a child of the parent's origin");
    }
    if opening.timestamp < origin.timestamp {
        return Invalid("timestamp before the origin's");
    }
    if !advances && past_drift(spec, opening.timestamp, origin) {
        // An empty block may stay on the origin only while the next L1 block is too young to be adopted.
        return match seen.next {
            None => Pending("past max drift and the next L1 block not seen yet"),
            Some(next) if opening.timestamp < next.timestamp => Valid,
            Some(_) if seen.next_confirmed => Invalid("past max drift without adopting the next origin"),
            Some(_) => Pending("past max drift and the next L1 block not confirmed yet"),
        };
    }
    Valid
}

/// The opening that a leader proposes after `parent`: the next origin if it is old enough and not newer than `newest`
/// (what a quorum has confirmed), else the parent's. `None` when max drift is exceeded and the next L1 block is not
/// known: nothing valid can be proposed then.
pub fn choose_origin(
    spec: &ChainSpec,
    parent: &Position,
    origin: Option<&L1Block>,
    next: Option<&L1Block>,
    newest: Option<u64>,
) -> Option<Opening> {
    let timestamp = parent.timestamp + spec.rollup.block_time;
    let stay = Opening { timestamp, origin: parent.origin };
    let next = next.filter(|next| next.parent_hash == parent.origin.hash);
    let adopt = next
        .filter(|next| next.timestamp <= timestamp)
        .map(|next| (Opening { timestamp, origin: next.id }, newest.is_some_and(|newest| next.id.number <= newest)));
    let must_adopt = origin.is_some_and(|origin| past_drift(spec, timestamp, origin));
    match (adopt, must_adopt) {
        (Some((opening, confirmed)), must) if confirmed || must => Some(opening),
        (None, true) if next.is_none() => None,
        _ => Some(stay),
    }
}

fn past_drift(spec: &ChainSpec, timestamp: u64, origin: &L1Block) -> bool {
    let drift = forks::max_sequencer_drift(&spec.rollup, origin.timestamp);
    timestamp > origin.timestamp.saturating_add(drift)
}
