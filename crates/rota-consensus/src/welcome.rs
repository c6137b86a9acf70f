//! The very first start: peers are asked whether this key has voted before.
//!
//! An operator with an empty disk and `first_start` asks every peer. A running peer answers with what it has: the
//! newest vote of the asker that it saw and the newest finalization, one that the asker signed if there is one. Both
//! prove themselves, so no answer has to be trusted: a vote by this key, or a finalization of a later epoch, means that
//! the chain exists. (Of an epoch whose committee is not known here nothing can be proven: then it takes more than a
//! third of the first committee to say so.) The node signs from epoch 0 when so many members have answered that they and it are a quorum: four
//! operators that start at once answer each other with nothing.

use crate::{
    ConsensusError,
    adapter::Marshal,
    block::Digest,
    channels::Link,
    committees::{Committees, Members},
    config::{Config, VOTE_RETENTION},
    keys::{PublicKey, identity_of},
    scheme::Signatures,
    state::State,
    tap::Witnessed,
};
use commonware_codec::{Decode as _, Encode as _};
use commonware_consensus::{
    Epochable as _,
    simplex::types::{Attributable as _, Finalization, Vote},
    types::Height,
};
use commonware_cryptography::Signer as _;
use commonware_p2p::{Receiver, Recipients, Sender};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, IoBuf, Metrics, Spawner, Storage, telemetry::metrics::MetricsExt as _};
use commonware_utils::channel::{fallible::OneshotExt as _, oneshot};
use futures::{FutureExt as _, future::Either};
use rand_core::CryptoRng;
use rota_types::{Certificate, Identity};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tracing::{debug, info};

/// How often an unanswered question is repeated.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// How often one peer is answered.
const ANSWER_EVERY: Duration = Duration::from_millis(200);

const QUESTION: u8 = 0;
const ANSWER: u8 = 1;

/// The newest vote of the asker, and the newest finalization.
pub(crate) type Answer<S> = (Option<Vote<S, Digest>>, Option<Finalization<S, Digest>>);

/// Reads an answer; `None` if it is malformed. A bitmap is no longer than the message.
pub(crate) fn read<S: Signatures>(bytes: IoBuf) -> Option<Answer<S>> {
    Answer::decode_cfg(bytes, &((), S::certificate_codec_config_unbounded())).ok()
}

/// Asks and answers on the welcome channel.
pub(crate) struct Welcome<E, S: Signatures> {
    pub(crate) context: E,
    pub(crate) config: Arc<Config>,
    pub(crate) committees: Committees<S>,
    pub(crate) marshal: Marshal<S>,
    pub(crate) state: Arc<State>,
    pub(crate) witnessed: Witnessed<S>,
}

impl<E: Clock + CryptoRng + Spawner + Storage + Metrics, S: Signatures> Welcome<E, S> {
    /// Starts answering, and asking if `ask`; the receiver resolves once it is clear whether the chain exists.
    pub(crate) fn start<N, R>(self, link: Link<N, R>, ask: bool) -> oneshot::Receiver<Result<(), ConsensusError>>
    where
        N: Sender<PublicKey = PublicKey>,
        R: Receiver<PublicKey = PublicKey>,
    {
        let (sender, receiver) = oneshot::channel();
        let context = self.context.child("task");
        context.spawn(move |clock| self.run(clock, link, ask.then_some(sender)));
        receiver
    }

    async fn run<N, R>(
        mut self,
        clock: E,
        (mut sender, mut receiver): Link<N, R>,
        mut verdict: Option<oneshot::Sender<Result<(), ConsensusError>>>,
    ) where
        N: Sender<PublicKey = PublicKey>,
        R: Receiver<PublicKey = PublicKey>,
    {
        let mut answered: BTreeSet<Identity> = BTreeSet::new();
        let mut claimed: BTreeSet<Identity> = BTreeSet::new();
        let mut last_answer: BTreeMap<PublicKey, SystemTime> = BTreeMap::new();
        let mut ask_at = clock.current();
        let malformed = self.context.counter("malformed", "Messages of peers that are no question and no answer");
        loop {
            if verdict.is_some() {
                let members = self.committees.members(0).expect("the first epoch is known on an empty disk");
                let me = self.config.identity.0.public_key();
                let others =
                    members.keys().iter().filter(|key| **key != me && answered.contains(&identity_of(key))).count();
                if others + 1 >= members.quorum() {
                    info!(answers = others, "no peer knows a vote of this key: first start");
                    verdict.take().expect("checked").send_lossy(Ok(()));
                    continue;
                }
                if clock.current() >= ask_at {
                    sender.send(Recipients::All, vec![QUESTION], false);
                    ask_at = clock.current() + ASK_EVERY;
                }
            }
            let wait = match &verdict {
                Some(_) => Either::Left(clock.sleep_until(ask_at)),
                None => Either::Right(futures::future::pending()),
            };
            let received = {
                let message = receiver.recv().fuse();
                let wait = wait.fuse();
                futures::pin_mut!(message, wait);
                match futures::future::select(message, wait).await {
                    Either::Left((message, _)) => Some(message),
                    Either::Right(_) => None,
                }
            };
            let (from, message) = match received {
                None => continue,
                Some(Err(_)) => return,
                Some(Ok(message)) => message,
            };
            let now = clock.current();
            self.state.heard(&from, 0, now);
            match message.as_ref().first() {
                Some(&QUESTION) if message.len() == 1 => {
                    let due = last_answer
                        .get(&from)
                        .is_none_or(|at| now.duration_since(*at).unwrap_or_default() >= ANSWER_EVERY);
                    if due {
                        last_answer.insert(from.clone(), now);
                        let answer = self.answer(&from).await;
                        let mut bytes = vec![ANSWER];
                        bytes.extend_from_slice(&answer.encode());
                        sender.send(Recipients::One(from), bytes, false);
                    }
                }
                Some(&ANSWER) if verdict.is_some() => match self.judge(message.slice(1..)) {
                    None => {
                        debug!(peer = %identity_of(&from), "malformed answer ignored");
                        malformed.inc();
                    }
                    Some(Verdict::Nothing) => {
                        answered.insert(identity_of(&from));
                    }
                    Some(Verdict::Exists(epoch)) => {
                        verdict.take().expect("checked").send_lossy(Err(ConsensusError::ChainExists { epoch }));
                    }
                    Some(Verdict::Claimed(epoch)) => {
                        answered.remove(&identity_of(&from));
                        claimed.insert(identity_of(&from));
                        let members = self.committees.members(0).expect("the first epoch is known on an empty disk");
                        let claims = members.keys().iter().filter(|key| claimed.contains(&identity_of(key))).count();
                        if claims > members.keys().len() - members.quorum() {
                            verdict.take().expect("checked").send_lossy(Err(ConsensusError::ChainExists { epoch }));
                        }
                    }
                },
                // Late: the question is settled.
                Some(&ANSWER) => {}
                _ => {
                    malformed.inc();
                }
            }
        }
    }

