//! How long finality takes on a map, beside what light allows there.

use crate::{
    Map, Scenario, World,
    chance::Chance,
    map::Floor,
    scenario::attempt,
    trace::{self, Buffer, Line, Named, Trace, What},
};
use alloy_primitives::B256;
use rota_consensus::simulated::SyncTime;
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
    /// Transfers per second, one after the other.
    pub rate: u32,
    /// Flashblocks in one block of a second.
    pub flashblocks_per_block: u16,
    /// How long a sync of every disk takes.
    pub sync_time: SyncTime,
}

/// Milliseconds from the leader's proposal to an operator, over all proposals and operators, sorted.
#[derive(Debug, Clone, Default)]
pub struct Finality {
    /// Until it has 2f+1 notarize votes.
    pub notarized: Vec<f64>,
    /// Until it has 2f+1 finalize votes.
    pub finalized: Vec<f64>,
    /// The same, less what light takes from that leader to that operator.
    pub above: Vec<f64>,
    /// Until the flashblock is certified and durable there.
    pub certified: Vec<f64>,
}

impl Finality {
    /// Adds that a leader's proposal was finalized at an observer so many milliseconds later.
    pub fn finalized(&mut self, floors: &[Vec<Floor>], leader: usize, observer: usize, ms: f64) {
        self.finalized.push(ms);
        self.above.push(ms - floors[leader][observer].finalized.as_secs_f64() * 1_000.0);
    }

    /// The same with its samples in order.
    pub fn sorted(mut self) -> Self {
        for samples in [&mut self.notarized, &mut self.finalized, &mut self.above, &mut self.certified] {
            samples.sort_by(f64::total_cmp);
        }
        self
    }
}

impl Run {
    fn scenario(&self, buffer: &Buffer) -> Scenario {
        Scenario {
            flashblocks_per_block: self.flashblocks_per_block,
            sync_time: self.sync_time,
            trace: Trace::to(buffer.clone()),
            ..Scenario::on(&self.map, self.seed)
        }
    }
}

/// Runs a healthy chain on a map; why it failed, if it did.
pub fn measure(run: &Run) -> Result<Finality, String> {
    let buffer = Buffer::default();
    attempt(|| {
        run.scenario(&buffer).run(async |world| {
            begin(world, &buffer).await;
            let mut wallet = world.wallet(0);
            world.transfers(&mut wallet, Duration::from_secs(1) / run.rate, run.lasts).await;
        })
    })?;
    Ok(read(&buffer.take(), &run.map))
}

/// Milliseconds from a wallet's submission to the operator beside it, over all transactions, sorted.
#[derive(Debug, Clone, Default)]
pub struct Waits {
    /// Until the leader's flashblock with the transaction is proposed.
    pub proposed: Vec<f64>,
    /// Until that operator has certified it, durably.
    pub certified: Vec<f64>,
}

/// Sends transactions, each from beside another operator, and measures how long they take; why it failed, if it did.
pub fn wallet(run: &Run) -> Result<Waits, String> {
    let buffer = Buffer::default();
    let mut sent: BTreeMap<B256, (usize, u64)> = BTreeMap::new();
    attempt(|| {
        run.scenario(&buffer).run(async |world| {
            begin(world, &buffer).await;
            let (mut wallet, mut chance) = (world.wallet(0), Chance::new(run.seed, 0));
            let end = world.now() + run.lasts;
            for operator in world.operators().cycle() {
                if world.now() >= end {
                    break;
                }
                let (hash, raw) = wallet.transfer(wallet.address());
                sent.insert(hash, (operator, world.elapsed().as_micros() as u64));
                world.submit(operator, raw).await.expect("the transfer is admitted");
                // Anywhere in a flashblock.
                world.sleep(Duration::from_micros(chance.within(0..=2_000_000 / u64::from(run.rate)))).await;
            }
        })
    })?;
    let trace = buffer.take();
    let (mut heights, mut proposed, mut certified) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for Line { at_us, operator, what } in trace::read(BufReader::new(&trace[..])).map_while(Result::ok) {
        match (operator, what) {
            (_, What::Included { hash, height }) => drop(heights.insert(hash, height)),
            (_, What::Proposed(Named { height: Some(height), .. })) => drop(proposed.insert(height, at_us)),
            (Some(operator), What::Certified { height, .. }) => drop(certified.insert((operator, height), at_us)),
            _ => {}
        }
    }
    let mut waits = Waits::default();
    for (hash, (operator, start)) in &sent {
        let Some(height) = heights.get(hash) else { continue };
        let since = |end: &u64| end.saturating_sub(*start) as f64 / 1_000.0;
        waits.proposed.extend(proposed.get(height).map(since));
        waits.certified.extend(certified.get(&(*operator, *height)).map(since));
    }
    waits.proposed.sort_by(f64::total_cmp);
    waits.certified.sort_by(f64::total_cmp);
    Ok(waits)
}

/// Starts everybody. What happens until they agree is no measurement.
async fn begin(world: &mut World, buffer: &Buffer) {
    world.start_all().await;
    world.all_reach(20, Duration::from_secs(60)).await;
    buffer.take();
}

fn read(trace: &[u8], map: &Map) -> Finality {
    let floors = map.floors();
    // By epoch and view, its leader and when it proposed.
    let mut proposed: BTreeMap<(u64, u64), (usize, u64)> = BTreeMap::new();
    let mut finality = Finality::default();
    for Line { at_us, operator, what } in trace::read(BufReader::new(trace)).map_while(Result::ok) {
        let Some(operator) = operator else { continue };
        let since = |epoch, view| {
            let (leader, start) = *proposed.get(&(epoch, view))?;
            Some((leader, at_us.saturating_sub(start) as f64 / 1_000.0))
        };
        match &what {
            What::Proposed(named) => drop(proposed.insert((named.epoch, named.view), (operator, at_us))),
            What::Notarized(named) => finality.notarized.extend(since(named.epoch, named.view).map(|(_, ms)| ms)),
            What::Finalized(named) => {
                if let Some((leader, ms)) = since(named.epoch, named.view) {
                    finality.finalized(&floors, leader, operator, ms);
                }
            }
            What::Certified { epoch, view, .. } => finality.certified.extend(since(*epoch, *view).map(|(_, ms)| ms)),
            _ => {}
        }
    }
    finality.sorted()
}
