//! Blobs from beacon nodes that are not trusted: every blob is checked against its versioned hash.

use crate::{
    blobs::BlobSource,
    kzg,
    provider::ProviderError,
    rpc::{HttpClient, RpcError},
};
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
        let query: String = BTreeSet::from_iter(hashes)
            .into_iter()
            .enumerate()
            .map(|(index, hash)| format!("{}versioned_hashes={hash}", if index == 0 { '?' } else { '&' }))
            .collect();
        let limit = MAX_ENVELOPE_BYTES + hashes.len() * (2 * BLOB_BYTES + 16);
        let found: Vec<Bytes> = self.get(&format!("eth/v1/beacon/blobs/{slot}{query}"), limit).await?;
        let hashes = hashes.to_vec();
        // Some 10 ms of arithmetic for each blob.
        let matched = tokio::task::spawn_blocking(move || matched(&hashes, found)).await;
        matched.map_err(|error| ProviderError::Unavailable(format!("checking blobs: {error}")))?
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
fn matched(hashes: &[B256], found: Vec<Bytes>) -> Result<Vec<Bytes>, ProviderError> {
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
    let missing = |hash| ProviderError::Unavailable(format!("blob {hash} is missing"));
    hashes.iter().map(|hash| known.get(hash).cloned().ok_or_else(|| missing(hash))).collect()
}

/// A number as the beacon API writes it: a decimal string.
fn decimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rota_batch::encode_blob;

    fn blob(data: &[u8]) -> (B256, Bytes) {
        let blob = encode_blob(data).expect("it fits");
        (kzg::versioned_hash(&blob).expect("a blob"), blob.into())
    }

    #[test]
    fn blobs_are_put_into_the_order_of_their_hashes() {
        let ((one, first), (two, second)) = (blob(b"one"), blob(b"two"));
        let found = vec![second.clone(), first.clone()];
        assert_eq!(matched(&[one, two, one], found), Ok(vec![first.clone(), second, first]));
    }

    #[test]
    fn a_missing_blob_is_unavailable_and_a_wrong_one_a_lie() {
        let ((one, first), (two, _), (_, other)) = (blob(b"one"), blob(b"two"), blob(b"other"));
        assert!(matches!(matched(&[one, two], vec![first.clone()]), Err(ProviderError::Unavailable(_))));
        assert!(matches!(matched(&[one, two], vec![first, other]), Err(ProviderError::Inconsistent(_))));
        assert!(matches!(matched(&[one], vec![Bytes::from_static(b"short")]), Err(ProviderError::Inconsistent(_))));
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
