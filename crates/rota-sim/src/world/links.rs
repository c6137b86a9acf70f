//! Links of a world's network.

use super::World;
use rota_consensus::simulated::Link;
use rota_types::Identity;

impl World {
    /// A link as it is when nothing is wrong.
    pub fn link(&self) -> Link {
        Link { latency: self.scenario.latency, jitter: self.scenario.jitter, loss_ppm: 0 }
    }

    pub(super) async fn link_all(&self) {
        self.network.link_all(self.link()).await;
    }

    /// Connects everybody with everybody.
    pub async fn mend(&self) {
        self.act(None, "everybody is connected with everybody");
        self.link_all().await;
    }

    /// Cuts the operators into groups that can't reach each other.
    pub async fn partition(&self, groups: &[&[usize]]) {
        self.act(None, format_args!("only these reach each other: {groups:?}"));
        let groups: Vec<Vec<Identity>> =
            groups.iter().map(|group| group.iter().map(|operator| self.identity(*operator)).collect()).collect();
        self.network.partition(&groups.iter().map(Vec::as_slice).collect::<Vec<_>>()).await;
    }

    /// Cuts one direction: `to` hears nothing more of `from`.
    pub async fn cut(&self, from: usize, to: usize) {
        self.act(to, format_args!("hears nothing of operator {from}"));
        self.network.unlink(self.identity(from), self.identity(to)).await;
    }
}
