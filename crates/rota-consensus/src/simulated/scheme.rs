//! What simulated operators sign with: BLS as in production, or a stand-in that takes microseconds.
//!
//! Both have one encoding, the same rules and the same modelled cost, so a simulation behaves the same with either.

use crate::{
    keys::{PublicKey, VotingKey, VotingPublic},
    scheme::{Bls, Signatures},
    simulated::host::charge,
};
use alloy_primitives::{B256, FixedBytes, keccak256};
use bytes::BufMut;
use commonware_codec::{Buf, Encode, EncodeSize, Error, FixedSize, Read, ReadExt as _, Write, types::lazy::Lazy};
use commonware_consensus::simplex::{scheme::Namespace, types::Subject};
use commonware_cryptography::{
    Digest,
    certificate::{
        self, AssemblyError, Attestation, Membership, Namespace as _, Scheme, Signers, Subject as _, Verification,
        Verifier, bls12381_multisig,
    },
};
use commonware_parallel::Strategy;
use commonware_utils::{
    N3f1, Participant,
    iter::NonEmpty,
    non_empty,
    ordered::{BiMap, Quorum as _, Set},
};
use rand_core::CryptoRng;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// What the operators of a simulated network sign with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Signing {
    /// The signatures of production.
    #[default]
    Bls,
    /// Hashes of the voting key that is claimed: whoever knows the public key can forge them, and nobody who is simulated
    /// does.
    Fast,
}

/// The CPU time of BLS12-381 MinPk (votes on G2): what [`Bls`] took on one core of the two-core test machine, release
/// build. A batch of `n` votes is modelled within 13 % for `n` up to 34, and 22 % over at 50; everything else within 5 %.
mod cost {
    use std::time::Duration;

    /// Hashing to G2 and multiplying.
    pub(super) const SIGN: Duration = Duration::from_micros(390);
    /// Decompressing a signature and checking its group, once per signature that is received.
    pub(super) const DECODE: Duration = Duration::from_micros(92);
    /// Hashing to G2 and a product of two pairings: one vote, or one certificate.
    pub(super) const CHECK: Duration = Duration::from_micros(1_090);
    /// A vote's share of a batch: 128-bit multiples of its key and its signature.
    pub(super) const WEIGH: Duration = Duration::from_micros(90);
    /// Adding a signature to an aggregate.
    pub(super) const ADD: Duration = Duration::from_micros(2);
    /// Adding a key to that of a certificate.
    pub(super) const ADD_KEY: Duration = Duration::from_nanos(700);
}

/// A vote or an aggregate: a compressed G2 point, or as many bytes of the stand-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Signature(FixedBytes<96>);

impl Signature {
    fn of(bls: &impl Encode) -> Self {
        Self(FixedBytes::from_slice(&bls.encode()))
    }

    /// The digest, until it is as long as a signature.
    fn from_digest(digest: B256) -> Self {
        Self(FixedBytes::from_slice(&digest.repeat(3)))
    }
}

impl Write for Signature {
    fn write(&self, buf: &mut impl BufMut) {
        self.0.0.write(buf);
    }
}

impl Read for Signature {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        <[u8; 96]>::read(buf).map(|bytes| Self(bytes.into()))
    }
}

impl FixedSize for Signature {
    const SIZE: usize = 96;
}

/// A quorum's votes, in the encoding of BLS multi-signatures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Certificate {
    signers: Signers,
    signature: Signature,
}

impl Write for Certificate {
    fn write(&self, buf: &mut impl BufMut) {
        self.signers.write(buf);
        self.signature.write(buf);
    }
}

impl EncodeSize for Certificate {
    fn encode_size(&self) -> usize {
        self.signers.encode_size() + Signature::SIZE
    }
}

impl Read for Certificate {
    type Cfg = usize;

    fn read_cfg(buf: &mut impl Buf, participants: &usize) -> Result<Self, Error> {
        let signers = Signers::read_cfg(buf, participants)?;
        if signers.count() == 0 {
            return Err(Error::Invalid("Certificate", "no signers"));
        }
        Ok(Self { signers, signature: Signature::read(buf)? })
    }
}

/// The stand-in for BLS over one committee.
#[derive(Debug)]
struct Fast {
    namespace: Namespace,
    keys: Vec<FixedBytes<48>>,
}

impl Fast {
    /// What members sign.
    fn message<D: Digest>(&self, subject: Subject<'_, D>) -> B256 {
        let namespace = subject.namespace(&self.namespace);
        keccak256([&namespace.len().to_le_bytes()[..], namespace, &subject.message()].concat())
    }

    /// A member's signature of a message.
    fn vote(&self, signer: Participant, message: B256) -> Option<Signature> {
        let key = self.keys.get(signer.get() as usize)?;
        Some(Signature::from_digest(keccak256([key.as_slice(), message.as_slice()].concat())))
    }

