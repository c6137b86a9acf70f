//! A persistent Merkle-Patricia trie in memory: copies share their nodes, so every flashblock can have its own.
//!
//! Keys are 32-byte hashes (a "secure" trie), so no key is the prefix of another and branches hold no values. Nodes are
//! encoded by alloy-trie's codec; the reference of a node to put into its parent (its hash, or its encoding if that is
//! shorter than 32 bytes) is computed when first asked for and kept.

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles, TrieMask,
    nodes::{BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode},
};
use std::sync::{Arc, OnceLock};

/// What a leaf holds.
pub(crate) trait Leaf: Clone {
    /// Appends the value's RLP encoding.
    fn encode(&self, out: &mut Vec<u8>);
}

/// A Merkle-Patricia trie. Cloning is O(1); changing a clone copies only the path to the change.
#[derive(Debug, Clone)]
pub(crate) struct Trie<V>(Slot<V>);

type Slot<V> = Option<Arc<Node<V>>>;

#[derive(Debug, Clone)]
struct Node<V> {
    kind: Kind<V>,
    reference: OnceLock<RlpNode>,
}

#[derive(Debug, Clone)]
enum Kind<V> {
    Leaf { path: Nibbles, value: V },
    Extension { path: Nibbles, child: Arc<Node<V>> },
    Branch([Slot<V>; 16]),
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<V: Leaf> Trie<V> {
    /// The value of a key.
    pub(crate) fn get(&self, key: &B256) -> Option<&V> {
        let key = Nibbles::unpack_array(&key.0);
        let mut depth = 0;
        let mut node = self.0.as_deref()?;
        loop {
            match &node.kind {
                Kind::Leaf { path, value } => return (key.slice(depth..) == *path).then_some(value),
                Kind::Extension { path, child } => {
                    if key.slice(depth..depth + path.len()) != *path {
                        return None;
                    }
                    depth += path.len();
                    node = child;
                }
                Kind::Branch(children) => {
                    node = children[usize::from(key.get_unchecked(depth))].as_deref()?;
                    depth += 1;
                }
            }
        }
    }

    /// Sets the value of a key.
    pub(crate) fn insert(&mut self, key: &B256, value: V) {
        self.update(key, |_| value);
    }

    /// Sets the value of a key to what `make` makes of the old one.
    pub(crate) fn update(&mut self, key: &B256, make: impl FnOnce(Option<&V>) -> V) {
        update(&mut self.0, &Nibbles::unpack_array(&key.0), 0, make);
    }

    /// Removes a key, if it is there.
    pub(crate) fn remove(&mut self, key: &B256) {
        if self.get(key).is_some() {
            remove(&mut self.0, &Nibbles::unpack_array(&key.0), 0);
        }
    }

    /// The root hash. Hashes only what has changed since it was last asked for.
    pub(crate) fn root(&self) -> B256 {
        let Some(root) = &self.0 else { return EMPTY_ROOT_HASH };
        let reference = root.reference(&mut Vec::with_capacity(600));
        reference.as_hash().unwrap_or_else(|| keccak256(reference.as_slice()))
    }

    /// The encoded nodes from the root towards a key, as EIP-1186 wants them: nodes embedded in their parent are not
    /// repeated.
    pub(crate) fn proof(&self, key: &B256) -> Vec<Bytes> {
        let key = Nibbles::unpack_array(&key.0);
        let mut proof = Vec::new();
        let mut depth = 0;
        let mut next = self.0.as_deref();
        while let Some(node) = next {
            let mut encoded = Vec::new();
            let reference = node.encode(&mut encoded);
            if proof.is_empty() || reference.is_hash() {
                proof.push(encoded.into());
            }
            next = match &node.kind {
                Kind::Leaf { .. } => None,
                Kind::Extension { path, child } => {
                    let matches = key.slice(depth..depth + path.len()) == *path;
                    depth += path.len();
                    matches.then_some(child)
                }
                Kind::Branch(children) => {
                    depth += 1;
                    children[usize::from(key.get_unchecked(depth - 1))].as_deref()
                }
            };
        }
        proof
    }
}

impl<V: Leaf> Node<V> {
    fn new(kind: Kind<V>) -> Arc<Self> {
        Arc::new(Self { kind, reference: OnceLock::new() })
    }

