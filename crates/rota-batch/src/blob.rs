//! Batcher data in a blob: 4096 field elements of 31 bytes and 6 bits each, version 0 of the OP blob encoding.
//!
//! Every four field elements hold 127 bytes: 31 in the low bytes of each, and three more spread over the low six bits
//! of their first bytes, so that no element reaches the field's modulus. The first four bytes of what is held are a
//! version (0) and the length of the data; whatever follows the data is zero. (OP specs, "Blob Encoding"; the verdicts
//! on malformed blobs are those of op-service/eth/blob.go v1.16.11.)

use crate::{DecodeError, EncodeError};

/// Bytes of a blob.
pub const BLOB_BYTES: usize = 4_096 * 32;

/// Bytes of data that fit into one blob.
pub const MAX_BLOB_DATA: usize = GROUPS * HELD - PREFIX;

/// Four field elements.
const GROUP: usize = 4 * 32;
/// Bytes that a group holds.
const HELD: usize = 4 * 31 + 3;
const GROUPS: usize = BLOB_BYTES / GROUP;
/// Version and length before the data.
const PREFIX: usize = 4;
const VERSION: u8 = 0;

const LOW_6: u8 = 0b0011_1111;
const HIGH_2: u8 = 0b1100_0000;
const LOW_4: u8 = 0b0000_1111;
const HIGH_4: u8 = 0b1111_0000;

/// Writes data into a blob of [`BLOB_BYTES`].
pub fn encode_blob(data: &[u8]) -> Result<Vec<u8>, EncodeError> {
    if data.len() > MAX_BLOB_DATA {
        return Err(EncodeError::BlobTooLarge);
    }
    let mut held = vec![0; GROUPS * HELD];
    held[..PREFIX].copy_from_slice(&(data.len() as u32).to_be_bytes());
    held[PREFIX..PREFIX + data.len()].copy_from_slice(data);
    let mut blob = vec![0; BLOB_BYTES];
    for (group, held) in blob.chunks_exact_mut(GROUP).zip(held.chunks_exact(HELD)) {
        let (x, y, z) = (held[31], held[63], held[95]);
        group[0] = x & LOW_6;
        group[1..32].copy_from_slice(&held[..31]);
        group[32] = y & LOW_4 | (x & HIGH_2) >> 2;
        group[33..64].copy_from_slice(&held[32..63]);
        group[64] = z & LOW_6;
        group[65..96].copy_from_slice(&held[64..95]);
        group[96] = (z & HIGH_2) >> 2 | (y & HIGH_4) >> 4;
        group[97..128].copy_from_slice(&held[96..127]);
    }
    Ok(blob)
}

/// Reads the data of a blob that anybody may have written.
pub fn decode_blob(blob: &[u8]) -> Result<Vec<u8>, DecodeError> {
    if blob.len() != BLOB_BYTES {
        return Err(DecodeError::Malformed("blob size"));
    }
    // As in op-node, the two high bits of the very first byte are ignored.
    if blob.chunks_exact(32).skip(1).any(|element| element[0] & HIGH_2 != 0) {
        return Err(DecodeError::Malformed("blob field element"));
    }
    let mut held = vec![0; GROUPS * HELD];
    for (held, group) in held.chunks_exact_mut(HELD).zip(blob.chunks_exact(GROUP)) {
        let [a, b, c, d] = [group[0], group[32], group[64], group[96]];
        held[..31].copy_from_slice(&group[1..32]);
        held[31] = a & LOW_6 | (b & 0b0011_0000) << 2;
        held[32..63].copy_from_slice(&group[33..64]);
        held[63] = b & LOW_4 | (d & LOW_4) << 4;
        held[64..95].copy_from_slice(&group[65..96]);
        held[95] = c & LOW_6 | (d & 0b0011_0000) << 2;
        held[96..].copy_from_slice(&group[97..]);
    }
    if held[0] != VERSION {
        return Err(DecodeError::Malformed("blob version"));
    }
    let end = PREFIX + u32::from_be_bytes([0, held[1], held[2], held[3]]) as usize;
    if end > held.len() {
        return Err(DecodeError::Malformed("blob length"));
    }
    if held[end..].iter().any(|byte| *byte != 0) {
        return Err(DecodeError::Malformed("blob padding"));
    }
    held.truncate(end);
    held.drain(..PREFIX);
    Ok(held)
}
