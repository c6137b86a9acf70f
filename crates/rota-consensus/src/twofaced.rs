//! A simulated operator that signs twice: with every notarize vote goes another one, for a digest that nobody proposed.

use crate::{block::Digest, scheme::Signatures};
use commonware_actor::{Feedback, Unreliable};
use commonware_codec::{DecodeExt as _, Encode as _, varint::UInt};
use commonware_consensus::simplex::types::{Notarize, Proposal, Vote};
use commonware_p2p::{CheckedSender, LimitedSender, Recipients, Sender as _, utils::mux};
use commonware_runtime::{IoBuf, IoBufs};
use std::{sync::Arc, time::SystemTime};

/// A votes sender; honest without a scheme.
#[derive(Clone)]
pub(crate) struct Twofaced<N, S> {
    pub(crate) inner: N,
    pub(crate) scheme: Option<Arc<S>>,
}

impl<N: LimitedSender, S: Signatures> LimitedSender for Twofaced<N, S> {
    type PublicKey = N::PublicKey;
    type Checked<'a>
        = TwofacedChecked<N::Checked<'a>, N, S>
    where
        N: 'a;

    fn check(&mut self, recipients: Recipients<N::PublicKey>) -> Result<Self::Checked<'_>, SystemTime> {
        let second = self.scheme.clone().map(|scheme| (scheme, self.inner.clone(), recipients.clone()));
        self.inner.check(recipients).map(|inner| TwofacedChecked { inner, second })
    }
}

/// One message, and the means to contradict it.
pub(crate) struct TwofacedChecked<C, N: LimitedSender, S> {
    inner: C,
    second: Option<(Arc<S>, N, Recipients<N::PublicKey>)>,
}

impl<C: CheckedSender, N: LimitedSender<PublicKey = C::PublicKey>, S: Signatures> CheckedSender
    for TwofacedChecked<C, N, S>
{
    type PublicKey = C::PublicKey;

    fn recipients(&self) -> Vec<C::PublicKey> {
        self.inner.recipients()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let message: IoBuf = message.into().coalesce();
        let feedback = self.inner.send(message.clone(), priority);
        if let Some((scheme, mut sender, recipients)) = self.second
            && let Some(contradiction) = contradict(message, &*scheme)
        {
            sender.send(recipients, contradiction, priority);
        }
        feedback
    }
}

/// A vote for another digest in the same view, if the message is a notarize vote.
fn contradict<S: Signatures>(message: IoBuf, scheme: &S) -> Option<Vec<u8>> {
    let (epoch, vote) = mux::parse(message).ok()?;
    let Ok(Vote::Notarize(vote)) = Vote::<S, Digest>::decode(vote) else { return None };
    let mut payload: [u8; 32] = alloy_primitives::B256::from(vote.proposal.payload).0;
    payload[0] ^= 1;
    let payload = Digest::from(alloy_primitives::B256::from(payload));
    let proposal = Proposal::new(vote.proposal.round, vote.proposal.parent, payload);
    let vote: Vote<S, Digest> = Vote::Notarize(Notarize::sign(scheme, proposal)?);
    let mut bytes = UInt(epoch).encode().to_vec();
    bytes.extend_from_slice(&vote.encode());
    Some(bytes)
}
