//! Who leads which turn of an epoch: the strategies, as pure functions of the epoch's plan.
//!
//! The contracts `contracts/src/{RoundRobin,Weighted}.sol` and `tools/observer/schedule.mjs` compute the same; the
//! shared vectors are in `vectors/schedule/`.
//!
//! With *regular* the seats without `reserve` in canonical order (all of them, if every seat is reserve), *reserves*
//! the others, n and R their numbers, N = `regular_turns`, W the sum of the regular weights:
//!
//! * turn t belongs to `reserves[(epoch + t − N) mod R]` if t ≥ N and R > 0, else to `table[t mod N]`;
//! * round robin: `table[i] = regular[(epoch + i) mod n]`;
//! * weighted: `table[k]` is the regular seat whose cumulative range of weights holds `⌊(r + k·W) / N⌋`, with
//!   `r = keccak("rota_WEIGHTED" ‖ seed ‖ u64 epoch) mod W`; then, for i from N − 1 down to 1, `table[i]` changes places
//!   with `table[j]`, `j = keccak("rota_SHUFFLE" ‖ seed ‖ u64 epoch ‖ u32 i) mod (i + 1)`. So an operator's number of
//!   turns is its quota `N · weight / W` rounded down or up, and exactly that quota on average. What bias remains is
//!   said in `Weighted.sol`.
//!
//! Integers are big-endian.

use crate::{Committee, Identity};
use alloy_primitives::{Address, B256, U256, keccak256};
use serde::{Deserialize, Serialize};

/// The most regular turns of an epoch.
pub const MAX_REGULAR_TURNS: u32 = 4096;

/// The largest weight of a seat.
pub const MAX_WEIGHT: u64 = 1 << 32;

/// What makes an epoch's table of turns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    #[default]
    /// One turn each, in canonical order, from a place that moves by one each epoch.
    RoundRobin,
    /// Turns in proportion to weight, in an order that the epoch's seed shuffles.
    Weighted,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 2] = [Self::RoundRobin, Self::Weighted];

    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::Weighted => "weighted",
        }
    }

    /// The name on L1 (`ISchedule.kind`): ASCII, left-aligned, zero-padded.
    pub fn kind(self) -> B256 {
        B256::right_padding_from(self.name().as_bytes())
    }

    /// The strategy with this name on L1; `None` if this software knows none.
    pub fn from_kind(kind: B256) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.kind() == kind)
    }
}

/// A seat in an epoch's committee.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// p2p identity; seats are ascending by it.
    pub identity: Identity,
    /// The operator's account on L1.
    pub operator: Address,
    /// Share of turns: 1 to [`MAX_WEIGHT`].
    pub weight: u64,
    /// Votes, but has no regular turns.
    pub reserve: bool,
}

/// What an epoch's turns are computed from; all of it is certified by the epoch before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochPlan {
    /// The epoch.
    pub epoch: u64,
    /// What makes the table.
    pub strategy: Strategy,
    /// Randomness of the strategies that need it.
    pub seed: B256,
    /// Turns that belong to regular operators: see [`regular_turns`]. 1 to [`MAX_REGULAR_TURNS`].
    pub regular_turns: u32,
    /// The committee in canonical order: 1 to [`Committee::MAX`] seats.
    pub seats: Vec<Seat>,
}

/// Why a plan has no turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// `regular_turns` is outside 1 to [`MAX_REGULAR_TURNS`].
    #[error("{0} regular turns: must be 1 to {MAX_REGULAR_TURNS}")]
    RegularTurns(u32),
    /// The number of seats is outside 1 to [`Committee::MAX`].
    #[error("{0} seats: must be 1 to {max}", max = Committee::MAX)]
    Seats(usize),
    /// This seat's identity is not above that of the seat before: out of order, or twice.
    #[error("seat {0} is not in ascending order of identity")]
    Order(usize),
    /// This seat's weight is outside 1 to [`MAX_WEIGHT`].
    #[error("seat {0}: weight must be 1 to {MAX_WEIGHT}")]
    Weight(usize),
}

impl EpochPlan {
    /// Refuses a malformed plan; the first fault is named.
    fn check(&self) -> Result<(), PlanError> {
        if !(1..=MAX_REGULAR_TURNS).contains(&self.regular_turns) {
            return Err(PlanError::RegularTurns(self.regular_turns));
        }
        if !(1..=Committee::MAX).contains(&self.seats.len()) {
            return Err(PlanError::Seats(self.seats.len()));
        }
        for (index, seat) in self.seats.iter().enumerate() {
            if index > 0 && self.seats[index - 1].identity >= seat.identity {
                return Err(PlanError::Order(index));
            }
            if !(1..=MAX_WEIGHT).contains(&seat.weight) {
                return Err(PlanError::Weight(index));
            }
        }
        Ok(())
    }

