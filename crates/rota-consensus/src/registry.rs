//! The registry on L1 as a fold of its events: who may sit in a committee, and who gives the turns.

use crate::keys::{PublicKey, public_key};
use alloy_primitives::Address;
use commonware_codec::{Copying, DecodeExt as _};
use commonware_cryptography::{Verifier as _, ed25519};
use rota_types::{
    Committee, KeyDomain, Operator, OperatorStatus, RegistryEntry, RegistryEvent, Strategy, key_domain,
    strategy::MAX_WEIGHT,
};
use std::collections::BTreeMap;

/// The registry after some of its events. Everybody who has seen the same events names the same committees.
#[derive(Debug, Clone)]
pub struct Registry {
    domain: KeyDomain,
    /// Entries by account; what no operator can run with is kept out.
    operators: BTreeMap<Address, Entry>,
    /// (first epoch, strategy), in the order announced.
    strategies: Vec<(u64, Strategy)>,
}

#[derive(Debug, Clone)]
struct Entry {
    operator: Operator,
    status: OperatorStatus,
    leaves_at: u64,
}

impl Registry {
    /// The empty registry of a domain.
    pub const fn new(domain: KeyDomain) -> Self {
        Self { domain, operators: BTreeMap::new(), strategies: Vec::new() }
    }

    /// Takes the next event.
    pub fn apply(&mut self, event: &RegistryEvent) {
        match event {
            RegistryEvent::Operator { account, entry } => match self.read(*account, entry) {
                Some(entry) => drop(self.operators.insert(*account, entry)),
                None => drop(self.operators.remove(account)),
            },
            // All nodes of a protocol version know the same strategies; a name that none of them knows changes nothing.
            RegistryEvent::Schedule { kind, from_epoch } => {
                self.strategies.extend(Strategy::from_kind(*kind).map(|strategy| (*from_epoch, strategy)));
            }
        }
    }

    /// An entry that an operator can run with: the contract has verified the BLS key's possession, but it cannot verify
    /// ed25519. What is wrong is ignored, by all nodes alike.
    fn read(&self, account: Address, entry: &RegistryEntry) -> Option<Entry> {
        let identity: PublicKey = public_key(&entry.identity)?;
        let proof = ed25519::Signature::decode(Copying(&entry.identity_proof)).ok()?;
        let (namespace, message) = self.domain.identity_message(account);
        if !identity.verify(namespace, &message, &proof) || !(1..=MAX_WEIGHT).contains(&entry.weight) {
            return None;
        }
        let operator = Operator {
            name: account.to_string(),
            account,
            identity: entry.identity,
            bls_public_key: key_domain::compressed(&entry.bls_key)?,
            proof_of_possession: None,
            posting_address: entry.posting,
            endpoint: entry.endpoint.clone(),
            weight: entry.weight,
            reserve: entry.reserve,
        };
        Some(Entry { operator, status: entry.status, leaves_at: entry.leaves_at })
    }

    /// The members at a time (seconds): `None` if there are none, or more than a committee holds.
    pub fn committee(&self, at: u64) -> Option<Committee> {
        let members = self.operators.values().filter(|entry| match entry.status {
            OperatorStatus::Member => true,
            OperatorStatus::Leaving => at < entry.leaves_at,
            OperatorStatus::Candidate | OperatorStatus::Jailed | OperatorStatus::Left => false,
        });
        Committee::new(members.map(|entry| entry.operator.clone()).collect()).ok()
    }

    /// Who is connected though no member: candidates sync, leavers and the jailed follow.
    pub fn others(&self, at: u64) -> Vec<Operator> {
        let members = self.committee(at);
        let member = |operator: &Operator| members.as_ref().is_some_and(|m| m.find(&operator.identity).is_some());
        let entries = self.operators.values().filter(|entry| entry.status != OperatorStatus::Left);
        entries.map(|entry| entry.operator.clone()).filter(|operator| !member(operator)).collect()
    }

