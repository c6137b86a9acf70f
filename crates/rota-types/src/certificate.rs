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
    /// The committee must have passed [`Committee::check_possession`], or come from a registry.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{certificate, committee};

    const NAMESPACE: &[u8] = b"rota-test";

    fn good() -> Certificate {
        certificate(NAMESPACE, 4, &[0, 1, 3], B256::repeat_byte(7))
    }

    #[test]
    fn a_quorum_verifies() {
        assert_eq!(good().verify(NAMESPACE, &committee(4)), Ok(()));
        let all = certificate(NAMESPACE, 4, &[0, 1, 2, 3], B256::ZERO);
        assert_eq!(all.verify(NAMESPACE, &committee(4)), Ok(()));
    }

    #[test]
    fn fewer_than_a_quorum_prove_nothing() {
        for signers in [&[][..], &[2], &[0, 3]] {
            let found = signers.len();
            let certificate = certificate(NAMESPACE, 4, signers, B256::ZERO);
            let refused = Err(CertificateError::NoQuorum { quorum: 3, found });
            assert_eq!(certificate.verify(NAMESPACE, &committee(4)), refused);
        }
    }

    #[test]
    fn whatever_was_signed_cannot_be_changed() {
        let changes: [fn(&mut Certificate); 6] = [
            |c| c.digest.0[31] ^= 1,
            |c| c.epoch += 1,
            |c| c.view += 1,
            |c| c.parent_view -= 1,
            |c| c.signature = certificate(NAMESPACE, 4, &[0, 1, 3], B256::ZERO).signature,
            |c| c.signature = FixedBytes::ZERO,
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut tampered = good();
            change(&mut tampered);
            let verdict = tampered.verify(NAMESPACE, &committee(4));
            assert_eq!(verdict, Err(CertificateError::Signature), "change {index}");
        }
    }

    #[test]
    fn a_signer_who_did_not_sign_is_noticed() {
        let mut one_more = good();
        one_more.signers[2] = true;
        let mut another = good();
        another.signers.swap(1, 2);
        for claimed in [one_more, another] {
            assert_eq!(claimed.verify(NAMESPACE, &committee(4)), Err(CertificateError::Signature));
        }
    }

    #[test]
    fn another_namespace_or_committee_is_refused() {
        assert_eq!(good().verify(b"other", &committee(4)), Err(CertificateError::Signature));
        let size = CertificateError::CommitteeSize { expected: 5, found: 4 };
        assert_eq!(good().verify(NAMESPACE, &committee(5)), Err(size));
        let strangers = Committee::new((10..14).map(crate::testing::operator).collect()).expect("distinct keys");
        assert_eq!(good().verify(NAMESPACE, &strangers), Err(CertificateError::Signature));
    }

    #[test]
    fn every_size_reads_back() {
        for members in [0, 1, 7, 8, 9, 127, 128] {
            let certificate =
                Certificate { signers: (0..members).map(|i| i % 3 == 0).collect(), epoch: u64::MAX, ..good() };
            assert_eq!(Certificate::decode(&certificate.encode()), Ok(certificate));
        }
    }

    #[test]
    fn only_the_canonical_encoding_is_read() {
        let bytes = good().encode();
        for len in 0..bytes.len() {
            assert!(Certificate::decode(&bytes[..len]).is_err(), "{len} bytes");
        }
        assert_eq!(Certificate::decode(&[&bytes[..], &[0]].concat()), Err(CodecError::TrailingBytes(1)));
        let mut padded = bytes.clone();
        let bitmap = bytes.len() - 97;
        padded[bitmap] |= 0x10;
        assert_eq!(Certificate::decode(&padded), Err(CodecError::Invalid("bitmap padding")));
        let mut huge = bytes.clone();
        huge[bitmap - 8..bitmap].copy_from_slice(&u64::MAX.to_be_bytes());
        assert!(matches!(Certificate::decode(&huge), Err(CodecError::TooLarge { what: "committee", .. })));
        let long_epoch = [&[0x83, 0x00], &bytes[1..]].concat();
        assert_eq!(Certificate::decode(&long_epoch), Err(CodecError::Invalid("varint")));
    }
}
