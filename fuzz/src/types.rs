//! What operators send each other and what users send them: `rota-types`.

use crate::{Target, refused};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, Bytes, hex, keccak256};
use rota_types::{
    Body, Certificate, ChainSpec, Committee, CommitteeFile, Flashblock, Header, RollupConfig, Transaction,
    codec::Reader, merkle::Branch,
};
use serde_json::Value;

const MAX_BYTES: usize = 4096;

pub(crate) const FLASHBLOCK: Target = Target {
    name: "flashblock",
    executions: 50_000,
    seeds: || flashblocks().iter().map(Flashblock::encode).collect(),
    feed: |bytes| {
        let repaired = repaired(bytes);
        for input in [bytes, &repaired] {
            if let Ok(flashblock) = Flashblock::decode(input, MAX_BYTES) {
                assert_eq!(flashblock.encode(), input);
                assert!(input.len() <= Flashblock::max_size(MAX_BYTES));
                assert_eq!(flashblock.digest(), keccak256(&input[..Header::SIZE]));
            }
        }
        Flashblock::decode(&repaired, MAX_BYTES).map(drop).map_err(refused)
    },
};

pub(crate) const BODY: Target = Target {
    name: "body",
    executions: 100_000,
    seeds: || flashblocks().iter().map(|flashblock| flashblock.body.encode()).collect(),
    feed: |bytes| {
        let mut reader = Reader::new(bytes);
        let body = Body::read(&mut reader, MAX_BYTES).map_err(refused)?;
        assert_eq!(body.encode(), bytes[..bytes.len() - reader.remaining()]);
        assert!(body.transaction_bytes() <= MAX_BYTES);
        Ok(())
    },
};

pub(crate) const CERTIFICATE: Target = Target {
    name: "certificate",
    executions: 3_000,
    seeds: || field(CERTIFICATES, "certificates", "encoding"),
    feed: |bytes| {
        let certificate = Certificate::decode(bytes).map_err(refused)?;
        assert_eq!(certificate.encode(), bytes);
        let (namespace, committee) = committee();
        if certificate.verify(&namespace, &committee).is_ok() {
            let known = ["a quorum", "everybody"].map(|name| named(CERTIFICATES, "certificates", name, "encoding"));
            assert!(known.iter().any(|known| known == bytes), "a forged certificate verifies");
        }
        Ok(())
    },
};

pub(crate) const TRANSACTION: Target = Target {
    name: "transaction",
    executions: 20_000,
    seeds: || field(TRANSACTIONS, "accepted", "encoding"),
    feed: |bytes| {
        let transaction = Transaction::decode(Bytes::copy_from_slice(bytes)).map_err(refused)?;
        assert_eq!(transaction.envelope().encoded_2718(), bytes);
        assert_eq!(transaction.hash(), keccak256(bytes));
        assert!(!transaction.sender().is_zero());
        Ok(())
    },
};

pub(crate) const BRANCH_JSON: Target = Target {
    name: "branch-json",
    executions: 50_000,
    seeds: || {
        let file: Value = serde_json::from_str(include_str!("../../vectors/merkle.json")).expect("JSON");
        let trees = file["trees"].as_array().expect("trees");
        trees.iter().flat_map(|tree| tree["branches"].as_array().expect("branches")).map(text).collect()
    },
    feed: |bytes| {
        let branch = serde_json::from_slice::<Branch>(bytes).map_err(refused)?;
        let root = branch.root(B256::ZERO);
        assert!(root.is_none() || branch.siblings.len() <= 32);
        Ok(())
    },
};

pub(crate) const SPEC_JSON: Target = Target {
    name: "spec-json",
    executions: 50_000,
    seeds: || vec![ROLLUP.into(), COMMITTEE.into()],
    feed: |bytes| {
        let rollup = serde_json::from_slice::<RollupConfig>(bytes);
        let committee = serde_json::from_slice::<CommitteeFile>(bytes);
        let refusal = rollup.as_ref().err().zip(committee.as_ref().err()).map(|(_, error)| refused(error));
        let genesis = serde_json::from_str(GENESIS).expect("a genesis");
        let rollup = rollup.unwrap_or_else(|_| serde_json::from_str(ROLLUP).expect("a rollup config"));
        let committee = committee.unwrap_or_else(|_| serde_json::from_str(COMMITTEE).expect("a committee"));
        if let Ok(spec) = ChainSpec::new(genesis, rollup, committee) {
            // Whatever is not refused must be computable at every height.
            assert!(spec.pace().as_millis() >= 10);
            assert!(usize::from(spec.last_index()) < 2 * usize::from(spec.flashblocks_per_block));
            let _ = (spec.id(), spec.genesis_position(), spec.ends_epoch(u64::MAX), spec.epoch_of(u64::MAX));
        }
        refusal.map_or(Ok(()), Err)
    },
};

pub(crate) const GENESIS: &str = include_str!("../../vectors/spec/genesis.json");
pub(crate) const ROLLUP: &str = include_str!("../../vectors/spec/rollup.json");
pub(crate) const COMMITTEE: &str = include_str!("../../vectors/spec/committee.json");
const CERTIFICATES: &str = include_str!("../../vectors/certificate.json");
const TRANSACTIONS: &str = include_str!("../../vectors/transactions.json");
const FLASHBLOCKS: &str = include_str!("../../vectors/flashblock.json");

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// One hex field of every entry of a list in a vector file.
fn field(file: &str, list: &str, key: &str) -> Vec<Vec<u8>> {
    let file: Value = serde_json::from_str(file).expect("JSON");
    let entries = file[list].as_array().expect("a list");
    entries.iter().map(|entry| hex::decode(entry[key].as_str().expect("hex")).expect("hex")).collect()
}

/// One hex field of the entry of that name.
fn named(file: &str, list: &str, name: &str, key: &str) -> Vec<u8> {
    let value: Value = serde_json::from_str(file).expect("JSON");
    let names = value[list].as_array().expect("a list").iter().position(|entry| entry["name"] == name);
    field(file, list, key).swap_remove(names.expect("an entry of that name"))
}

fn committee() -> (Vec<u8>, Committee) {
    let file: Value = serde_json::from_str(CERTIFICATES).expect("JSON");
    let namespace = hex::decode(file["namespace"].as_str().expect("hex")).expect("hex");
    let operators = serde_json::from_str::<CommitteeFile>(COMMITTEE).expect("a committee").operators;
    (namespace, Committee::new(operators).expect("distinct keys"))
}

/// Almost no mutation keeps the body hash: with it repaired, what lies behind is reached too.
pub(crate) fn repaired(encoded: &[u8]) -> Vec<u8> {
    let mut repaired = encoded.to_vec();
    if let Some((header, body)) = encoded.split_at_checked(Header::SIZE) {
        let mut header = Header::read(&mut Reader::new(header)).expect("256 bytes are a header");
        header.body_hash = keccak256(body);
        repaired[..Header::SIZE].copy_from_slice(&header.encode());
    }
    repaired
}

/// A flashblock around each golden body.
pub(crate) fn flashblocks() -> Vec<Flashblock> {
    let file: Value = serde_json::from_str(FLASHBLOCKS).expect("JSON");
    let bodies = file["bodies"].as_array().expect("bodies").iter();
    bodies
        .map(|entry| {
            let body: Body = serde_json::from_value(entry["body"].clone()).expect("a body");
            Flashblock { header: Header { body_hash: body.hash(), ..Header::default() }, body }
        })
        .collect()
}