    /// The strategy of an epoch: that of the newest announcement that has come into force by then.
    pub fn strategy(&self, epoch: u64) -> Option<Strategy> {
        self.strategies.iter().rev().find(|(from, _)| *from <= epoch).map(|(_, strategy)| *strategy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IdentityKey, VotingKey};
    use alloy_primitives::{B256, Bytes};

    const DOMAIN: KeyDomain = KeyDomain { l1_chain_id: 900, registry: Address::repeat_byte(0xee) };

    fn account(index: u8) -> Address {
        Address::repeat_byte(index)
    }

    fn entry(index: u8, status: OperatorStatus) -> RegistryEntry {
        let identity = IdentityKey::from_seed(index.into());
        RegistryEntry {
            identity: identity.identity(),
            identity_proof: identity.prove(&DOMAIN, account(index)),
            bls_key: key_domain::uncompressed(&VotingKey::from_seed(index.into()).public()).expect("a key"),
            posting: account(index),
            reward: account(index),
            endpoint: "127.0.0.1:1".into(),
            weight: 1,
            reserve: false,
            status,
            leaves_at: 0,
        }
    }

    fn change(index: u8, entry: RegistryEntry) -> RegistryEvent {
        RegistryEvent::Operator { account: account(index), entry: Box::new(entry) }
    }

    fn registry(entries: impl IntoIterator<Item = (u8, RegistryEntry)>) -> Registry {
        let mut registry = Registry::new(DOMAIN);
        entries.into_iter().for_each(|(index, entry)| registry.apply(&change(index, entry)));
        registry
    }

    fn members(registry: &Registry, at: u64) -> Vec<Address> {
        let mut accounts: Vec<_> = registry
            .committee(at)
            .map(|committee| committee.operators().iter().map(|operator| operator.account).collect())
            .unwrap_or_default();
        accounts.sort();
        accounts
    }

    /// `vectors/registry/keys.json` was made with other libraries; the contract's tests read it too.
    #[test]
    fn keys_prove_themselves_as_the_registry_wants() {
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../../../vectors/registry/keys.json")).expect("JSON");
        let text = |key: &str| vector[key].as_str().expect(key).to_owned();
        let secret = |key: &str| text(key).parse::<B256>().expect(key).0;
        let domain = KeyDomain {
            l1_chain_id: vector["chainId"].as_u64().expect("a chain id"),
            registry: text("registry").parse().expect("an address"),
        };
        let account = text("operator").parse().expect("an address");
        let identity = IdentityKey::from_bytes(&secret("identitySecret")).expect("a key");
        assert_eq!(identity.identity().to_string(), text("identity"));
        assert_eq!(identity.prove(&domain, account).to_string(), text("identityProof"));
        let voting = VotingKey::from_bytes(&secret("blsSecret")).expect("a key");
        assert_eq!(key_domain::uncompressed(&voting.public()).expect("a point").to_string(), text("blsKey"));
        let proof = voting.prove_possession(&domain, account, &identity.identity()).expect("a key");
        let proof = key_domain::uncompressed_signature(&proof).expect("a point");
        assert_eq!(proof.to_string(), text("possession"));
    }

    #[test]
    fn members_vote_until_their_time_has_come() {
        use OperatorStatus::{Candidate, Jailed, Leaving, Left, Member};
        let leaving = RegistryEntry { leaves_at: 100, ..entry(3, Leaving) };
        let mut registry = registry([
            (1, entry(1, Member)),
            (2, entry(2, Candidate)),
            (3, leaving),
            (4, entry(4, Jailed)),
            (5, entry(5, Left)),
        ]);
        assert_eq!(members(&registry, 99), [account(1), account(3)]);
        assert_eq!(members(&registry, 100), [account(1)]);
        let others = registry.others(99).iter().map(|operator| operator.account).collect::<Vec<_>>();
        assert_eq!(others, [account(2), account(4)]);
        registry.apply(&change(1, entry(1, Jailed)));
        assert_eq!(registry.committee(100), None, "an empty committee is none");
    }

    #[test]
    fn an_entry_that_no_operator_can_run_with_is_ignored() {
        let good = entry(1, OperatorStatus::Member);
        let stolen = entry(2, OperatorStatus::Member).identity_proof;
        let bad = [
            RegistryEntry { identity_proof: stolen, ..good.clone() },
            RegistryEntry { identity_proof: Bytes::new(), ..good.clone() },
            RegistryEntry { bls_key: Bytes::from(vec![1; 128]), ..good.clone() },
            RegistryEntry { identity: B256::repeat_byte(0xff), ..good.clone() },
            RegistryEntry { weight: 0, ..good.clone() },
            RegistryEntry { weight: MAX_WEIGHT + 1, ..good.clone() },
        ];
        for entry in bad {
            let mut registry = registry([(1, good.clone())]);
            assert_eq!(members(&registry, 0).len(), 1);
            registry.apply(&change(1, entry.clone()));
            assert_eq!(registry.committee(0), None, "{entry:?}");
        }
        // The same keys under another account prove nothing.
        assert_eq!(registry([(9, good)]).committee(0), None);
    }

    #[test]
    fn the_newest_announcement_in_force_names_the_strategy() {
        let mut registry = Registry::new(DOMAIN);
        assert_eq!(registry.strategy(7), None);
        let announce = |registry: &mut Registry, kind, from_epoch| {
            registry.apply(&RegistryEvent::Schedule { kind, from_epoch });
            [1, 2, 5].map(|epoch| registry.strategy(epoch))
        };
        let (first, second) = (Strategy::RoundRobin, Strategy::Weighted);
        assert_eq!(announce(&mut registry, first.kind(), 2), [None, Some(first), Some(first)]);
        assert_eq!(announce(&mut registry, second.kind(), 5), [None, Some(first), Some(second)]);
        assert_eq!(announce(&mut registry, B256::repeat_byte(1), 5), [None, Some(first), Some(second)], "unknown name");
        assert_eq!(announce(&mut registry, first.kind(), 1), [Some(first); 3], "a later announcement overrules");
    }
}
