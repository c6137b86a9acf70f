//! What happens to the pool from outside: proposals come and go, flashblocks are certified, prices change, time passes.

use super::{Changes, Pool, SenderState, order::Class, proposals::Slot};
use alloy_primitives::Address;
use rota_types::Digest;
use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

/// How hard it was to get into a certified flashblock: larger is harder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Crowding {
    /// There was room for more.
    Room,
    /// It was full, or others were enough; the smallest effective tip that it took, wei.
    Tip(u128),
}

impl Crowding {
    /// Whether a transaction with this tip was passed over for another reason than load.
    const fn passes_over(self, tip: u128) -> bool {
        match self {
            Self::Room => true,
            Self::Tip(taken) => tip > taken,
        }
    }
}

/// What the pool learns from a certified flashblock.
#[derive(Debug, Clone, Copy)]
pub struct Certified<'a> {
    /// Its height.
    pub height: u64,
    /// The transactions of users in it.
    pub included: &'a [Slot],
    /// The accounts that it changed, as they are now.
    pub changed: &'a [(Address, SenderState)],
    /// How hard it was to get in; `None` if it was closed to users.
    pub crowding: Option<Crowding>,
}

impl Pool {
    /// A proposal was executed: what it holds is not proposed again on top of it.
    pub fn proposed(&mut self, digest: Digest, height: u64, slots: Vec<Slot>) {
        let senders = self.proposals.add(digest, height, slots);
        self.reindex_all(senders);
    }

    /// A proposal will not be certified: it holds nothing back any more.
    pub fn unproposed(&mut self, digest: Digest) {
        let senders = self.proposals.remove(digest);
        self.reindex_all(senders);
    }

    /// A flashblock is certified: its transactions leave, and so do those whose nonce others have used. It is the only
    /// way by which the pool learns of changed accounts, so that nothing seems to be gone that is certified.
    pub fn certified(&mut self, flashblock: Certified<'_>) -> Changes {
        let Certified { height, included, changed, crowding } = flashblock;
        let mut changes = Changes::default();
        self.generation += 1;
        self.crowding = self.crowding.max(crowding);
        let mut senders: BTreeSet<Address> = self.proposals.settle(height).into_iter().collect();
        for &(sender, nonce, hash) in included {
            self.included.remember(hash, ());
            if let Some(old) = self.take(sender, nonce).map(|old| old.hash()).filter(|old| *old != hash) {
                changes.replaced.push((old, hash));
            }
            senders.insert(sender);
        }
        for &(sender, state) in changed {
            let Some(account) = self.accounts.get_mut(&sender) else { continue };
            account.state = state;
            let used: Vec<_> = account.entries.range(..state.nonce).map(|(nonce, _)| *nonce).collect();
            // Used up by something else than a transaction: a delegation, or a delegated account that created.
            changes.evicted.extend(used.into_iter().filter_map(|nonce| self.take(sender, nonce)).map(|old| old.hash()));
            senders.insert(sender);
        }
        self.reindex_all(senders);
        changes
    }

    /// Transactions are valued at this base fee from now on.
    pub fn set_base_fee(&mut self, base_fee: u64) {
        if std::mem::replace(&mut self.base_fee, base_fee) != base_fee {
            let senders: Vec<_> = self.accounts.keys().copied().collect();
            self.reindex_all(senders);
        }
    }

    /// Drops what has waited too long for anything but its turn: for an earlier nonce, for money, for a lower base fee,
    /// or payable but passed over by leaders that had room or took what pays less, because execution refuses it. Time
    /// counts from one call to the next.
    pub fn expire(&mut self, now: SystemTime) -> Changes {
        let since = self.swept.replace(now).unwrap_or(now);
        let passed = now.duration_since(since).unwrap_or_default();
        let crowding = self.crowding.take();
        let mut expired = Vec::new();
        for entry in self.accounts.values_mut().flat_map(|account| account.entries.values_mut()) {
            let waits = match entry.worth.class {
                Class::Waiting => true,
                Class::Payable => match crowding {
                    Some(crowding) => crowding.passes_over(entry.worth.tip),
                    // Nothing was certified: nobody was passed over, nobody was taken.
                    None => continue,
                },
                Class::Proposed => false,
            };
            entry.waited = waits.then(|| entry.waited.map_or(Duration::ZERO, |waited| waited + passed));
            if entry.waited.is_some_and(|waited| waited > self.limits.queued) {
                expired.push(entry.hash());
            }
        }
        for hash in &expired {
            self.remove_hash(hash);
        }
        Changes { evicted: expired, ..Default::default() }
    }
}
