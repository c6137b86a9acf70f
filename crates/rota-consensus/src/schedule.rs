//! Who leads which turn: round robin over the committee in canonical order.

use rota_types::{ChainSpec, Committee, Identity};

/// The schedule of every epoch. A pure function of (epoch, turn); a turn is `turn_length` consecutive views, counted
/// from view 1 of its epoch.
#[derive(Debug, Clone)]
pub struct Schedule {
    turn_length: u32,
    committee: Committee,
}

impl Schedule {
    /// The schedule of a chain.
    pub fn new(spec: &ChainSpec) -> Self {
        Self { turn_length: spec.turn_length, committee: spec.committee.clone() }
    }

    /// Index in its epoch of the turn that holds `view` (views start at 1; a turn is a simplex term).
    pub const fn turn_of(&self, view: u64) -> u64 {
        view.saturating_sub(1) / self.turn_length as u64
    }

    /// Leader of a turn.
    pub fn turn_leader(&self, epoch: u64, turn: u64) -> Identity {
        let operators = self.committee.operators();
        let index = epoch.wrapping_add(turn) % operators.len() as u64;
        operators[index as usize].identity
    }

    /// Leader of a view.
    pub fn leader(&self, epoch: u64, view: u64) -> Identity {
        self.turn_leader(epoch, self.turn_of(view))
    }
}
