//! The embedded engine: the tree of uncertified flashblocks over the certified state.
//!
//! Every node of the tree owns a persistent trie (`State`) that shares almost everything with its parent's: it serves
//! execution and reads, and its root is the state root. The store holds the flat state of the last sealed, certified
//! block, from which the trie is rebuilt at start, and what recent blocks changed.

use crate::{
    code::CodeStore,
    database::{BlockHashes, OverlayDatabase},
    draft::{EmbeddedDraft, Overlay, Start, next_position},
    engine::{BlockAttributes, Draft, EngineError, Executed, Finished, SealedBlock},
    environment::Rules,
    genesis, history,
    state::{Changes, State},
    store::{Batch, Store, Table},
    view::View,
};
use alloy_consensus::Header;
use alloy_primitives::{B256, map::B256Map};
use parking_lot::{Mutex, RwLock};
use revm::bytecode::Bytecode;
use rota_types::{ChainSpec, Digest, Position};
use std::sync::Arc;

/// Blocks at which state can be read, if nothing else is configured.
const DEFAULT_STATE_WINDOW: u64 = 128;

const META_CHAIN: &[u8] = b"chain";
const META_HEAD: &[u8] = b"engine head";
const META_FORMAT: &[u8] = b"engine format";

/// Version of what the engine writes (see [`crate::history`]).
const FORMAT: [u8; 1] = [1];

/// The engine that executes in this process: op-revm, tries in memory, flat state in a [`Store`].
#[derive(Debug)]
pub struct EmbeddedEngine {
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) code: Arc<CodeStore>,
    pub(crate) state_window: u64,
    tree: RwLock<Tree>,
    /// Held while a commit runs: there is one at a time, and the tree stays readable during it.
    committing: Mutex<()>,
}

#[derive(Debug)]
struct Tree {
    certified: Digest,
    head: Head,
    nodes: B256Map<Arc<Node>>,
    /// Code that the nodes created and the store has not.
    pending_code: Arc<B256Map<Bytecode>>,
}

/// The newest sealed, certified block.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) header: Arc<Header>,
    pub(crate) state: State,
    pub(crate) hashes: BlockHashes,
}

#[derive(Debug)]
pub(crate) struct Node {
    parent: Digest,
    pub(crate) executed: Arc<Executed>,
    pub(crate) overlay: Overlay,
}

/// What travels in [`Finished::overlay`].
pub(crate) struct Pending {
    pub(crate) parent: Digest,
    pub(crate) overlay: Overlay,
}

impl EmbeddedEngine {
    /// Opens the engine on a store: an empty one gets the genesis state; any other must be of the same chain and
    /// lineage, and its flat state must hash to the state root of its head.
    ///
    /// Flashblocks that were committed after the last sealed block are not in the engine's state: the caller
    /// re-executes them from its ledger.
    pub fn open(store: Arc<dyn Store>, spec: Arc<ChainSpec>) -> Result<Self, EngineError> {
        match store.get(Table::Meta, META_CHAIN)? {
            None => write_genesis(&*store, &spec)?,
            Some(id) if id == spec.id().as_slice() => {}
            Some(id) => {
                return Err(EngineError::Corrupt(format!(
                    "the data directory is of another chain or lineage: its id is {}, the chain spec's is {}",
                    alloy_primitives::hex::encode_prefixed(id),
                    spec.id()
                )));
            }
        }
        let corrupt = |what: &str| EngineError::Corrupt(what.into());
        if store.get(Table::Meta, META_FORMAT)?.as_deref() != Some(&FORMAT[..]) {
            return Err(corrupt("the data directory is in the format of another version"));
        }
        let position = store.get(Table::Meta, META_HEAD)?.ok_or_else(|| corrupt("the head is missing"))?;
        let position: Position =
            serde_json::from_slice(&position).map_err(|error| EngineError::Corrupt(format!("head: {error}")))?;
        let number = position.block_number;
        let header = history::header(&*store, number)?.ok_or_else(|| corrupt("the head's header is missing"))?;
        let hash = header.hash_slow();
        if position.sealed != Some(hash) {
            return Err(corrupt("the head's header has another hash than the head"));
        }
        let state = history::load_state(&*store)?;
        let root = state.root();
        if root != header.state_root {
            return Err(EngineError::Corrupt(format!(
                "the stored state hashes to {root}, block {number} says {}",
                header.state_root
            )));
        }
        let hashes = BlockHashes { newest: number, hashes: history::hashes(&*store, number)?.into() };
        let head = Head { header: Arc::new(header.clone()), state: state.clone(), hashes: hashes.clone() };
        let node = Node {
            parent: Digest::ZERO,
            executed: Arc::new(Executed {
                position,
                attributes: None,
                transactions: Vec::new(),
                outcome_root: B256::ZERO,
                cumulative_gas: header.gas_used,
                sealed: Some(Arc::new(SealedBlock { header, hash, transactions: Vec::new(), size: 0 })),
            }),
            overlay: Overlay {
                header: head.header.clone(),
                state: state.clone(),
                hashes,
                attributes: None,
                transactions: Vec::new(),
                before: state,
                changes: Vec::new(),
            },
        };
        let tree = Tree {
            certified: position.digest,
            head,
            nodes: [(position.digest, Arc::new(node))].into_iter().collect(),
            pending_code: Arc::default(),
        };
        Ok(Self {
            rules: Arc::new(Rules::new(&spec)),
            spec,
            code: Arc::new(CodeStore::new(store.clone())),
            store,
            state_window: DEFAULT_STATE_WINDOW,
            tree: RwLock::new(tree),
            committing: Mutex::new(()),
        })
    }

