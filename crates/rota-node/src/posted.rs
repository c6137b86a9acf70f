//! What of this chain is in L1 blocks, as far as the poster has told, and what of that L1 can't take back.

use std::collections::VecDeque;

/// Tellings that are kept until they are final: finality takes some minutes, a batch some seconds.
const MAX_WAITING: usize = 4_096;

/// Posted L2 blocks.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    newest: Option<u64>,
    /// L1 head when it was told, and the newest L2 block posted then; both ascend.
    waiting: VecDeque<(u64, u64)>,
}

impl Posted {
    /// The newest posted L2 block; `None` if nobody has told.
    pub(crate) const fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// The next block to post, if it is below the oldest one that the ledger still has.
    pub(crate) fn pruned(&self, oldest: u64) -> Option<u64> {
        self.newest.map(|newest| newest + 1).filter(|next| *next < oldest)
    }

    /// L2 blocks up to `block` are in L1 blocks up to `l1_head`. Fewer than before: L1 has taken some back.
    pub(crate) fn told(&mut self, block: u64, l1_head: u64) {
        self.newest = Some(block);
        while self.waiting.pop_back_if(|(_, posted)| *posted >= block).is_some() {}
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back((l1_head, block));
        }
    }

    /// The newest L2 block that became final since the last call, given the newest finalized L1 block.
    pub(crate) fn settled(&mut self, finalized: u64) -> Option<u64> {
        let mut settled = None;
        while let Some((_, posted)) = self.waiting.pop_front_if(|(l1_head, _)| *l1_head <= finalized) {
            settled = Some(posted);
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posted_is_settled_when_its_l1_block_is_final() {
        let mut posted = Posted::default();
        posted.told(10, 100);
        posted.told(20, 105);
        assert_eq!((posted.newest(), posted.settled(99)), (Some(20), None));
        assert_eq!(posted.settled(104), Some(10));
        assert_eq!(posted.settled(200), Some(20));
        assert_eq!(posted.settled(300), None);
    }

    #[test]
    fn a_pruned_block_that_is_not_posted_is_noticed() {
        let mut posted = Posted::default();
        assert_eq!(posted.pruned(50), None, "nobody knows what is posted");
        posted.told(10, 100);
        assert_eq!((posted.pruned(11), posted.pruned(12)), (None, Some(11)));
    }

    #[test]
    fn what_l1_takes_back_is_not_settled() {
        let mut posted = Posted::default();
        posted.told(10, 100);
        posted.told(20, 105);
        posted.told(12, 106);
        assert_eq!((posted.newest(), posted.settled(105)), (Some(12), Some(10)));
        assert_eq!(posted.settled(106), Some(12));
    }
}
