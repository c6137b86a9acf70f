//! The flashblock rules that need no execution and never change their mind: what a child of a given parent looks like.

use alloy_primitives::B256;
use rota_consensus::Epochs;
use rota_types::{ChainSpec, Flashblock, Header, Opening, PROTOCOL_VERSION};

/// A rule that a flashblock breaks: for ever and for everybody, so the verdict is `false`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// Of other rules, another chain, or another lineage.
    #[error("of version {0}, chain {1}, lineage {2}")]
    Foreign(u16, u64, u32),
    /// Another number of the chain than its place gives.
    #[error("{what} is {found}, expected {expected}")]
    Number {
        /// Which one.
        what: &'static str,
        /// In the header.
        found: u64,
        /// By the rules.
        expected: u64,
    },
    /// Proposed by somebody whose turn it is not.
    #[error("not the leader of its view")]
    Leader,
    /// Does not follow the parent that it was proposed on.
    #[error("does not name its parent")]
    Parent,
    /// Opens a block inside an open one, or doesn't open one after a seal.
    #[error("opening missing or misplaced")]
    Opening,
    /// More flashblocks in a block than allowed, or the last one does not seal.
    #[error("index {0} without a seal")]
    Index(u16),
    /// The last height of an epoch does not seal or carries transactions.
    #[error("last height of an epoch must seal and carry no transactions")]
    EpochEnd,
    /// The next committee is not the one that follows.
    #[error("next committee root")]
    NextCommittee,
    /// Carries more bytes than allowed.
    #[error("{0} bytes of transactions")]
    TooLarge(usize),
    /// Carries something that users may not send.
    #[error("transaction {0}: {1}")]
    Transaction(usize, String),
    /// User transactions where none may be.
    #[error("user transactions not allowed here")]
    UserTransactions,
    /// The L1 origin breaks a rule of the OP Stack.
    #[error("origin: {0}")]
    Origin(String),
    /// Execution gives another outcome than the header.
    #[error("{0} differs")]
    Outcome(&'static str),
    /// Not a descendant of what is certified.
    #[error("conflicts with what is certified")]
    Conflict,
}

/// Requires `found` to be `expected`.
fn number(what: &'static str, found: u64, expected: u64) -> Result<(), Violation> {
    if found == expected { Ok(()) } else { Err(Violation::Number { what, found, expected }) }
}

/// Checks everything that follows from the headers of a flashblock and its parent, and from the body's form.
pub(crate) fn check_form(
    spec: &ChainSpec,
    epochs: &Epochs,
    flashblock: &Flashblock,
    parent: &Header,
) -> Result<(), Violation> {
    let (header, body) = (&flashblock.header, &flashblock.body);
    if (header.version, header.chain_id, header.lineage) != (PROTOCOL_VERSION, spec.chain_id(), spec.lineage) {
        return Err(Violation::Foreign(header.version, header.chain_id, header.lineage));
    }
    if header.parent != parent.digest() {
        return Err(Violation::Parent);
    }
    // Ancestors that nobody has executed yet may name any number.
    let after = |number: u64| number.checked_add(1).filter(|next| *next < u64::MAX).ok_or(Violation::Parent);
    number("height", header.height, after(parent.height)?)?;
    number("epoch", header.epoch, spec.epoch_of(header.height))?;
    // Consensus runs only known epochs, and asks about their flashblocks.
    let epoch = epochs.get(header.epoch).ok_or(Violation::Leader)?;
    if header.leader != epoch.leader(header.view) {
        return Err(Violation::Leader);
    }
    let (block_number, index) = if parent.seals() {
        (after(parent.block_number)?, 0)
    } else {
        (parent.block_number, parent.index.saturating_add(1))
    };
    number("block number", header.block_number, block_number)?;
    number("index", header.index.into(), index.into())?;
    if body.opening.is_some() != parent.seals() {
        return Err(Violation::Opening);
    }
    if index > spec.last_index() || (index == spec.last_index() && !header.seals()) {
        return Err(Violation::Index(index));
    }
    let ends_epoch = spec.ends_epoch(header.height);
    if ends_epoch && (!header.seals() || !body.transactions.is_empty()) {
        return Err(Violation::EpochEnd);
    }
    if header.next_committee_root != next_committee_root(spec, epochs, header.height).ok_or(Violation::NextCommittee)? {
        return Err(Violation::NextCommittee);
    }
    let bytes = body.transaction_bytes();
    if bytes > spec.limits.max_flashblock_bytes {
        return Err(Violation::TooLarge(bytes));
    }
    Ok(())
}

/// What follows, named at the last height of an epoch; zero elsewhere. `None` if that is not known: it is fixed an epoch
/// before it is named.
pub(crate) fn next_committee_root(spec: &ChainSpec, epochs: &Epochs, height: u64) -> Option<B256> {
    if !spec.ends_epoch(height) {
        return Some(B256::ZERO);
    }
    epochs.get(spec.epoch_of(height) + 1).map(|epoch| epoch.root())
}

