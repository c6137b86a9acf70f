//! Blobs from beacon nodes that are not trusted: every blob is checked against its versioned hash.

use crate::{
    background::background,
    blobs::BlobSource,
    commitments, kzg,
    provider::ProviderError,
    rpc::{HttpClient, RpcError},
};
use alloy_eips::eip4844::{Bytes48, kzg_to_versioned_hash};
use alloy_primitives::{B256, Bytes};
use async_trait::async_trait;
use parking_lot::Mutex;
use rota_batch::BLOB_BYTES;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use url::Url;

/// Bytes of an answer beside the blobs in it, at most; `config/spec` is the longest.
const MAX_ENVELOPE_BYTES: usize = 256 << 10;
/// Bytes of a blinded block, at most: some 100 kB are usual, far more need deposits or slashings in masses.
const MAX_BLOCK_BYTES: usize = 4 << 20;

/// Beacon nodes or blob archives, asked one after the other until one has the blobs.
#[derive(Debug)]
pub struct BeaconNodes {
    nodes: Vec<Node>,
    /// Index of the one that is asked first.
    current: AtomicUsize,
}

#[derive(Debug)]
struct Node {
    http: HttpClient,
    clock: Mutex<Option<SlotClock>>,
}

/// How a beacon chain numbers its slots.
#[derive(Debug, Clone, Copy)]
struct SlotClock {
    genesis_time: u64,
    seconds_per_slot: u64,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Genesis {
    #[serde(deserialize_with = "decimal")]
    genesis_time: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Spec {
    #[serde(deserialize_with = "decimal")]
    seconds_per_slot: u64,
}

/// A blinded block, as far as it tells of blobs.
#[derive(Deserialize)]
struct SignedBlock {
    message: Block,
}

#[derive(Deserialize)]
struct Block {
    body: BlockBody,
}

#[derive(Deserialize)]
struct BlockBody {
    blob_kzg_commitments: Vec<Bytes48>,
}

impl BeaconNodes {
    /// The nodes at these addresses (without `/eth/...`), whose calls end after `timeout`. Without any, nothing is
    /// available.
    pub fn new(urls: impl IntoIterator<Item = Url>, timeout: Duration) -> Result<Self, ProviderError> {
        let nodes = urls.into_iter().map(|url| {
            let http = HttpClient::new(url, timeout)?;
            Ok(Node { http, clock: Mutex::new(None) })
        });
        Ok(Self { nodes: nodes.collect::<Result<_, RpcError>>()?, current: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl BlobSource for BeaconNodes {
    async fn blobs(&self, timestamp: u64, hashes: &[B256]) -> Result<Vec<Bytes>, ProviderError> {
        let first = self.current.load(Ordering::Relaxed);
        let mut failure = ProviderError::Unavailable("no beacon node is configured".into());
        for offset in 0..self.nodes.len() {
            let index = (first + offset) % self.nodes.len();
            match self.nodes[index].blobs(timestamp, hashes).await {
                Ok(blobs) => {
                    if self.current.swap(index, Ordering::Relaxed) != index {
                        tracing::info!(node = index, "reading blobs from another beacon node");
                    }
                    return Ok(blobs);
                }
                Err(error) => {
                    tracing::debug!(node = index, %error, "beacon node failed");
                    failure = error;
                }
            }
        }
        Err(failure)
    }
}

impl Node {
    async fn blobs(&self, timestamp: u64, hashes: &[B256]) -> Result<Vec<Bytes>, ProviderError> {
        let slot = self.clock().await?.slot(timestamp)?;
        let distinct = BTreeSet::from_iter(hashes);
        let query = distinct.iter().enumerate();
        let query: String = query
            .map(|(index, hash)| format!("{}versioned_hashes={hash}", if index == 0 { '?' } else { '&' }))
            .collect();
        let limit = MAX_ENVELOPE_BYTES + hashes.len() * (2 * BLOB_BYTES + 16);
        let found = async { self.get(&format!("eth/v1/beacon/blobs/{slot}{query}"), limit).await };
        // One blob is checked as fast without.
        let said = async { Ok(if distinct.len() > 1 { self.commitments(slot).await } else { Vec::new() }) };
        let (found, said): (Vec<Bytes>, _) = futures::try_join!(found, said)?;
        let hashes = hashes.to_vec();
        // Some 50 ms of arithmetic, or as much for each blob.
        let matched = background(move || matched(&hashes, found, said)).await;
        matched.ok_or_else(|| ProviderError::Unavailable("blobs could not be checked".into()))?
    }

    /// What the node says that the block's blobs commit to, in the block's order; nothing if it doesn't say. Blinded
    /// blocks tell it without the block's transactions.
    async fn commitments(&self, slot: u64) -> Vec<Bytes48> {
        match self.get::<SignedBlock>(&format!("eth/v1/beacon/blinded_blocks/{slot}"), MAX_BLOCK_BYTES).await {
            Ok(block) => block.message.body.blob_kzg_commitments,
            Err(error) => {
                tracing::debug!(slot, %error, "beacon node does not tell a block's commitments");
                Vec::new()
            }
        }
    }

    async fn clock(&self) -> Result<SlotClock, ProviderError> {
        if let Some(clock) = *self.clock.lock() {
            return Ok(clock);
        }
        let (genesis, spec): (Genesis, Spec) = futures::try_join!(
            self.get("eth/v1/beacon/genesis", MAX_ENVELOPE_BYTES),
            self.get("eth/v1/config/spec", MAX_ENVELOPE_BYTES)
        )?;
        let clock = SlotClock { genesis_time: genesis.genesis_time, seconds_per_slot: spec.seconds_per_slot };
        *self.clock.lock() = Some(clock);
        Ok(clock)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, limit: usize) -> Result<T, ProviderError> {
        let answer: Answer<T> = self.http.get(path, limit).await?;
        Ok(answer.data)
    }
}

impl SlotClock {
    fn slot(&self, timestamp: u64) -> Result<u64, ProviderError> {
        let slot = timestamp.checked_sub(self.genesis_time).and_then(|time| time.checked_div(self.seconds_per_slot));
        slot.ok_or_else(|| ProviderError::Inconsistent(format!("beacon chain without a slot at {timestamp}")))
    }
}

/// The blobs in the order of their hashes, whatever their order in the answer.
fn matched(hashes: &[B256], found: Vec<Bytes>, said: Vec<Bytes48>) -> Result<Vec<Bytes>, ProviderError> {
    let known = match known_together(hashes, &found, said) {
        Some(known) => known,
        None => known_one_by_one(hashes, found)?,
    };
    let missing = |hash| ProviderError::Unavailable(format!("blob {hash} is missing"));
    hashes.iter().map(|hash| known.get(hash).cloned().ok_or_else(|| missing(hash))).collect()
}

/// The blobs by their hashes, if they are those of what the node said, in its order.
fn known_together(hashes: &[B256], found: &[Bytes], said: Vec<Bytes48>) -> Option<BTreeMap<B256, Bytes>> {
    let hashed = said.into_iter().map(|commitment| (kzg_to_versioned_hash(commitment.as_slice()), commitment));
    let (of, wanted): (Vec<_>, Vec<_>) = hashed.filter(|(hash, _)| hashes.contains(hash)).unzip();
    (found.len() > 1 && commitments::all_match(found, &wanted)).then(|| of.into_iter().zip(found.to_vec()).collect())
}

/// The blobs by their hashes, each computed. Takes longer, and says that there is a wrong one.
fn known_one_by_one(hashes: &[B256], found: Vec<Bytes>) -> Result<BTreeMap<B256, Bytes>, ProviderError> {
    let mut known: BTreeMap<B256, Bytes> = BTreeMap::new();
    for blob in found {
        // A block may hold a blob twice.
        if known.values().any(|other| *other == blob) {
            continue;
        }
        let hash = kzg::versioned_hash(&blob).filter(|hash| hashes.contains(hash));
        let hash = hash.ok_or_else(|| ProviderError::Inconsistent("a blob that does not match its hash".into()))?;
        known.insert(hash, blob);
    }
    Ok(known)
}

/// A number as the beacon API writes it: a decimal string.
fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rota_batch::encode_blob;

    /// A versioned hash, the blob, and its commitment.
    fn blob(data: &[u8]) -> (B256, Bytes, Bytes48) {
        let blob = encode_blob(data).expect("it fits");
        let commitment = kzg::commitment(&blob).expect("a blob");
        (kzg_to_versioned_hash(commitment.as_slice()), blob.into(), commitment)
    }

    #[test]
    fn blobs_are_put_into_the_order_of_their_hashes() {
        let ((one, first, c1), (two, second, c2)) = (blob(b"one"), blob(b"two"));
        let found = || vec![second.clone(), first.clone()];
        let expected = Ok(vec![first.clone(), second.clone(), first.clone()]);
        // In the block's order, in another, one less, one that nobody asked for, none.
        for said in [vec![c2, c1], vec![c1, c2], vec![c2], vec![blob(b"other").2, c2, c1], vec![]] {
            assert_eq!(matched(&[one, two, one], found(), said.clone()), expected, "{said:?}");
        }
    }

    #[test]
    fn a_missing_blob_is_unavailable_and_a_wrong_one_a_lie() {
        let ((one, first, c1), (two, second, c2), (_, other, c3)) = (blob(b"one"), blob(b"two"), blob(b"other"));
        let short = Bytes::from_static(b"short");
        for said in [vec![c1, c2], vec![c1, c3], vec![c1, c1], vec![c1], vec![]] {
            let matched = |hashes: &[B256], found: &[&Bytes]| {
                matched(hashes, found.iter().copied().cloned().collect(), said.clone())
            };
            assert!(matches!(matched(&[one, two], &[&first]), Err(ProviderError::Unavailable(_))));
            assert!(matches!(matched(&[one, two], &[&first, &first]), Err(ProviderError::Unavailable(_))));
            assert!(matches!(matched(&[one, two], &[&first, &other]), Err(ProviderError::Inconsistent(_))));
            assert!(matches!(matched(&[one, two], &[&first, &second, &other]), Err(ProviderError::Inconsistent(_))));
            assert!(matches!(matched(&[one, two], &[&first, &short]), Err(ProviderError::Inconsistent(_))));
            assert!(matches!(matched(&[one], &[&short]), Err(ProviderError::Inconsistent(_))));
        }
    }

    #[test]
    fn several_blobs_are_checked_together_where_the_block_tells_their_commitments() {
        let ((one, first, c1), (two, second, c2), (_, other, c3)) = (blob(b"one"), blob(b"two"), blob(b"other"));
        let together = |found: &[&Bytes], said| {
            known_together(&[two, one], &found.iter().copied().cloned().collect::<Vec<_>>(), said)
        };
        let known = Some(BTreeMap::from([(one, first.clone()), (two, second.clone())]));
        assert_eq!(together(&[&first, &second], vec![c3, c1, c2]), known, "another's blob is in the block");
        assert_eq!(together(&[&first, &second, &first], vec![c1, c2, c1]), known, "one is there twice");
        assert_eq!(together(&[&first, &second], vec![c2, c1]), None, "not the block's order");
        assert_eq!(together(&[&first, &other], vec![c1, c3]), None, "not asked for");
        assert_eq!(together(&[&first, &other], vec![c1, c2]), None, "a lie");
        assert_eq!(together(&[&first, &second], vec![]), None);
        assert_eq!(together(&[], vec![]), None);
        assert_eq!(together(&[&first], vec![c1]), None, "nothing to save");
    }

    #[test]
    fn slots_are_counted_from_genesis() {
        let clock = SlotClock { genesis_time: 1_000, seconds_per_slot: 12 };
        assert_eq!(clock.slot(1_000), Ok(0));
        assert_eq!(clock.slot(1_023), Ok(1));
        assert!(clock.slot(999).is_err());
        assert!(SlotClock { seconds_per_slot: 0, ..clock }.slot(2_000).is_err());
    }
}
