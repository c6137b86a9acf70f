//! Many blobs checked against their KZG commitments for the price of one: a random linear combination of the blobs must
//! commit to the same combination of the commitments.

use crate::kzg;
use alloy_eips::eip4844::Bytes48;
use alloy_primitives::{Bytes, Keccak256, U256, uint};
use blst::{
    MultiPoint, blst_p1_affine,
    min_pk::{AggregatePublicKey, PublicKey},
};
use rota_batch::BLOB_BYTES;

/// Bytes of a blob's element: a big endian number below [`MODULUS`].
const ELEMENT_BYTES: usize = 32;
/// Order of the groups of BLS12-381: `BLS_MODULUS` of EIP-4844.
const MODULUS: U256 = uint!(0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001_U256);
/// Bits of [`MODULUS`].
const MODULUS_BITS: usize = 255;
/// -1 / [`MODULUS`] modulo 2^64, as Montgomery's multiplication takes it.
const NEGATED_INVERSE: u64 = 0xffff_fffe_ffff_ffff;

/// Whether every blob has the commitment at its place; `false` also without blobs, if something is no blob or no
/// commitment, and for a blob of zeros, whose commitment is the point at infinity.
///
/// What is computed for blobs b and commitments C is whether the commitment of sum(r^i b_i) is sum(r^i C_i). Drawing r
/// by hashing all of them makes it independent of them (Fiat and Shamir); if any b_i had another commitment, fewer
/// values of r than there are blobs would pass, of 2^255 (Schwartz and Zippel).
///
/// About 45 ms of arithmetic, and 1 ms for each blob.
pub(crate) fn all_match(blobs: &[Bytes], commitments: &[Bytes48]) -> bool {
    if blobs.is_empty() || blobs.len() != commitments.len() {
        return false;
    }
    let r = challenge(blobs, commitments);
    let combined = combined_blob(blobs, r).zip(combined_commitment(commitments, r));
    combined.is_some_and(|(blob, commitment)| kzg::commitment(&blob) == Some(commitment))
}

fn challenge(blobs: &[Bytes], commitments: &[Bytes48]) -> U256 {
    let mut hasher = Keccak256::new();
    hasher.update(b"rota: blobs and their commitments");
    commitments.iter().for_each(|commitment| hasher.update(commitment));
    blobs.iter().for_each(|blob| hasher.update(blob));
    U256::from_be_bytes(hasher.finalize().0) % MODULUS
}

/// sum(r^i b_i) for each element, by Horner's rule; `None` if one is no blob.
fn combined_blob(blobs: &[Bytes], r: U256) -> Option<Vec<u8>> {
    let mut sums = vec![U256::ZERO; BLOB_BYTES / ELEMENT_BYTES];
    // Montgomery's multiplication takes out a factor of 2^256.
    let r = r.mul_mod(U256::MAX % MODULUS + U256::ONE, MODULUS);
    for blob in blobs.iter().rev() {
        if blob.len() != BLOB_BYTES {
            return None;
        }
        for (sum, element) in sums.iter_mut().zip(blob.chunks_exact(ELEMENT_BYTES)) {
            let element = U256::from_be_slice(element);
            if element >= MODULUS {
                return None;
            }
            *sum = sum.mul_redc(r, MODULUS, NEGATED_INVERSE).add_mod(element, MODULUS);
        }
    }
    Some(sums.iter().flat_map(U256::to_be_bytes::<ELEMENT_BYTES>).collect())
}

