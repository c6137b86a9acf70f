//! What every signature scheme claims: production's, and both kinds of the simulator's.

use super::world::{OPERATORS, identity, voting_key};
use crate::{
    block::Digest,
    keys::{VotingPublic, public_key},
    scheme::{Bls, Signatures},
    simulated::{Signing, SimScheme},
};
use alloy_primitives::keccak256;
use commonware_codec::{Copying, Decode as _, DecodeExt as _, Encode as _};
use commonware_consensus::{
    simplex::types::{Proposal, Subject},
    types::{Epoch, Round, View},
};
use commonware_cryptography::certificate::{AssemblyError, Attestation};
use commonware_parallel::Sequential;
use commonware_utils::{Participant, TryCollect as _, non_empty, ordered::BiMap};
use rand::{SeedableRng as _, rngs::StdRng};

const NAMESPACE: &[u8] = b"rota-test";

/// Runs a claim over every scheme.
macro_rules! for_every_scheme {
    ($claim:ident) => {
        $claim(&Committee::<Bls>::new(()));
        $claim(&Committee::<SimScheme>::new(Signing::Bls));
        $claim(&Committee::<SimScheme>::new(Signing::Fast));
    };
}

fn proposal(content: &[u8]) -> Proposal<Digest> {
    Proposal::new(Round::new(Epoch::new(3), View::new(300)), View::new(299), keccak256(content).into())
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

struct Committee<S: Signatures> {
    kind: S::Kind,
    /// In canonical order.
    members: Vec<S>,
    verifier: S,
}

impl<S: Signatures> Committee<S> {
    fn new(kind: S::Kind) -> Self {
        Self::of(kind, NAMESPACE, &(0..OPERATORS).collect::<Vec<_>>())
    }

    fn of(kind: S::Kind, namespace: &[u8], operators: &[usize]) -> Self {
        let key = |operator: &usize| {
            let voting = VotingPublic::decode(Copying(voting_key(*operator).public().as_slice())).expect("a key");
            (public_key(&identity(*operator)).expect("a key"), voting)
        };
        let keys: BiMap<_, _> = operators.iter().map(key).try_collect().expect("distinct");
        let signer = |operator: &usize| S::signer(kind, namespace, keys.clone(), &voting_key(*operator));
        let mut members: Vec<S> = operators.iter().filter_map(signer).collect();
        members.sort_by_key(|member| member.me().expect("a member").index());
        let stranger = S::signer(kind, namespace, keys.clone(), &voting_key(99));
        assert!(stranger.is_none() && members.len() == operators.len(), "members sign and nobody else");
        Self { kind, members, verifier: S::verifier(kind, namespace, keys) }
    }

    fn votes(&self, signers: &[usize], subject: Subject<'_, Digest>) -> Vec<Attestation<S>> {
        signers.iter().map(|signer| self.members[*signer].sign::<Digest>(subject).expect("signs")).collect()
    }

    fn assemble(&self, votes: Vec<Attestation<S>>) -> Result<S::Certificate, AssemblyError> {
        self.verifier.assemble(non_empty![@votes.into_iter()], &Sequential)
    }

    fn accepts(&self, subject: Subject<'_, Digest>, certificate: &S::Certificate) -> bool {
        self.verifier.verify_certificate::<_, Digest>(&mut rng(), subject, certificate, &Sequential)
    }

    fn counts(&self, subject: Subject<'_, Digest>, vote: &Attestation<S>) -> bool {
        let alone = self.verifier.verify_attestation::<_, Digest>(&mut rng(), subject, vote, &Sequential);
        let votes = [vote.clone()];
        let batch = self.verifier.verify_attestations::<_, Digest, _>(&mut rng(), subject, votes, &Sequential);
        assert_eq!((batch.verified.len(), batch.invalid.len()), if alone { (1, 0) } else { (0, 1) });
        alone
    }

    /// The certificate behind changed bytes.
    fn changed(&self, certificate: &S::Certificate, change: impl Fn(&mut [u8])) -> S::Certificate {
        let mut bytes = certificate.encode().to_vec();
        change(&mut bytes);
        S::Certificate::decode_cfg(Copying(&bytes), &self.verifier.certificate_codec_config()).expect("decodes")
    }
}

#[test]
fn a_quorum_makes_a_certificate() {
    fn claim<S: Signatures>(committee: &Committee<S>) {
        let agreed = proposal(b"flashblock");
        let subject = Subject::Finalize { proposal: &agreed };
        for signers in [&[0, 1, 2][..], &[3, 0, 2], &[0, 1, 2, 3]] {
            let certificate = committee.assemble(committee.votes(signers, subject)).expect("a quorum");
            assert!(committee.accepts(subject, &certificate), "{signers:?}");
            assert_eq!(certificate.encode().len(), 8 + 1 + 96, "members, bitmap, aggregate");
            assert_eq!(committee.changed(&certificate, |_| {}), certificate);
        }
    }
    for_every_scheme!(claim);
}

#[test]
fn fewer_than_a_quorum_make_none() {
    fn claim<S: Signatures>(committee: &Committee<S>) {
        let agreed = proposal(b"flashblock");
        let subject = Subject::Finalize { proposal: &agreed };
        let refused = |signers: &[usize]| committee.assemble(committee.votes(signers, subject)).expect_err("refused");
        assert_eq!(refused(&[1]), AssemblyError::InsufficientAttestations(3, 1));
        assert_eq!(refused(&[0, 3]), AssemblyError::InsufficientAttestations(3, 2));
        assert_eq!(refused(&[0, 3, 0]), AssemblyError::DuplicateSigner(Participant::new(0)));
        let mut votes = committee.votes(&[0, 1, 2], subject);
        votes[1].signer = Participant::new(4);
        assert_eq!(committee.assemble(votes), Err(AssemblyError::UnknownSigner(Participant::new(4))));
    }
    for_every_scheme!(claim);
}

#[test]
fn a_certificate_proves_what_was_signed_and_nothing_else() {
    fn claim<S: Signatures>(committee: &Committee<S>) {
        let (agreed, other) = (proposal(b"flashblock"), proposal(b"another"));
        let subject = Subject::Finalize { proposal: &agreed };
        let certificate = committee.assemble(committee.votes(&[0, 1, 3], subject)).expect("a quorum");
        let subjects = [
            Subject::Finalize { proposal: &other },
            Subject::Notarize { proposal: &agreed },
            Subject::Nullify { round: agreed.round },
        ];
        assert!(subjects.into_iter().all(|subject| !committee.accepts(subject, &certificate)));

        let of = |namespace, operators: &[usize]| Committee::<S>::of(committee.kind, namespace, operators);
        assert!(of(NAMESPACE, &[0, 1, 2, 3]).accepts(subject, &certificate));
        assert!(!of(b"elsewhere", &[0, 1, 2, 3]).accepts(subject, &certificate));
        assert!(!of(NAMESPACE, &[0, 1, 2, 3, 4]).accepts(subject, &certificate), "a larger committee");
        assert!(!of(NAMESPACE, &[10, 11, 12, 13]).accepts(subject, &certificate), "strangers");

        let mixed = [committee.votes(&[0, 1], subject), committee.votes(&[3], subjects[0])].concat();
        let mixed = committee.assemble(mixed).expect("not checked yet");
        assert!(!committee.accepts(subject, &mixed), "a vote for something else among them");
    }
    for_every_scheme!(claim);
}

#[test]
fn a_changed_certificate_is_refused() {
    fn claim<S: Signatures>(committee: &Committee<S>) {
        let agreed = proposal(b"flashblock");
        let subject = Subject::Finalize { proposal: &agreed };
        let certificate = committee.assemble(committee.votes(&[0, 1, 3], subject)).expect("a quorum");
        let refused =
            |change: &dyn Fn(&mut [u8])| !committee.accepts(subject, &committee.changed(&certificate, change));
        for (signers, what) in [(0b1111, "one more"), (0b0111, "another"), (0b0011, "too few")] {
            assert!(refused(&|bytes| bytes[8] = signers), "{what}");
        }
        for byte in [9, 40, 72, 104] {
            assert!(refused(&|bytes| bytes[byte] ^= 1), "byte {byte}");
        }
        let aggregate = committee.assemble(committee.votes(&[0, 1, 2], subject)).expect("a quorum").encode();
        assert!(refused(&|bytes| bytes[9..].copy_from_slice(&aggregate[9..])), "an aggregate of others");
        let vote = committee.votes(&[0], subject).remove(0).signature.encode();
        assert!(refused(&|bytes| bytes[9..].copy_from_slice(&vote)), "one vote");
        assert!(refused(&|bytes| bytes[9..].fill(0)), "nothing");

        let mut nobody = certificate.encode().to_vec();
        nobody[8] = 0;
        assert!(S::Certificate::decode_cfg(Copying(&nobody), &committee.verifier.certificate_codec_config()).is_err());
    }
    for_every_scheme!(claim);
}

#[test]
fn a_vote_counts_for_its_signer_and_subject_only() {
    fn claim<S: Signatures>(committee: &Committee<S>) {
        let (agreed, other) = (proposal(b"flashblock"), proposal(b"another"));
        let subject = Subject::Notarize { proposal: &agreed };
        assert!(committee.verifier.sign::<Digest>(subject).is_none(), "a verifier does not sign");
        for signer in 0..OPERATORS {
            let vote = committee.votes(&[signer], subject).remove(0);
            assert_eq!(vote.signer, Participant::from_usize(signer));
            assert!(committee.counts(subject, &vote));
            assert!(!committee.counts(Subject::Notarize { proposal: &other }, &vote));
            assert!(!committee.counts(Subject::Finalize { proposal: &agreed }, &vote));
            assert!(!Committee::<S>::of(committee.kind, b"elsewhere", &[0, 1, 2, 3]).counts(subject, &vote));
            for claimed in (0..=OPERATORS).filter(|claimed| *claimed != signer) {
                let claimed = Attestation { signer: Participant::from_usize(claimed), ..vote.clone() };
                assert!(!committee.counts(subject, &claimed));
            }
            for byte in [0, 50, 95] {
                let mut bytes = vote.encode().to_vec();
                let first = bytes.len() - 96;
                bytes[first + byte] ^= 1;
                assert!(!committee.counts(subject, &Attestation::decode(Copying(&bytes)).expect("decodes")));
            }
        }
    }
    for_every_scheme!(claim);
}

#[test]
fn bad_votes_are_found_among_good_ones() {
    fn claim<S: Signatures>(committee: &Committee<S>) {
        let (agreed, other) = (proposal(b"flashblock"), proposal(b"another"));
        let (subject, wrong) = (Subject::Notarize { proposal: &agreed }, Subject::Notarize { proposal: &other });
        let verifier = &committee.verifier;
        let signers =
            |votes: &[Attestation<S>]| votes.iter().map(|vote| vote.signer.get() as usize).collect::<Vec<_>>();
        for bad in [vec![], vec![2], vec![0, 3], vec![0, 1, 2, 3]] {
            let good: Vec<_> = (0..OPERATORS).filter(|signer| !bad.contains(signer)).collect();
            let mut votes = [committee.votes(&good, subject), committee.votes(&bad, wrong)].concat();
            votes.sort_by_key(|vote| vote.signer);
            let found = verifier.verify_attestations::<_, Digest, _>(&mut rng(), subject, votes.clone(), &Sequential);
            assert_eq!(signers(&found.verified), good);
            assert_eq!(found.invalid, bad.iter().map(|bad| Participant::from_usize(*bad)).collect::<Vec<_>>());

            match verifier.optimistic_assemble::<_, Digest, _, _>(&mut rng(), subject, votes, [], &Sequential) {
                Ok(certificate) => assert!(bad.is_empty() && committee.accepts(subject, &certificate)),
                Err(found) => {
                    assert!(!bad.is_empty());
                    assert_eq!((signers(&found.verified), found.invalid.len()), (good, bad.len()));
                }
            }
        }
        let none = verifier.verify_attestations::<_, Digest, _>(&mut rng(), subject, [], &Sequential);
        assert!(none.verified.is_empty() && none.invalid.is_empty());
    }
    for_every_scheme!(claim);
}

#[test]
fn simulated_bls_writes_what_production_writes_and_the_stand_in_does_not() {
    let agreed = proposal(b"flashblock");
    let subject = Subject::Finalize { proposal: &agreed };
    fn bytes<S: Signatures>(kind: S::Kind, subject: Subject<'_, Digest>) -> Vec<u8> {
        let committee = Committee::<S>::new(kind);
        committee.assemble(committee.votes(&[0, 1, 3], subject)).expect("a quorum").encode().to_vec()
    }
    let real = bytes::<Bls>((), subject);
    assert_eq!(bytes::<SimScheme>(Signing::Bls, subject), real);
    let fast = bytes::<SimScheme>(Signing::Fast, subject);
    assert_eq!(fast[..9], real[..9]);
    let production = Committee::<Bls>::new(());
    let decoded =
        production.changed(&production.assemble(production.votes(&[0, 1, 3], subject)).expect("a quorum"), |b| {
            b.copy_from_slice(&fast);
        });
    assert!(!production.accepts(subject, &decoded));
}