    /// Sets how many blocks before the head can be read (128 if this is not called).
    pub fn with_state_window(mut self, blocks: u64) -> Self {
        self.state_window = blocks;
        self
    }

    pub(crate) fn node(&self, digest: Digest) -> Result<Arc<Node>, EngineError> {
        self.tree.read().nodes.get(&digest).cloned().ok_or(EngineError::UnknownFlashblock(digest))
    }

    pub(crate) fn head_block(&self) -> Head {
        self.tree.read().head.clone()
    }

    pub(crate) fn certified_position(&self) -> Position {
        let tree = self.tree.read();
        tree.nodes[&tree.certified].executed.position
    }

    pub(crate) fn database(&self, view: View, hashes: BlockHashes) -> OverlayDatabase {
        OverlayDatabase {
            view,
            changes: Changes::default(),
            pending_code: self.tree.read().pending_code.clone(),
            code: self.code.clone(),
            hashes,
        }
    }

    pub(crate) fn start_draft(
        &self,
        parent_digest: Digest,
        attributes: Option<&BlockAttributes>,
    ) -> Result<Box<dyn Draft>, EngineError> {
        let parent = self.node(parent_digest)?;
        let overlay = match (parent.executed.position.sealed, attributes) {
            (Some(hash), Some(attributes)) => {
                let state = parent.overlay.state.clone();
                Overlay {
                    header: Arc::new(self.rules.opening_header(&parent.overlay.header, hash, attributes)?),
                    state: state.clone(),
                    hashes: parent.overlay.hashes.clone(),
                    attributes: Some(Arc::new(attributes.clone())),
                    transactions: Vec::new(),
                    before: state,
                    changes: Vec::new(),
                }
            }
            (None, None) => parent.overlay.clone(),
            (Some(_), None) => return Err(EngineError::Misuse("a block must be opened here: attributes are missing")),
            (None, Some(_)) => return Err(EngineError::Misuse("a block is open: it takes no attributes")),
        };
        let opens = attributes.is_some();
        let open_attributes = overlay.attributes.as_ref().ok_or(EngineError::Misuse("the block is sealed"))?;
        let position = next_position(&parent.executed.position, &overlay.header, open_attributes, opens);
        let database = self.database(overlay.state.clone().into(), overlay.hashes.clone());
        let start = Start {
            rules: self.rules.clone(),
            limits: self.spec.limits,
            parent: parent_digest,
            position,
            overlay,
            database,
            opens,
        };
        Ok(Box::new(EmbeddedDraft::new(start)?))
    }

    pub(crate) fn insert(&self, digest: Digest, height: u64, finished: Finished) -> Result<Arc<Executed>, EngineError> {
        let Ok(pending) = finished.overlay.downcast::<Pending>() else {
            return Err(EngineError::Misuse("the draft is of another engine"));
        };
        let Pending { parent, overlay } = *pending;
        let mut executed = Arc::unwrap_or_clone(finished.executed);
        executed.position.digest = digest;
        executed.position.height = height;
        let executed = Arc::new(executed);
        let code = overlay.changes.last().map(|changes| &changes.code).filter(|code| !code.is_empty()).cloned();
        let node = Arc::new(Node { parent, executed: executed.clone(), overlay });

        let mut tree = self.tree.write();
        if let Some(known) = tree.nodes.get(&digest) {
            return Ok(known.executed.clone());
        }
        if !tree.nodes.contains_key(&parent) {
            return Err(EngineError::UnknownFlashblock(parent));
        }
        if let Some(code) = code {
            Arc::make_mut(&mut tree.pending_code).extend(code);
        }
        tree.nodes.insert(digest, node);
        Ok(executed)
    }

