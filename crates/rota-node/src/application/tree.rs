//! The flashblocks between the certified one and the tips: their headers, and which transactions are under way in them.

use alloy_primitives::B256;
use rota_execution::Executed;
use rota_types::{Digest, Flashblock, Header};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

/// Notarizations that may wait for their flashblocks; the oldest are forgotten.
const MAX_EARLY: usize = 256;

/// What [`Tree::insert`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// Nothing: it is in the tree, or was.
    Known,
    /// Added it.
    New,
    /// Added it, and it has 2f+1 notarize votes already.
    NewAndNotarized,
}

/// An executed flashblock that is not certified.
#[derive(Debug, Clone)]
struct Entry {
    flashblock: Arc<Flashblock>,
    executed: Arc<Executed>,
    notarized: bool,
}

/// The executed flashblocks on top of the certified one.
#[derive(Debug)]
pub(crate) struct Tree {
    certified: Header,
    entries: BTreeMap<Digest, Entry>,
    /// What was notarized before it was executed here, by (epoch, view).
    early: BTreeMap<(u64, u64), Digest>,
}

impl Tree {
    /// A tree that only has its root.
    pub(crate) const fn new(certified: Header) -> Self {
        Self { certified, entries: BTreeMap::new(), early: BTreeMap::new() }
    }

    /// The newest certified header.
    pub(crate) const fn certified(&self) -> &Header {
        &self.certified
    }

    /// Adds an executed flashblock.
    pub(crate) fn insert(&mut self, digest: Digest, flashblock: Arc<Flashblock>, executed: Arc<Executed>) -> Inserted {
        if flashblock.header.height <= self.certified.height || self.entries.contains_key(&digest) {
            return Inserted::Known;
        }
        let waiting = self.early.len();
        self.early.retain(|_, early| *early != digest);
        let notarized = self.early.len() < waiting;
        self.entries.insert(digest, Entry { flashblock, executed, notarized });
        if notarized { Inserted::NewAndNotarized } else { Inserted::New }
    }

    /// The header of an executed flashblock or of the certified one.
    pub(crate) fn header(&self, digest: &Digest) -> Option<Header> {
        if self.certified.digest() == *digest {
            return Some(self.certified);
        }
        self.entries.get(digest).map(|entry| entry.flashblock.header)
    }

    /// Hashes of the carried transactions between the certified flashblock and `tip`, included.
    pub(crate) fn under_way(&self, tip: Digest) -> HashSet<B256> {
        let mut hashes = HashSet::new();
        let mut at = tip;
        while let Some(entry) = self.entries.get(&at) {
            hashes.extend(entry.executed.transactions.iter().map(|executed| executed.transaction.hash()));
            at = entry.flashblock.header.parent;
        }
        hashes
    }

    /// Notes 2f+1 notarize votes: a later leader may build on this flashblock even if its view is nullified. Whether it
    /// is in the tree; if not, [`Self::insert`] will tell.
    pub(crate) fn notarized(&mut self, epoch: u64, view: u64, digest: Digest) -> bool {
        if let Some(entry) = self.entries.get_mut(&digest) {
            entry.notarized = true;
            return true;
        }
        if (epoch, view) > (self.certified.epoch, self.certified.view) {
            self.early.insert((epoch, view), digest);
        }
        if self.early.len() > MAX_EARLY {
            self.early.pop_first();
        }
        false
    }

    /// Removes what was proposed in a nullified view, or after it in the same turn, and was not notarized.
    pub(crate) fn nullified(
        &mut self,
        epoch: u64,
        views: std::ops::RangeInclusive<u64>,
    ) -> Vec<(Digest, Arc<Executed>)> {
        self.remove(|entry| {
            let header = &entry.flashblock.header;
            header.epoch == epoch && views.contains(&header.view) && !entry.notarized
        })
    }

    /// Moves the root up by one height. What doesn't descend from the new root leaves, and is returned.
    pub(crate) fn certify(&mut self, header: Header) -> Vec<(Digest, Arc<Executed>)> {
        let digest = header.digest();
        self.certified = header;
        self.early.retain(|at, _| *at > (header.epoch, header.view));
        let mut lost = self.remove(|entry| entry.flashblock.header.height <= header.height);
        lost.retain(|(other, _)| *other != digest);
        lost
    }

