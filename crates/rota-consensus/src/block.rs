//! Our digest and flashblock as the library wants them: a fixed-size array and a certifiable, bounded block.

use crate::keys::{PublicKey, identity_of, public_key};
use alloy_primitives::B256;
use bytes::BufMut;
use commonware_codec::{Buf, EncodeSize, Error, FixedArray, FixedSize, Read, ReadExt as _, Write};
use commonware_consensus::{
    BoundedBlock, CertifiableBlock, Heightable,
    simplex::types::Context,
    types::{Epoch, Height, Round, View},
};
use commonware_cryptography::{Digested, Digestible};
use commonware_math::algebra::Random;
use commonware_utils::{Array, Span};
use rand_core::CryptoRng;
use rota_types::{Flashblock, Header};
use std::{fmt, ops::Deref, sync::Arc};

pub(crate) type SimplexContext = Context<Digest, PublicKey>;

/// keccak256 of a header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, FixedArray)]
#[fixed_array(infallible)]
#[repr(transparent)]
pub(crate) struct Digest([u8; 32]);

impl Write for Digest {
    fn write(&self, buf: &mut impl BufMut) {
        self.0.write(buf);
    }
}

impl Read for Digest {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        <[u8; 32]>::read(buf).map(Self)
    }
}

impl FixedSize for Digest {
    const SIZE: usize = 32;
}

impl Span for Digest {}
impl Array for Digest {}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for Digest {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        B256::from(*self).fmt(f)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        B256::from(*self).fmt(f)
    }
}

impl Random for Digest {
    fn random(mut rng: impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl commonware_cryptography::Digest for Digest {
    const EMPTY: Self = Self([0; 32]);
}

impl From<B256> for Digest {
    fn from(value: B256) -> Self {
        Self(value.0)
    }
}

impl From<Digest> for B256 {
    fn from(value: Digest) -> Self {
        Self(value.0)
    }
}

/// A flashblock whose leader is a key and whose digest is computed once. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    flashblock: Arc<Flashblock>,
    leader: PublicKey,
    digest: Digest,
}

impl Block {
    /// Wraps a flashblock; `None` if its leader is no key.
    pub(crate) fn new(flashblock: Flashblock) -> Option<Self> {
        let leader = public_key(&flashblock.header.leader)?;
        let digest = Digest::from(flashblock.digest());
        Some(Self { flashblock: Arc::new(flashblock), leader, digest })
    }

    pub(crate) const fn flashblock(&self) -> &Arc<Flashblock> {
        &self.flashblock
    }

    pub(crate) fn header(&self) -> &Header {
        &self.flashblock.header
    }

    /// With the digest that goes with it.
    pub(crate) fn digested(self) -> Digested<Self> {
        let digest = self.digest;
        Digested::precomputed(self, digest)
    }

    fn content_size(&self) -> usize {
        let body = &self.flashblock.body;
        Header::SIZE + 1 + body.opening.map_or(0, |_| 48) + 4 + body.transaction_bytes()
    }
}

/// `u32` length ‖ header ‖ body, both canonical; the length lets a block stand before other values.
impl Write for Block {
    fn write(&self, buf: &mut impl BufMut) {
        let encoded = self.flashblock.encode();
        buf.put_u32(encoded.len() as u32);
        buf.put_slice(&encoded);
    }
}

impl EncodeSize for Block {
    fn encode_size(&self) -> usize {
        4 + self.content_size()
    }
}

impl Read for Block {
    /// `max_flashblock_bytes` of the chain.
    type Cfg = usize;

    fn read_cfg(buf: &mut impl Buf, max_bytes: &usize) -> Result<Self, Error> {
        let len = u32::read(buf)? as usize;
        if len > Flashblock::max_size(*max_bytes) {
            return Err(Error::InvalidLength(len));
        }
        if buf.remaining() < len {
            return Err(Error::EndOfBuffer);
        }
        let bytes = buf.copy_to_bytes(len);
        let flashblock =
            Flashblock::decode(&bytes, *max_bytes).map_err(|error| Error::Wrapped("flashblock", Box::new(error)))?;
        Self::new(flashblock).ok_or(Error::Invalid("flashblock", "leader is no key"))
    }
}

impl Digestible for Block {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        self.digest
    }
}

