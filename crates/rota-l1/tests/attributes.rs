//! Attributes and origin rules against op-node's, and against the rules' own words.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use alloy_consensus::Header;
use alloy_primitives::{Address, B64, B256, Bytes, Log, U64, hex};
use alloy_rlp::Decodable;
use rota_l1::{
    AttributesError, L1Block, L1Info, OriginVerdict, Seen, SystemConfig, attributes, check_origin, choose_origin,
};
use rota_types::{BlockId, ChainSpec, Opening, Position, chain_spec::GenesisSystemConfig};
use serde::Deserialize;
use std::path::Path;

fn spec() -> ChainSpec {
    let file = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/spec").join(name);
    ChainSpec::load(&file("genesis.json"), &file("rollup.json"), &file("committee.json")).unwrap()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    name: String,
    jovian_time: u64,
    parent_time: u64,
    parent_origin: BlockId,
    parent_sequence_number: u64,
    parent_config: GenesisSystemConfig,
    header: Bytes,
    logs: Vec<VectorLog>,
    attributes: Expected,
    transactions: Vec<Bytes>,
}

#[derive(Deserialize)]
struct VectorLog {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    timestamp: U64,
    gas_limit: U64,
    eip1559_params: B64,
    min_base_fee: Option<u64>,
    prev_randao: B256,
    parent_beacon_block_root: B256,
    suggested_fee_recipient: Address,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../../vectors/attributes/attributes.json")).unwrap()
}

impl Vector {
    fn spec(&self) -> ChainSpec {
        let mut spec = spec();
        spec.rollup.jovian_time = Some(self.jovian_time);
        spec
    }

    fn origin(&self, spec: &ChainSpec) -> L1Block {
        let header = Header::decode(&mut self.header.as_ref()).unwrap();
        let logs: Vec<_> =
            self.logs.iter().map(|log| Log::new_unchecked(log.address, log.topics.clone(), log.data.clone())).collect();
        L1Block::new(&spec.rollup, None, &header, header.hash_slow(), (0..).zip(&logs)).unwrap()
    }

    fn parent(&self) -> Position {
        Position {
            timestamp: self.parent_time,
            origin: self.parent_origin,
            sequence_number: self.parent_sequence_number,
            ..spec().genesis_position()
        }
    }

    fn parent_config(&self, spec: &ChainSpec) -> SystemConfig {
        let mut rollup = spec.rollup.clone();
        rollup.genesis.system_config = self.parent_config.clone();
        SystemConfig::from_genesis(&rollup)
    }
}

#[test]
fn attributes_are_op_nodes() {
    for vector in vectors() {
        let name = &vector.name;
        let spec = vector.spec();
        let origin = vector.origin(&spec);
        let opening = Opening { timestamp: vector.parent_time + 1, origin: origin.id };
        let made = attributes(&spec, &vector.parent(), &vector.parent_config(&spec), opening, &origin).unwrap();
        let expected = &vector.attributes;
        assert_eq!(made.opening.timestamp, expected.timestamp.to::<u64>(), "{name}");
        assert_eq!(made.gas_limit, expected.gas_limit.to::<u64>(), "{name}");
        assert_eq!(made.eip1559_params, expected.eip1559_params, "{name}");
        assert_eq!(made.min_base_fee, expected.min_base_fee.unwrap_or_default(), "{name}");
        assert_eq!(made.prev_randao, expected.prev_randao, "{name}");
        assert_eq!(made.parent_beacon_block_root, expected.parent_beacon_block_root, "{name}");
        assert_eq!(made.fee_recipient, expected.suggested_fee_recipient, "{name}");
        let deposits: Vec<_> = made.deposits.iter().map(|deposit| hex::encode(deposit.encoded())).collect();
        let theirs: Vec<_> = vector.transactions.iter().map(hex::encode).collect();
        assert_eq!(deposits, theirs, "{name}");
        assert_eq!(made.user_transactions, !name.contains("activation block"), "{name}");
    }
}

