//! Who says that the poster of the running turn is silent: attestations that members sign and tell each other.

use alloy_primitives::{Address, Signature};
use parking_lot::Mutex;
use rota_l1::SkipDomain;
use rota_types::Identity;
use std::collections::{BTreeMap, BTreeSet};

/// Signatures of one peer that are verified in a turn, at most: one is right, the others are a flood.
const MAX_TRIES: u32 = 16;

/// Attestations of the running turn. Only members' count, one of each.
#[derive(Debug, Default)]
pub struct Skips(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// What is signed, and the running turn; `None` where there are no turns.
    turn: Option<(SkipDomain, u64)>,
    /// The members' posting addresses.
    members: BTreeSet<Address>,
    signatures: BTreeMap<Address, Signature>,
    tries: BTreeMap<Identity, u32>,
}

impl Skips {
    /// This turn runs now, and these are the members' posting addresses. Another turn forgets all attestations.
    pub fn turn(&self, domain: SkipDomain, number: u64, members: &[Address]) {
        let mut state = self.0.lock();
        if state.turn != Some((domain, number)) {
            *state = State { turn: Some((domain, number)), ..State::default() };
        }
        state.members = members.iter().copied().collect();
        let State { members, signatures, .. } = &mut *state;
        signatures.retain(|member, _| members.contains(member));
    }

    /// A peer's attestation. `false` if it is forged, or if the peer has sent too many; those of other turns than the
    /// running one mean nothing yet, or any more.
    pub fn received(&self, peer: Identity, turn: u64, signature: &Signature) -> bool {
        let mut state = self.0.lock();
        let Some((domain, _)) = state.turn.filter(|(_, running)| *running == turn) else { return true };
        if state.signatures.values().any(|known| known == signature) {
            return true;
        }
        let tries = state.tries.entry(peer).or_default();
        *tries += 1;
        if *tries > MAX_TRIES {
            return false;
        }
        let signer = domain.signer(turn, signature).filter(|signer| state.members.contains(signer));
        signer.map(|signer| state.signatures.insert(signer, *signature)).is_some()
    }

    /// This member's own attestation.
    pub fn own(&self, turn: u64, member: Address, signature: Signature) {
        let mut state = self.0.lock();
        if state.turn.is_some_and(|(_, running)| running == turn) && state.members.contains(&member) {
            state.signatures.insert(member, signature);
        }
    }

    /// The attestations of `turn`, ascending by signer, if they are of more than a third of the members.
    pub fn enough(&self, turn: u64) -> Option<Vec<Signature>> {
        let state = self.0.lock();
        let running = state.turn.is_some_and(|(_, running)| running == turn);
        let enough = running && 3 * state.signatures.len() > state.members.len();
        enough.then(|| state.signatures.values().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use alloy_signer::SignerSync;
    use alloy_signer_local::PrivateKeySigner;

    const DOMAIN: SkipDomain = SkipDomain { l1_chain_id: 900, contract: Address::repeat_byte(9) };

    fn key(byte: u8) -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).expect("a key")
    }

    fn sign(byte: u8, turn: u64) -> Signature {
        key(byte).sign_hash_sync(&DOMAIN.digest(turn)).expect("a local key signs")
    }

    fn peer(byte: u8) -> Identity {
        B256::repeat_byte(byte)
    }

    fn four() -> Skips {
        let skips = Skips::default();
        skips.turn(DOMAIN, 7, &[1, 2, 3, 4].map(|byte| key(byte).address()));
        skips
    }

    #[test]
    fn more_than_a_third_is_enough_and_is_in_the_contracts_order() {
        let skips = four();
        assert!(skips.received(peer(1), 7, &sign(1, 7)) && skips.received(peer(1), 7, &sign(1, 7)));
        assert_eq!(skips.enough(7), None, "one of four, twice");
        assert!(skips.received(peer(2), 7, &sign(2, 7)));
        let signatures = skips.enough(7).expect("two of four");
        let signers: Vec<_> = signatures.iter().filter_map(|signature| DOMAIN.signer(7, signature)).collect();
        assert!(signers.len() == 2 && signers.is_sorted());
        assert_eq!(skips.enough(8), None);
    }

    #[test]
    fn strangers_other_turns_and_floods_do_not_count() {
        let skips = four();
        assert!(!skips.received(peer(5), 7, &sign(5, 7)), "no member");
        assert!(!skips.received(peer(5), 7, &sign(1, 8)), "signed for another turn");
        assert!(skips.received(peer(5), 8, &sign(1, 8)), "another turn is nobody's fault");
        for _ in 0..MAX_TRIES {
            skips.received(peer(6), 7, &sign(5, 7));
        }
        assert!(!skips.received(peer(6), 7, &sign(3, 7)), "verified no more");
        assert_eq!(skips.enough(7), None);
    }

    #[test]
    fn the_next_turn_begins_without_attestations() {
        let skips = four();
        [1, 2].iter().for_each(|byte| skips.own(7, key(*byte).address(), sign(*byte, 7)));
        assert!(skips.enough(7).is_some());
        skips.turn(DOMAIN, 8, &[1, 2, 3].map(|byte| key(byte).address()));
        assert_eq!((skips.enough(7), skips.enough(8)), (None, None));
        skips.own(8, key(1).address(), sign(1, 8));
        assert_eq!(skips.enough(8), None, "a third is not more than a third");
    }
}
