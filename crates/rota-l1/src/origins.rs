//! The newest L1 origin that each operator has announced as confirmed.

use rota_types::Identity;
use std::collections::BTreeMap;

/// Announcements of L1 origins: a leader takes none that is newer than what a quorum has confirmed.
#[derive(Debug, Clone, Default)]
pub struct OriginAnnouncements {
    newest: BTreeMap<Identity, u64>,
}

impl OriginAnnouncements {
    /// Notes what an operator of the committee says (an L1 block number); its latest word counts, also a lower one.
    /// Callers drop announcements of strangers, so the committee bounds the memory.
    pub fn record(&mut self, operator: Identity, number: u64) {
        self.newest.insert(operator, number);
    }

    /// Forgets everybody who is not in the committee any more.
    pub fn retain(&mut self, member: impl Fn(&Identity) -> bool) {
        self.newest.retain(|identity, _| member(identity));
    }

    /// The newest L1 block number that at least `quorum` operators have confirmed.
    pub fn quorum_origin(&self, quorum: usize) -> Option<u64> {
        let mut numbers: Vec<u64> = self.newest.values().copied().collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        numbers.get(quorum.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_decides_the_newest_origin() {
        let mut origins = OriginAnnouncements::default();
        for (operator, number) in [(1, 10), (2, 12), (3, 11)] {
            origins.record(Identity::with_last_byte(operator), number);
        }
        assert_eq!(origins.quorum_origin(3), Some(10));
        assert_eq!(origins.quorum_origin(2), Some(11));
        assert_eq!(origins.quorum_origin(4), None, "three announcements are no quorum of four");
        origins.record(Identity::with_last_byte(2), 9);
        assert_eq!(origins.quorum_origin(2), Some(10), "the latest word counts");
        origins.retain(|identity| *identity != Identity::with_last_byte(1));
        assert_eq!(origins.quorum_origin(2), Some(9));
    }
}
