//! Two nodes with one operator's keys: a machine that was cloned, or a second one that somebody meant well with.

use super::{Disk, World, host};
use commonware_runtime::{Handle, Spawner as _, Supervisor as _};
use rota_consensus::simulated::Host;
use rota_node::{Node, Setup};
use std::{collections::BTreeSet, time::Duration};

/// The second node of an operator.
pub(super) struct Twin {
    host: Host,
    task: Handle<()>,
}

impl World {
    /// Kills an operator, clones its machine, and starts both. Each reaches, and hears, one half of the others: nobody
    /// sees what one says beside what the other says.
    pub async fn clone_operator(&mut self, operator: usize) {
        self.kill(operator);
        // Until the dead process has let go of its files.
        self.sleep(Duration::from_millis(10)).await;
        self.act(operator, "is cloned: each clone reaches one half of the others");
        self.invariants.distrust(operator);
        let place = &self.operators[operator];
        let prefix = format!("{}-twin-{}", place.disk.prefix, place.starts);
        let copied = place.host.disk().copy(&self.context, &place.disk.prefix, &prefix).await;
        copied.expect("nobody uses either disk");
        let (twin_disk, twin_host) =
            (Disk { store: place.disk.store.fork(), prefix }, host(&self.scenario, operator + 100));

        let half = |odd: bool| -> BTreeSet<_> {
            let others = self.operators().filter(|other| *other != operator);
            others
                .enumerate()
                .filter(|(index, _)| (index % 2 == 1) == odd)
                .map(|(_, other)| self.identity(other))
                .collect()
        };
        let sets = [half(false), half(true)];
        let key = self.chain.keys[operator].identity.clone();
        let places = self.network.twins(&self.context.child("twins"), &key, sets).await;
        let [one, other] = places.expect("the network runs");
        let setup = Setup { storage_prefix: twin_disk.prefix.clone(), interposer: None, ..self.setup(operator, false) };
        let edges = self.edges(operator, other, &twin_disk, &twin_host);
        let context = self.context.child("twin").with_attribute("index", operator);
        let process = twin_host.clone();
        let task = context.spawn(move |context| async move {
            // What becomes of it is nobody's business.
            if let Ok(node) = Node::start(process.boot(context.child("node")), setup, edges).await {
                node.stopped().await;
            }
        });
        self.operators[operator].twin = Some(Twin { host: twin_host, task });
        self.operators[operator].starts += 1;
        drop(self.launch_at(operator, false, one));
    }

    /// Ends the second node of an operator, if it has one.
    pub(super) fn end_twin(&mut self, operator: usize) {
        if let Some(twin) = self.operators[operator].twin.take() {
            twin.host.crash();
            twin.task.abort();
        }
    }
}
