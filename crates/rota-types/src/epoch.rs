//! What one epoch runs on: its committee and whose turns it has.

use crate::{
    ChainSpec, Committee, EpochPlan, Identity, Operator, PlanError, Seat, Strategy,
    strategy::{TurnTable, regular_turns},
};
use alloy_primitives::{B256, keccak256};

/// One epoch. A turn is `turn_length` consecutive views, counted from view 1 of the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    committee: Committee,
    turns: TurnTable,
    turn_length: u32,
    others: Vec<Operator>,
}

impl Epoch {
    /// The epoch `number` of a chain with this committee and strategy. Fails if the committee has weights that no
    /// schedule takes.
    pub fn new(
        spec: &ChainSpec,
        number: u64,
        committee: Committee,
        strategy: Strategy,
        seed: B256,
    ) -> Result<Self, PlanError> {
        let seat = |operator: &Operator| Seat {
            identity: operator.identity,
            operator: operator.account,
            weight: operator.weight,
            reserve: operator.reserve,
        };
        let plan = EpochPlan {
            epoch: number,
            strategy,
            seed,
            regular_turns: regular_turns(spec.epoch_length, spec.turn_length).unwrap_or_default(),
            seats: committee.operators().iter().map(seat).collect(),
        };
        Ok(Self { committee, turns: TurnTable::new(plan)?, turn_length: spec.turn_length, others: Vec::new() })
    }

    /// The epoch of a chain whose committee never changes, or one of the first two.
    pub fn genesis(spec: &ChainSpec, number: u64) -> Self {
        let seed = spec.rollup.genesis.l1.hash;
        Self::new(spec, number, spec.committee.clone(), spec.strategy, seed).expect("checked when the spec was made")
    }

    /// With those who are connected without being members: candidates, leavers, the jailed.
    pub fn with_others(self, others: Vec<Operator>) -> Self {
        Self { others, ..self }
    }

    /// Its number.
    pub const fn number(&self) -> u64 {
        self.turns.plan().epoch
    }

    /// Who votes.
    pub const fn committee(&self) -> &Committee {
        &self.committee
    }

    /// Who is connected without a vote.
    pub fn others(&self) -> &[Operator] {
        &self.others
    }

    /// Whose turns it has.
    pub const fn turns(&self) -> &TurnTable {
        &self.turns
    }

    /// Index of the turn that holds `view` (views start at 1; a turn is a simplex term).
    pub const fn turn_of(&self, view: u64) -> u64 {
        view.saturating_sub(1) / self.turn_length as u64
    }

    /// The last view of the turn that holds `view`.
    pub const fn last_view_of_turn(&self, view: u64) -> u64 {
        (self.turn_of(view) + 1).saturating_mul(self.turn_length as u64)
    }

    /// Leader of a turn.
    pub fn turn_leader(&self, turn: u64) -> Identity {
        self.turns.leader(turn).identity
    }

    /// Leader of a view.
    pub fn leader(&self, view: u64) -> Identity {
        self.turn_leader(self.turn_of(view))
    }

    /// What the last header of the epoch before says of it:
    /// `keccak(committee root ‖ strategy's name on L1 ‖ seed ‖ u32 regular turns)`.
    pub fn root(&self) -> B256 {
        let plan = self.turns.plan();
        let mut bytes = Vec::with_capacity(100);
        bytes.extend_from_slice(self.committee.root().as_slice());
        bytes.extend_from_slice(plan.strategy.kind().as_slice());
        bytes.extend_from_slice(plan.seed.as_slice());
        bytes.extend_from_slice(&plan.regular_turns.to_be_bytes());
        keccak256(bytes)
    }
}