#[test]
fn a_block_gives_back_the_config_that_made_it() {
    for vector in vectors() {
        let spec = vector.spec();
        let origin = vector.origin(&spec);
        let opening = Opening { timestamp: vector.parent_time + 1, origin: origin.id };
        let made = attributes(&spec, &vector.parent(), &vector.parent_config(&spec), opening, &origin).unwrap();
        let jovian = vector.attributes.min_base_fee;
        let mut extra_data = vec![u8::from(jovian.is_some())];
        extra_data.extend_from_slice(made.eip1559_params.as_slice());
        extra_data.extend(jovian.iter().flat_map(|fee| fee.to_be_bytes()));
        let header = Header {
            number: 15,
            timestamp: opening.timestamp,
            gas_limit: made.gas_limit,
            extra_data: extra_data.into(),
            ..Header::default()
        };
        let input = alloy_consensus::Transaction::input(made.deposits[0].envelope()).clone();
        let read = SystemConfig::from_l2_block(&spec, &header, &input).unwrap();
        let info = L1Info::decode(&input).unwrap();
        assert_eq!(read.gas_limit, made.gas_limit);
        assert_eq!(read.eip1559_params, made.eip1559_params);
        assert_eq!(read.min_base_fee, made.min_base_fee);
        assert_eq!(read.batcher, info.batcher);
        // Read back and written again, nothing changes: also where a default took the place of zero.
        let parent = Position { timestamp: opening.timestamp, origin: origin.id, ..vector.parent() };
        let next = Opening { timestamp: opening.timestamp + 1, origin: origin.id };
        let child = attributes(&spec, &parent, &read, next, &origin).unwrap();
        let child = L1Info::decode(alloy_consensus::Transaction::input(child.deposits[0].envelope())).unwrap();
        assert_eq!(child.base_fee_scalar, info.base_fee_scalar, "{}", vector.name);
        assert_eq!(child.blob_base_fee_scalar, info.blob_base_fee_scalar, "{}", vector.name);
        if let Some(scalar) = info.da_footprint_gas_scalar {
            assert_eq!(child.da_footprint_gas_scalar, Some(scalar), "{}", vector.name);
        }
    }
}

#[test]
fn the_genesis_block_has_the_rollups_config() {
    let spec = spec();
    let config = SystemConfig::from_l2_block(&spec, &Header::default(), &[]).unwrap();
    assert_eq!(config, SystemConfig::from_genesis(&spec.rollup));
}

/// L1 block `number` at 12 s intervals, child of `number - 1`.
fn l1(number: u64) -> L1Block {
    let hash = |number: u64| B256::left_padding_from(&(number + 1).to_be_bytes());
    let spec = spec();
    let header = Header {
        number,
        parent_hash: hash(number.wrapping_sub(1)),
        timestamp: spec.rollup.genesis.l2_time + 12 * number,
        ..Header::default()
    };
    L1Block::new(&spec.rollup, None, &header, hash(number), []).unwrap()
}

/// An L2 block `seconds` after genesis on L1 block `origin`.
fn parent(seconds: u64, origin: u64) -> Position {
    let genesis = spec().genesis_position();
    Position { timestamp: genesis.timestamp + seconds, origin: l1(origin).id, ..genesis }
}

fn opening(parent: &Position, origin: &L1Block) -> Opening {
    Opening { timestamp: parent.timestamp + 1, origin: origin.id }
}

fn judge(parent: &Position, opening: &Opening, origin: Option<&L1Block>, next: Option<&L1Block>) -> OriginVerdict {
    check_origin(&spec(), parent, opening, Seen { origin, next, next_confirmed: true })
}

#[test]
fn the_same_or_the_next_origin_is_valid() {
    let parent = parent(40, 2);
    for number in [2, 3] {
        let origin = l1(number);
        assert_eq!(judge(&parent, &opening(&parent, &origin), Some(&origin), None), OriginVerdict::Valid);
    }
}

#[test]
fn broken_openings_are_invalid() {
    let parent = parent(40, 2);
    let invalid = |opening: &Opening, origin: &L1Block| {
        let verdict = judge(&parent, opening, Some(origin), None);
        assert!(matches!(verdict, OriginVerdict::Invalid(_)), "{verdict:?}");
    };
    for number in [1, 4] {
        invalid(&opening(&parent, &l1(number)), &l1(number));
    }
    invalid(&Opening { timestamp: parent.timestamp + 2, origin: l1(2).id }, &l1(2));
    invalid(&Opening { timestamp: parent.timestamp, origin: l1(2).id }, &l1(2));
    let sibling = BlockId { number: 2, hash: B256::repeat_byte(9) };
    invalid(&Opening { timestamp: parent.timestamp + 1, origin: sibling }, &l1(2));
    let mut orphan = l1(3);
    orphan.parent_hash = B256::repeat_byte(9);
    invalid(&opening(&parent, &orphan), &orphan);
    let mut young = l1(3);
    young.timestamp = parent.timestamp + 2;
    invalid(&opening(&parent, &young), &young);
    young.timestamp = parent.timestamp + 1;
    assert_eq!(judge(&parent, &opening(&parent, &young), Some(&young), None), OriginVerdict::Valid);
}

#[test]
fn an_origin_that_is_not_seen_is_pending() {
    let parent = parent(40, 2);
    let next = l1(3);
    let mut other = l1(3);
    other.id.hash = B256::repeat_byte(9);
    for seen in [None, Some(&other)] {
        assert!(matches!(judge(&parent, &opening(&parent, &next), seen, None), OriginVerdict::Pending(_)));
    }
}

