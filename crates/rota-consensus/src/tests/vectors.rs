//! Golden files for other languages: what consensus signs and writes, from keys that everybody can compute.

use super::world::{OPERATORS, identity, spec, voting_key};
use crate::{Epochs, block::Digest, committees::Committees, scheme::Bls, welcome::certificate};
use alloy_primitives::{Bytes, hex, keccak256};
use commonware_codec::Encode as _;
use commonware_consensus::{
    simplex::types::{
        ConflictingFinalize, ConflictingNotarize, Finalization, Finalize, Notarize, Nullify, NullifyFinalize, Proposal,
    },
    types::{Epoch, Round, View},
};
use commonware_parallel::Sequential;
use commonware_utils::iter::NonEmpty;
use serde_json::{Value, json};
use std::path::Path;

const EPOCH: u64 = 3;
const VIEW: u64 = 300;

fn proposal(content: &[u8]) -> Proposal<Digest> {
    let round = Round::new(Epoch::new(EPOCH), View::new(VIEW));
    Proposal::new(round, View::new(VIEW - 1), keccak256(content).into())
}

fn signer(index: usize) -> Bls {
    Committees::new(&spec(300, 50), Epochs::new(spec(300, 50)), ())
        .expect("keys")
        .signer(EPOCH, &crate::keys::public_key(&identity(index)).expect("a key"), &voting_key(index))
        .expect("a member")
}

fn public() -> Value {
    let spec = spec(300, 50);
    let operators = spec.committee.operators().iter();
    let committee: Vec<_> = operators
        .map(|operator| {
            json!({
                "identity": operator.identity,
                "blsPublicKey": operator.bls_public_key,
                "proofOfPossession": operator.proof_of_possession,
            })
        })
        .collect();
    json!({ "namespace": Bytes::from(spec.namespace()), "committee": committee })
}

/// Compares with the file, whatever the order of its keys; `UPDATE_VECTORS=1` writes it instead.
fn golden(name: &str, value: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(name);
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(&path, format!("{value:#}\n")).expect("writes");
    } else {
        let text = std::fs::read_to_string(&path).expect("the golden file");
        let recorded: Value = serde_json::from_str(&text).expect("golden files are JSON");
        assert_eq!(&recorded, value, "{name} changed");
    }
}

#[test]
fn certificates_have_not_changed() {
    let vote = |index| Finalize::<Bls, Digest>::sign(&signer(index), proposal(b"flashblock")).expect("signs");
    let votes = NonEmpty::new(vote(0), [vote(1), vote(3)].into_iter());
    let finalization = Finalization::from_owned_finalizes(&signer(0), votes, &Sequential).expect("a quorum");
    let certificate = certificate(&finalization).expect("decodes");
    let spec = spec(300, 50);
    certificate.verify(&spec.namespace(), &spec.committee).expect("verifies");
    assert_eq!(certificate.encode(), finalization.encode().to_vec());
    assert_eq!(certificate.signers.iter().filter(|signed| **signed).count(), OPERATORS - 1);

    let mut value = public();
    value["certificate"] = json!(Bytes::from(certificate.encode()));
    value["decoded"] = json!(certificate);
    golden("finalization.json", &value);
}

#[test]
fn evidence_has_not_changed() {
    let scheme = signer(2);
    let notarize = |content: &[u8]| Notarize::<Bls, Digest>::sign(&scheme, proposal(content)).expect("signs");
    let finalize = |content: &[u8]| Finalize::<Bls, Digest>::sign(&scheme, proposal(content)).expect("signs");
    let nullify = Nullify::sign::<Digest>(&scheme, proposal(b"").round).expect("signs");
    let kinds = [
        ("conflictingNotarize", 1, ConflictingNotarize::new(notarize(b"one"), notarize(b"two")).encode()),
        ("conflictingFinalize", 2, ConflictingFinalize::new(finalize(b"one"), finalize(b"two")).encode()),
        ("nullifyFinalize", 3, NullifyFinalize::new(nullify, finalize(b"one")).encode()),
    ];
    let mut value = public();
    for (name, kind, votes) in kinds {
        value[name] = json!({ "kind": kind, "votes": hex::encode_prefixed(&votes) });
    }
    golden("evidence.json", &value);
}
