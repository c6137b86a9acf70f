//! What a healthy chain costs each operator: processor, network, disk.

use crate::{Map, Scenario, World, scenario::attempt};
use commonware_runtime::Metrics as _;
use std::{ops::Sub, time::Duration};

/// What is measured.
#[derive(Debug, Clone)]
pub struct Run {
    /// Where operators are.
    pub map: Map,
    /// Decides jitter, disk delays and the rest.
    pub seed: u64,
    /// Simulated time.
    pub lasts: Duration,
    /// Transfers per second; may be none.
    pub rate: u32,
}

/// What all operators together have used, sent, written and kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Costs {
    /// Simulated time, seconds.
    pub seconds: f64,
    /// Processor time as it is modelled, seconds.
    pub cpu: f64,
    /// Messages, by receiver.
    pub messages: f64,
    /// Bytes of these messages.
    pub bytes: f64,
    /// Bytes written to ledgers' stores and to consensus' journals.
    pub written: f64,
    /// Bytes of history in ledgers' stores: flashblocks, certificates, blocks, receipts and indexes, not compressed.
    pub history: f64,
    /// Certified heights, once.
    pub heights: f64,
    /// Transfers that were sent.
    pub transfers: f64,
}

impl Sub for Costs {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            seconds: self.seconds - before.seconds,
            cpu: self.cpu - before.cpu,
            messages: self.messages - before.messages,
            bytes: self.bytes - before.bytes,
            written: self.written - before.written,
            history: self.history - before.history,
            heights: self.heights - before.heights,
            transfers: self.transfers - before.transfers,
        }
    }
}

/// Runs a healthy chain; why it failed, if it did.
pub fn measure(run: &Run) -> Result<Costs, String> {
    let mut costs = Costs::default();
    attempt(|| {
        Scenario::on(&run.map, run.seed).run(async |world| {
            let traffic = world.count_traffic();
            world.start_all().await;
            world.all_reach(5, Duration::from_secs(60)).await;
            let (mut wallet, before) = (world.wallet(0), so_far(world, &traffic));
            match run.rate {
                0 => world.sleep(run.lasts).await,
                rate => world.transfers(&mut wallet, Duration::from_secs(1) / rate, run.lasts).await,
            }
            let after = so_far(world, &traffic);
            costs = Costs { transfers: wallet.nonce as f64, ..after - before };
        })
    })?;
    Ok(costs)
}

fn so_far(world: &World, traffic: &crate::traffic::Traffic) -> Costs {
    let cpu: Duration = world.members().map(|operator| world.host(operator).used()).sum();
    Costs {
        seconds: world.elapsed().as_secs_f64(),
        cpu: cpu.as_secs_f64(),
        messages: traffic.messages() as f64,
        bytes: traffic.bytes() as f64,
        written: (traffic.written() + journaled(world)) as f64,
        history: world.members().map(|operator| world.history_bytes(operator)).sum::<u64>() as f64,
        heights: world.invariants.height() as f64,
        transfers: 0.0,
    }
}

/// Bytes that consensus has written, on all disks.
fn journaled(world: &World) -> u64 {
    let metrics = world.context.encode();
    let written = metrics.lines().find_map(|line| line.strip_prefix("runtime_storage_write_bytes_total "));
    written.and_then(|bytes| bytes.parse().ok()).expect("the runtime counts what is written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_cost_more_than_nothing() {
        let map = Map::named("europe", 4).expect("a map");
        let run =
            |rate| measure(&Run { map: map.clone(), seed: 1, lasts: Duration::from_secs(5), rate }).expect("holds");
        let (idle, loaded) = (run(0), run(20));
        assert!(idle.heights >= 20.0 && loaded.transfers >= 60.0, "{idle:?} {loaded:?}");
        let costs: [fn(&Costs) -> f64; 4] = [|c| c.cpu, |c| c.bytes, |c| c.written, |c| c.history];
        for cost in costs {
            assert!(cost(&idle) > 0.0 && cost(&loaded) > cost(&idle), "{idle:?} {loaded:?}");
        }
    }
}
