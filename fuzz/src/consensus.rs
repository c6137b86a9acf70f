//! What peers send on the consensus channels: `rota-consensus`.

use crate::{Outcome, Target, types};
use alloy_primitives::hex;
use rota_consensus::decoders::Decoders;
use rota_types::ChainSpec;
use std::sync::Arc;

/// Epoch 3 as a varint: what a message of the golden votes' epoch begins with.
const EPOCH: u8 = 3;

/// Bytes of a golden notarize or finalize vote; of a golden nullify vote, which names no parent and no payload.
const VOTE: usize = 134;
const NULLIFY: usize = VOTE - 34;

pub(crate) const BLOCK: Target = Target {
    name: "block",
    executions: 30_000,
    seeds: || {
        let prefixed = |encoded: Vec<u8>| [&(encoded.len() as u32).to_be_bytes()[..], &encoded].concat();
        types::flashblocks().iter().map(|flashblock| prefixed(flashblock.encode())).collect()
    },
    feed: |bytes| {
        // As in the target `flashblock`, with the length before it.
        let (length, encoded) = bytes.split_at_checked(4).ok_or("no length")?;
        let _ = canonical(bytes, Decoders::block);
        canonical(&[length, &types::repaired(encoded)].concat(), Decoders::block)
    },
};

pub(crate) const VOTES: Target = Target {
    name: "votes",
    executions: 2_000,
    seeds: || {
        let vote = |kind: u8, vote: &[u8]| [&[EPOCH, kind], vote].concat();
        vec![
            vote(0, &evidence("conflictingNotarize")[..VOTE]),
            vote(1, &evidence("nullifyFinalize")[..NULLIFY]),
            vote(2, &evidence("conflictingFinalize")[..VOTE]),
        ]
    },
    feed: |bytes| canonical(bytes, Decoders::vote),
};

pub(crate) const CERTIFICATES: Target = Target {
    name: "certificates",
    executions: 1_000,
    seeds: || {
        let certificate = finalization();
        // Without parent and payload it is a nullification's.
        let nullification = [&certificate[..3], &certificate[5 + 32..]].concat();
        vec![
            [&[EPOCH, 0], &certificate[..]].concat(),
            [&[EPOCH, 1], &nullification[..]].concat(),
            [&[EPOCH, 2], &certificate[..]].concat(),
        ]
    },
    feed: |bytes| canonical(bytes, Decoders::certificate),
};

pub(crate) const WELCOME: Target = Target {
    name: "welcome",
    executions: 30_000,
    seeds: || {
        let vote = [&[1, 2], &evidence("conflictingFinalize")[..VOTE]].concat();
        let finalization = [&[1], &finalization()[..]].concat();
        vec![vec![0, 0], [&vote[..], &[0]].concat(), [&[0], &finalization[..]].concat(), [vote, finalization].concat()]
    },
    feed: |bytes| canonical(bytes, Decoders::answer),
};

thread_local! {
    static DECODERS: Decoders = Decoders::new(&Arc::new(spec())).expect("keys");
}

/// Whatever is accepted has this one encoding.
fn canonical(bytes: &[u8], decode: fn(&Decoders, &[u8]) -> Result<Vec<u8>, String>) -> Outcome {
    let encoded = DECODERS.with(|decoders| decode(decoders, bytes))?;
    assert_eq!(encoded, bytes);
    Ok(())
}

/// The golden chain.
pub(crate) fn spec() -> ChainSpec {
    let genesis = serde_json::from_str(types::GENESIS).expect("a genesis");
    let rollup = serde_json::from_str(types::ROLLUP).expect("a rollup config");
    let committee = serde_json::from_str(types::COMMITTEE).expect("a committee");
    ChainSpec::new(genesis, rollup, committee).expect("consistent")
}

fn evidence(name: &str) -> Vec<u8> {
    let file: serde_json::Value = serde_json::from_str(include_str!("../../vectors/evidence.json")).expect("JSON");
    hex::decode(file[name]["votes"].as_str().expect("hex")).expect("hex")
}

fn finalization() -> Vec<u8> {
    let file: serde_json::Value = serde_json::from_str(include_str!("../../vectors/finalization.json")).expect("JSON");
    hex::decode(file["certificate"].as_str().expect("hex")).expect("hex")
}