#[test]
fn past_max_drift_the_next_origin_must_be_adopted_if_its_time_allows() {
    // Origin 2 is at 24 s: drift ends at 1 824 s.
    let origin = l1(2);
    let last = parent(1_823, 2);
    assert_eq!(judge(&last, &opening(&last, &origin), Some(&origin), Some(&l1(3))), OriginVerdict::Valid);
    let late = parent(1_824, 2);
    let stays = opening(&late, &origin);
    assert!(matches!(judge(&late, &stays, Some(&origin), Some(&l1(3))), OriginVerdict::Invalid(_)));
    assert!(matches!(judge(&late, &stays, Some(&origin), None), OriginVerdict::Pending(_)));
    let unconfirmed = l1(3);
    let seen = Seen { origin: Some(&origin), next: Some(&unconfirmed), next_confirmed: false };
    assert!(matches!(check_origin(&spec(), &late, &stays, seen), OriginVerdict::Pending(_)));
    let mut young = l1(3);
    young.timestamp = stays.timestamp + 1;
    assert_eq!(judge(&late, &stays, Some(&origin), Some(&young)), OriginVerdict::Valid);
    let adopts = opening(&late, &l1(3));
    assert_eq!(judge(&late, &adopts, Some(&l1(3)), None), OriginVerdict::Valid);
    let config = SystemConfig::from_genesis(&spec().rollup);
    let user_transactions = |opening: Opening, origin: &L1Block, parent: &Position| {
        attributes(&spec(), parent, &config, opening, origin).unwrap().user_transactions
    };
    assert!(user_transactions(opening(&last, &origin), &origin, &last));
    assert!(!user_transactions(stays, &origin, &late));
    assert!(user_transactions(opening(&late, &l1(152)), &l1(152), &parent_on(&late, 151)));
}

/// The same place with another origin.
fn parent_on(parent: &Position, origin: u64) -> Position {
    Position { origin: l1(origin).id, ..*parent }
}

#[test]
fn leaders_take_the_newest_origin_that_a_quorum_has() {
    let spec = spec();
    let (current, next) = (l1(2), l1(3));
    let chosen = |parent: &Position, next: Option<&L1Block>, newest| {
        choose_origin(&spec, parent, Some(&current), next, newest).map(|opening| opening.origin.number)
    };
    let early = parent(30, 2);
    assert_eq!(chosen(&early, Some(&next), Some(9)), Some(2), "the next origin is younger than the block");
    let ripe = parent(35, 2);
    assert_eq!(chosen(&ripe, Some(&next), Some(3)), Some(3));
    assert_eq!(chosen(&ripe, Some(&next), Some(2)), Some(2), "a quorum has not confirmed it");
    assert_eq!(chosen(&ripe, Some(&next), None), Some(2));
    assert_eq!(chosen(&ripe, None, Some(9)), Some(2), "L1 is gone");
    let late = parent(1_824, 2);
    assert_eq!(chosen(&late, Some(&next), None), Some(3), "past max drift there is no choice");
    assert_eq!(chosen(&late, None, None), None, "nothing valid can be proposed");
    let mut orphan = next.clone();
    orphan.parent_hash = B256::repeat_byte(9);
    assert_eq!(chosen(&ripe, Some(&orphan), Some(3)), Some(2), "reorged: not a child of our origin");
}

#[test]
fn every_choice_is_valid() {
    let spec = spec();
    for seconds in [12, 23, 24, 35, 36, 500, 1_823, 1_824, 2_000] {
        let parent = parent(seconds, 1);
        let (origin, next) = (l1(1), l1(2));
        for (next, newest) in [(Some(&next), Some(2)), (Some(&next), Some(1)), (None, None)] {
            if let Some(opening) = choose_origin(&spec, &parent, Some(&origin), next, newest) {
                let seen = if opening.origin.number == 1 { Some(&origin) } else { next };
                assert_eq!(judge(&parent, &opening, seen, next), OriginVerdict::Valid, "{seconds} {newest:?}");
            }
        }
    }
}

#[test]
fn attributes_refuse_what_the_rules_refuse() {
    let spec = spec();
    let config = SystemConfig::from_genesis(&spec.rollup);
    let parent = parent(40, 2);
    let fails = |opening: Opening, origin: &L1Block| attributes(&spec, &parent, &config, opening, origin).unwrap_err();
    let late = Opening { timestamp: parent.timestamp + 2, origin: l1(2).id };
    assert!(matches!(fails(late, &l1(2)), AttributesError::Timestamp { .. }));
    assert!(matches!(fails(opening(&parent, &l1(3)), &l1(2)), AttributesError::WrongOrigin { .. }));
    assert!(matches!(fails(opening(&parent, &l1(4)), &l1(4)), AttributesError::NotNext { .. }));
    let mut young = l1(3);
    young.timestamp = parent.timestamp + 2;
    assert!(matches!(fails(opening(&parent, &young), &young), AttributesError::BeforeOrigin { .. }));
}
