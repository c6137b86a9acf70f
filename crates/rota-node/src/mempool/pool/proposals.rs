//! Uncertified proposals, and which nonces they use: what one of them holds is not proposed again on top of it.

use alloy_primitives::{Address, B256, map::HashMap};
use rota_types::Digest;
use std::collections::BTreeMap;

/// A transaction's sender, nonce and hash.
pub type Slot = (Address, u64, B256);

#[derive(Debug)]
struct Proposal {
    height: u64,
    slots: Vec<Slot>,
}

#[derive(Debug, Default)]
pub(super) struct Proposals {
    by_digest: BTreeMap<Digest, Proposal>,
    /// What uses the nonces of each sender. Never iterated.
    in_flight: HashMap<Address, Nonces>,
}

/// The hashes that use a nonce, one for each proposal.
type Nonces = BTreeMap<u64, Vec<B256>>;

/// The nonces of one sender that proposals use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used<'a>(Option<&'a Nonces>);

impl Used<'_> {
    /// Whether a proposal uses this nonce.
    pub(super) fn has(self, nonce: u64) -> bool {
        self.0.is_some_and(|nonces| nonces.contains_key(&nonce))
    }

    /// Whether a proposal uses this nonce by this very transaction.
    pub(super) fn has_by(self, nonce: u64, hash: &B256) -> bool {
        self.0.and_then(|nonces| nonces.get(&nonce)).is_some_and(|hashes| hashes.contains(hash))
    }
}

impl Proposals {
    /// Adds a proposal, once. Returns whose transactions it holds.
    pub(super) fn add(&mut self, digest: Digest, height: u64, slots: Vec<Slot>) -> Vec<Address> {
        if self.by_digest.contains_key(&digest) {
            return Vec::new();
        }
        for (sender, nonce, hash) in &slots {
            self.in_flight.entry(*sender).or_default().entry(*nonce).or_default().push(*hash);
        }
        let senders = senders(&slots);
        self.by_digest.insert(digest, Proposal { height, slots });
        senders
    }

    /// Removes a proposal. Returns whose transactions it held.
    pub(super) fn remove(&mut self, digest: Digest) -> Vec<Address> {
        let Some(proposal) = self.by_digest.remove(&digest) else { return Vec::new() };
        for (sender, nonce, hash) in &proposal.slots {
            let Some(nonces) = self.in_flight.get_mut(sender) else { continue };
            let Some(hashes) = nonces.get_mut(nonce) else { continue };
            if let Some(index) = hashes.iter().position(|other| other == hash) {
                hashes.swap_remove(index);
            }
            if hashes.is_empty() {
                nonces.remove(nonce);
            }
            if nonces.is_empty() {
                self.in_flight.remove(sender);
            }
        }
        senders(&proposal.slots)
    }

    /// Removes the proposals up to a height. Returns whose transactions they held.
    pub(super) fn settle(&mut self, height: u64) -> Vec<Address> {
        let settled = self.by_digest.iter().filter(|(_, proposal)| proposal.height <= height);
        let settled: Vec<_> = settled.map(|(digest, _)| *digest).collect();
        settled.into_iter().flat_map(|digest| self.remove(digest)).collect()
    }

    /// The nonces of a sender that proposals use.
    pub(super) fn used(&self, sender: &Address) -> Used<'_> {
        Used(self.in_flight.get(sender))
    }
}

fn senders(slots: &[Slot]) -> Vec<Address> {
    slots.iter().map(|(sender, ..)| *sender).collect()
}