/// sum(r^i C_i); `None` if one is not a point of the group of prime order other than that at infinity.
fn combined_commitment(commitments: &[Bytes48], r: U256) -> Option<Bytes48> {
    let point = |commitment: &Bytes48| PublicKey::key_validate(commitment.as_slice()).map(blst_p1_affine::from).ok();
    let points: Vec<_> = commitments.iter().map(point).collect::<Option<_>>()?;
    let mut power = U256::ONE;
    let mut powers = Vec::with_capacity(points.len() * ELEMENT_BYTES);
    for _ in &points {
        powers.extend_from_slice(&power.to_le_bytes::<ELEMENT_BYTES>());
        power = power.mul_mod(r, MODULUS);
    }
    let sum = AggregatePublicKey::from(points.as_slice().mult(&powers, MODULUS_BITS));
    Some(Bytes48::from(sum.to_public_key().compress()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rota_batch::{MAX_BLOB_DATA, encode_blob};

    /// Blobs full of different data, and their commitments.
    fn blobs(count: u8) -> (Vec<Bytes>, Vec<Bytes48>) {
        let blob = |index| {
            let blob = encode_blob(&vec![index + 1; MAX_BLOB_DATA]).expect("it fits");
            let commitment = kzg::commitment(&blob).expect("a blob");
            (Bytes::from(blob), commitment)
        };
        (0..count).map(blob).unzip()
    }

    #[test]
    fn blobs_match_their_own_commitments_in_any_number() {
        let (blobs, commitments) = blobs(5);
        for count in 1..=5 {
            assert!(all_match(&blobs[..count], &commitments[..count]), "{count}");
        }
        let twice = |count: usize| [0, 1].repeat(count);
        let (blobs, commitments): (Vec<_>, Vec<_>) =
            twice(2).into_iter().map(|index| (blobs[index].clone(), commitments[index])).unzip();
        assert!(all_match(&blobs, &commitments), "some twice");
    }

    #[test]
    fn a_wrong_pairing_does_not_match() {
        let (blobs, mut commitments) = blobs(3);
        commitments.swap(1, 2);
        assert!(!all_match(&blobs, &commitments));
        assert!(!all_match(&blobs, &commitments[..2]), "one commitment less");
        assert!(!all_match(&blobs[..2], &commitments), "one blob less");
        assert!(!all_match(&blobs, &[]));
        assert!(!all_match(&[], &[]));
    }

    #[test]
    fn a_wrong_blob_among_right_ones_does_not_match() {
        let (blobs, commitments) = blobs(3);
        for index in 0..3 {
            let mut changed = blobs[index].to_vec();
            changed[BLOB_BYTES - 1] ^= 1;
            let mut wrong = blobs.clone();
            wrong[index] = changed.into();
            assert!(!all_match(&wrong, &commitments), "{index}");
        }
    }

    #[test]
    fn errors_that_cancel_each_other_out_do_not_match() {
        // One more in the first and one less in the second: the sum without a challenge is the same.
        let (mut blobs, commitments) = blobs(2);
        for (blob, difference) in blobs.iter_mut().zip([1, -1]) {
            let mut changed = blob.to_vec();
            changed[ELEMENT_BYTES - 1] = changed[ELEMENT_BYTES - 1].wrapping_add_signed(difference);
            *blob = changed.into();
        }
        assert!(!all_match(&blobs, &commitments));
    }

    #[test]
    fn what_is_no_blob_or_no_point_does_not_match() {
        let (blobs, commitments) = blobs(2);
        let mut exceeding = blobs.clone();
        // The same number, written as no blob may hold it.
        let mut bytes = blobs[1].to_vec();
        let element = U256::from_be_slice(&bytes[..ELEMENT_BYTES]) + MODULUS;
        bytes[..ELEMENT_BYTES].copy_from_slice(&element.to_be_bytes::<ELEMENT_BYTES>());
        exceeding[1] = bytes.into();
        assert!(!all_match(&exceeding, &commitments));
        for wrong in [Bytes::new(), blobs[0].slice(1..), [&blobs[0][..], &[0; ELEMENT_BYTES]].concat().into()] {
            assert!(!all_match(&[wrong, blobs[1].clone()], &commitments));
        }
        let infinity = [&[0xc0][..], &[0; 47]].concat();
        // On the curve, but not in the group of prime order.
        let stray = (0u64..).find_map(|x| {
            let bytes = [&[0x80; 1][..], &[0; 39], &x.to_be_bytes()].concat();
            PublicKey::uncompress(&bytes).ok().filter(|point| point.validate().is_err()).map(|_| bytes)
        });
        for wrong in [infinity, stray.expect("most points are outside"), vec![0; 48], vec![0xff; 48]] {
            assert!(!all_match(&blobs, &[Bytes48::from_slice(&wrong), commitments[1]]));
        }
    }
}