    pub(crate) fn certify(&self, digest: Digest, extra: Batch) -> Result<(), EngineError> {
        let _one_at_a_time = self.committing.lock();
        let node = self.node(digest)?;
        if node.parent != self.tree.read().certified || self.tree.read().certified == digest {
            return Err(EngineError::Misuse("not a child of the certified flashblock"));
        }
        let mut batch = extra;
        let position = &node.executed.position;
        if let Some(hash) = position.sealed {
            self.put_sealed(&mut batch, &node.overlay, hash)?;
            put_head(&mut batch, position)?;
        }
        if !batch.is_empty() {
            self.store.write(batch)?;
        }
        // Freed after the lock is given back.
        let dropped = self.tree.write().advance(digest, node);
        drop(dropped);
        Ok(())
    }

    fn put_sealed(&self, batch: &mut Batch, overlay: &Overlay, hash: B256) -> Result<(), EngineError> {
        let number = overlay.header.number;
        let mut changes = Changes::default();
        overlay.changes.iter().for_each(|part| changes.merge(part));
        history::put_state(batch, &changes);
        history::put_block(batch, &overlay.header, hash);
        history::put_reverts(batch, number, &overlay.before, &changes);
        history::prune(batch, &*self.store, number.saturating_sub(self.state_window), number)
    }

    pub(crate) fn remove(&self, digest: Digest) {
        let mut tree = self.tree.write();
        if digest == tree.certified || !tree.nodes.contains_key(&digest) {
            return;
        }
        let gone: Vec<_> = tree.nodes.keys().filter(|node| tree.descends(**node, digest)).copied().collect();
        let dropped: Vec<_> = gone.iter().filter_map(|node| tree.nodes.remove(node)).collect();
        drop(tree);
        drop(dropped);
    }
}

impl Tree {
    /// Whether `node` is `ancestor` or descends from it.
    fn descends(&self, mut node: Digest, ancestor: Digest) -> bool {
        loop {
            if node == ancestor {
                return true;
            }
            match self.nodes.get(&node) {
                Some(known) => node = known.parent,
                None => return false,
            }
        }
    }

    /// Makes `digest` the certified one. Returns what fell out of the tree.
    fn advance(&mut self, digest: Digest, node: Arc<Node>) -> (Vec<Arc<Node>>, Option<Head>) {
        self.certified = digest;
        // A view that was nullified while this was written may have taken it out.
        self.nodes.insert(digest, node.clone());
        let gone: Vec<_> = self.nodes.keys().filter(|other| !self.descends(**other, digest)).copied().collect();
        let gone = gone.iter().filter_map(|other| self.nodes.remove(other)).collect();
        let mut head = None;
        if node.executed.position.sealed.is_some() {
            let Overlay { header, state, hashes, .. } = &node.overlay;
            let new = Head { header: header.clone(), state: state.clone(), hashes: hashes.clone() };
            head = Some(std::mem::replace(&mut self.head, new));
            let uncommitted = self.nodes.iter().filter(|(other, _)| **other != digest);
            let code = uncommitted.flat_map(|(_, other)| &other.overlay.changes).flat_map(|changes| &changes.code);
            self.pending_code = Arc::new(code.map(|(hash, code)| (*hash, code.clone())).collect());
        }
        (gone, head)
    }
}

fn put_head(batch: &mut Batch, position: &Position) -> Result<(), EngineError> {
    let encoded = serde_json::to_vec(position).map_err(|error| EngineError::Corrupt(error.to_string()))?;
    batch.put(Table::Meta, META_HEAD, encoded);
    Ok(())
}

fn write_genesis(store: &dyn Store, spec: &ChainSpec) -> Result<(), EngineError> {
    let changes = genesis::changes(&spec.genesis);
    let mut state = State::default();
    state.apply(&changes);
    let header = genesis::header(&spec.genesis, &state);
    let (hash, expected) = (header.hash_slow(), spec.rollup.genesis.l2);
    if hash != expected.hash || header.number != expected.number {
        return Err(EngineError::Corrupt(format!(
            "genesis.json is of block {} with hash {hash}, rollup.json of block {} with hash {}",
            header.number, expected.number, expected.hash
        )));
    }
    let mut batch = Batch::default();
    batch.put(Table::Meta, META_CHAIN, spec.id().as_slice());
    batch.put(Table::Meta, META_FORMAT, FORMAT);
    put_head(&mut batch, &spec.genesis_position())?;
    history::put_state(&mut batch, &changes);
    history::put_block(&mut batch, &header, hash);
    Ok(store.write(batch)?)
}
