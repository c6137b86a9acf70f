//! The finalization certificate: a quorum's finalize vote on one digest, in the bytes that consensus writes, decoded
//! and verified with nothing but the committee's public keys.
//!
//! Encoding (simplex finalization over BLS12-381 MinPk multisig): `epoch ‖ view ‖ parent view` as minimal LEB128,
//! `digest(32)`, `u64` big-endian number of committee members, a bitmap of signers (LSB first), and the aggregate
//! signature (96 bytes, compressed G2). Signed message: `LEB128(len(ns)) ‖ ns ‖ subject` with
//! `ns = namespace ‖ "_FINALIZE"` and `subject` = the bytes up to and including the digest.

use crate::{
    Committee, Digest,
    codec::{CodecError, Reader, put_leb128},
};
use alloy_primitives::{B256, FixedBytes};
use blst::{BLST_ERROR, min_pk};
use serde::{Deserialize, Serialize};

/// Domain separation tag of votes (IETF BLS, proof-of-possession scheme).
const DST: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/// Why a certificate proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not a canonical encoding.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The bitmap is of another committee size.
    #[error("certificate of {found} members, the committee has {expected}")]
    CommitteeSize {
        /// Members of the committee.
        expected: usize,
        /// Members in the certificate.
        found: usize,
    },
    /// Too few signers.
    #[error("{found} signers, a quorum is {quorum}")]
    NoQuorum {
        /// Votes needed.
        quorum: usize,
        /// Votes found.
        found: usize,
    },
    /// The aggregate signature does not verify.
    #[error("signature does not verify")]
    Signature,
}

/// A finalization certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Epoch of the view.
    pub epoch: u64,
    /// The finalized view.
    pub view: u64,
    /// View of the parent proposal.
    pub parent_view: u64,
    /// What was finalized.
    pub digest: Digest,
    /// For each committee member in canonical order, whether it signed.
    pub signers: Vec<bool>,
    /// Aggregate signature.
    pub signature: FixedBytes<96>,
}

impl Certificate {
    /// Bytes that the signers signed after the namespace.
    fn subject(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(62);
        put_leb128(self.epoch, &mut out);
        put_leb128(self.view, &mut out);
        put_leb128(self.parent_view, &mut out);
        out.extend_from_slice(self.digest.as_slice());
        out
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.subject();
        out.extend_from_slice(&(self.signers.len() as u64).to_be_bytes());
        out.extend(
            self.signers
                .chunks(8)
                .map(|bits| bits.iter().enumerate().fold(0u8, |byte, (bit, signed)| byte | (u8::from(*signed) << bit))),
        );
        out.extend_from_slice(self.signature.as_slice());
        out
    }

    /// Decodes a certificate of a committee of at most [`Committee::MAX`] members.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        let (epoch, view, parent_view) = (reader.leb128()?, reader.leb128()?, reader.leb128()?);
        let digest: B256 = reader.b256()?;
        let members = reader.u64()?;
        if members > Committee::MAX as u64 {
            return Err(CodecError::TooLarge {
                what: "committee",
                value: members.min(u64::from(u32::MAX)) as usize,
                limit: Committee::MAX,
            });
        }
        let members = members as usize;
        let bitmap = reader.bytes(members.div_ceil(8))?;
        let bit = |index: usize| bitmap[index / 8] >> (index % 8) & 1 == 1;
        if (members..bitmap.len() * 8).any(bit) {
            return Err(CodecError::Invalid("bitmap padding"));
        }
        let certificate = Self {
            epoch,
            view,
            parent_view,
            digest,
            signers: (0..members).map(bit).collect(),
            signature: reader.array::<96>()?.into(),
        };
        reader.finish()?;
        Ok(certificate)
    }

    /// Checks quorum and signature against the committee of [`Self::epoch`].
    ///
    /// The committee's proofs of possession must have been checked when it was formed.
    pub fn verify(&self, namespace: &[u8], committee: &Committee) -> Result<(), CertificateError> {
        let expected = committee.operators().len();
        if self.signers.len() != expected {
            return Err(CertificateError::CommitteeSize { expected, found: self.signers.len() });
        }
        let signers = || committee.operators().iter().zip(&self.signers).filter(|(_, signed)| **signed);
        let (quorum, found) = (committee.quorum(), signers().count());
        if found < quorum {
            return Err(CertificateError::NoQuorum { quorum, found });
        }
        let keys = signers()
            .map(|(operator, _)| min_pk::PublicKey::key_validate(operator.bls_public_key.as_slice()))
            .collect::<Result<Vec<_>, BLST_ERROR>>()
            .map_err(|_| CertificateError::Signature)?;
        let signature =
            min_pk::Signature::from_bytes(self.signature.as_slice()).map_err(|_| CertificateError::Signature)?;
        let mut message = Vec::new();
        put_leb128((namespace.len() + b"_FINALIZE".len()) as u64, &mut message);
        message.extend_from_slice(namespace);
        message.extend_from_slice(b"_FINALIZE");
        message.extend_from_slice(&self.subject());
        match signature.fast_aggregate_verify(true, &message, DST, &keys.iter().collect::<Vec<_>>()) {
            BLST_ERROR::BLST_SUCCESS => Ok(()),
            _ => Err(CertificateError::Signature),
        }
    }
}
