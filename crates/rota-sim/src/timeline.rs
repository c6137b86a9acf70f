//! A trace as a person reads it: simulated time, whom, what.

use crate::trace::{Line, Named, What};
use alloy_primitives::B256;
use std::fmt;

/// Digits of a digest that are shown.
const PREFIX: usize = 8;

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, rest) = (self.at_us / 1_000_000, self.at_us % 1_000_000);
        write!(f, "{seconds:>5}.{rest:06}  ")?;
        match self.operator {
            Some(operator) => write!(f, "operator {operator:<2}  {}", self.what),
            None => write!(f, "world        {}", self.what),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun { seed, world } => write!(f, "seed {seed}: {world}"),
            Self::Planned { entry } => write!(f, "planned: {entry}"),
            Self::Done { action } => write!(f, "* {action}"),
            Self::Started => f.write_str("* started"),
            Self::Ended { reason } => write!(f, "* ended by itself: {reason}"),
            Self::EpochEntered { epoch, signing: true } => write!(f, "enters epoch {epoch}"),
            Self::EpochEntered { epoch, signing: false } => write!(f, "enters epoch {epoch}, without a vote"),
            Self::Leads { epoch, view } => write!(f, "leads from view {view} of epoch {epoch} on"),
            Self::Declined { epoch, view } => write!(f, "declines view {view} of epoch {epoch}"),
            Self::Proposed(flashblock) => write!(f, "proposes   {flashblock}"),
            Self::Notarized(flashblock) => write!(f, "notarized  {flashblock}"),
            Self::Finalized(flashblock) => write!(f, "finalized  {flashblock}"),
            Self::Certified { height, epoch, view, digest, transactions } => {
                let flashblock = Named { height: Some(*height), epoch: *epoch, view: *view, digest: *digest };
                write!(f, "certified  {flashblock}  {transactions} transactions")
            }
            Self::Nullified { epoch, view } => write!(f, "nullified  view {view} of epoch {epoch}"),
            Self::Evidence { offender, kind, epoch, view } => {
                let offender = offender.map_or_else(|| "a stranger".into(), |offender| format!("operator {offender}"));
                write!(f, "! evidence against {offender}: {kind} in view {view} of epoch {epoch}")
            }
            Self::Posted { block } => write!(f, "reads that block {block} is posted"),
            Self::L1Block { number, hash } => write!(f, "L1 block {number} {}", Short(hash)),
            Self::L1Reorg { from } => write!(f, "* L1 replaces its blocks from {from} on"),
            Self::Returned { hash } => write!(f, "returns transaction {}", Short(hash)),
            Self::Included { hash, height } => write!(f, "transaction {} is in height {height}", Short(hash)),
            Self::Passed => f.write_str("passed"),
            Self::Failed { reason } => write!(f, "FAILED: {reason}"),
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.height {
            Some(height) => write!(f, "height {height:<5}")?,
            None => f.write_str("height ?    ")?,
        }
        write!(f, " view {:<4} epoch {:<3} {}", self.view, self.epoch, Short(&self.digest))
    }
}

/// The first digits of a hash.
struct Short<'a>(&'a B256);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&alloy_primitives::hex::encode(self.0)[..PREFIX])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_like_a_sentence() {
        let digest = B256::repeat_byte(0xab);
        let proposed = Named { height: Some(41), epoch: 0, view: 7, digest };
        let line = Line { at_us: 1_250_000, operator: Some(2), what: What::Proposed(proposed) };
        let expected = "    1.250000  operator 2   proposes   height 41    view 7    epoch 0   abababab";
        assert_eq!(line.to_string(), expected);
    }
}
