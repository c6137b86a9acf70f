//! Wrappers around p2p channels: senders that refuse what would be too large, receivers that remember who spoke and
//! hand out what arrived before its reader ran.

use crate::{keys::PublicKey, state::State};
use commonware_actor::{Feedback, Unreliable};
use commonware_p2p::{CheckedSender, LimitedSender, Message, Receiver, Recipients};
use commonware_runtime::{Clock, IoBufs};
use std::{collections::VecDeque, fmt, num::NonZeroUsize, sync::Arc, time::SystemTime};
use tracing::warn;

/// One p2p channel.
pub(crate) type Link<S, R> = (Bounded<S>, R);

/// A sender that drops messages beyond the network's limit; the network itself would panic.
#[derive(Clone, Debug)]
pub(crate) struct Bounded<S> {
    inner: S,
    max: usize,
}

impl<S> Bounded<S> {
    pub(crate) const fn new(inner: S, max: usize) -> Self {
        Self { inner, max }
    }
}

impl<S: LimitedSender> LimitedSender for Bounded<S> {
    type PublicKey = S::PublicKey;
    type Checked<'a>
        = BoundedChecked<S::Checked<'a>>
    where
        S: 'a;

    fn check(&mut self, recipients: Recipients<S::PublicKey>) -> Result<Self::Checked<'_>, SystemTime> {
        let max = self.max;
        self.inner.check(recipients).map(|inner| BoundedChecked { inner, max })
    }
}

/// A sender of one message that is within its rate.
pub(crate) struct BoundedChecked<C> {
    inner: C,
    max: usize,
}

impl<C: CheckedSender> CheckedSender for BoundedChecked<C> {
    type PublicKey = C::PublicKey;

    fn recipients(&self) -> Vec<C::PublicKey> {
        self.inner.recipients()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let message = message.into();
        if message.len() > self.max {
            warn!(bytes = message.len(), limit = self.max, "message too large, not sent");
            return Unreliable::Rejected;
        }
        self.inner.send(message, priority)
    }
}

/// A receiver that yields early messages before its own and notes in which epoch its senders are.
pub(crate) struct Heard<E, R> {
    pub(crate) clock: Arc<E>,
    pub(crate) state: Arc<State>,
    pub(crate) epoch: u64,
    pub(crate) early: VecDeque<Message<PublicKey>>,
    pub(crate) inner: R,
}

impl<E, R> fmt::Debug for Heard<E, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Heard({})", self.epoch)
    }
}

impl<E: Clock, R: Receiver<PublicKey = PublicKey>> Receiver for Heard<E, R> {
    type Error = R::Error;
    type PublicKey = PublicKey;

    async fn recv(&mut self) -> Result<Message<PublicKey>, R::Error> {
        if let Some(message) = self.early.pop_front() {
            return Ok(message);
        }
        let message = self.inner.recv().await?;
        self.state.heard(&message.0, self.epoch, self.clock.current());
        Ok(message)
    }

    fn capacity(&self) -> NonZeroUsize {
        self.inner.capacity()
    }
}