    /// Whether a peer's signature is part of a finalization.
    fn signed(&self, finalization: &Finalization<S, Digest>, peer: &PublicKey) -> bool {
        let members = self.committees.members(finalization.epoch().get());
        members.is_some_and(|members| signed_by(finalization, &members, peer))
    }

    /// What this node knows about a peer's votes.
    async fn answer(&self, peer: &PublicKey) -> Answer<S> {
        let vote = self.witnessed.lock().get(&identity_of(peer)).cloned();
        let tip = self.state.get().tip;
        let mut newest = None;
        for height in (1..=tip).rev().take(VOTE_RETENTION as usize) {
            let Some(finalization) = self.marshal.get_finalization(Height::new(height)).await else { continue };
            if finalization.epoch().get() > 0 || self.signed(&finalization, peer) {
                return (vote, Some(finalization));
            }
            newest.get_or_insert(finalization);
        }
        (vote, newest)
    }

    /// What an answer says; `None` if it is malformed.
    fn judge(&mut self, bytes: IoBuf) -> Option<Verdict> {
        let (vote, finalization) = read::<S>(bytes)?;
        let me = self.config.identity.0.public_key();
        let mut claimed = Verdict::Nothing;
        if let Some(vote) = vote {
            let epoch = vote.epoch().get();
            match self.committees.members(epoch) {
                None => claimed = Verdict::Claimed(epoch),
                Some(members) => {
                    let (rng, scheme) = (&mut self.context, members.verifier());
                    let (signer, valid) = match &vote {
                        Vote::Notarize(vote) => (vote.signer(), vote.verify(rng, scheme, &Sequential)),
                        Vote::Nullify(vote) => (vote.signer(), vote.verify::<_, Digest>(rng, scheme, &Sequential)),
                        Vote::Finalize(vote) => (vote.signer(), vote.verify(rng, scheme, &Sequential)),
                    };
                    if valid && members.identity(signer.get() as usize) == Some(identity_of(&me)) {
                        return Some(Verdict::Exists(epoch));
                    }
                }
            }
        }
        if let Some(finalization) = finalization {
            let epoch = finalization.epoch().get();
            match self.committees.members(epoch) {
                None => claimed = Verdict::Claimed(epoch),
                Some(members) => {
                    let tells = epoch > 0 || signed_by(&finalization, &members, &me);
                    if tells && finalization.verify(&mut self.context, members.verifier(), &Sequential) {
                        return Some(Verdict::Exists(epoch));
                    }
                }
            }
        }
        Some(claimed)
    }
}

/// What an answer says about the chain.
enum Verdict {
    /// It does not exist, as far as the peer knows.
    Nothing,
    /// It exists, proven.
    Exists(u64),
    /// It exists and has come to an epoch whose committee is not known here: true if one honest peer says so.
    Claimed(u64),
}

/// Whether a member's signature is part of a finalization.
fn signed_by<S: Signatures>(finalization: &Finalization<S, Digest>, members: &Members<S>, member: &PublicKey) -> bool {
    let position = members.keys().position(member);
    let certificate = certificate(finalization);
    position.is_some_and(|index| certificate.is_some_and(|c| c.signers.get(index).copied().unwrap_or_default()))
}

/// A finalization in our own type.
pub(crate) fn certificate<S: Signatures>(finalization: &Finalization<S, Digest>) -> Option<Certificate> {
    Certificate::decode(&finalization.encode()).ok()
}
