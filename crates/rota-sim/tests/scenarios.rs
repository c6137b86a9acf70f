//! Every scenario with its own seed, as a test of its name. A failing one prints its seed.
#![allow(clippy::print_stderr, reason = "a failing test must show its seed")]

use rota_sim::{Scenario, Trace, invariants::Invariant, scenario::attempt, scenarios, trace};
use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

macro_rules! tests {
    ($($module:ident { $($scenario:ident = $seed:literal,)* })*) => {
        $(mod $module {
            $(#[test]
            fn $scenario() {
                eprintln!("seed {}", $seed);
                rota_sim::scenarios::$module::$scenario(rota_sim::Scenario::seeded($seed));
            })*
        })*
    };
}

rota_sim::for_each_scenario!(tests);

/// A file in memory.
#[derive(Clone, Default)]
struct Recorded(Arc<Mutex<Vec<u8>>>);

impl Recorded {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("nobody panics meanwhile").clone()
    }
}

impl Write for Recorded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics meanwhile").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn recorded(seed: u64) -> (Scenario, Recorded) {
    let out = Recorded::default();
    (Scenario { trace: Trace::to(out.clone()), ..Scenario::seeded(seed) }, out)
}

#[test]
fn same_seed_same_trace() {
    let run = |seed| {
        let (base, out) = recorded(seed);
        scenarios::leader::leader_crashes_mid_block(base);
        out.bytes()
    };
    let (first, second, other) = (run(1), run(1), run(2));
    assert_eq!(first, second, "same seed, other lines");
    assert_ne!(first, other, "the seed changes nothing");
    let lines: Vec<_> = trace::read(first.as_slice()).collect::<Result<_, _>>().expect("lines of a trace");
    assert!(lines.len() > 200 && lines.windows(2).all(|pair| pair[0].at_us <= pair[1].at_us));
    let count = |what: fn(&trace::What) -> bool| lines.iter().filter(|line| what(&line.what)).count();
    assert!(count(|what| matches!(what, trace::What::Certified { .. })) > 4 * 60);
    assert!(count(|what| matches!(what, trace::What::Leads { .. })) >= 2, "two leaders");
    assert_eq!(count(|what| matches!(what, trace::What::Done { action } if action == "killed")), 1);
    assert_eq!(lines.last().map(|line| &line.what), Some(&trace::What::Passed));
}

#[test]
fn a_broken_invariant_ends_the_trace_by_its_name() {
    let (base, out) = recorded(3);
    let claim = attempt(|| {
        base.run(async |world| {
            world.start_all().await;
            world.reach(3, std::time::Duration::from_secs(10)).await;
            let mut flashblock =
                world.node(0).ledger.flashblock(2).expect("the disk is sound").expect("just certified");
            flashblock.header.view += 1;
            world.invariants.certified(1, &flashblock, world.now());
        })
    });
    let claim = claim.expect_err("two digests at one height");
    assert!(claim.contains(Invariant::OneDigestPerHeight.name()), "{claim}");
    let bytes = out.bytes();
    let last = trace::read(bytes.as_slice()).last().expect("not empty").expect("lines of a trace");
    assert_eq!(last.what, trace::What::Failed { reason: claim });
}
