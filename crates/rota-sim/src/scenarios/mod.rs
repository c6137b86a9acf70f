//! The scenarios: each a sentence about what the chain survives, for any seed.
//!
//! A scenario takes what it starts from ([`Scenario`]: the seed, where to record the run) and panics when a claim does
//! not hold. [`ALL`] lists them; `cargo test --test scenarios` runs each with its own seed, `rota sim run` with any.

use crate::{Scenario, World};
use std::time::Duration;

/// A scenario by name.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// `module::function`.
    pub name: &'static str,
    /// The seed that its test runs with.
    pub seed: u64,
    /// Runs it; panics when a claim does not hold.
    pub run: fn(Scenario),
    source: &'static str,
}

impl Named {
    /// What it shows, in the words of its documentation.
    pub fn description(&self) -> String {
        let function = self.name.rsplit("::").next().expect("split is never empty");
        let before = self.source.split(&format!("pub fn {function}(")).next().expect("split is never empty");
        let lines = before.lines().rev().map_while(|line| line.strip_prefix("///"));
        let lines: Vec<_> = lines.map(str::trim).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" ")
    }
}

/// The scenario with this name, `module::function` or the function alone.
pub fn find(name: &str) -> Option<&'static Named> {
    ALL.iter().find(|named| named.name == name || named.name.rsplit("::").next() == Some(name))
}

/// The one list of scenarios: hands every module with its scenarios and their seeds to another macro.
#[macro_export]
macro_rules! for_each_scenario {
    ($apply:ident) => {
        $apply! {
            determinism {
                same_seed_same_run = 80,
            }
            epochs {
                epoch_boundary_has_no_gap = 60,
                boundary_with_one_operator_down_goes_on = 61,
            }
            l1 {
                l1_views_differ_for_seconds = 50,
                l1_gone_keeps_origin_within_drift = 51,
                shallow_l1_reorg_is_not_noticed = 52,
                restart_without_l1_goes_on = 53,
                restart_on_another_l1_does_not_go_on = 54,
                finalized_l1_contradicts_a_certified_origin = 55,
                a_lying_l1_endpoint_overrules_nothing = 56,
            }
            leader {
                leader_crashes_mid_block = 1,
                a_leader_far_away_keeps_its_turn = 2,
                leader_proposes_invalid_flashblock_wrong_outcome_root = 10,
                leader_proposes_invalid_flashblock_wrong_seal = 11,
                leader_proposes_invalid_flashblock_bad_signature = 12,
                leader_proposes_invalid_flashblock_over_gas = 13,
                leader_proposes_invalid_flashblock_skipped_origin = 14,
                leader_proposes_invalid_flashblock_broken_drift = 15,
                leader_proposes_invalid_flashblock_wrong_timestamp = 16,
                leader_proposes_invalid_flashblock_wrong_body = 17,
                leader_equivocates = 19,
                slow_engine_declines = 18,
            }
            membership {
                minority_partition_rejoins = 30,
                majority_lost_stops_and_resumes = 31,
                crash_restart_every_operator = 32,
                graceful_stop_hands_the_turn_over = 33,
                a_failure_during_the_hand_over_is_the_outcome = 36,
                empty_disk_never_votes_twice = 34,
                failing_disk_stops_the_node_and_nothing_certified_is_lost = 35,
            }
            outages {
                an_invalid_block_by_the_builder_costs_the_rest_of_its_turn = 110,
                an_unready_successor_is_passed_over = 111,
                a_quorum_that_crosses_a_view_change_forks_nothing = 112,
                votes_of_the_next_epoch_arrive_before_its_engine = 113,
                blocked_verifiers_stall_no_turn = 114,
            }
            posting {
                poster_dies_mid_channel = 100,
                old_poster_posts_after_rotation = 101,
                l1_reorg_under_poster = 102,
                blob_fee_spike = 103,
                backlog_guard = 104,
                a_poster_without_eth_is_skipped = 105,
                a_beacon_node_without_blobs_is_waited_for = 106,
                two_nodes_with_one_posting_key = 107,
            }
            registry {
                operator_joins_at_exact_epoch = 90,
                operator_leaves_at_exact_epoch = 91,
                half_the_committee_replaced = 92,
                schedule_switched_live = 93,
                reserve_takes_over_and_yields = 94,
                killed_before_last_height_of_epoch = 95,
                the_last_member_to_leave_keeps_the_chain = 96,
                a_late_node_follows_through_committees_it_never_knew = 97,
                departed_member_alone_holds_the_boundary = 98,
                a_member_that_never_comes_costs_its_turns = 98,
                an_entry_without_its_identitys_word_is_ignored_by_all = 99,
            }
            transactions {
                transaction_sent_to_a_dying_operator_is_included = 70,
                a_wallet_asks_the_only_one_left_that_holds_it = 74,
                transactions_survive_the_leader = 71,
                transactions_in_an_invalid_flashblock_are_included_later = 72,
                a_transaction_that_fits_into_no_flashblock_leaves_and_stays_out = 73,
            }
        }
    };
}

macro_rules! list {
    ($($module:ident { $($scenario:ident = $seed:literal,)* })*) => {
        $(pub mod $module;)*

        /// Every scenario.
        pub const ALL: &[Named] = &[$($(Named {
            name: concat!(stringify!($module), "::", stringify!($scenario)),
            seed: $seed,
            run: $module::$scenario,
            source: include_str!(concat!(stringify!($module), ".rs")),
        }),*),*];
    };
}

for_each_scenario!(list);

/// Seconds, for short.
pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Milliseconds, for short.
pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Nobody has cut anybody off, and nobody has reported a fault.
pub(crate) async fn nobody_misbehaved(world: &World) {
    assert_eq!(world.network.blocked().await, [], "operators have cut each other off");
    for operator in world.operators().filter(|operator| world.runs(*operator)) {
        let faults = world.node(operator).ledger.evidence(0, 16).expect("the disk is sound");
        assert_eq!(faults, [], "operator {operator} has evidence of a fault");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_found_by_name_and_says_what_it_shows() {
        for named in ALL {
            assert_eq!(find(named.name).map(|found| found.name), Some(named.name));
            assert!(named.description().ends_with('.'), "{}: {:?}", named.name, named.description());
        }
        assert_eq!(find("leader_crashes_mid_block").map(|named| named.seed), Some(1));
    }
}
