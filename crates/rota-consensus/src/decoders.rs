//! What peers send on the consensus channels, decoded and judged as the engines do it: the seam of the fuzz targets.

use crate::{
    Epochs,
    block::{Block, Digest},
    committees::{Committees, Members},
    keys::KeyError,
    scheme::Bls,
    welcome,
};
use commonware_codec::{Decode as _, DecodeExt as _, Encode as _, varint::UInt};
use commonware_consensus::simplex::types::{Certificate, Vote};
use commonware_cryptography::certificate::Verifier as _;
use commonware_p2p::utils::mux;
use commonware_parallel::Sequential;
use commonware_runtime::IoBuf;
use rand::{SeedableRng as _, rngs::StdRng};
use rota_types::ChainSpec;
use std::{fmt, sync::Arc};

/// Decodes messages of the first epoch of a chain. Each function gives the canonical encoding of what it has decoded.
#[derive(Clone)]
pub struct Decoders {
    members: Arc<Members<Bls>>,
    max_flashblock_bytes: usize,
}

impl fmt::Debug for Decoders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoders").field("max_flashblock_bytes", &self.max_flashblock_bytes).finish_non_exhaustive()
    }
}

impl Decoders {
    /// The decoders of a chain's operators.
    ///
    /// # Errors
    /// If a key of the committee is malformed.
    pub fn new(spec: &Arc<ChainSpec>) -> Result<Self, KeyError> {
        let committees = Committees::new(spec, Epochs::new(spec.clone()), ())?;
        let members = committees.members(0).expect("the first epoch is known");
        Ok(Self { members, max_flashblock_bytes: spec.limits.max_flashblock_bytes })
    }

    /// A message of the votes channel: the epoch and a vote, whose signature is verified too.
    ///
    /// # Errors
    /// Why it is none.
    pub fn vote(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let (epoch, vote) = mux::parse(IoBuf::from(bytes.to_vec())).map_err(refused)?;
        let vote = Vote::<Bls, Digest>::decode(vote).map_err(refused)?;
        let (mut rng, scheme) = (StdRng::seed_from_u64(0), self.members.verifier());
        match &vote {
            Vote::Notarize(vote) => vote.verify(&mut rng, scheme, &Sequential),
            Vote::Nullify(vote) => vote.verify::<_, Digest>(&mut rng, scheme, &Sequential),
            Vote::Finalize(vote) => vote.verify(&mut rng, scheme, &Sequential),
        };
        Ok(muxed(epoch, &vote))
    }

    /// A message of the certificates channel: the epoch and a certificate, whose signature is verified too.
    ///
    /// # Errors
    /// Why it is none.
    pub fn certificate(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let (epoch, certificate) = mux::parse(IoBuf::from(bytes.to_vec())).map_err(refused)?;
        let (mut rng, scheme) = (StdRng::seed_from_u64(0), self.members.verifier());
        let bound = scheme.certificate_codec_config();
        let certificate = Certificate::<Bls, Digest>::decode_cfg(certificate, &bound).map_err(refused)?;
        match &certificate {
            Certificate::Notarization(it) => it.verify(&mut rng, scheme, &Sequential),
            Certificate::Nullification(it) => it.verify::<_, Digest>(&mut rng, scheme, &Sequential),
            Certificate::Finalization(it) => it.verify(&mut rng, scheme, &Sequential),
        };
        Ok(muxed(epoch, &certificate))
    }

    /// An answer on the welcome channel, without its tag.
    ///
    /// # Errors
    /// If it is none.
    pub fn answer(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let answer = welcome::read::<Bls>(IoBuf::from(bytes.to_vec())).ok_or("no answer")?;
        Ok(answer.encode().to_vec())
    }

    /// A block, as it is broadcast, backfilled and stored.
    ///
    /// # Errors
    /// Why it is none.
    pub fn block(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let block = Block::decode_cfg(IoBuf::from(bytes.to_vec()), &self.max_flashblock_bytes).map_err(refused)?;
        Ok(block.encode().to_vec())
    }
}

fn muxed(epoch: u64, message: &impl commonware_codec::Encode) -> Vec<u8> {
    let mut bytes = UInt(epoch).encode().to_vec();
    bytes.extend_from_slice(&message.encode());
    bytes
}

fn refused(error: impl fmt::Display) -> String {
    error.to_string()
}
