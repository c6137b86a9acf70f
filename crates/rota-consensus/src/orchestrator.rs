//! One simplex engine per epoch, driven by marshal's ordered delivery.
//!
//! Votes, certificates and backfill requests of all epochs share three p2p channels, muxed by epoch. When the last
//! flashblock of an epoch is delivered, the engine of the next one is started on it, the old engine is dropped, and only
//! then is the boundary passed on to be acknowledged: a crash in between delivers it again. What arrives for an epoch
//! whose engine does not run is looked at here:
//!
//! * of a later epoch: a hint that its sender has the boundary's finalization, which marshal fetches from it; messages
//!   of the very next epoch are kept for its engine, or the first proposal would be lost on a node that enters late;
//! * a vote of an earlier epoch: its sender is stuck without the boundary's finalization and is sent it
//!   ([`crate::served`]).

use crate::{
    Application, ConsensusError, Event,
    adapter::{Gate, Marshal},
    block::Digest,
    channels::Heard,
    committees::{Committees, Members},
    config::{Config, MAILBOX, OPTIMISTIC_VIEWS, VOTE_RETENTION},
    delivery::Delivered,
    elector::Turns,
    keys::PublicKey,
    operator::{PeerSet, Track},
    scheme::Signatures,
    served::Served,
    signing::{Signing, clear_of_boundary},
    state::State,
    tap::{Tap, Witnessed},
};
use commonware_codec::Encode as _;
use commonware_consensus::{
    Epochable as _, Heightable as _, Reporters,
    simplex::{
        self,
        config::{Floor, ForwardPolicy, SkipBudget, SkipPolicy},
        elector::Terms,
        types::Certificate,
    },
    types::{Epoch, Epocher as _, FixedEpocher, Height, TermLength, ViewDelta},
};
use commonware_cryptography::{Digestible as _, Signer as _};
use commonware_p2p::{
    Blocker, Channel, Message, Receiver, Recipients, Sender,
    utils::mux::{Builder as _, GlobalSender, MuxHandle, Muxer},
};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Error, Handle, IoBuf, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_utils::{NZDuration, NZUsize, channel::mpsc as bounded, vec::NonEmptyVec};
use futures::{FutureExt as _, StreamExt as _, channel::mpsc};
use parking_lot::Mutex;
use rand_core::CryptoRng;
use std::{
    collections::VecDeque,
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tracing::{debug, error, info, warn};

/// Messages kept per kind for the engine of the next epoch.
const MAX_EARLY: usize = 256;

/// By then a node that has entered an epoch has heard how far the others are.
const SETTLED_AFTER: Duration = Duration::from_secs(1);

type Backup = bounded::Receiver<(Channel, Message<PublicKey>)>;
type Early = VecDeque<Message<PublicKey>>;

/// Everything that outlives an epoch.
pub(crate) struct Orchestrator<E, S, B>
where
    E: Clock + CryptoRng + Spawner + Storage + Metrics,
    S: Signatures,
{
    pub(crate) context: E,
    pub(crate) config: Arc<Config>,
    pub(crate) application: Arc<dyn Application>,
    pub(crate) committees: Committees<S>,
    pub(crate) epocher: FixedEpocher,
    pub(crate) marshal: Marshal<S>,
    pub(crate) gate: Gate<E, S>,
    pub(crate) signing: Signing<E>,
    pub(crate) state: Arc<State>,
    pub(crate) witnessed: Witnessed<S>,
    pub(crate) track: Track,
    pub(crate) blocker: B,
    pub(crate) page_cache: CacheRef,
    pub(crate) delivered: mpsc::UnboundedReceiver<Delivered>,
    pub(crate) forward: mpsc::UnboundedSender<Delivered>,
}

/// The muxed channels.
pub(crate) struct Channels<S: Sender<PublicKey = PublicKey>> {
    votes: MuxHandle<S>,
    early_votes: Backup,
    certificates: MuxHandle<S>,
    early_certificates: Backup,
    serve: GlobalSender<S>,
    resolver: MuxHandle<S>,
    kept_votes: Early,
    kept_certificates: Early,
}

impl<S: Sender<PublicKey = PublicKey>> Channels<S> {
    /// Starts the muxers: what arrives from now on is kept until the first engine runs.
    pub(crate) fn new<E, R>(context: &E, votes: (S, R), certificates: (S, R), resolver: (S, R)) -> Self
    where
        E: Spawner,
        R: Receiver<PublicKey = PublicKey>,
    {
        let serve = GlobalSender::new(certificates.0.clone());
        let (mux, votes, early_votes) = Muxer::builder(context.child("votes"), votes.0, votes.1).with_backup().build();
        mux.start();
        let (mux, certificates, early_certificates) =
            Muxer::builder(context.child("certificates"), certificates.0, certificates.1).with_backup().build();
        mux.start();
        let (mux, resolver) = Muxer::new(context.child("resolver"), resolver.0, resolver.1);
        mux.start();
        Self {
            votes,
            early_votes,
            certificates,
            early_certificates,
            serve,
            resolver,
            kept_votes: Early::new(),
            kept_certificates: Early::new(),
        }
    }
}

/// The engine of one epoch. Dropping it ends the engine.
struct Active {
    epoch: u64,
    entered: SystemTime,
    engine: Handle<()>,
}

impl Drop for Active {
    fn drop(&mut self) {
        self.engine.abort();
    }
}

enum Step {
    Delivered(Option<Delivered>),
    Vote(Option<(Channel, Message<PublicKey>)>),
    Certificate(Option<(Channel, Message<PublicKey>)>),
    Ended,
}

impl<E, S, B> Orchestrator<E, S, B>
where
    E: Clock + CryptoRng + Spawner + Storage + Metrics,
    S: Signatures,
    B: Blocker<PublicKey = PublicKey>,
{
    /// Runs epoch after epoch.
    pub(crate) async fn run<N>(mut self, mut channels: Channels<N>) -> Result<(), ConsensusError>
    where
        N: Sender<PublicKey = PublicKey>,
    {
        let processed = self.marshal.get_processed().await.map_or(0, |processed| processed.height().get());
        let length = self.config.spec.epoch_length;
        let epoch = self.config.spec.epoch_of(processed + 1);
        let boundary = Height::new((epoch * length).saturating_sub(1));
        let Some(root) = self.marshal.get_block(boundary).await else {
            return Err(ConsensusError::Storage(format!("flashblock {boundary} is missing")));
        };
        let mut active = self.enter(epoch, root.digest(), &mut channels).await?;
        let mut served = Served::default();
        loop {
            let step = futures::select_biased! {
                delivered = self.delivered.next() => Step::Delivered(delivered),
                vote = std::pin::pin!(channels.early_votes.recv().fuse()) => Step::Vote(vote),
                certificate = std::pin::pin!(channels.early_certificates.recv().fuse()) => Step::Certificate(certificate),
                _ = std::pin::pin!((&mut active.engine).fuse()) => Step::Ended,
            };
            match step {
                Step::Ended => return Err(ConsensusError::Stopped("engine")),
                Step::Delivered(None) => return Err(ConsensusError::Stopped("marshal")),
                Step::Vote(None) | Step::Certificate(None) => return Err(ConsensusError::Stopped("network")),
                Step::Delivered(Some((block, acknowledgement))) => {
                    let height = block.height().get();
                    self.state.update(|status| {
                        status.height = height;
                        status.tip = status.tip.max(height);
                    });
                    self.stand(active.epoch, active.entered, height).await?;
                    if self.config.spec.ends_epoch(height) {
                        let next = self.config.spec.epoch_of(height + 1);
                        if next > active.epoch {
                            active = self.enter(next, block.digest(), &mut channels).await?;
                        }
                    }
                    if self.forward.unbounded_send((block, acknowledgement)).is_err() {
                        return Err(ConsensusError::Stopped("delivery"));
                    }
                }
                Step::Vote(Some((epoch, (from, message)))) => {
                    let now = self.context.current();
                    self.state.heard(&from, epoch, now);
                    if epoch < active.epoch {
                        if served.due(&self.committees, &from, epoch, active.epoch, now) {
                            self.serve(epoch, from, &mut channels.serve).await;
                        }
                    } else {
                        keep(&mut channels.kept_votes, epoch, active.epoch, &from, message);
                        self.hint(epoch, active.epoch, from);
                    }
                }
                Step::Certificate(Some((epoch, (from, message)))) => {
                    self.state.heard(&from, epoch, self.context.current());
                    keep(&mut channels.kept_certificates, epoch, active.epoch, &from, message);
                    self.hint(epoch, active.epoch, from);
                }
            }
        }
    }

    /// A peer that is ahead has the boundary's finalization.
    fn hint(&self, theirs: u64, ours: u64, peer: PublicKey) {
        if theirs > ours {
            let last = self.epocher.last(Epoch::new(ours)).expect("every epoch has a last height");
            self.marshal.hint_finalized(last, NonEmptyVec::new(peer));
        }
    }

    /// A peer still votes in a past epoch: it lacks the boundary's finalization.
    async fn serve<N: Sender<PublicKey = PublicKey>>(
        &self,
        epoch: u64,
        peer: PublicKey,
        certificates: &mut GlobalSender<N>,
    ) {
        let last = self.epocher.last(Epoch::new(epoch)).expect("every epoch has a last height");
        let Some(finalization) = self.marshal.get_finalization(last).await else { return };
        if finalization.epoch().get() == epoch {
            debug!(epoch, "serving the boundary's finalization to a peer in a past epoch");
            let certificate: Certificate<S, Digest> = Certificate::Finalization(finalization);
            certificates.send(epoch, Recipients::One(peer), certificate.encode(), true);
        }
    }

    /// A node that may not sign yet stands at the tip with a quorum of the others: it may sign the next epoch.
    async fn stand(&mut self, epoch: u64, entered: SystemTime, height: u64) -> Result<(), ConsensusError> {
        let spec = &self.config.spec;
        let status = self.state.get();
        if self.signing.from().is_some() || self.config.voting.is_none() || spec.epoch_of(height) != epoch {
            return Ok(());
        }
        let me = self.config.identity.0.public_key();
        let Some(members) = self.committees.members(epoch) else { return Ok(()) };
        let others = members.keys().iter().filter(|key| **key != me);
        let settled = self.context.current().duration_since(entered).unwrap_or_default() >= SETTLED_AFTER;
        if settled
            && height + 1 >= status.tip
            && clear_of_boundary(height, spec.epoch_length)
            && self.state.standing_in(epoch, others) >= members.quorum()
        {
            self.signing.allow_from(epoch + 1).await?;
            self.state.update(|status| status.signs_from = Some(epoch + 1));
        }
        Ok(())
    }

    /// The scheme of an epoch: one that signs if this node is a member, has its key and may. Its journal is then ready.
    async fn scheme(&mut self, epoch: u64, members: &Members<S>, journal: &str) -> Result<(S, bool), ConsensusError> {
        let me = self.config.identity.0.public_key();
        let signer = self.config.voting.as_ref().and_then(|key| self.committees.signer(epoch, &me, key));
        if signer.is_none() && self.config.voting.is_some() && members.keys().position(&me).is_some() {
            error!(epoch, "the committee names another voting key for this operator: following without a vote");
        }
        if let Some(scheme) = signer.filter(|_| self.signing.allows(epoch)) {
            self.signing.open_journal(&self.context, journal, epoch).await?;
            if self.signing.allows(epoch) {
                return Ok((scheme, true));
            }
        }
        Ok((members.verifier().clone(), false))
    }

    /// Starts the engine of an epoch on its root: the last flashblock of the epoch before.
    async fn enter<N: Sender<PublicKey = PublicKey>>(
        &mut self,
        epoch: u64,
        root: Digest,
        channels: &mut Channels<N>,
    ) -> Result<Active, ConsensusError> {
        // The node learns an epoch when the one before the last ends, so it knows this one by now.
        let running = self.config.epochs.get(epoch).ok_or(ConsensusError::UnknownEpoch(epoch))?;
        let members = self.committees.members(epoch).ok_or(ConsensusError::UnknownEpoch(epoch))?;
        let partition = |epoch: u64| self.config.partition(&format!("votes-{epoch}"));
        let journal = partition(epoch);
        if let Some(old) = epoch.checked_sub(2) {
            // The library never deletes the journal of an epoch; no restart goes back two (`Config::pending_acks`).
            match self.context.remove(&partition(old), None).await {
                Ok(()) | Err(Error::PartitionMissing(_)) => {}
                Err(error) => return Err(ConsensusError::Storage(error.to_string())),
            }
        }
        let (scheme, signing) = self.scheme(epoch, &members, &journal).await?;
        let signs_from = self.signing.from();
        (self.track)(epoch + 1, PeerSet::new(&self.config.epochs, epoch));

        let certificates =
            channels.certificates.register(epoch).await.map_err(|_| ConsensusError::Stopped("network"))?;
        let votes = channels.votes.register(epoch).await.map_err(|_| ConsensusError::Stopped("network"))?;
        let resolver = channels.resolver.register(epoch).await.map_err(|_| ConsensusError::Stopped("network"))?;
        // What arrived before the registration waits in the backup queues.
        let kept_votes = drain(&mut channels.kept_votes, &mut channels.early_votes, epoch);
        let kept_certificates = drain(&mut channels.kept_certificates, &mut channels.early_certificates, epoch);
        let clock = Arc::new(self.context.child("clock"));
        let heard = |early, inner| Heard { clock: clock.clone(), state: self.state.clone(), epoch, early, inner };
        let votes = (votes.0, heard(kept_votes, votes.1));
        let certificates = (certificates.0, heard(kept_certificates, certificates.1));

        let timing = self.config.timing;
        let length = NonZeroU32::new(self.config.spec.turn_length).expect("a turn has views");
        let turns = Turns {
            epoch: running,
            terms: Terms::stable(TermLength::new(length), timing.stall, ViewDelta::new(OPTIMISTIC_VIEWS)),
        };
        let tap = Tap {
            rng: Arc::new(Mutex::new(self.context.child("tap"))),
            application: self.application.clone(),
            members: members.clone(),
            elector: turns.clone().elector(members.keys()),
            state: self.state.clone(),
            witnessed: self.witnessed.clone(),
        };
        let engine = simplex::Engine::new(
            self.context.child("engine").with_attribute("epoch", epoch),
            simplex::config::Config {
                scheme,
                elector: turns,
                blocker: self.blocker.clone(),
                automaton: self.gate.clone(),
                relay: self.gate.clone(),
                reporter: Reporters::from((tap, self.gate.clone())),
                track_historical_votes: true,
                strategy: Sequential,
                partition: journal,
                mailbox_size: NonZeroUsize::new(MAILBOX).expect("not zero"),
                epoch: Epoch::new(epoch),
                floor: Floor::Genesis(root),
                replay_buffer: NZUsize!(64 * 1024),
                write_buffer: NZUsize!(64 * 1024),
                page_cache: self.page_cache.clone(),
                leader_timeout: timing.leader,
                certification_timeout: timing.certification,
                timeout_retry: timing.retry,
                view_retention: ViewDelta::new(VOTE_RETENTION),
                skip: SkipPolicy::Enabled { timeout: timing.skip, budget: SkipBudget::Participants },
                fetch_timeout: NZDuration!(Duration::from_secs(1)),
                fetch_retry_delay: Duration::from_millis(50),
                forward: ForwardPolicy::Disabled,
            },
        );
        let engine = engine.start(votes, certificates, resolver);
        self.state.update(|status| {
            status.epoch = epoch;
            status.view = 1;
            status.signing = signing;
            status.signs_from = signs_from;
        });
        info!(epoch, signing, %root, "epoch entered");
        if !signing && self.config.voting.is_some() {
            warn!(epoch, "following without the voting key in this epoch");
        }
        self.application.report(Event::EpochEntered { epoch, signing });
        Ok(Active { epoch, entered: self.context.current(), engine })
    }
}

/// Keeps a message of the epoch after ours.
fn keep(kept: &mut Early, theirs: u64, ours: u64, from: &PublicKey, message: IoBuf) {
    if theirs == ours + 1 && kept.len() < MAX_EARLY {
        kept.push_back((from.clone(), message));
    }
}

/// Everything that has arrived for an epoch before it was registered.
fn drain(kept: &mut Early, backup: &mut Backup, epoch: u64) -> Early {
    let mut early = std::mem::take(kept);
    while let Ok((of, message)) = backup.try_recv() {
        if of == epoch && early.len() < MAX_EARLY {
            early.push_back(message);
        }
    }
    early
}