    /// `keccak(domain ‖ seed ‖ u64 epoch ‖ rest) mod modulus`, for a modulus of at least 1.
    fn draw(&self, domain: &[u8], rest: &[u8], modulus: u64) -> u64 {
        let hash = keccak256([domain, self.seed.as_slice(), &self.epoch.to_be_bytes(), rest].concat());
        (U256::from_be_bytes(hash.0) % U256::from(modulus)).to::<u64>()
    }

    /// The table of round robin.
    fn round_robin(&self, regular: &[usize]) -> Vec<usize> {
        let count = regular.len() as u64;
        let start = self.epoch % count;
        (0..u64::from(self.regular_turns)).map(|turn| regular[((start + turn) % count) as usize]).collect()
    }

    /// The table of weighted: systematic sampling, then Fisher–Yates.
    fn weighted(&self, regular: &[usize]) -> Vec<usize> {
        let turns = u64::from(self.regular_turns);
        let total: u64 = regular.iter().map(|seat| self.seats[*seat].weight).sum();
        let start = self.draw(b"rota_WEIGHTED", &[], total);
        let mut table = Vec::with_capacity(turns as usize);
        // At most 128 seats of weight 2^32 and 4096 turns: every product stays below 2^52.
        let mut below = 0;
        for seat in regular {
            below += self.seats[*seat].weight;
            while (table.len() as u64) < turns && (start + table.len() as u64 * total) / turns < below {
                table.push(*seat);
            }
        }
        for index in (1..self.regular_turns).rev() {
            let other = self.draw(b"rota_SHUFFLE", &index.to_be_bytes(), u64::from(index) + 1);
            table.swap(index as usize, other as usize);
        }
        table
    }
}

/// Where an operator stands in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It has no seat.
    Unknown,
    /// It has a seat but no regular turn.
    Unscheduled,
    /// It has a regular turn.
    Scheduled,
}

/// The turns of one epoch, computed once from a well-formed plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnTable {
    plan: EpochPlan,
    /// Indices of seats.
    table: Vec<usize>,
    /// Indices of seats.
    reserves: Vec<usize>,
}

impl TurnTable {
    /// Computes the turns of a plan.
    pub fn new(plan: EpochPlan) -> Result<Self, PlanError> {
        plan.check()?;
        let (mut reserves, mut regular): (Vec<_>, Vec<_>) =
            (0..plan.seats.len()).partition(|seat| plan.seats[*seat].reserve);
        if regular.is_empty() {
            std::mem::swap(&mut regular, &mut reserves);
        }
        let table = match plan.strategy {
            Strategy::RoundRobin => plan.round_robin(&regular),
            Strategy::Weighted => plan.weighted(&regular),
        };
        Ok(Self { plan, table, reserves })
    }

    /// What the turns were computed from.
    pub const fn plan(&self) -> &EpochPlan {
        &self.plan
    }

    /// The leaders of the regular turns.
    pub fn table(&self) -> impl ExactSizeIterator<Item = &Seat> {
        self.table.iter().map(|seat| &self.plan.seats[*seat])
    }

    /// Leader of a turn; turns count from 0 in each epoch, without end.
    pub fn leader(&self, turn: u64) -> &Seat {
        let regular = self.table.len() as u64;
        let seat = if turn >= regular && !self.reserves.is_empty() {
            let turn = u128::from(self.plan.epoch) + u128::from(turn - regular);
            self.reserves[(turn % self.reserves.len() as u128) as usize]
        } else {
            self.table[(turn % regular) as usize]
        };
        &self.plan.seats[seat]
    }

    /// The regular turns of an operator, ascending.
    pub fn turns(&self, operator: Address) -> impl Iterator<Item = u32> {
        (0..).zip(self.table()).filter(move |(_, seat)| seat.operator == operator).map(|(turn, _)| turn)
    }

    /// Where an operator stands.
    pub fn standing(&self, operator: Address) -> Standing {
        if self.turns(operator).next().is_some() {
            Standing::Scheduled
        } else if self.plan.seats.iter().any(|seat| seat.operator == operator) {
            Standing::Unscheduled
        } else {
            Standing::Unknown
        }
    }
}

