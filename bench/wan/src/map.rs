//! A map: the hosts and the round trips between them.

use std::time::Duration;

/// Hosts, in the order of their addresses, and how long a packet takes from one to another.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) regions: Vec<String>,
    /// One way, `[from][to]`: half of the round trip, which is taken as the mean of both directions' figures.
    pub(crate) delays: Vec<Vec<Duration>>,
}

/// The most hosts a map may have: one address each in 10.9.0.0/24.
const HOSTS_MAX: usize = 200;

impl Map {
    /// Reads rows of a name and one round trip in ms for each row; `#` starts a comment.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        let rows: Vec<Vec<_>> =
            lines.map(|line| line.split_whitespace().collect()).filter(|row: &Vec<_>| !row.is_empty()).collect();
        let hosts = rows.len();
        if !(2..=HOSTS_MAX).contains(&hosts) {
            return Err(format!("{hosts} hosts: a map has 2 to {HOSTS_MAX}"));
        }
        let mut trips = Vec::with_capacity(hosts);
        for row in &rows {
            if row.len() != hosts + 1 {
                return Err(format!("{}: {} round trips for {hosts} hosts", row[0], row.len() - 1));
            }
            let ms = |text: &&str| text.parse().ok().filter(|ms| (0.0..=10_000.0).contains(ms));
            let row: Option<Vec<f64>> = row[1..].iter().map(ms).collect();
            trips.push(row.ok_or_else(|| format!("{}: a round trip is a number of ms", rows[trips.len()][0]))?);
        }
        let way = |from: usize, to: usize| Duration::from_secs_f64((trips[from][to] + trips[to][from]) / 4.0 / 1e3);
        let delays = (0..hosts).map(|from| (0..hosts).map(|to| way(from, to)).collect()).collect();
        Ok(Self { regions: rows.iter().map(|row| row[0].to_owned()).collect(), delays })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_half_of_the_mean_round_trip() {
        let map = Map::parse("# a comment\na 0 64\nb 66 0 # another\n").expect("a map");
        assert_eq!(map.regions, ["a", "b"]);
        assert_eq!(map.delays[0][1], Duration::from_micros(32_500));
        assert_eq!(map.delays[0][1], map.delays[1][0]);
    }

    #[test]
    fn what_is_no_square_of_numbers_is_refused() {
        for bad in ["", "a 0", "a 0 1\nb 1", "a 0 x\nb 1 0", "a 0 -1\nb 1 0", "a 0 NaN\nb 1 0"] {
            assert!(Map::parse(bad).is_err(), "{bad}");
        }
    }
}