    /// Whether a member signed a message.
    fn signed(&self, message: B256, Attestation { signer, signature }: &Attestation<SimScheme>) -> bool {
        self.vote(*signer, message).is_some_and(|expected| signature.get() == Some(&expected))
    }

    /// One signature from those of members in canonical order.
    fn aggregate(votes: impl Iterator<Item = Signature>) -> Signature {
        let votes: Vec<u8> = votes.flat_map(|vote| vote.0.0).collect();
        Signature::from_digest(keccak256(votes))
    }

    fn verify_certificate<D: Digest>(&self, subject: Subject<'_, D>, certificate: &Certificate, quorum: u32) -> bool {
        let Certificate { signers, signature } = certificate;
        if signers.len() != self.keys.len() || signers.count() < quorum as usize {
            return false;
        }
        let message = self.message(subject);
        *signature == Self::aggregate(signers.iter().filter_map(|signer| self.vote(signer, message)))
    }

    fn assemble(&self, attestations: &[Attestation<SimScheme>], quorum: u32) -> Result<Certificate, AssemblyError> {
        let signers = attestations.iter().map(|attestation| attestation.signer);
        let signers = Signers::new(self.keys.len() as u32, signers)?;
        if signers.count() < quorum as usize {
            return Err(AssemblyError::InsufficientAttestations(quorum, signers.count() as u32));
        }
        let vote = |Attestation { signer, signature }: &Attestation<_>| match signature.get() {
            Some(signature) => Ok((*signer, *signature)),
            None => Err(AssemblyError::MalformedSignature(*signer)),
        };
        let votes: BTreeMap<_, Signature> = attestations.iter().map(vote).collect::<Result<_, _>>()?;
        Ok(Certificate { signers, signature: Self::aggregate(votes.into_values()) })
    }
}

/// The scheme of simulated operators.
#[derive(Clone, Debug)]
pub(crate) struct SimScheme {
    /// Knows the members and which of them this is, whatever signs.
    bls: Bls,
    fast: Option<Arc<Fast>>,
}

impl SimScheme {
    fn new(signing: Signing, namespace: &[u8], keys: &BiMap<PublicKey, VotingPublic>, bls: Bls) -> Self {
        let fast = match signing {
            Signing::Bls => None,
            Signing::Fast => {
                let keys = keys.values().iter().map(|key| FixedBytes::from_slice(&key.encode())).collect();
                Some(Arc::new(Fast { namespace: Namespace::derive(namespace), keys }))
            }
        };
        Self { bls, fast }
    }

    /// Votes of a certificate.
    fn quorum(&self) -> u32 {
        self.participants().quorum::<N3f1>()
    }
}

impl Signatures for SimScheme {
    type Kind = Signing;

    fn verifier(signing: Signing, namespace: &[u8], keys: BiMap<PublicKey, VotingPublic>) -> Self {
        Self::new(signing, namespace, &keys, Bls::verifier(namespace, keys.clone()))
    }

    fn signer(
        signing: Signing,
        namespace: &[u8],
        keys: BiMap<PublicKey, VotingPublic>,
        key: &VotingKey,
    ) -> Option<Self> {
        Some(Self::new(signing, namespace, &keys, Bls::signer(namespace, keys.clone(), key.0.clone())?))
    }
}

/// A vote as the library has it.
fn real(attestation: &Attestation<SimScheme>) -> Attestation<Bls> {
    let signature = Lazy::deferred(&mut attestation.signature.encode(), ());
    Attestation { signer: attestation.signer, signature }
}

/// Pairing checks that find the bad votes of a batch: one if there is none, else by halves.
fn checks(bad: &[bool]) -> u32 {
    let (left, right) = bad.split_at(bad.len() / 2);
    if left.is_empty() || !bad.contains(&true) { 1 } else { 1 + checks(left) + checks(right) }
}

fn many(cost: Duration, times: usize) -> Duration {
    cost * times as u32
}

impl Verifier for SimScheme {
    type Subject<'a, D: Digest> = Subject<'a, D>;
    type Faults = N3f1;
    type PublicKey = PublicKey;
    type Certificate = Certificate;

    fn verify_certificate<R: CryptoRng, D: Digest>(
        &self,
        rng: &mut R,
        subject: Subject<'_, D>,
        certificate: &Certificate,
        strategy: &impl Strategy,
    ) -> bool {
        charge(cost::DECODE + cost::CHECK + many(cost::ADD_KEY, certificate.signers.count()));
        if let Some(fast) = &self.fast {
            return fast.verify_certificate(subject, certificate, self.quorum());
        }
        let certificate = bls12381_multisig::Certificate {
            signers: certificate.signers.clone(),
            signature: Lazy::deferred(&mut certificate.signature.encode(), ()),
        };
        self.bls.verify_certificate(rng, subject, &certificate, strategy)
    }

    fn is_batchable() -> bool {
        Bls::is_batchable()
    }

