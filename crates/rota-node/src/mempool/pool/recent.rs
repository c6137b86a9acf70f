//! A bounded memory of transactions that are no longer in the pool: when it is full, the oldest are forgotten.

use alloy_primitives::{B256, map::HashMap};
use std::collections::VecDeque;

/// What is remembered of transactions, by hash.
#[derive(Debug)]
pub(super) struct Recent<T> {
    limit: usize,
    /// Never iterated.
    known: HashMap<B256, T>,
    order: VecDeque<B256>,
}

impl<T> Recent<T> {
    /// Remembers up to `limit` transactions.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, known: HashMap::default(), order: VecDeque::new() }
    }

    pub(super) fn remember(&mut self, hash: B256, what: T) {
        if self.known.insert(hash, what).is_none() {
            self.order.push_back(hash);
        }
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(super) fn get(&self, hash: &B256) -> Option<&T> {
        self.known.get(hash)
    }

    pub(super) fn contains(&self, hash: &B256) -> bool {
        self.known.contains_key(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut recent = Recent::new(2);
        let [a, b, c] = [1, 2, 3].map(B256::repeat_byte);
        recent.remember(a, 1);
        recent.remember(b, 2);
        recent.remember(a, 3);
        assert_eq!((recent.get(&a), recent.get(&b)), (Some(&3), Some(&2)));
        recent.remember(c, 4);
        assert!(!recent.contains(&a) && recent.contains(&b) && recent.contains(&c));
    }
}
