//! Blobs against op-node's, against themselves, and against garbage.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use alloy_primitives::{B256, Bytes, keccak256};
use proptest::prelude::*;
use rota_batch::{BLOB_BYTES, EncodeError, MAX_BLOB_DATA, cut_channel, decode_blob, encode_blob, parse_frames};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    encoded: Vec<Encoded>,
    changed: Vec<Changed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Encoded {
    seed: u8,
    length: usize,
    blob_keccak: B256,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    seed: u8,
    length: usize,
    set: Vec<Change>,
    data_keccak: Option<B256>,
}

#[derive(Debug, Deserialize)]
struct Change {
    at: usize,
    bytes: Bytes,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../vectors/batch/blob.json")).unwrap()
}

/// The data that the vectors mean by a seed and a length.
fn data(seed: u8, length: usize) -> Vec<u8> {
    let words = (0u64..).flat_map(|counter| keccak256([&[seed][..], &counter.to_be_bytes()].concat()));
    words.take(length).collect()
}

#[test]
fn blobs_are_written_as_op_node_writes_them() {
    for Encoded { seed, length, blob_keccak } in vectors().encoded {
        let data = data(seed, length);
        let blob = encode_blob(&data).unwrap();
        assert_eq!(keccak256(&blob), blob_keccak, "{length} bytes");
        assert_eq!(decode_blob(&blob), Ok(data), "{length} bytes");
    }
}

#[test]
fn changed_blobs_are_judged_as_op_node_judges_them() {
    for Changed { seed, length, set, data_keccak } in vectors().changed {
        let mut blob = encode_blob(&data(seed, length)).unwrap();
        for change in &set {
            blob[change.at..change.at + change.bytes.len()].copy_from_slice(&change.bytes);
        }
        assert_eq!(decode_blob(&blob).ok().map(keccak256), data_keccak, "{length} bytes, {set:?}");
    }
}

#[test]
fn what_has_not_the_size_of_a_blob_is_refused() {
    assert!(decode_blob(&[]).is_err());
    assert!(decode_blob(&[0; BLOB_BYTES - 1]).is_err());
    assert!(decode_blob(&[0; BLOB_BYTES + 1]).is_err());
    assert_eq!(decode_blob(&[0; BLOB_BYTES]), Ok(Vec::new()));
    assert_eq!(encode_blob(&[0; MAX_BLOB_DATA + 1]), Err(EncodeError::BlobTooLarge));
}

#[test]
fn a_channel_is_cut_into_full_blobs() {
    let channel = vec![7; 300_000];
    let payloads = cut_channel(&channel, [1; 16].into(), MAX_BLOB_DATA).unwrap();
    assert_eq!(payloads.iter().map(|payload| payload.len()).max(), Some(MAX_BLOB_DATA));
    let blobs = payloads.iter().map(|payload| encode_blob(payload).unwrap());
    let frames = blobs.flat_map(|blob| parse_frames(&decode_blob(&blob).unwrap()).unwrap());
    assert_eq!(frames.flat_map(|frame| frame.data).collect::<Vec<_>>(), channel);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(data in prop::collection::vec(any::<u8>(), 0..2_000), pad in 0..MAX_BLOB_DATA) {
        let mut data = data;
        data.resize(pad.max(data.len()).min(MAX_BLOB_DATA), 0xff);
        let blob = encode_blob(&data).unwrap();
        prop_assert!(blob.chunks(32).all(|element| element[0] < 0x40), "below the field's modulus");
        prop_assert_eq!(decode_blob(&blob), Ok(data));
    }

    #[test]
    fn a_blob_has_one_data(at in 1..BLOB_BYTES, bit in 0..8u8) {
        let data = vec![0x5a; 90_000];
        let mut blob = encode_blob(&data).unwrap();
        blob[at] ^= 1 << bit;
        prop_assert_ne!(decode_blob(&blob), Ok(data));
    }
}
