//! What a leader can propose: valid flashblocks, changed, judged by the rules that a node uses.
//!
//! An input is a program: the place in the chain, what is made consistent again at the end, and changes of a valid
//! flashblock. A second, plain reading of the rules below says what the verdict must be.

use crate::{Target, refused};
use alloy_primitives::{Address, B256, Bytes, hex};
use rota_consensus::Epochs;
use rota_execution::ExecutionEngine as _;
use rota_l1::{SystemConfig, attributes};
use rota_node::testing::{Fixture, Judgement, account, judge, logger, sign, sign_with_gas};
use rota_types::{
    BlockId, Body, Flashblock, Header, Opening, PROTOCOL_VERSION, Transaction,
    codec::{CodecError, Reader},
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

pub(crate) const VERIFIER: Target = Target {
    name: "verifier",
    executions: 2_000,
    seeds: || {
        // Making the chains takes longer than an input may.
        CHAINS.with(|_| ());
        let lawful = |place: u8| vec![place, REPAIR_BODY];
        // A transaction more, one less, another seal: with the roots that go with it.
        let changed = |change: &[u8]| [&[0, REPAIR_BODY | REPAIR_OUTCOME], change].concat();
        let mut seeds: Vec<_> = (0..PLACES).map(lawful).collect();
        seeds.extend([&[3, 3, 0][..], &[3, 4, 1, 1, 2], &[1, 0], &[6]].map(changed));
        // The next origin.
        seeds.push(vec![1, REPAIR_BODY | REPAIR_OUTCOME, 9, 1]);
        seeds
    },
    feed: |bytes| CHAINS.with(|chains| run(chains, bytes)),
};

const REPAIR_BODY: u8 = 1;
const REPAIR_OUTCOME: u8 = 2;

/// Inside a block; where one opens; where one must seal; at the end of an epoch.
const PLACES: u8 = 4;

thread_local! {
    static CHAINS: Vec<Chain> = (0..PLACES).map(Chain::new).collect();
}

/// A chain at one of the places, and a lawful flashblock on its tip.
struct Chain {
    fixture: Fixture,
    epochs: Epochs,
    lawful: Flashblock,
    /// What changes may add.
    transactions: Vec<Bytes>,
    now: SystemTime,
}

impl Chain {
    fn new(place: u8) -> Self {
        let fixture = Fixture::new();
        let spec = fixture.spec.clone();
        let certify = |flashblocks: u64| {
            for _ in 0..flashblocks {
                let height = fixture.engine.certified().height + 1;
                fixture.certify(&[], height.is_multiple_of(5), false);
            }
        };
        let nothing = || fixture.certify(&[], false, false);
        match place {
            0 => drop((fixture.block(&[]), nothing(), nothing())),
            1 => drop([&[], &[], &[]].map(|nothing| fixture.block(nothing))),
            2 => (0..spec.last_index()).for_each(|_| drop(nothing())),
            _ => certify(spec.epoch_length - 2),
        }
        fixture.l1.mine();
        let epochs = Epochs::new(spec.clone());
        let carried = if place == 3 { Vec::new() } else { (0..3).map(|i| transfer(i, 0)).collect() };
        let parent = fixture.engine.certified();
        let opening = parent
            .sealed
            .map(|_| Opening { timestamp: parent.timestamp + spec.rollup.block_time, origin: parent.origin });
        let body = Body { opening, transactions: carried };
        let mut chain = Self {
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(parent.timestamp),
            lawful: Flashblock { header: Header::default(), body },
            transactions: transactions(),
            epochs,
            fixture,
        };
        chain.lawful.header = chain.header(1);
        let seals = place >= 2;
        let outcome = chain.execute(&chain.lawful.body, seals).expect("lawful");
        outcome.write(&mut chain.lawful.header);
        chain.lawful.header.body_hash = chain.lawful.body.hash();
        chain
    }

    /// What every header on the tip says, whatever it carries.
    fn header(&self, view: u64) -> Header {
        let (spec, parent) = (&self.fixture.spec, self.fixture.engine.certified());
        let height = parent.height + 1;
        let epoch = self.epochs.get(spec.epoch_of(height)).expect("known");
        let following = self.epochs.get(spec.epoch_of(height) + 1).expect("known");
        let (block_number, index) = match parent.sealed {
            Some(_) => (parent.block_number + 1, 0),
            None => (parent.block_number, parent.index + 1),
        };
        Header {
            version: PROTOCOL_VERSION,
            chain_id: spec.chain_id(),
            lineage: spec.lineage,
            epoch: spec.epoch_of(height),
            view,
            leader: epoch.leader(view),
            parent: parent.digest,
            height,
            block_number,
            index,
            next_committee_root: if spec.ends_epoch(height) { following.root() } else { B256::ZERO },
            ..Header::default()
        }
    }

    /// What re-execution gives; why there is none.
    fn execute(&self, body: &Body, seals: bool) -> Result<Outcome, String> {
        let (spec, parent) = (&self.fixture.spec, self.fixture.engine.certified());
        let attributes = match body.opening {
            None => None,
            Some(opening) => {
                let origin = self.fixture.l1.block(opening.origin).ok_or("unknown origin")?;
                let config = SystemConfig::from_genesis(&spec.rollup);
                Some(attributes(spec, &parent, &config, opening, &origin).map_err(refused)?)
            }
        };
        let mut draft = self.fixture.engine.draft(parent.digest, attributes.as_ref()).map_err(refused)?;
        for encoded in &body.transactions {
            let transaction = Transaction::decode(encoded.clone()).map_err(refused)?;
            draft.extend(&Arc::new(transaction)).map_err(refused)?;
        }
        let executed = draft.finish(seals).map_err(refused)?.executed;
        Ok(Outcome {
            root: executed.outcome_root,
            gas: executed.cumulative_gas,
            seal: executed.sealed.as_ref().map(|block| block.hash).unwrap_or_default(),
        })
    }

    /// Whether every operator must vote for this flashblock. Written down a second time on purpose, and only for these
    /// chains: no drift, no upgrade, no deposits.
    fn is_lawful(&self, Flashblock { header, body }: &Flashblock) -> bool {
        let (spec, parent) = (&self.fixture.spec, self.fixture.engine.certified());
        let outcome = Header {
            parent_view: header.parent_view,
            body_hash: header.body_hash,
            outcome_root: header.outcome_root,
            cumulative_gas: header.cumulative_gas,
            seal: header.seal,
            ..self.header(header.view)
        };
        let opening_is_lawful = match (parent.sealed, body.opening) {
            (None, None) => true,
            (Some(_), Some(Opening { timestamp, origin })) => {
                let next = self.fixture.l1.canonical(parent.origin.number + 1);
                let adopted = next.is_some_and(|next| next.id == origin && next.timestamp <= timestamp);
                timestamp == parent.timestamp + spec.rollup.block_time && (origin == parent.origin || adopted)
            }
            _ => false,
        };
        let must_seal = header.index == spec.last_index() || spec.ends_epoch(header.height);
        let empty = body.transactions.is_empty() || !spec.ends_epoch(header.height);
        *header == outcome
            && opening_is_lawful
            && (header.seals() || !must_seal)
            && empty
            && body.transaction_bytes() <= spec.limits.max_flashblock_bytes
            && self.execute(body, header.seals()).is_ok_and(|outcome| outcome.is_of(header))
    }
}

/// What a header says of execution.
struct Outcome {
    root: B256,
    gas: u64,
    seal: B256,
}

impl Outcome {
    const fn write(&self, header: &mut Header) {
        (header.outcome_root, header.cumulative_gas, header.seal) = (self.root, self.gas, self.seal);
    }

    fn is_of(&self, header: &Header) -> bool {
        (header.outcome_root, header.cumulative_gas, header.seal) == (self.root, self.gas, self.seal)
    }
}

fn run(chains: &[Chain], bytes: &[u8]) -> Result<(), String> {
    let mut reader = Reader::new(bytes);
    let place = reader.u8().map_err(refused)?;
    let repair = reader.u8().map_err(refused)?;
    let chain = &chains[usize::from(place % PLACES)];
    let mut flashblock = chain.lawful.clone();
    while reader.remaining() > 0 && change(chain, &mut flashblock, &mut reader).is_ok() {}
    if repair & REPAIR_OUTCOME != 0
        && let Ok(outcome) = chain.execute(&flashblock.body, flashblock.header.seals())
    {
        outcome.write(&mut flashblock.header);
    }
    if repair & REPAIR_BODY != 0 {
        flashblock.header.body_hash = flashblock.body.hash();
    }
    // As it comes from the wire.
    let limit = chain.fixture.spec.limits.max_flashblock_bytes;
    let flashblock = Arc::new(Flashblock::decode(&flashblock.encode(), limit).map_err(refused)?);
    let judgement = judge(&chain.fixture, &flashblock, chain.now);
    assert_eq!(judgement == Judgement::Valid, chain.is_lawful(&flashblock), "{judgement:?}: {flashblock:?}");
    assert!(chain.fixture.engine.executed(flashblock.digest()).is_none(), "nothing is left behind");
    match judgement {
        Judgement::Valid => Ok(()),
        Judgement::Invalid(why) => Err(why),
        Judgement::Pending => Err("pending".into()),
    }
}

/// Takes one change from the program.
fn change(chain: &Chain, flashblock: &mut Flashblock, reader: &mut Reader<'_>) -> Result<(), CodecError> {
    let Flashblock { header, body } = flashblock;
    let transactions = &mut body.transactions;
    let operation = reader.u8()?;
    match operation % 10 {
        0 => change_header(header, reader)?,
        1 => {
            let at = usize::from(reader.u8()?);
            if at < transactions.len() {
                transactions.remove(at);
            }
        }
        2 => {
            let (from, to) = (usize::from(reader.u8()?), usize::from(reader.u8()?));
            if from < transactions.len() && to < transactions.len() {
                transactions.swap(from, to);
            }
        }
        3 => {
            let (which, at) = (usize::from(reader.u8()?), usize::from(reader.u8()?));
            let known = &chain.transactions[which % chain.transactions.len()];
            transactions.insert(at.min(transactions.len()), known.clone());
        }
        4 => {
            let length = usize::from(reader.u8()?).min(reader.remaining());
            let raw = Bytes::copy_from_slice(reader.bytes(length)?);
            if !raw.is_empty() {
                transactions.push(raw);
            }
        }
        5 => {
            let (which, at, bit) = (usize::from(reader.u8()?), usize::from(reader.u8()?), reader.u8()? % 8);
            if let Some(transaction) = transactions.get_mut(which) {
                let mut changed = transaction.to_vec();
                if let Some(byte) = changed.get_mut(at) {
                    *byte ^= 1 << bit;
                }
                *transaction = changed.into();
            }
        }
        6 => header.seal = if header.seals() { B256::ZERO } else { B256::repeat_byte(1) },
        7 => {
            let parent = chain.fixture.engine.certified();
            let opening = Opening { timestamp: parent.timestamp + 1, origin: parent.origin };
            body.opening = if body.opening.is_some() { None } else { Some(opening) };
        }
        8 => {
            let (which, delta) = (reader.u8()?, amount(reader)?);
            if let Some(opening) = &mut body.opening {
                match which % 3 {
                    0 => opening.timestamp = opening.timestamp.wrapping_add(delta),
                    1 => opening.origin.number = opening.origin.number.wrapping_add(delta),
                    _ => opening.origin.hash.0[..8].copy_from_slice(&delta.to_be_bytes()),
                }
            }
        }
        _ => {
            let number = u64::from(reader.u8()? % 4);
            let origin: Option<BlockId> = chain.fixture.l1.canonical(number).map(|block| block.id);
            if let (Some(opening), Some(origin)) = (&mut body.opening, origin) {
                opening.origin = origin;
            }
        }
    }
    Ok(())
}

fn change_header(header: &mut Header, reader: &mut Reader<'_>) -> Result<(), CodecError> {
    let (field, by) = (reader.u8()?, amount(reader)?);
    let add = |number: &mut u64| *number = number.wrapping_add(by);
    let mix = |hash: &mut B256| hash.0[..8].iter_mut().zip(by.to_be_bytes()).for_each(|(byte, by)| *byte ^= by);
    match field % 15 {
        0 => header.version = header.version.wrapping_add(by as u16),
        1 => add(&mut header.chain_id),
        2 => header.lineage = header.lineage.wrapping_add(by as u32),
        3 => add(&mut header.epoch),
        4 => add(&mut header.view),
        5 => mix(&mut header.leader),
        6 => add(&mut header.parent_view),
        7 => mix(&mut header.parent),
        8 => add(&mut header.height),
        9 => add(&mut header.block_number),
        10 => header.index = header.index.wrapping_add(by as u16),
        11 => mix(&mut header.outcome_root),
        12 => add(&mut header.cumulative_gas),
        13 => mix(&mut header.seal),
        _ => mix(&mut header.next_committee_root),
    }
    Ok(())
}

/// Something to add: mostly little, up or down.
fn amount(reader: &mut Reader<'_>) -> Result<u64, CodecError> {
    match reader.u8()? {
        255 => reader.u64(),
        small => Ok((i64::from(small) - 127) as u64),
    }
}

fn transfer(index: u32, nonce: u64) -> Bytes {
    sign_with_gas(index, nonce, Some(account(9).address()), 1, [], 21_000)
}

/// Lawful ones, and each kind that is not.
fn transactions() -> Vec<Bytes> {
    let hog = hex!("5b5f5f5f5f60085afa505f56");
    let mut wrong_chain = transfer(5, 0).to_vec();
    wrong_chain[6] ^= 1;
    vec![
        transfer(3, 0),
        transfer(4, 0),
        transfer(4, 1),
        sign(5, 0, None, 0, logger()),
        sign(6, 0, None, 0, hex!("60006000fd")),
        transfer(7, 7),
        sign_with_gas(7, 0, Some(Address::ZERO), u64::MAX, [], 21_000),
        sign_with_gas(7, 0, Some(Address::ZERO), 0, [], 20_999),
        sign_with_gas(8, 0, None, 0, hog, 16_000_000),
        sign_with_gas(8, 0, None, 0, [], 16_777_217),
        wrong_chain.into(),
        Bytes::from_static(&hex!("7ef8")),
        Bytes::from_static(&[0x03]),
    ]
}
