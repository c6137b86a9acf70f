//! Links of a world's network, and what disturbs them.

use super::World;
use crate::{Scenario, faults::Injected};
use rota_consensus::simulated::Link;
use std::collections::BTreeMap;

/// What becomes of the link from one operator to another; `None`: it is cut.
type Change = Box<dyn Fn(usize, usize, Link) -> Option<Link>>;

/// Something that disturbs links.
pub(crate) struct Disturbance(Change);

impl Disturbance {
    /// Changes every link so.
    pub(crate) fn new(change: impl Fn(usize, usize, Link) -> Option<Link> + 'static) -> Self {
        Self(Box::new(change))
    }
}

/// The links as they are, and what disturbs them.
#[derive(Default)]
pub(super) struct Links {
    /// By the order in which they began.
    disturbances: BTreeMap<u64, Disturbance>,
    begun: u64,
    /// By from and to; a cut link is missing.
    applied: BTreeMap<(usize, usize), Link>,
}

impl World {
    /// A link as it is when nothing is wrong.
    fn link(&self, from: usize, to: usize) -> Link {
        let Scenario { map, latency, jitter, loss_ppm, .. } = &self.scenario;
        let latency = map.as_ref().map_or(*latency, |map| map.delay(from, to));
        Link { latency, jitter: *jitter, loss_ppm: *loss_ppm }
    }

    /// Disturbs links until that is healed.
    pub(crate) async fn disturb(&mut self, disturbance: Disturbance) -> Injected {
        let id = self.disturb_for_good(disturbance).await;
        Injected {
            heal: Box::new(move |world| {
                Box::pin(async move {
                    world.links.disturbances.remove(&id);
                    world.relink().await;
                })
            }),
            took_effect: Box::new(|_| true),
        }
    }

    async fn disturb_for_good(&mut self, disturbance: Disturbance) -> u64 {
        self.links.begun += 1;
        self.links.disturbances.insert(self.links.begun, disturbance);
        self.relink().await;
        self.links.begun
    }

    /// Makes every link what it should be now.
    pub(super) async fn relink(&mut self) {
        let everybody = self.operators();
        for (from, to) in everybody.clone().flat_map(|from| everybody.clone().map(move |to| (from, to))) {
            if from == to {
                continue;
            }
            let disturbed = self
                .links
                .disturbances
                .values()
                .try_fold(self.link(from, to), |link, disturbance| disturbance.0(from, to, link));
            if self.links.applied.get(&(from, to)).copied() == disturbed {
                continue;
            }
            let (sender, receiver) = (self.identity(from), self.identity(to));
            match disturbed {
                Some(link) => {
                    self.network.link(sender, receiver, link).await;
                    self.links.applied.insert((from, to), link);
                }
                None => {
                    self.network.unlink(sender, receiver).await;
                    self.links.applied.remove(&(from, to));
                }
            }
        }
    }

    /// Connects everybody with everybody.
    pub async fn mend(&mut self) {
        self.act(None, "everybody is connected with everybody");
        self.links.disturbances.clear();
        self.relink().await;
    }

    /// Cuts the operators into groups that can't reach each other; those in no group reach nobody.
    pub async fn partition(&mut self, groups: &[&[usize]]) {
        self.act(None, format_args!("only these reach each other: {groups:?}"));
        let groups: Vec<Vec<usize>> = groups.iter().map(|group| group.to_vec()).collect();
        let together = move |from, to| groups.iter().any(|group| group.contains(&from) && group.contains(&to));
        self.disturb_for_good(Disturbance::new(move |from, to, link| together(from, to).then_some(link))).await;
    }

    /// Cuts one direction: `to` hears nothing more of `from`.
    pub async fn cut(&mut self, from: usize, to: usize) {
        self.act(to, format_args!("hears nothing of operator {from}"));
        self.disturb_for_good(Disturbance::new(move |f, t, link| ((f, t) != (from, to)).then_some(link))).await;
    }

    /// An operator's line carries so many bytes a second both ways; `None`: any number.
    pub async fn limit_bandwidth(&self, operator: usize, bytes_per_second: Option<usize>) {
        let line = bytes_per_second.map_or_else(|| "any number of".into(), |bytes| bytes.to_string());
        self.act(operator, format_args!("its line carries {line} bytes a second"));
        self.network.limit_bandwidth(self.identity(operator), bytes_per_second, bytes_per_second).await;
    }
}
