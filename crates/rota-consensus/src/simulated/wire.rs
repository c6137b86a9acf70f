//! What a simulated operator sends: later by what it took to compute, and changed by what makes it Byzantine.

use super::{SimScheme, host};
use crate::{
    block::{Block, Digest},
    committees::Committees,
    config::Channel,
    keys::{PublicKey, VotingKey, identity_of, public_key},
};
use alloy_primitives::B256;
use bytes::Bytes;
use commonware_actor::{Feedback, Unreliable};
use commonware_codec::{Decode as _, DecodeExt as _, Encode as _, varint::UInt};
use commonware_consensus::{
    Epochable as _, Viewable as _,
    simplex::types::{Finalize, Notarize, Nullify, Proposal, Vote as Signed},
    types::{Epoch, Round, View},
};
use commonware_p2p::{CheckedSender, LimitedSender, Recipients, Sender, utils::mux};
use commonware_runtime::{Clock as _, IoBuf, IoBufs, Spawner as _, Supervisor as _, deterministic::Context};
use futures::{StreamExt as _, channel::mpsc};
use parking_lot::Mutex;
use rota_types::{Flashblock, Identity};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// CPU time to encrypt and write a message to one peer.
const SEND: Duration = Duration::from_micros(3);
/// CPU time for each KiB of it.
const SEND_KIB: Duration = Duration::from_micros(1);

/// A message that an operator is about to send on some channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// To whom.
    pub to: Vec<Identity>,
    /// What the network carries.
    pub bytes: Bytes,
}

/// What an operator says in a vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ballot {
    /// For a flashblock, in the first round of a view.
    Notarize {
        /// View of its parent.
        parent_view: u64,
        /// The flashblock.
        digest: B256,
    },
    /// For no flashblock.
    Nullify,
    /// For a flashblock, in the second round of a view.
    Finalize {
        /// View of its parent.
        parent_view: u64,
        /// The flashblock.
        digest: B256,
    },
}

/// A vote in a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    /// Epoch.
    pub epoch: u64,
    /// View in it.
    pub view: u64,
    /// What it says.
    pub ballot: Ballot,
}

/// Changes what one operator sends: how the simulator makes it Byzantine on the wire.
pub trait Tamper: Send + Sync {
    /// What is sent on the same channel in place of a message: itself, nothing, others to others.
    fn send(&self, channel: Channel, message: Outgoing, forge: &Forge) -> Vec<Outgoing>;
}

/// Reads an operator's messages, and makes others with its keys.
pub struct Forge {
    pub(super) committees: Committees<SimScheme>,
    pub(super) me: PublicKey,
    pub(super) key: Option<VotingKey>,
    pub(super) max_bytes: usize,
}

impl Forge {
    /// The operator itself.
    pub fn me(&self) -> Identity {
        identity_of(&self.me)
    }

    /// The vote in a message on [`Channel::Votes`].
    pub fn vote(&self, message: &Outgoing) -> Option<Vote> {
        let (_, vote) = mux::parse(IoBuf::from(message.bytes.clone())).ok()?;
        let vote = Signed::<SimScheme, Digest>::decode(vote).ok()?;
        let ballot = match &vote {
            Signed::Notarize(Notarize { proposal, .. }) => {
                Ballot::Notarize { parent_view: proposal.parent.get(), digest: proposal.payload.into() }
            }
            Signed::Nullify(_) => Ballot::Nullify,
            Signed::Finalize(Finalize { proposal, .. }) => {
                Ballot::Finalize { parent_view: proposal.parent.get(), digest: proposal.payload.into() }
            }
        };
        Some(Vote { epoch: vote.epoch().get(), view: vote.view().get(), ballot })
    }

    /// A message for [`Channel::Votes`] with a vote of this operator; `None` if it has no vote in that epoch.
    pub fn sign(&self, vote: Vote, to: Vec<Identity>) -> Option<Outgoing> {
        let scheme = self.committees.signer(vote.epoch, &self.me, self.key.as_ref()?)?;
        let round = Round::new(Epoch::new(vote.epoch), View::new(vote.view));
        let proposal = |parent, digest: B256| Proposal::new(round, View::new(parent), Digest::from(digest));
        let signed: Signed<SimScheme, Digest> = match vote.ballot {
            Ballot::Notarize { parent_view, digest } => {
                Signed::Notarize(Notarize::sign(&scheme, proposal(parent_view, digest))?)
            }
            Ballot::Nullify => Signed::Nullify(Nullify::sign::<Digest>(&scheme, round)?),
            Ballot::Finalize { parent_view, digest } => {
                Signed::Finalize(Finalize::sign(&scheme, proposal(parent_view, digest))?)
            }
        };
        let mut bytes = UInt(vote.epoch).encode().to_vec();
        bytes.extend_from_slice(&signed.encode());
        Some(Outgoing { to, bytes: bytes.into() })
    }

