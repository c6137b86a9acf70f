//! Several L1 endpoints as one: the best one is asked first, the others when it fails.

use crate::{
    block::L1Block,
    provider::{InboxTransaction, L1Provider, ProviderError},
};
use alloy_primitives::B256;
use async_trait::async_trait;
use futures::future::{BoxFuture, join_all};
use rota_types::{BlockId, RegistryEvent};
use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// An endpoint may be this many blocks behind the best one before another is preferred.
const MAX_LAG: u64 = 2;

/// Several endpoints, at least one.
#[derive(Debug)]
pub struct L1Endpoints {
    endpoints: Vec<Endpoint>,
    /// Index of the endpoint that is asked first.
    current: AtomicUsize,
}

#[derive(Debug)]
struct Endpoint {
    provider: Arc<dyn L1Provider>,
    errors: AtomicU64,
}

impl L1Endpoints {
    /// Asks the first endpoint until it fails or lags. `None` if there is none.
    pub fn new(providers: Vec<Arc<dyn L1Provider>>) -> Option<Self> {
        let endpoints: Vec<_> =
            providers.into_iter().map(|provider| Endpoint { provider, errors: AtomicU64::new(0) }).collect();
        (!endpoints.is_empty()).then(|| Self { endpoints, current: AtomicUsize::new(0) })
    }

    /// Errors of each endpoint, in the order given.
    pub fn errors(&self) -> Vec<u64> {
        self.endpoints.iter().map(|endpoint| endpoint.errors.load(Ordering::Relaxed)).collect()
    }

    /// Asks one endpoint after the other, the current one first, until one has an answer. An endpoint that doesn't know
    /// (yet) is no error, but another may know.
    async fn ask<'a, T: 'a>(
        &'a self,
        call: impl Fn(&'a dyn L1Provider) -> BoxFuture<'a, Result<Option<T>, ProviderError>>,
    ) -> Result<Option<T>, ProviderError> {
        let first = self.current.load(Ordering::Relaxed);
        let mut failure = None;
        let mut answered = false;
        for offset in 0..self.endpoints.len() {
            let index = (first + offset) % self.endpoints.len();
            let endpoint = &self.endpoints[index];
            match call(&*endpoint.provider).await {
                Ok(Some(answer)) => {
                    // Only errors make another endpoint the first one, not a block that it happens to know already.
                    if failure.is_some() {
                        self.prefer(index);
                    }
                    return Ok(Some(answer));
                }
                Ok(None) => answered = true,
                Err(error) => {
                    endpoint.failed(index, &error);
                    failure = Some(error);
                }
            }
        }
        match failure {
            Some(error) if !answered => Err(error),
            _ => Ok(None),
        }
    }

    /// Asks every endpoint at once: the answers with the endpoints' indices, and one of the errors.
    async fn all<'a, T: 'a>(
        &'a self,
        call: impl Fn(&'a dyn L1Provider) -> BoxFuture<'a, Result<T, ProviderError>>,
    ) -> (Vec<(usize, T)>, Option<ProviderError>) {
        let answers = join_all(self.endpoints.iter().map(|endpoint| call(&*endpoint.provider))).await;
        let (mut known, mut failure) = (Vec::new(), None);
        for (index, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(answer) => known.push((index, answer)),
                Err(error) => {
                    self.endpoints[index].failed(index, &error);
                    failure = Some(error);
                }
            }
        }
        (known, failure)
    }

    fn prefer(&self, index: usize) {
        if self.current.swap(index, Ordering::Relaxed) != index {
            tracing::info!(endpoint = index, "reading L1 from another endpoint");
        }
    }
}

impl Endpoint {
    fn failed(&self, index: usize, error: &ProviderError) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(endpoint = index, %error, "L1 endpoint failed");
    }
}

#[async_trait]
impl L1Provider for L1Endpoints {
    /// The head of the current endpoint, or of the best one if the current one fails or lags.
    async fn head(&self) -> Result<BlockId, ProviderError> {
        let (known, failure) = self.all(|provider| provider.head()).await;
        let best = known.iter().max_by_key(|(index, head)| (head.number, std::cmp::Reverse(*index))).copied();
        let Some((best_index, best)) = best else {
            return Err(failure.unwrap_or_else(|| ProviderError::Unavailable("no L1 endpoint".into())));
        };
        let current = self.current.load(Ordering::Relaxed);
        match known.into_iter().find(|(index, _)| *index == current) {
            Some((_, head)) if head.number.saturating_add(MAX_LAG) >= best.number => Ok(head),
            _ => {
                self.prefer(best_index);
                Ok(best)
            }
        }
    }

    /// The newest number that more than half of the endpoints have finalized, with the block that the first of those
    /// has there: one endpoint alone moves nobody's finality.
    async fn finalized(&self) -> Result<Option<BlockId>, ProviderError> {
        let (mut known, failure) = self.all(|provider| provider.finalized()).await;
        if known.is_empty()
            && let Some(error) = failure
        {
            return Err(error);
        }
        known.sort_by_key(|(_, block)| std::cmp::Reverse(block.map(|block| block.number)));
        Ok(known.get(self.endpoints.len() / 2).and_then(|(_, block)| *block))
    }

    async fn finalized_at(&self, number: u64) -> Vec<Option<BlockId>> {
        join_all(self.endpoints.iter().map(|endpoint| endpoint.provider.finalized_at(number))).await.concat()
    }

    async fn block_by_number(&self, number: u64) -> Result<Option<Arc<L1Block>>, ProviderError> {
        self.ask(|provider| provider.block_by_number(number)).await
    }

    async fn block_by_hash(&self, hash: B256) -> Result<Option<Arc<L1Block>>, ProviderError> {
        self.ask(|provider| provider.block_by_hash(hash)).await
    }

    /// Endpoints that answer must agree.
    async fn registry_events(&self, from: u64, to: u64) -> Result<Vec<RegistryEvent>, ProviderError> {
        let answers = self.endpoints.iter().map(|endpoint| endpoint.provider.registry_events(from, to));
        let (mut agreed, mut failure) = (None, None);
        for (index, answer) in join_all(answers).await.into_iter().enumerate() {
            match answer {
                Ok(events) if agreed.as_ref().is_some_and(|agreed| *agreed != events) => {
                    let differ = "endpoints tell different things of the registry".into();
                    return Err(ProviderError::Inconsistent(differ));
                }
                Ok(events) => agreed = Some(events),
                Err(error) => {
                    self.endpoints[index].failed(index, &error);
                    failure = Some(error);
                }
            }
        }
        let none = || failure.unwrap_or_else(|| ProviderError::Unavailable("no L1 endpoint".into()));
        agreed.ok_or_else(none)
    }

    async fn inbox(&self, hash: B256) -> Result<Option<Vec<InboxTransaction>>, ProviderError> {
        self.ask(|provider| provider.inbox(hash)).await
    }
}
