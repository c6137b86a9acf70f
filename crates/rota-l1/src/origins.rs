//! The newest L1 origin that each operator has announced as confirmed.

use rota_types::{Committee, Identity};
use std::collections::BTreeMap;

/// Announcements of L1 origins: a leader takes none that is newer than what a quorum has confirmed.
#[derive(Debug, Clone, Default)]
pub struct OriginAnnouncements {
    newest: BTreeMap<Identity, u64>,
}

impl OriginAnnouncements {
    /// Notes what an operator of the committee says (an L1 block number); its latest word counts, also a lower one.
    /// Callers drop announcements of strangers, so the committees bound the memory.
    pub fn record(&mut self, operator: Identity, number: u64) {
        self.newest.insert(operator, number);
    }

    /// Forgets everybody who is no operator any more.
    pub fn retain(&mut self, member: impl Fn(&Identity) -> bool) {
        self.newest.retain(|identity, _| member(identity));
    }

    /// The newest L1 block number that a quorum of a committee has confirmed.
    pub fn quorum_origin(&self, committee: &Committee) -> Option<u64> {
        let announced = committee.operators().iter().filter_map(|operator| self.newest.get(&operator.identity));
        let mut numbers: Vec<u64> = announced.copied().collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        numbers.get(committee.quorum() - 1).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rota_types::Operator;

    fn identity(index: u8) -> Identity {
        Identity::with_last_byte(index)
    }

    /// Operators 1 to `n`: a quorum is 1, 2, 3, 3 of 1, 2, 3, 4.
    fn committee(n: u8) -> Committee {
        let operator = |index: u8| Operator {
            name: String::new(),
            account: Default::default(),
            identity: identity(index),
            bls_public_key: alloy_primitives::FixedBytes::with_last_byte(index),
            proof_of_possession: None,
            posting_address: Default::default(),
            endpoint: String::new(),
            weight: 1,
            reserve: false,
        };
        Committee::new((1..=n).map(operator).collect()).expect("distinct keys")
    }

    #[test]
    fn a_quorum_of_the_committee_decides_the_newest_origin() {
        let mut origins = OriginAnnouncements::default();
        for (operator, number) in [(1, 10), (2, 12), (3, 11), (9, 99)] {
            origins.record(identity(operator), number);
        }
        assert_eq!(origins.quorum_origin(&committee(3)), Some(10));
        assert_eq!(origins.quorum_origin(&committee(4)), Some(10), "three of four, and no stranger");
        assert_eq!(origins.quorum_origin(&committee(6)), None, "three announcements are no quorum of six");
        origins.record(identity(2), 9);
        assert_eq!(origins.quorum_origin(&committee(3)), Some(9), "the latest word counts");
        origins.retain(|operator| *operator != identity(1));
        assert_eq!(origins.quorum_origin(&committee(3)), None);
    }
}
