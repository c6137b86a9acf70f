//! What each epoch runs on, as far as this node knows it. The node learns it from what is certified; consensus runs on it.

use parking_lot::RwLock;
use rota_types::{ChainSpec, Epoch, Identity};
use std::{collections::BTreeMap, sync::Arc};

/// Epochs that are remembered, counted from the newest: verifying what is older is for those who read the ledger.
const REMEMBERED: usize = 64;

/// The known epochs of a chain. Cheap to clone; all clones know the same.
#[derive(Debug, Clone)]
pub struct Epochs {
    spec: Arc<ChainSpec>,
    known: Arc<RwLock<BTreeMap<u64, Arc<Epoch>>>>,
}

impl Epochs {
    /// Knows the first two epochs of a chain with a registry, every epoch of one without.
    pub fn new(spec: Arc<ChainSpec>) -> Self {
        let known = [0, 1].map(|number| (number, Arc::new(Epoch::genesis(&spec, number))));
        Self { spec, known: Arc::new(RwLock::new(known.into())) }
    }

    /// An epoch; `None` if it is not known yet, or not any more.
    pub fn get(&self, number: u64) -> Option<Arc<Epoch>> {
        let known = self.known.read().get(&number).cloned();
        match known {
            None if self.spec.registry.is_none() => {
                let epoch = Arc::new(Epoch::genesis(&self.spec, number));
                self.learn(epoch.clone());
                Some(epoch)
            }
            known => known,
        }
    }

    /// The newest epoch that was learnt.
    pub fn newest(&self) -> u64 {
        self.known.read().keys().next_back().copied().unwrap_or_default()
    }

    /// Whether somebody is a member of one of the newest epochs: the running one is among them.
    pub fn is_operator(&self, identity: &Identity) -> bool {
        let known = self.known.read();
        known.values().rev().take(4).any(|epoch| epoch.committee().find(identity).is_some())
    }

    /// Remembers an epoch.
    pub fn learn(&self, epoch: Arc<Epoch>) {
        let mut known = self.known.write();
        known.insert(epoch.number(), epoch);
        while known.len() > REMEMBERED {
            known.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::world::spec;
    use alloy_primitives::Address;
    use rota_types::{ChainSpec, RegistrySpec, Strategy};

    #[test]
    fn without_a_registry_every_epoch_is_known() {
        let epochs = Epochs::new(spec(60, 10));
        for number in [0, 1, 2, 1_000_000] {
            assert_eq!(epochs.get(number).expect("known").number(), number);
        }
    }

    #[test]
    fn with_a_registry_epochs_are_learnt_and_old_ones_forgotten() {
        let spec = Arc::new(ChainSpec {
            registry: Some(RegistrySpec { address: Address::ZERO, since: 0 }),
            ..(*spec(60, 10)).clone()
        });
        let epochs = Epochs::new(spec.clone());
        assert!(epochs.get(1).is_some() && epochs.get(2).is_none());
        let committee = spec.committee.clone();
        for number in 2..100 {
            let epoch = Epoch::new(&spec, number, committee.clone(), Strategy::Weighted, Default::default());
            epochs.learn(Arc::new(epoch.expect("well-formed")));
        }
        assert!(epochs.get(99).is_some() && epochs.get(36).is_some() && epochs.get(35).is_none());
    }
}
