//! The flashblock rules that need no execution and never change their mind: what a child of a given parent looks like.

use rota_consensus::Schedule;
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
    schedule: &Schedule,
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
    if header.leader != schedule.leader(header.epoch, header.view) {
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
    if header.next_committee_root != next_committee_root(spec, header.height) {
        return Err(Violation::NextCommittee);
    }
    let bytes = body.transaction_bytes();
    if bytes > spec.limits.max_flashblock_bytes {
        return Err(Violation::TooLarge(bytes));
    }
    Ok(())
}

/// The committee that follows, named at the last height of an epoch; zero elsewhere.
pub(crate) fn next_committee_root(spec: &ChainSpec, height: u64) -> alloy_primitives::B256 {
    if spec.ends_epoch(height) { spec.committee.root() } else { Default::default() }
}

/// Timestamp of an opened block, given the parent block's.
pub(crate) fn check_timestamp(spec: &ChainSpec, opening: &Opening, parent_timestamp: u64) -> Result<(), Violation> {
    number("timestamp", opening.timestamp, parent_timestamp.saturating_add(spec.rollup.block_time))
}