    fn max_certificate_size(participants: u32) -> usize {
        Bls::max_certificate_size(participants)
    }

    fn certificate_codec_config(&self) -> usize {
        self.bls.certificate_codec_config()
    }

    fn certificate_codec_config_unbounded() -> usize {
        Bls::certificate_codec_config_unbounded()
    }
}

impl Scheme for SimScheme {
    type Signature = Signature;

    fn me(&self) -> Option<Membership> {
        self.bls.me()
    }

    fn participants(&self) -> &Set<PublicKey> {
        self.bls.participants()
    }

    fn sign<D: Digest>(&self, subject: Subject<'_, D>) -> Option<Attestation<Self>> {
        let signer = self.me()?.signer()?;
        charge(cost::SIGN);
        let signature = match &self.fast {
            Some(fast) => fast.vote(signer, fast.message(subject))?,
            None => Signature::of(&self.bls.sign(subject)?.signature),
        };
        Some(Attestation { signer, signature: signature.into() })
    }

    fn verify_attestation<R: CryptoRng, D: Digest>(
        &self,
        rng: &mut R,
        subject: Subject<'_, D>,
        attestation: &Attestation<Self>,
        strategy: &impl Strategy,
    ) -> bool {
        charge(cost::DECODE + cost::CHECK);
        match &self.fast {
            Some(fast) => fast.signed(fast.message(subject), attestation),
            None => self.bls.verify_attestation(rng, subject, &real(attestation), strategy),
        }
    }

    fn verify_attestations<R, D, I>(
        &self,
        rng: &mut R,
        subject: Subject<'_, D>,
        attestations: I,
        strategy: &impl Strategy,
    ) -> Verification<Self>
    where
        R: CryptoRng,
        D: Digest,
        I: IntoIterator<Item = Attestation<Self>>,
        I::IntoIter: Send,
    {
        let attestations: Vec<_> = attestations.into_iter().collect();
        if attestations.is_empty() {
            return Verification::new(vec![], vec![]);
        }
        let bad: Vec<bool> = if let Some(fast) = &self.fast {
            let message = fast.message(subject);
            attestations.iter().map(|attestation| !fast.signed(message, attestation)).collect()
        } else {
            let votes: Vec<_> = attestations.iter().map(real).collect();
            let invalid = self.bls.verify_attestations(rng, subject, votes, strategy).invalid;
            attestations.iter().map(|attestation| invalid.contains(&attestation.signer)).collect()
        };
        charge(many(cost::DECODE + cost::WEIGH, bad.len()) + cost::CHECK * checks(&bad));
        let invalid: BTreeSet<_> =
            attestations.iter().zip(&bad).filter(|(_, bad)| **bad).map(|(a, _)| a.signer).collect();
        let verified = attestations.into_iter().zip(&bad).filter(|(_, bad)| !**bad).map(|(a, _)| a).collect();
        Verification::new(verified, invalid.into_iter().collect())
    }

    fn optimistic_assemble<'a, R, D, I, J>(
        &self,
        rng: &mut R,
        subject: Subject<'_, D>,
        pending: I,
        verified: J,
        strategy: &impl Strategy,
    ) -> Result<Certificate, Verification<Self>>
    where
        R: CryptoRng,
        D: Digest,
        I: IntoIterator<Item = Attestation<Self>>,
        I::IntoIter: ExactSizeIterator + Send,
        J: IntoIterator<Item = &'a Attestation<Self>>,
        J::IntoIter: Send,
    {
        let pending = pending.into_iter();
        // The aggregate of decoded votes is not decoded, though its check is charged for that.
        charge(many(cost::DECODE, pending.len().saturating_sub(1)));
        certificate::optimistic_assemble::<_, _, D, _, _>(self, rng, subject, pending, verified, strategy)
    }

    fn assemble<I>(&self, attestations: NonEmpty<I>, strategy: &impl Strategy) -> Result<Certificate, AssemblyError>
    where
        I: Iterator<Item = Attestation<Self>> + Send,
    {
        let attestations: Vec<_> = attestations.into_iter().collect();
        charge(many(cost::ADD, attestations.len()));
        if let Some(fast) = &self.fast {
            return fast.assemble(&attestations, self.quorum());
        }
        let assembled = self.bls.assemble(non_empty![@attestations.iter().map(real)], strategy)?;
        Ok(Certificate { signers: assembled.signers, signature: Signature::of(&assembled.signature) })
    }

    fn is_attributable() -> bool {
        Bls::is_attributable()
    }
}

#[cfg(test)]
mod tests {
    use super::checks;

    #[test]
    fn a_bad_vote_makes_a_batch_dearer() {
        assert_eq!(checks(&[false; 7]), 1);
        assert_eq!(checks(&[true]), 1);
        assert_eq!(checks(&[false, false, true, false]), 5, "all, both halves, both votes of the bad one");
        assert_eq!(checks(&[true; 4]), 7, "every node of the tree");
    }
}
