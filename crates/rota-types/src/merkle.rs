//! The root over (transaction, receipt) leaves and its branches.
//!
//! Binary keccak256 tree with domain separation: leaf = `keccak(0x00 ‖ keccak(transaction) ‖ keccak(receipt))`, node =
//! `keccak(0x01 ‖ left ‖ right)`, a lone node moves up unchanged, root = `keccak(0x02 ‖ u32 leaf count ‖ top)`. The
//! count in the root makes the shape, and with it every index, unambiguous. The empty root is zero.

use alloy_primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};

/// Leaf of one transaction and its receipt, both in their EIP-2718 encodings.
pub fn leaf(transaction: &[u8], receipt: &[u8]) -> B256 {
    leaf_of(keccak256(transaction), receipt)
}

/// Leaf of a transaction by its hash, which is that of its EIP-2718 encoding, and its receipt.
pub fn leaf_of(transaction: B256, receipt: &[u8]) -> B256 {
    hash(0x00, &[transaction.as_slice(), keccak256(receipt).as_slice()])
}

/// The root over `leaves`, zero if there are none.
pub fn root(leaves: &[B256]) -> B256 {
    if leaves.is_empty() {
        return B256::ZERO;
    }
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = parents(&level);
    }
    close(leaves.len() as u32, level[0])
}

/// A Merkle branch: what a stranger needs to tie one leaf to an outcome root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Branch {
    /// Index of the leaf.
    pub index: u32,
    /// Number of leaves.
    pub count: u32,
    /// Siblings from the leaf upwards; levels where the node is alone have none.
    pub siblings: Vec<B256>,
}

impl Branch {
    /// The branch of leaf `index`; `None` if there is no such leaf.
    pub fn of(leaves: &[B256], index: usize) -> Option<Self> {
        if index >= leaves.len() {
            return None;
        }
        let mut siblings = Vec::new();
        let mut level = leaves.to_vec();
        let mut at = index;
        while level.len() > 1 {
            if let Some(sibling) = level.get(at ^ 1) {
                siblings.push(*sibling);
            }
            level = parents(&level);
            at /= 2;
        }
        Some(Self { index: index as u32, count: leaves.len() as u32, siblings })
    }

    /// The root that this branch proves for `leaf`; `None` if the branch is malformed.
    pub fn root(&self, leaf: B256) -> Option<B256> {
        if self.index >= self.count {
            return None;
        }
        let mut siblings = self.siblings.iter();
        let (mut at, mut width, mut node) = (self.index, self.count, leaf);
        while width > 1 {
            if at ^ 1 < width {
                let sibling = siblings.next()?;
                node = if at % 2 == 0 { pair(node, *sibling) } else { pair(*sibling, node) };
            }
            at /= 2;
            width = width.div_ceil(2);
        }
        siblings.next().is_none().then(|| close(self.count, node))
    }
}

fn parents(level: &[B256]) -> Vec<B256> {
    level.chunks(2).map(|two| if let [l, r] = two { pair(*l, *r) } else { two[0] }).collect()
}

fn pair(left: B256, right: B256) -> B256 {
    hash(0x01, &[left.as_slice(), right.as_slice()])
}

fn close(count: u32, top: B256) -> B256 {
    hash(0x02, &[&count.to_be_bytes(), top.as_slice()])
}

fn hash(domain: u8, parts: &[&[u8]]) -> B256 {
    let mut bytes = Vec::with_capacity(65);
    bytes.push(domain);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    keccak256(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: usize) -> Vec<B256> {
        (0..count).map(|i| leaf(&[i as u8], &[])).collect()
    }

    #[test]
    fn every_branch_proves_its_leaf_and_no_other() {
        for count in 1..=33 {
            let leaves = leaves(count);
            let root = root(&leaves);
            for index in 0..count {
                let branch = Branch::of(&leaves, index).expect("a leaf");
                assert_eq!(branch.root(leaves[index]), Some(root), "{index} of {count}");
                assert_ne!(branch.root(leaf(b"other", b"")), Some(root));
                let elsewhere = Branch { index: (index as u32 + 1) % count as u32, ..branch };
                assert!(count == 1 || elsewhere.root(leaves[index]) != Some(root), "{index} of {count} moved");
            }
            assert_eq!(Branch::of(&leaves, count), None);
        }
    }

    #[test]
    fn a_prefix_has_another_root() {
        // With lone nodes moving up, only the count tells these trees apart from ones over inner nodes.
        let leaves = leaves(4);
        let tops = [pair(leaves[0], leaves[1]), pair(leaves[2], leaves[3])];
        assert_ne!(root(&leaves), root(&tops));
        assert_ne!(root(&leaves[..3]), root(&leaves));
        assert_ne!(root(&leaves[..1]), leaves[0]);
    }

    #[test]
    fn malformed_branches_prove_nothing() {
        let leaves = leaves(5);
        let branch = Branch::of(&leaves, 2).expect("a leaf");
        let mut longer = branch.clone();
        longer.siblings.push(B256::ZERO);
        let mut shorter = branch.clone();
        shorter.siblings.pop();
        let beyond = Branch { index: 5, ..branch.clone() };
        let nothing = Branch { index: 0, count: 0, siblings: vec![] };
        let huge = Branch { index: u32::MAX - 1, count: u32::MAX, siblings: vec![] };
        for malformed in [longer, shorter, beyond, nothing, huge] {
            assert_eq!(malformed.root(leaves[2]), None, "{malformed:?}");
        }
    }
}
