//! What L1 keeps of a blob: its KZG commitment, the hash of that, and the proofs that pools ask for.

use crate::background::background;
use alloy_consensus::{BlobTransactionSidecar, BlobTransactionSidecarEip7594, BlobTransactionSidecarVariant};
use alloy_eips::eip4844::{Blob, Bytes48, kzg_to_versioned_hash};
use alloy_primitives::B256;
use c_kzg::KzgSettings;

/// The form in which pools take blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SidecarForm {
    /// One proof for each blob (EIP-4844).
    BlobProofs,
    /// A proof for each cell of the extended blobs (EIP-7594, from Osaka on).
    CellProofs,
}

/// The trusted setup of Ethereum, without tables that would speed up cell proofs and take 100 MB.
fn settings() -> &'static KzgSettings {
    c_kzg::ethereum_kzg_settings(0)
}

/// Begins to load the trusted setup: most of a second of arithmetic, for which else the first blob waits.
pub fn load_trusted_setup() {
    drop(background(settings));
}

/// The commitment to a blob; `None` if it is none (its size, or an element that exceeds the field's modulus).
pub(crate) fn commitment(blob: &[u8]) -> Option<Bytes48> {
    let blob = c_kzg::Blob::from_bytes(blob).ok()?;
    let commitment = settings().blob_to_kzg_commitment(&blob).ok()?;
    Some(commitment.to_bytes().into_inner().into())
}

/// The versioned hash of a blob; `None` if it is none.
pub(crate) fn versioned_hash(blob: &[u8]) -> Option<B256> {
    commitment(blob).map(|commitment| kzg_to_versioned_hash(commitment.as_slice()))
}

/// Everything about `blobs` that a blob transaction is sent with. About 0.1 s for each blob, some more with cell proofs.
pub(crate) fn sidecar(blobs: &[Vec<u8>], form: SidecarForm) -> Result<BlobTransactionSidecarVariant, c_kzg::Error> {
    let settings = settings();
    let mut commitments = Vec::with_capacity(blobs.len());
    let mut proofs: Vec<Bytes48> = Vec::new();
    for blob in blobs {
        let blob = c_kzg::Blob::from_bytes(blob)?;
        let commitment = settings.blob_to_kzg_commitment(&blob)?.to_bytes();
        match form {
            SidecarForm::BlobProofs => {
                let proof = settings.compute_blob_kzg_proof(&blob, &commitment)?;
                proofs.push(Bytes48::from(proof.to_bytes().into_inner()));
            }
            SidecarForm::CellProofs => {
                let (_, cells) = settings.compute_cells_and_kzg_proofs(&blob)?;
                proofs.extend(cells.iter().map(|proof| Bytes48::from(proof.to_bytes().into_inner())));
            }
        }
        commitments.push(Bytes48::from(commitment.into_inner()));
    }
    let blobs = blobs.iter().map(|blob| Blob::from_slice(blob)).collect();
    Ok(match form {
        SidecarForm::BlobProofs => BlobTransactionSidecar::new(blobs, commitments, proofs).into(),
        SidecarForm::CellProofs => BlobTransactionSidecarEip7594::new(blobs, commitments, proofs).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_eips::eip7594::CELLS_PER_EXT_BLOB;
    use alloy_primitives::keccak256;
    use rota_batch::{BLOB_BYTES, encode_blob};

    #[test]
    fn versioned_hashes_are_those_of_the_stock_client() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../vectors/batch/blob.json")).expect("JSON");
        for vector in vectors["encoded"].as_array().expect("a list").iter().step_by(5) {
            let seed = vector["seed"].as_u64().expect("a number") as u8;
            let length = vector["length"].as_u64().expect("a number") as usize;
            let words = (0u64..).flat_map(|counter| keccak256([&[seed][..], &counter.to_be_bytes()].concat()));
            let blob = encode_blob(&words.take(length).collect::<Vec<_>>()).expect("it fits");
            let expected: B256 = serde_json::from_value(vector["versionedHash"].clone()).expect("a hash");
            assert_eq!(versioned_hash(&blob), Some(expected), "{length} bytes");
        }
    }

    #[test]
    fn what_is_no_blob_has_no_hash() {
        assert_eq!(versioned_hash(&[]), None);
        assert_eq!(versioned_hash(&[0; BLOB_BYTES - 1]), None);
        assert_eq!(versioned_hash(&[0xff; BLOB_BYTES]), None, "beyond the modulus");
    }

    #[test]
    fn proofs_hold_in_either_form() {
        let blobs = [b"one", b"two"].map(|data| encode_blob(data).expect("it fits"));
        let hashes: Vec<_> = blobs.iter().map(|blob| versioned_hash(blob).expect("a blob")).collect();
        let old = sidecar(&blobs, SidecarForm::BlobProofs).expect("blobs");
        assert_eq!(old.versioned_hashes().collect::<Vec<_>>(), hashes);
        let old = old.into_eip4844().expect("the form asked for");
        for ((blob, commitment), proof) in blobs.iter().zip(&old.commitments).zip(&old.proofs) {
            let (blob, commitment) = (c_kzg::Blob::from_bytes(blob), c_kzg::Bytes48::from_bytes(commitment.as_slice()));
            let (blob, commitment) = (blob.expect("a blob"), commitment.expect("48 bytes"));
            let proof = c_kzg::Bytes48::from_bytes(proof.as_slice()).expect("48 bytes");
            assert!(settings().verify_blob_kzg_proof(&blob, &commitment, &proof).expect("a proof"));
        }
        let new = sidecar(&blobs[..1], SidecarForm::CellProofs).expect("blobs").into_eip7594().expect("the form");
        let cells = settings().compute_cells(&c_kzg::Blob::from_bytes(&blobs[0]).expect("a blob")).expect("cells");
        let bytes48 = |bytes: &Bytes48| c_kzg::Bytes48::from_bytes(bytes.as_slice()).expect("48 bytes");
        let commitments = vec![bytes48(&new.commitments[0]); CELLS_PER_EXT_BLOB];
        let proofs: Vec<_> = new.cell_proofs.iter().map(bytes48).collect();
        let indices: Vec<_> = (0..CELLS_PER_EXT_BLOB as u64).collect();
        let verified = settings().verify_cell_kzg_proof_batch(&commitments, &indices, &*cells, &proofs);
        assert!(verified.expect("proofs"));
    }
}