/// The regular turns of an epoch of so many heights, in turns of so many views: `⌈heights ÷ turn⌉`, which a healthy epoch
/// needs, and a third more for turns that get lost. `None` if that is outside 1 to [`MAX_REGULAR_TURNS`], or a turn is
/// empty.
pub fn regular_turns(epoch_length: u64, turn_length: u32) -> Option<u32> {
    if turn_length == 0 {
        return None;
    }
    let needed = epoch_length.div_ceil(u64::from(turn_length));
    let turns = u32::try_from(needed.checked_add(needed.div_ceil(3))?).ok()?;
    (1..=MAX_REGULAR_TURNS).contains(&turns).then_some(turns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        collection::vec,
        prelude::{any, prop_assert, prop_assert_eq, proptest},
    };

    /// A plan with one seat for each (weight, reserve); the operator of seat i is `operator(i)`.
    fn plan(epoch: u64, strategy: Strategy, regular_turns: u32, seats: &[(u64, bool)]) -> EpochPlan {
        let seats = (0..)
            .zip(seats)
            .map(|(index, (weight, reserve))| Seat {
                identity: B256::with_last_byte(index + 1),
                operator: operator(index),
                weight: *weight,
                reserve: *reserve,
            })
            .collect();
        EpochPlan { epoch, strategy, seed: keccak256("seed"), regular_turns, seats }
    }

    fn operator(index: u8) -> Address {
        Address::with_last_byte(index + 1)
    }

    /// Indices of the leaders of turns `turns`.
    fn leaders(table: &TurnTable, turns: std::ops::Range<u64>) -> Vec<u8> {
        turns.map(|turn| table.leader(turn).operator[19] - 1).collect()
    }

    fn round_robin(epoch: u64, regular_turns: u32, reserves: &[bool]) -> TurnTable {
        let seats: Vec<_> = reserves.iter().map(|reserve| (1, *reserve)).collect();
        TurnTable::new(plan(epoch, Strategy::RoundRobin, regular_turns, &seats)).expect("well-formed")
    }

    #[test]
    fn kinds_are_padded_names() {
        for strategy in Strategy::ALL {
            assert_eq!(Strategy::from_kind(strategy.kind()), Some(strategy));
            assert_eq!(serde_json::to_value(strategy).expect("JSON"), strategy.name());
        }
        assert_eq!(&Strategy::Weighted.kind()[..9], b"weighted\0");
        assert_eq!(Strategy::from_kind(B256::ZERO), None);
    }

    #[test]
    fn round_robin_starts_one_further_each_epoch_and_its_table_wraps() {
        assert_eq!(leaders(&round_robin(0, 4, &[false; 3]), 0..9), [0, 1, 2, 0, 0, 1, 2, 0, 0]);
        assert_eq!(leaders(&round_robin(1, 4, &[false; 3]), 0..9), [1, 2, 0, 1, 1, 2, 0, 1, 1]);
        assert_eq!(leaders(&round_robin(u64::MAX, 2, &[false; 2]), 0..3), [1, 0, 1]);
    }

    #[test]
    fn reserves_lead_only_after_the_regular_turns() {
        let reserves = [false, true, false, true];
        assert_eq!(leaders(&round_robin(0, 3, &reserves), 0..7), [0, 2, 0, 1, 3, 1, 3]);
        assert_eq!(leaders(&round_robin(1, 3, &reserves), 0..7), [2, 0, 2, 3, 1, 3, 1]);
    }

    #[test]
    fn the_reserve_is_counted_without_overflow() {
        let table = round_robin(u64::MAX, 3, &[false, true, true, true]);
        // (2^64 − 1) + (2^64 − 2) − 3 is 2 modulo 3.
        assert_eq!(leaders(&table, u64::MAX - 1..u64::MAX), [3]);
    }

    #[test]
    fn where_all_are_reserve_all_are_regular() {
        assert_eq!(leaders(&round_robin(0, 2, &[true; 3]), 0..5), [0, 1, 0, 1, 0]);
    }

    #[test]
    fn standing_follows_from_the_table() {
        let table = round_robin(0, 1, &[false, false, true]);
        let standings = [0, 1, 2, 3].map(|index| table.standing(operator(index)));
        use Standing::{Scheduled, Unknown, Unscheduled};
        assert_eq!(standings, [Scheduled, Unscheduled, Unscheduled, Unknown]);
        assert_eq!(table.turns(operator(0)).collect::<Vec<_>>(), [0]);
        let table = round_robin(1, 5, &[false, false]);
        assert_eq!(table.turns(operator(0)).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn malformed_plans_are_refused() {
        let good = plan(3, Strategy::Weighted, 8, &[(1, false), (2, true), (MAX_WEIGHT, false)]);
        let refused = |change: &dyn Fn(&mut EpochPlan)| {
            let mut plan = good.clone();
            change(&mut plan);
            TurnTable::new(plan).expect_err("malformed")
        };
        assert!(TurnTable::new(good.clone()).is_ok());
        assert_eq!(refused(&|plan| plan.regular_turns = 0), PlanError::RegularTurns(0));
        assert_eq!(refused(&|plan| plan.regular_turns = 4097), PlanError::RegularTurns(4097));
        assert_eq!(refused(&|plan| plan.seats.clear()), PlanError::Seats(0));
        assert_eq!(refused(&|plan| plan.seats = vec![plan.seats[0]; 129]), PlanError::Seats(129));
        assert_eq!(refused(&|plan| plan.seats.swap(0, 1)), PlanError::Order(1));
        assert_eq!(refused(&|plan| plan.seats[2].identity = plan.seats[1].identity), PlanError::Order(2));
        assert_eq!(refused(&|plan| plan.seats[0].weight = 0), PlanError::Weight(0));
        assert_eq!(refused(&|plan| plan.seats[2].weight += 1), PlanError::Weight(2));
    }

    #[test]
    fn regular_turns_are_a_third_more_than_needed() {
        assert_eq!(regular_turns(300, 50), Some(6 + 2));
        assert_eq!(regular_turns(301, 50), Some(7 + 3));
        assert_eq!(regular_turns(1, 50), Some(1 + 1));
        assert_eq!(regular_turns(3072, 1), Some(4096));
        for (epoch_length, turn_length) in [(3073, 1), (0, 50), (300, 0), (u64::MAX, 1)] {
            assert_eq!(regular_turns(epoch_length, turn_length), None);
        }
    }

    /// Turns of each seat.
    fn counts(table: &TurnTable) -> Vec<u64> {
        table.plan().seats.iter().map(|seat| table.turns(seat.operator).count() as u64).collect()
    }

    #[test]
    fn weighted_shares_approach_the_weights_over_many_epochs() {
        let weights = [1, 5, 30, 64];
        let seats = weights.map(|weight| (weight, false));
        let epochs = 4000;
        let mut led = [0; 4];
        for epoch in 0..epochs {
            let table = TurnTable::new(plan(epoch, Strategy::Weighted, 7, &seats)).expect("well-formed");
            led.iter_mut().zip(counts(&table)).for_each(|(led, count)| *led += count);
        }
        for (led, weight) in led.into_iter().zip(weights) {
            let expected = epochs * 7 * weight / 100;
            assert!(led.abs_diff(expected) < 100, "{led} turns where {expected} are expected");
        }
    }

    #[test]
    fn weighted_order_depends_on_seed_and_epoch() {
        let plan = plan(0, Strategy::Weighted, 64, &[(1, false); 8]);
        let table = TurnTable::new(plan.clone()).expect("well-formed");
        let other = |plan| leaders(&TurnTable::new(plan).expect("well-formed"), 0..64);
        assert_ne!(leaders(&table, 0..64), other(EpochPlan { seed: B256::ZERO, ..plan.clone() }));
        assert_ne!(leaders(&table, 0..64), other(EpochPlan { epoch: 1, ..plan }));
    }

    proptest! {
        #[test]
        fn weighted_gives_each_its_quota_rounded_down_or_up(
            epoch: u64,
            regular_turns in 1..=MAX_REGULAR_TURNS,
            seats in vec((1..=MAX_WEIGHT, any::<bool>()), 1..=Committee::MAX),
        ) {
            let table = TurnTable::new(plan(epoch, Strategy::Weighted, regular_turns, &seats)).expect("well-formed");
            let all = seats.iter().all(|(_, reserve)| *reserve);
            let total: u64 = seats.iter().filter(|(_, reserve)| all || !reserve).map(|(weight, _)| weight).sum();
            prop_assert_eq!(table.table().len(), regular_turns as usize);
            for (count, (weight, reserve)) in counts(&table).into_iter().zip(seats) {
                let share = u64::from(regular_turns) * weight;
                let (least, most) = if reserve && !all { (0, 0) } else { (share / total, share.div_ceil(total)) };
                prop_assert!((least..=most).contains(&count), "{} turns, quota {}..={}", count, least, most);
            }
        }

        #[test]
        fn every_turn_has_a_leader_and_reserves_only_the_late_ones(
            epoch: u64,
            turn: u64,
            weighted: bool,
            regular_turns in 1..=64u32,
            seats in vec((1..=MAX_WEIGHT, any::<bool>()), 1..=9),
        ) {
            let strategy = if weighted { Strategy::Weighted } else { Strategy::RoundRobin };
            let table = TurnTable::new(plan(epoch, strategy, regular_turns, &seats)).expect("well-formed");
            let mixed = seats.iter().any(|seat| seat.1) && seats.iter().any(|seat| !seat.1);
            for turn in [turn, turn % u64::from(regular_turns)] {
                let late = turn >= u64::from(regular_turns);
                prop_assert!(!mixed || table.leader(turn).reserve == late);
            }
        }
    }
}