    /// Removes entries and whatever descends from them.
    fn remove(&mut self, leaves: impl Fn(&Entry) -> bool) -> Vec<(Digest, Arc<Executed>)> {
        let root = self.certified.digest();
        let mut removed = Vec::new();
        loop {
            let gone: Vec<Digest> = self
                .entries
                .iter()
                .filter(|(_, entry)| {
                    let parent = entry.flashblock.header.parent;
                    leaves(entry) || (parent != root && !self.entries.contains_key(&parent))
                })
                .map(|(digest, _)| *digest)
                .collect();
            if gone.is_empty() {
                return removed;
            }
            removed
                .extend(gone.into_iter().filter_map(|digest| Some((digest, self.entries.remove(&digest)?.executed))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::rules::tests::spec;
    use alloy_primitives::B256;

    fn root() -> Header {
        spec().genesis_flashblock().header
    }

    fn child(parent: &Header, view: u64) -> Header {
        Header { parent: parent.digest(), height: parent.height + 1, view, ..*parent }
    }

    /// A flashblock of this view on that parent, with its empty outcome.
    fn grow(tree: &mut Tree, parent: &Header, view: u64) -> Header {
        let header = child(parent, view);
        let executed = Executed {
            position: spec().genesis_position(),
            attributes: None,
            transactions: Vec::new(),
            outcome_root: B256::ZERO,
            cumulative_gas: 0,
            sealed: None,
        };
        let flashblock = Flashblock { header, body: Default::default() };
        assert_ne!(tree.insert(header.digest(), Arc::new(flashblock), Arc::new(executed)), Inserted::Known);
        header
    }

    fn digests(removed: Vec<(Digest, Arc<Executed>)>) -> Vec<Digest> {
        removed.into_iter().map(|(digest, _)| digest).collect()
    }

    #[test]
    fn certification_drops_what_lost_with_all_that_follows_it() {
        let mut tree = Tree::new(root());
        let won = grow(&mut tree, &root(), 1);
        let child = grow(&mut tree, &won, 2);
        let lost = grow(&mut tree, &root(), 3);
        let after_lost = grow(&mut tree, &lost, 4);
        let mut gone = digests(tree.certify(won));
        gone.sort_unstable();
        let mut expected = vec![lost.digest(), after_lost.digest()];
        expected.sort_unstable();
        assert_eq!(gone, expected);
        assert_eq!(tree.header(&child.digest()), Some(child));
        assert_eq!(tree.header(&won.digest()), Some(won));
        assert_eq!(tree.header(&root().digest()), None);
    }

    #[test]
    fn a_nullified_view_takes_its_followers_along_but_not_what_is_notarized() {
        let mut tree = Tree::new(root());
        let kept = grow(&mut tree, &root(), 5);
        assert!(tree.notarized(0, 5, kept.digest()));
        let gone = grow(&mut tree, &kept, 6);
        let later = grow(&mut tree, &gone, 60);
        let mut removed = digests(tree.nullified(0, 5..=50));
        removed.sort_unstable();
        let mut expected = vec![gone.digest(), later.digest()];
        expected.sort_unstable();
        assert_eq!(removed, expected);
        assert!(tree.nullified(1, 0..=100).is_empty(), "another epoch");
        assert!(tree.header(&kept.digest()).is_some());
    }
    #[test]
    fn a_notarization_waits_for_its_flashblock() {
        let mut tree = Tree::new(root());
        let header = child(&root(), 5);
        assert!(!tree.notarized(0, 5, header.digest()));
        assert_eq!(grow(&mut tree, &root(), 5), header);
        assert!(tree.nullified(0, 5..=50).is_empty(), "it is notarized");
        let won = grow(&mut tree, &root(), 6);
        assert_eq!(digests(tree.certify(won)), [header.digest()]);
        assert!(!tree.notarized(0, 6, header.digest()), "too late");
        assert!(tree.early.is_empty());
    }

    #[test]
    fn waiting_notarizations_take_bounded_memory() {
        let mut tree = Tree::new(root());
        for view in 1..1_000 {
            tree.notarized(0, view, Digest::left_padding_from(&view.to_be_bytes()));
        }
        assert_eq!(tree.early.len(), MAX_EARLY);
        assert_eq!(tree.early.last_key_value().map(|(at, _)| *at), Some((0, 999)));
        tree.certify(Header { view: 998, height: 1, ..root() });
        assert_eq!(tree.early.len(), 1);
    }
}