impl Heightable for Block {
    fn height(&self) -> Height {
        Height::new(self.header().height)
    }
}

impl commonware_consensus::Block for Block {
    fn parent(&self) -> Digest {
        self.header().parent.into()
    }
}

impl CertifiableBlock for Block {
    type Context = SimplexContext;

    fn context(&self) -> SimplexContext {
        let header = self.header();
        Context {
            round: Round::new(Epoch::new(header.epoch), View::new(header.view)),
            leader: self.leader.clone(),
            parent: (View::new(header.parent_view), header.parent.into()),
        }
    }
}

impl BoundedBlock for Block {
    fn max_encode_size(max_bytes: &usize) -> usize {
        4 + Flashblock::max_size(*max_bytes)
    }
}

/// A context in our words.
pub(crate) fn context(context: &SimplexContext) -> crate::Context {
    crate::Context {
        epoch: context.round.epoch().get(),
        view: context.round.view().get(),
        leader: identity_of(&context.leader),
        parent_view: context.parent.0.get(),
        parent: context.parent.1.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Bytes;
    use commonware_codec::{Decode as _, DecodeExt as _, Encode as _};
    use rota_types::{Body, Opening};

    const MAX: usize = 1_000;

    fn block(transactions: Vec<Bytes>) -> Block {
        let opening = Some(Opening { timestamp: 1, origin: Default::default() });
        let body = Body { opening, transactions };
        let header = Header {
            version: 1,
            chain_id: 2,
            lineage: 3,
            epoch: 4,
            view: 5,
            leader: B256::ZERO,
            parent_view: 4,
            parent: B256::repeat_byte(7),
            height: 8,
            block_number: 9,
            index: 0,
            body_hash: body.hash(),
            outcome_root: B256::ZERO,
            cumulative_gas: 10,
            seal: B256::ZERO,
            next_committee_root: B256::ZERO,
        };
        Block::new(Flashblock { header, body }).expect("the leader is a key")
    }

    #[test]
    fn blocks_survive_their_encoding() {
        let block = block(vec![vec![1; MAX - 4].into()]);
        let encoded = block.encode();
        assert_eq!(encoded.len(), block.encode_size());
        assert!(encoded.len() <= Block::max_encode_size(&MAX));
        assert_eq!(Block::decode_cfg(encoded, &MAX).expect("decodes"), block);
    }

    #[test]
    fn foreign_bodies_and_sizes_are_refused() {
        let encoded = block(vec![vec![1; 100].into()]).encode().to_vec();
        let refused = |bytes: Vec<u8>, max: usize| Block::decode_cfg(bytes, &max).is_err();
        assert!(!refused(encoded.clone(), MAX));
        assert!(refused(encoded.clone(), 103), "larger than the chain allows");
        let mut other_body = encoded.clone();
        *other_body.last_mut().expect("not empty") ^= 1;
        assert!(refused(other_body, MAX), "not the body that the header names");
        let mut longer = encoded.clone();
        longer.push(0);
        assert!(refused(longer, MAX), "bytes left over");
        assert!(refused(encoded[..encoded.len() - 1].to_vec(), MAX), "bytes missing");
        assert!(refused(u32::MAX.to_be_bytes().to_vec(), MAX), "a length beyond every block");
    }

    #[test]
    fn the_context_is_the_headers() {
        let context = context(&block(Vec::new()).context());
        assert_eq!((context.epoch, context.view, context.parent_view), (4, 5, 4));
        assert_eq!((context.leader, context.parent), (B256::ZERO, B256::repeat_byte(7)));
        assert_eq!(Digest::decode(vec![7; 32]).map(B256::from).ok(), Some(context.parent));
    }
}