    /// The flashblock in a message on [`Channel::Blocks`].
    pub fn flashblock(&self, message: &Outgoing) -> Option<Arc<Flashblock>> {
        let block = Block::decode_cfg(message.bytes.clone(), &self.max_bytes).ok()?;
        Some(block.flashblock().clone())
    }

    /// A message for [`Channel::Blocks`] that carries a flashblock.
    pub fn carry(&self, flashblock: Flashblock, to: Vec<Identity>) -> Option<Outgoing> {
        let bytes = Block::new(flashblock)?.encode().to_vec().into();
        Some(Outgoing { to, bytes })
    }
}

/// Whom one of two nodes with one key reaches; it can be changed while they run.
pub(super) type Reach = Arc<Mutex<BTreeSet<Identity>>>;

/// One operator's word on the wire.
#[derive(Clone)]
pub(super) struct Speaker {
    /// Everybody else in the network.
    pub(super) others: Arc<[PublicKey]>,
    /// If set, whom it reaches of them.
    pub(super) reach: Option<Reach>,
    /// What changes its messages.
    pub(super) tamper: Option<(Arc<dyn Tamper>, Arc<Forge>)>,
}

/// A message on its way out.
struct Late {
    at: SystemTime,
    to: Recipients<PublicKey>,
    message: IoBuf,
    priority: bool,
}

/// One channel's sender of one operator.
#[derive(Clone)]
pub(crate) struct Wire<S> {
    inner: S,
    channel: Channel,
    clock: Arc<Context>,
    speaker: Speaker,
    /// When the newest message leaves: none overtakes another.
    last: Arc<Mutex<SystemTime>>,
    late: mpsc::UnboundedSender<Late>,
}

impl<S: Sender<PublicKey = PublicKey>> Wire<S> {
    /// `alive` says whether the process that sends still runs.
    pub(super) fn new(
        inner: S,
        channel: Channel,
        speaker: Speaker,
        context: Context,
        alive: impl Fn() -> bool + Send + 'static,
    ) -> Self {
        let (late, mut leaving) = mpsc::unbounded::<Late>();
        let clock = Arc::new(context.child("clock"));
        let mut sender = inner.clone();
        context.spawn(move |clock| async move {
            while let Some(Late { at, to, message, priority }) = leaving.next().await {
                clock.sleep_until(at).await;
                if alive() {
                    sender.send(to, message, priority);
                }
            }
        });
        let last = Arc::new(Mutex::new(SystemTime::UNIX_EPOCH));
        Self { inner, channel, clock, speaker, last, late }
    }

    fn leave(&mut self, to: Recipients<PublicKey>, message: IoBuf, priority: bool) {
        let now = self.clock.current();
        let mut last = self.last.lock();
        let at = (*last).max(now + host::late());
        if at <= now {
            self.inner.send(to, message, priority);
            return;
        }
        *last = at;
        // It ends with this sender only.
        let _ = self.late.unbounded_send(Late { at, to, message, priority });
    }
}

impl<S: Sender<PublicKey = PublicKey>> LimitedSender for Wire<S> {
    type PublicKey = PublicKey;
    type Checked<'a>
        = Checked<'a, S>
    where
        S: 'a;

    /// The rate is limited when the message leaves.
    fn check(&mut self, recipients: Recipients<PublicKey>) -> Result<Self::Checked<'_>, SystemTime> {
        Ok(Checked { wire: self, recipients })
    }
}

/// One message about to be sent.
pub(crate) struct Checked<'a, S> {
    wire: &'a mut Wire<S>,
    recipients: Recipients<PublicKey>,
}

impl<S: Sender<PublicKey = PublicKey>> CheckedSender for Checked<'_, S> {
    type PublicKey = PublicKey;

    fn recipients(&self) -> Vec<PublicKey> {
        match &self.recipients {
            Recipients::All => self.wire.speaker.others.to_vec(),
            Recipients::Some(some) => some.clone(),
            Recipients::One(one) => vec![one.clone()],
        }
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let message: IoBuf = message.into().coalesce();
        let recipients = self.recipients();
        host::charge((SEND + SEND_KIB * (message.len() as u32 / 1024)) * recipients.len() as u32);
        let Speaker { reach, tamper, .. } = self.wire.speaker.clone();
        if reach.is_none() && tamper.is_none() {
            self.wire.leave(self.recipients, message, priority);
            return Unreliable::Outcome(Feedback::Ok);
        }
        let mut to: Vec<_> = recipients.iter().map(identity_of).collect();
        if let Some(reach) = reach {
            let reach = reach.lock();
            to.retain(|identity| reach.contains(identity));
        }
        let message = Outgoing { to, bytes: Bytes::copy_from_slice(message.as_ref()) };
        let messages = match tamper {
            Some((tamper, forge)) => tamper.send(self.wire.channel, message, &forge),
            None => vec![message],
        };
        for Outgoing { to, bytes } in messages {
            let to = to.iter().filter_map(public_key).collect();
            self.wire.leave(Recipients::Some(to), IoBuf::from(bytes), priority);
        }
        Unreliable::Outcome(Feedback::Ok)
    }
}