/// Timestamp of an opened block, given the parent block's.
pub(crate) fn check_timestamp(spec: &ChainSpec, opening: &Opening, parent_timestamp: u64) -> Result<(), Violation> {
    number("timestamp", opening.timestamp, parent_timestamp.saturating_add(spec.rollup.block_time))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloy_primitives::{B256, Bytes};
    use rota_types::{BlockId, Body};
    use std::sync::Arc;

    /// The chain of the golden files.
    pub(crate) fn spec() -> Arc<ChainSpec> {
        let genesis = serde_json::from_str(include_str!("../../../../vectors/spec/genesis.json")).expect("genesis");
        let rollup = serde_json::from_str(include_str!("../../../../vectors/spec/rollup.json")).expect("rollup");
        let committee =
            serde_json::from_str(include_str!("../../../../vectors/spec/committee.json")).expect("committee");
        Arc::new(ChainSpec::new(genesis, rollup, committee).expect("consistent"))
    }

    /// A flashblock that breaks no rule on its parent.
    fn child(spec: &Arc<ChainSpec>, parent: &Header) -> Flashblock {
        let height = parent.height + 1;
        let (epoch, view) = (spec.epoch_of(height), 5);
        let opens = parent.seals();
        let body = Body {
            opening: opens.then(|| Opening { timestamp: 9, origin: BlockId::default() }),
            transactions: Vec::new(),
        };
        let index = if opens { 0 } else { parent.index + 1 };
        let header = Header {
            epoch,
            view,
            leader: Epochs::new(spec.clone()).get(epoch).expect("known").leader(view),
            parent_view: 4,
            parent: parent.digest(),
            height,
            block_number: parent.block_number + u64::from(opens),
            index,
            seal: if spec.ends_epoch(height) || index == spec.last_index() { B256::repeat_byte(1) } else { B256::ZERO },
            next_committee_root: next_committee_root(spec, &Epochs::new(spec.clone()), height).expect("known"),
            ..*parent
        };
        Flashblock { header, body }
    }

    fn verdict(flashblock: &Flashblock, parent: &Header) -> Result<(), Violation> {
        let spec = spec();
        check_form(&spec, &Epochs::new(spec.clone()), flashblock, parent)
    }

    #[test]
    fn a_chain_of_lawful_flashblocks_passes() {
        let spec = spec();
        let mut parent = spec.genesis_flashblock().header;
        for _ in 0..spec.epoch_length + 3 {
            let next = child(&spec, &parent);
            assert_eq!(verdict(&next, &parent), Ok(()), "height {}", next.header.height);
            parent = next.header;
        }
    }

    #[test]
    fn every_broken_rule_is_noticed() {
        let spec = spec();
        let first = child(&spec, &spec.genesis_flashblock().header).header;
        type Break = fn(&mut Flashblock);
        let breaks: [(&str, Break); 12] = [
            ("of version", |f| f.header.version += 1),
            ("of version", |f| f.header.chain_id += 1),
            ("of version", |f| f.header.lineage += 1),
            ("does not name", |f| f.header.parent = B256::ZERO),
            ("height", |f| f.header.height += 1),
            ("epoch", |f| f.header.epoch += 1),
            ("not the leader", |f| f.header.leader = B256::ZERO),
            ("block number", |f| f.header.block_number += 1),
            ("index", |f| f.header.index += 1),
            ("opening", |f| f.body.opening = Some(Opening { timestamp: 1, origin: BlockId::default() })),
            ("next committee", |f| f.header.next_committee_root = B256::repeat_byte(1)),
            ("bytes", |f| f.body.transactions = vec![Bytes::from(vec![0; 1 << 20])]),
        ];
        for (words, broken) in breaks {
            let mut flashblock = child(&spec, &first);
            broken(&mut flashblock);
            let why = verdict(&flashblock, &first).expect_err(words).to_string();
            assert!(why.contains(words), "{why} instead of {words}");
        }
    }

    #[test]
    fn the_last_index_must_seal() {
        let spec = spec();
        let parent = Header {
            index: spec.last_index() - 1,
            height: 8,
            ..child(&spec, &spec.genesis_flashblock().header).header
        };
        let mut last = child(&spec, &parent);
        assert_eq!(verdict(&last, &parent), Ok(()));
        last.header.seal = B256::ZERO;
        assert_eq!(verdict(&last, &parent), Err(Violation::Index(spec.last_index())));
        let beyond = child(&spec, &Header { index: spec.last_index(), ..parent });
        assert!(verdict(&beyond, &Header { index: spec.last_index(), ..parent }).is_err());
    }

    #[test]
    fn the_last_height_of_an_epoch_seals_without_transactions() {
        let spec = spec();
        let parent = Header { height: spec.epoch_length - 2, ..child(&spec, &spec.genesis_flashblock().header).header };
        let last = child(&spec, &parent);
        assert_eq!(verdict(&last, &parent), Ok(()));
        let open = Flashblock { header: Header { seal: B256::ZERO, ..last.header }, ..last.clone() };
        assert_eq!(verdict(&open, &parent), Err(Violation::EpochEnd));
        let body = Body { transactions: vec![Bytes::from_static(&[2])], ..last.body };
        assert_eq!(verdict(&Flashblock { body, ..last }, &parent), Err(Violation::EpochEnd));
    }

    #[test]
    fn numbers_at_the_end_of_their_range_do_not_overflow() {
        let spec = spec();
        let genesis = spec.genesis_flashblock().header;
        for parent in [
            Header { height: u64::MAX, ..genesis },
            Header { block_number: u64::MAX, ..genesis },
            Header { height: u64::MAX - 1, ..genesis },
        ] {
            let mut flashblock = child(&spec, &genesis);
            flashblock.header.parent = parent.digest();
            flashblock.header.height = u64::MAX;
            assert!(verdict(&flashblock, &parent).is_err());
        }
        let opening = Opening { timestamp: 0, origin: BlockId::default() };
        assert!(check_timestamp(&spec, &opening, u64::MAX).is_err());
    }
}