    /// What the parent holds of this node.
    fn reference(&self, buffer: &mut Vec<u8>) -> &RlpNode {
        if let Some(reference) = self.reference.get() {
            return reference;
        }
        let reference = self.encode(buffer);
        self.reference.get_or_init(|| reference)
    }

    /// Replaces `buffer` by the node's encoding and returns its reference.
    fn encode(&self, buffer: &mut Vec<u8>) -> RlpNode {
        match &self.kind {
            Kind::Leaf { path, value } => {
                let mut encoded = Vec::with_capacity(110);
                value.encode(&mut encoded);
                buffer.clear();
                LeafNodeRef::new(path, &encoded).rlp(buffer)
            }
            Kind::Extension { path, child } => {
                let child = child.reference(buffer);
                buffer.clear();
                ExtensionNodeRef::new(path, child.as_slice()).rlp(buffer)
            }
            Kind::Branch(children) => {
                let mut mask = TrieMask::default();
                let mut stack = Vec::with_capacity(16);
                for (nibble, child) in (0u8..).zip(children) {
                    if let Some(child) = child {
                        stack.push(child.reference(buffer).clone());
                        mask.set_bit(nibble);
                    }
                }
                buffer.clear();
                BranchNodeRef::new(&stack, mask).rlp(buffer)
            }
        }
    }
}

fn leaf<V: Leaf>(path: Nibbles, value: V) -> Arc<Node<V>> {
    Node::new(Kind::Leaf { path, value })
}

fn extension<V: Leaf>(path: Nibbles, child: Arc<Node<V>>) -> Arc<Node<V>> {
    if path.is_empty() { child } else { Node::new(Kind::Extension { path, child }) }
}

/// The place below a shared node, copied if others hold it too; its reference is forgotten.
fn change<V: Leaf>(node: &mut Arc<Node<V>>) -> &mut Kind<V> {
    let node = Arc::make_mut(node);
    node.reference.take();
    &mut node.kind
}

fn update<V: Leaf>(slot: &mut Slot<V>, key: &Nibbles, depth: usize, make: impl FnOnce(Option<&V>) -> V) {
    match slot {
        None => *slot = Some(leaf(key.slice(depth..), make(None))),
        Some(node) => update_below(node, key, depth, make),
    }
}

fn update_below<V: Leaf>(node: &mut Arc<Node<V>>, key: &Nibbles, depth: usize, make: impl FnOnce(Option<&V>) -> V) {
    let path = match &node.kind {
        Kind::Leaf { path, .. } | Kind::Extension { path, .. } => *path,
        Kind::Branch(_) => Nibbles::new(),
    };
    let rest = key.slice(depth..);
    let common = path.common_prefix_length(&rest);
    if common == path.len() {
        match change(node) {
            Kind::Leaf { value, .. } => *value = make(Some(value)),
            Kind::Extension { child, .. } => update_below(child, key, depth + common, make),
            Kind::Branch(children) => {
                update(&mut children[usize::from(key.get_unchecked(depth))], key, depth + 1, make);
            }
        }
        return;
    }
    // The paths part: a branch where they do, with what was here and the new leaf below it.
    let mut children: [Slot<V>; 16] = Default::default();
    let tail = path.slice(common + 1..);
    children[usize::from(path.get_unchecked(common))] = match &node.kind {
        Kind::Leaf { value, .. } => Some(leaf(tail, value.clone())),
        Kind::Extension { child, .. } => Some(extension(tail, child.clone())),
        Kind::Branch(_) => None,
    };
    children[usize::from(rest.get_unchecked(common))] = Some(leaf(rest.slice(common + 1..), make(None)));
    *node = extension(path.slice(..common), Node::new(Kind::Branch(children)));
}

/// Removes a key that is there.
fn remove<V: Leaf>(slot: &mut Slot<V>, key: &Nibbles, depth: usize) {
    let node = slot.as_mut().expect("the key is in the trie");
    match &node.kind {
        Kind::Leaf { .. } => *slot = None,
        Kind::Extension { .. } | Kind::Branch(_) => remove_below(node, key, depth),
    }
}

fn remove_below<V: Leaf>(node: &mut Arc<Node<V>>, key: &Nibbles, depth: usize) {
    let merged = match change(node) {
        Kind::Leaf { .. } => None,
        Kind::Extension { path, child } => {
            remove_below(child, key, depth + path.len());
            Some(prefixed(*path, child))
        }
        Kind::Branch(children) => {
            remove(&mut children[usize::from(key.get_unchecked(depth))], key, depth + 1);
            let mut left = (0u8..).zip(children.iter()).filter_map(|(nibble, child)| Some((nibble, child.as_ref()?)));
            match (left.next(), left.next()) {
                (Some((nibble, child)), None) => Some(prefixed(Nibbles::from_nibbles([nibble]), child)),
                _ => None,
            }
        }
    };
    if let Some(merged) = merged {
        *node = merged;
    }
}

/// A node that stands for `node` below `prefix`.
fn prefixed<V: Leaf>(prefix: Nibbles, node: &Arc<Node<V>>) -> Arc<Node<V>> {
    match &node.kind {
        Kind::Leaf { path, value } => leaf(prefix.join(path), value.clone()),
        Kind::Extension { path, child } => extension(prefix.join(path), child.clone()),
        Kind::Branch(_) => extension(prefix, node.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{U256, keccak256};
    use alloy_trie::{proof::verify_proof, root::storage_root};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Keys that share long prefixes often enough: few of them, in clusters.
    fn key(n: u8) -> B256 {
        let mut key = keccak256([n % 40]);
        if n >= 40 {
            let depth = usize::from(n) % 32;
            key.0[depth..].copy_from_slice(&keccak256([n]).0[depth..]);
        }
        key
    }

    fn oracle(entries: &BTreeMap<B256, U256>) -> B256 {
        storage_root(entries.iter().map(|(key, value)| (*key, *value)))
    }

    proptest! {
        #[test]
        fn every_version_has_the_root_of_its_entries(steps in prop::collection::vec((any::<u8>(), 0u8..4), 1..120)) {
            let mut entries = BTreeMap::new();
            let mut trie = Trie::default();
            let mut versions = Vec::new();
            for (n, value) in steps {
                let key = key(n);
                if value == 0 {
                    entries.remove(&key);
                    trie.remove(&key);
                } else {
                    // Some values are short enough for nodes to be embedded in their parents, some are not.
                    let value = U256::from(value) << (usize::from(value - 1) * 100);
                    entries.insert(key, value);
                    trie.insert(&key, value);
                }
                if n % 3 == 0 {
                    prop_assert_eq!(trie.root(), oracle(&entries));
                }
                if n % 5 == 0 {
                    versions.push((trie.clone(), entries.clone()));
                }
            }
            // Later changes left the older versions alone.
            for (trie, entries) in versions {
                prop_assert_eq!(trie.root(), oracle(&entries));
                for n in (0..=255).step_by(5) {
                    prop_assert_eq!(trie.get(&key(n)), entries.get(&key(n)));
                }
            }
        }

        #[test]
        fn proofs_show_presence_and_absence(present in prop::collection::btree_set(any::<u8>(), 0..60), asked: u8) {
            let mut trie = Trie::default();
            for n in &present {
                trie.insert(&key(*n), U256::from(*n) + U256::ONE);
            }
            let value = trie.get(&key(asked)).map(alloy_rlp::encode);
            let proof = trie.proof(&key(asked));
            let nibbles = Nibbles::unpack_array(&key(asked).0);
            prop_assert!(verify_proof(trie.root(), nibbles, value, &proof).is_ok());
        }
    }
}
