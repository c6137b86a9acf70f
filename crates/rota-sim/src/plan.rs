//! A plan of faults: plain data, made from a seed before anything runs.

use crate::{
    chance::Chance,
    faults::{FaultKind, Harm},
    scenario::Scenario,
};
use std::{collections::BTreeSet, fmt, time::Duration};

/// One fault, when it begins and how long it lasts.
#[derive(Debug, Clone)]
pub struct TimedFault {
    /// Since the chain runs.
    pub at: Duration,
    /// Until it is healed.
    pub lasts: Duration,
    /// What it is.
    pub kind: FaultKind,
}

impl TimedFault {
    /// When it is healed.
    pub fn ends(&self) -> Duration {
        self.at + self.lasts
    }

    /// Whether it costs something `at` this time.
    fn hurts(&self, at: Duration) -> bool {
        match self.kind.harm() {
            Harm::Nobody => false,
            Harm::Lost(_) => at >= self.at,
            Harm::Operator(_) | Harm::Everybody => at >= self.at && at < self.ends() + self.kind.recovery(),
        }
    }
}

impl fmt::Display for TimedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, lasts) = (self.at.as_secs_f64(), self.lasts.as_secs_f64());
        write!(f, "at {at:.3} s for {lasts:.3} s: {}", self.kind)
    }
}

/// Everything that goes wrong in one run.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    /// In the order in which they begin.
    pub faults: Vec<TimedFault>,
    /// Operators that the chain can do without.
    pub budget: usize,
}

/// Faults in a plan.
const FAULTS: std::ops::RangeInclusive<u64> = 1..=6;

/// When the first fault may begin: everybody has entered the first epoch.
const FIRST: Duration = Duration::from_secs(1);

impl FaultPlan {
    /// A plan for this world in which everything is healed after `lasts`.
    ///
    /// Most plans hurt no more operators at once than the chain can do without; then it must go on all the while. One
    /// in four may hurt more for a while: then nothing may be lost meanwhile, and the chain must go on when that is
    /// over. In no plan do more operators lie, or lose what they knew, than the chain can do without.
    pub fn draw(chance: &mut Chance, scenario: &Scenario, lasts: Duration) -> Self {
        let mut plan = Self { faults: Vec::new(), budget: (scenario.operators - 1) / 3 };
        let bold = chance.one_in(4);
        let end = lasts.as_millis() as u64;
        for _ in 0..chance.within(FAULTS) {
            let name = chance.pick(FaultKind::NAMES);
            let operator = chance.within(0..=scenario.operators as u64 - 1) as usize;
            let at = chance.within(FIRST.as_millis() as u64..=end * 3 / 4);
            let longest = end - at;
            let lasts = chance.within(longest.min(200)..=longest.min(end / 3));
            let Some(kind) = FaultKind::draw(name, chance, scenario, operator) else { continue };
            let fault = TimedFault { at: Duration::from_millis(at), lasts: Duration::from_millis(lasts), kind };
            if plan.admits(&fault, bold) {
                plan.faults.push(fault);
                plan.faults.sort_by_key(|fault| fault.at);
            }
        }
        plan
    }

    /// Whether a fault fits to those that are planned.
    fn admits(&self, fault: &TimedFault, bold: bool) -> bool {
        let clash = |other: &&TimedFault| {
            let together = fault.at < other.ends() + RESTART && other.at < fault.ends() + RESTART;
            let same_node = fault.kind.restarts() && other.kind.restarts() && operator(fault) == operator(other);
            (same_node && together) || (fault.kind.once() && fault.kind.name() == other.kind.name())
        };
        if self.faults.iter().any(|other| clash(&other)) {
            return false;
        }
        let mut with = self.clone();
        with.faults.push(fault.clone());
        let lost = with.faults.iter().filter(|fault| matches!(fault.kind.harm(), Harm::Lost(_)));
        let lost: BTreeSet<_> = lost.map(operator).collect();
        // Harm grows only where a fault begins.
        lost.len() <= self.budget && (bold || with.faults.iter().all(|fault| with.promises(fault.at)))
    }

    /// Whether the chain must go on at this time.
    pub fn promises(&self, at: Duration) -> bool {
        let mut hurt = BTreeSet::new();
        for fault in self.faults.iter().filter(|fault| fault.hurts(at)) {
            match fault.kind.harm() {
                Harm::Nobody => {}
                Harm::Operator(operator) | Harm::Lost(operator) => {
                    hurt.insert(operator);
                }
                Harm::Everybody => return false,
            }
        }
        hurt.len() <= self.budget
    }

    /// When the last fault is healed.
    pub fn ends(&self) -> Duration {
        self.faults.iter().map(TimedFault::ends).max().unwrap_or_default()
    }
}

/// How long a node needs to start, for another fault to find it there.
const RESTART: Duration = Duration::from_millis(500);

/// Whom a fault hits, if it is one operator.
fn operator(fault: &TimedFault) -> Option<usize> {
    match fault.kind.harm() {
        Harm::Operator(operator) | Harm::Lost(operator) => Some(operator),
        Harm::Nobody | Harm::Everybody => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plans(operators: usize) -> impl Iterator<Item = FaultPlan> {
        let scenario = Scenario { operators, joiners: 1, ..Scenario::default() };
        (0..400).map(move |seed| FaultPlan::draw(&mut Chance::new(seed, 0), &scenario, Duration::from_secs(20)))
    }

    #[test]
    fn the_same_seed_gives_the_same_plan() {
        let printed = |plans: &mut dyn Iterator<Item = FaultPlan>| plans.map(|p| format!("{p:?}")).collect::<Vec<_>>();
        assert_eq!(printed(&mut plans(4)), printed(&mut plans(4)));
    }

    #[test]
    fn everything_is_healed_in_time_and_most_plans_keep_the_budget() {
        for operators in [4, 7] {
            let mut bold = 0;
            for plan in plans(operators) {
                assert!(plan.ends() <= Duration::from_secs(20));
                bold += usize::from(!plan.faults.iter().all(|fault| plan.promises(fault.at)));
                let lost = plan.faults.iter().filter(|fault| matches!(fault.kind.harm(), Harm::Lost(_)));
                let lost: BTreeSet<_> = lost.map(operator).collect();
                assert!(lost.len() <= plan.budget, "{plan:?}");
            }
            assert!((20..200).contains(&bold), "{bold} plans of 400 go beyond the budget");
        }
    }

    #[test]
    fn every_kind_is_drawn() {
        let posting = Scenario { posting: Some(Default::default()), operators: 6, joiners: 1, ..Scenario::default() };
        let mut drawn = BTreeSet::new();
        for seed in 0..400 {
            let plan = FaultPlan::draw(&mut Chance::new(seed, 0), &posting, Duration::from_secs(20));
            drawn.extend(plan.faults.iter().map(|fault| fault.kind.name()));
        }
        assert_eq!(drawn, FaultKind::NAMES.iter().copied().collect());
    }
}
