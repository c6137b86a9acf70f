//! How long finality takes on a map, beside what light allows there.

use crate::{
    Map, Scenario,
    scenario::attempt,
    trace::{self, Buffer, Trace, What},
};
use rota_consensus::simulated::Signing;
use std::{collections::BTreeMap, io::BufReader, time::Duration};

/// How one map is measured.
#[derive(Debug, Clone)]
pub struct Run {
    /// The map.
    pub map: Map,
    /// Decides jitter, disk delays and the rest.
    pub seed: u64,
    /// Simulated time under load.
    pub lasts: Duration,
    /// Transfers per second.
    pub rate: u32,
}

/// Milliseconds from the leader's proposal to an operator, over all proposals and operators, sorted.
#[derive(Debug, Clone, Default)]
pub struct Finality {
    /// Until it has 2f+1 notarize votes.
    pub notarized: Vec<f64>,
    /// Until it has 2f+1 finalize votes.
    pub finalized: Vec<f64>,
    /// Until the flashblock is certified and durable there.
    pub certified: Vec<f64>,
}

/// Runs a healthy chain on a map; why it failed, if it did.
pub fn measure(run: &Run) -> Result<Finality, String> {
    let buffer = Buffer::default();
    let scenario = Scenario {
        operators: run.map.operators(),
        map: Some(run.map.clone()),
        jitter: Duration::from_micros(500),
        signing: Signing::Fast,
        trace: Trace::to(buffer.clone()),
        ..Scenario::seeded(run.seed)
    };
    attempt(|| {
        scenario.run(async |world| {
            world.start_all().await;
            world.all_reach(20, Duration::from_secs(60)).await;
            // What happened so far is no measurement.
            buffer.take();
            let mut wallet = world.wallet(0);
            world.transfers(&mut wallet, Duration::from_secs(1) / run.rate, run.lasts).await;
        })
    })?;
    Ok(read(&buffer.take()))
}

fn read(trace: &[u8]) -> Finality {
    let mut proposed: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    let mut finality = Finality::default();
    for line in trace::read(BufReader::new(trace)).map_while(Result::ok) {
        let since = |epoch, view| {
            let start = *proposed.get(&(epoch, view))?;
            Some((line.at_us.saturating_sub(start)) as f64 / 1_000.0)
        };
        match &line.what {
            What::Proposed(named) => drop(proposed.insert((named.epoch, named.view), line.at_us)),
            What::Notarized(named) => finality.notarized.extend(since(named.epoch, named.view)),
            What::Finalized(named) => finality.finalized.extend(since(named.epoch, named.view)),
            What::Certified { epoch, view, .. } => finality.certified.extend(since(*epoch, *view)),
            _ => {}
        }
    }
    for samples in [&mut finality.notarized, &mut finality.finalized, &mut finality.certified] {
        samples.sort_by(f64::total_cmp);
    }
    finality
}
