//! The flashblocks between the certified one and the tips: their headers, and which transactions are under way in them.

use alloy_primitives::B256;
use rota_execution::Executed;
use rota_types::{Digest, Flashblock, Header};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

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
}

impl Tree {
    /// A tree that only has its root.
    pub(crate) const fn new(certified: Header) -> Self {
        Self { certified, entries: BTreeMap::new() }
    }

    /// The newest certified header.
    pub(crate) const fn certified(&self) -> &Header {
        &self.certified
    }

    /// Adds an executed flashblock; whether it was new.
    pub(crate) fn insert(&mut self, digest: Digest, flashblock: Arc<Flashblock>, executed: Arc<Executed>) -> bool {
        if flashblock.header.height <= self.certified.height {
            return false;
        }
        match self.entries.entry(digest) {
            std::collections::btree_map::Entry::Occupied(_) => false,
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Entry { flashblock, executed, notarized: false });
                true
            }
        }
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

    /// Notes 2f+1 notarize votes: a later leader may build on this flashblock even if its view is nullified.
    pub(crate) fn notarized(&mut self, digest: &Digest) {
        if let Some(entry) = self.entries.get_mut(digest) {
            entry.notarized = true;
        }
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

    /// A flashblock of this view on that parent, with its empty outcome.
    fn grow(tree: &mut Tree, parent: &Header, view: u64) -> Header {
        let header = Header { parent: parent.digest(), height: parent.height + 1, view, ..*parent };
        let executed = Executed {
            position: spec().genesis_position(),
            attributes: None,
            transactions: Vec::new(),
            outcome_root: B256::ZERO,
            cumulative_gas: 0,
            sealed: None,
        };
        let flashblock = Flashblock { header, body: Default::default() };
        assert!(tree.insert(header.digest(), Arc::new(flashblock), Arc::new(executed)));
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
        tree.notarized(&kept.digest());
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
}
