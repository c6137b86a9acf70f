//! The ladder that a transaction climbs: the same words in types, RPC, metrics and logs.

use serde::{Deserialize, Serialize};

/// How far a transaction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// In the pool.
    Pooled,
    /// In a flashblock of the current leader.
    Proposed,
    /// 2f+1 operators voted that its flashblock is available, well-formed and timely.
    Notarized,
    /// Its flashblock or a descendant is finalized by 2f+1 operators.
    Certified,
    /// Its batch is in an L1 block.
    Posted,
    /// Derived from L1.
    Safe,
    /// Derived from finalized L1.
    Finalized,
    /// Covered by a resolved dispute game.
    Settled,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 8] = [
        Self::Pooled,
        Self::Proposed,
        Self::Notarized,
        Self::Certified,
        Self::Posted,
        Self::Safe,
        Self::Finalized,
        Self::Settled,
    ];

    /// The word used everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pooled => "pooled",
            Self::Proposed => "proposed",
            Self::Notarized => "notarized",
            Self::Certified => "certified",
            Self::Posted => "posted",
            Self::Safe => "safe",
            Self::Finalized => "finalized",
            Self::Settled => "settled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_in_every_place() {
        for stage in Stage::ALL {
            assert_eq!(serde_json::to_value(stage).expect("serializes"), stage.name());
        }
    }

    #[test]
    fn the_ladder_is_in_order() {
        assert!(Stage::ALL.is_sorted());
    }
}
