//! What an operator needs by the number of operators, and by the chain's age: in the simulator.

use super::super::{processes::megabytes, report::Figure};
use eyre::{ContextCompat as _, eyre};
use rota_sim::{
    Map,
    costs::{self, Costs, Run},
    threads::on_all_cores,
};
use std::time::Duration;

/// Operators, and simulated seconds: many take long.
pub(super) const CASES: [(usize, u64); 6] = [(4, 20), (7, 20), (10, 15), (20, 10), (34, 6), (50, 5)];
/// Transfers per second.
const RATE: u32 = 10;
const MAP: &str = "world";
/// Flashblocks in a day.
const FLASHBLOCKS: f64 = 5.0 * 86_400.0;
/// Transfers per second of a day under load.
const LOAD: f64 = 100.0;
/// Those with which their share is measured, and for how long.
const MEASURED: (u32, Duration) = (50, Duration::from_secs(20));

fn costs(operators: usize, rate: u32, lasts: Duration) -> eyre::Result<Costs> {
    let map = Map::named(MAP, operators).wrap_err("no such map")?;
    // On a thread that nothing else runs on.
    let mut costs = on_all_cores(vec![Run { map, seed: 1, lasts, rate }], |run| costs::measure(&run));
    costs.pop().wrap_err("one run")?.map_err(|why| eyre!("{operators} operators: {why}"))
}

/// Figures of one operator of so many.
pub(super) fn measure(operators: usize) -> eyre::Result<Vec<Figure>> {
    let before = megabytes("self", "VmRSS")?;
    let (_, seconds) = CASES.into_iter().find(|(count, _)| *count == operators).wrap_err("no such case")?;
    let costs = costs(operators, RATE, Duration::from_secs(seconds))?;
    let memory = (megabytes("self", "VmHWM")? - before) / operators as f64;
    let each = |sum: f64| sum / operators as f64 / costs.seconds;
    let named = |what: &str| format!("{operators} operators: {what}");
    Ok(vec![
        Figure::new(named("CPU of one operator"), each(costs.cpu) * 100.0, "%"),
        Figure::new(named("messages sent by one operator"), each(costs.messages), "per s"),
        Figure::new(named("bytes sent by one operator"), each(costs.bytes) / 1e3, "kB/s"),
        Figure::new(named("bytes written by one operator"), each(costs.written) * 3_600.0 / 1e6, "MB/h"),
        Figure::new(named("memory of one simulated operator"), memory, "MB"),
    ])
}

/// What a day of the chain leaves on an operator's disk.
pub(super) fn a_day() -> eyre::Result<Vec<Figure>> {
    let (rate, lasts) = MEASURED;
    let [idle, loaded] = [costs(4, 0, lasts)?, costs(4, rate, lasts)?].map(|costs| (costs, costs.history / 4.0));
    let flashblock = idle.1 / idle.0.heights;
    let transfer = (loaded.1 - flashblock * loaded.0.heights) / loaded.0.transfers;
    let day = |transfers: f64| (flashblock * FLASHBLOCKS + transfer * transfers * 86_400.0) / 1e9;
    Ok(vec![
        Figure::new("history: an empty flashblock", flashblock, "bytes"),
        Figure::new("history: a transfer", transfer, "bytes"),
        Figure::new("history: a day of retention, idle", day(0.0), "GB"),
        Figure::new(format!("history: a day of retention, {LOAD} transfers/s"), day(LOAD), "GB"),
    ])
}
