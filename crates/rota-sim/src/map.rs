//! Where operators are: measured round trips between regions, and what light allows on such a map.

use serde::Deserialize;
use std::{sync::LazyLock, time::Duration};

/// Median round trips between regions of a cloud.
#[derive(Deserialize)]
struct Table {
    regions: Vec<String>,
    /// By sending and receiving region, ms.
    rtt_ms: Vec<Vec<f64>>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let json = include_str!("../../../vectors/latency/regions.json");
    serde_json::from_str(json).expect("the recorded table is sound")
});

/// The regions of a number of operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// Its name on the command line.
    pub name: &'static str,
    /// Index in the table, by operator.
    places: Vec<usize>,
}

/// What light alone takes: nothing is computed, nothing is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floor {
    /// Two quorum hops: from the proposal until 2f+1 notarize votes are here.
    pub notarized: Duration,
    /// Three: until 2f+1 finalize votes are here.
    pub finalized: Duration,
}

/// Regions of a map, by its name.
const MAPS: &[(&str, &[&str])] = &[
    ("europe", &["eu-west-1", "eu-west-2", "eu-central-1", "eu-north-1"]),
    ("outpost", &["eu-west-1", "eu-west-2", "eu-central-1", "ap-southeast-2"]),
    (
        "transatlantic",
        &["us-east-1", "eu-west-1", "us-east-2", "eu-central-1", "us-west-2", "ca-central-1", "us-west-1"],
    ),
    (
        "global",
        &["us-east-1", "us-west-2", "eu-central-1", "ap-northeast-1", "eu-west-1", "ap-southeast-1", "sa-east-1"],
    ),
    (
        "world",
        &[
            "us-west-1",
            "us-east-1",
            "eu-west-1",
            "ap-northeast-1",
            "eu-north-1",
            "ap-south-1",
            "sa-east-1",
            "eu-central-1",
            "ap-northeast-2",
            "ap-southeast-2",
        ],
    ),
];

impl Map {
    /// The names of all maps.
    pub fn names() -> impl Iterator<Item = &'static str> {
        MAPS.iter().map(|(name, _)| *name)
    }

    /// So many operators on a map: one in each region in turn, then the second in each.
    pub fn named(name: &str, operators: usize) -> Option<Self> {
        let (name, regions) = MAPS.iter().find(|(known, _)| *known == name)?;
        let place = |region: &&str| TABLE.regions.iter().position(|known| known == region);
        let places = regions.iter().cycle().take(operators).map(place).collect::<Option<_>>()?;
        Some(Self { name, places })
    }

    /// Operators on it.
    pub fn operators(&self) -> usize {
        self.places.len()
    }

    /// The region of an operator.
    pub fn region(&self, operator: usize) -> &'static str {
        &TABLE.regions[self.places[operator]]
    }

    /// Time from one operator to another: half the round trip.
    pub fn delay(&self, from: usize, to: usize) -> Duration {
        if from == to {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(TABLE.rtt_ms[self.places[from]][self.places[to]] / 2_000.0)
    }

    /// The longest round trip.
    pub fn max_rtt(&self) -> Duration {
        let operators = 0..self.operators();
        let pairs = operators.clone().flat_map(|from| operators.clone().map(move |to| (from, to)));
        pairs.map(|(from, to)| self.delay(from, to) * 2).max().unwrap_or_default()
    }

    /// The floor of simplex for each leader, and of these for each observer: all-to-all votes, certificates relayed by
    /// whoever has them first.
    pub fn floors(&self) -> Vec<Vec<Floor>> {
        let members = self.operators();
        let quorum = members - (members - 1) / 3;
        // When each has heard a quorum of what its members sent at `sent`, directly or from one who has.
        let heard = |sent: &[Duration]| -> Vec<Duration> {
            let counted: Vec<_> = (0..members)
                .map(|to| {
                    let mut arrivals: Vec<_> = (0..members).map(|from| sent[from] + self.delay(from, to)).collect();
                    arrivals.sort();
                    arrivals[quorum - 1]
                })
                .collect();
            let relayed = |to| (0..members).map(|by| counted[by] + self.delay(by, to)).min().expect("members");
            (0..members).map(relayed).collect()
        };
        let of = |leader| {
            let proposed: Vec<_> = (0..members).map(|to| self.delay(leader, to)).collect();
            let notarized = heard(&proposed);
            let finalized = heard(&notarized);
            notarized.into_iter().zip(finalized).map(|(notarized, finalized)| Floor { notarized, finalized }).collect()
        };
        (0..members).map(of).collect()
    }

    /// The mean over leaders and observers.
    pub fn floor(&self) -> Floor {
        let all: Vec<_> = self.floors().concat();
        let mean = |of: fn(&Floor) -> Duration| all.iter().map(of).sum::<Duration>() / all.len() as u32;
        Floor { notarized: mean(|floor| floor.notarized), finalized: mean(|floor| floor.finalized) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floor(name: &str, operators: usize) -> (f64, f64) {
        let floor = Map::named(name, operators).expect("a map").floor();
        let ms = |duration: Duration| (duration.as_secs_f64() * 10_000.0).round() / 10.0;
        (ms(floor.notarized), ms(floor.finalized))
    }

    /// Figures of an independent calculation.
    #[test]
    fn floors_are_those_of_light() {
        assert_eq!(floor("europe", 4), (22.0, 33.9));
        assert_eq!(floor("global", 4), (106.3, 166.2));
        assert_eq!(floor("global", 7), (154.9, 242.4));
        assert_eq!(floor("transatlantic", 7), (63.6, 99.4));
        assert_eq!(floor("world", 10), (182.0, 286.3));
    }

    #[test]
    fn more_operators_in_the_same_regions_are_as_fast() {
        let (ten, fifty) = (floor("world", 10), floor("world", 50));
        assert!((ten.0 - fifty.0).abs() < 1.0 && (ten.1 - fifty.1).abs() < 1.0, "{ten:?} {fifty:?}");
    }

    #[test]
    fn an_unknown_map_is_none() {
        assert_eq!(Map::named("moon", 4), None);
        assert!(Map::names().all(|name| Map::named(name, 4).is_some()));
    }
}
