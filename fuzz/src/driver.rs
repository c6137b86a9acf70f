//! The driver: seeded mutations over a corpus that grows with what the decoder accepts.

use crate::Target;
use alloy_primitives::hex;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

/// Inputs kept as parents of further mutations.
const CORPUS_MAX: usize = 512;

/// Bytes of an input, at most; every decoder's own limits are far below or tested on their own.
const INPUT_MAX: usize = 1 << 16;

/// An input that takes longer is a way to stall a node.
const INPUT_TIME_MAX: Duration = Duration::from_secs(2);

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Inputs fed.
    pub executions: u64,
    /// Inputs that the decoder accepted.
    pub accepted: u64,
}

/// Feeds mutations of the target's seeds until `proceed` says no to the report so far. The same `seed` feeds the same
/// inputs in the same order.
///
/// # Panics
///
/// If the target panics or stalls, with the input in the message.
pub fn run(target: &Target, seed: u64, mut proceed: impl FnMut(&Report) -> bool) -> Report {
    let mut random = Random(seed);
    let mut corpus = (target.seeds)();
    let mut report = Report::default();
    for input in &corpus {
        assert!(feed(target, input, &mut report), "{}: a seed is refused: {}", target.name, hex::encode(input));
    }
    while proceed(&report) {
        let mut input = random.pick(&corpus).clone();
        for _ in 0..=random.below(4) {
            mutate(&mut input, &corpus, &mut random);
        }
        input.truncate(INPUT_MAX);
        if feed(target, &input, &mut report) {
            if corpus.len() < CORPUS_MAX {
                corpus.push(input);
            } else {
                let index = random.below(CORPUS_MAX);
                corpus[index] = input;
            }
        }
    }
    report
}

fn feed(target: &Target, input: &[u8], report: &mut Report) -> bool {
    let start = Instant::now();
    let Ok(accepted) = catch_unwind(AssertUnwindSafe(|| (target.feed)(input))) else {
        panic!("{} panicked on {}", target.name, hex::encode(input));
    };
    let took = start.elapsed();
    assert!(took < INPUT_TIME_MAX, "{} took {took:?} on {}", target.name, hex::encode(input));
    report.executions += 1;
    report.accepted += u64::from(accepted);
    accepted
}

/// Changes an input in one of the ways that break decoders.
fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let len = random.below(input.len() - at + 1).min(1 << random.below(12));
    match random.below(9) {
        0 => input.truncate(at),
        1 => drop(input.drain(at..at + len)),
        2 => {
            let chunk = input[at..at + len].to_vec();
            input.splice(at..at, chunk);
        }
        3 => {
            let other = random.pick(corpus);
            let from = random.below(other.len() + 1);
            let to = from + random.below(other.len() - from + 1);
            input.splice(at..at + len, other[from..to].iter().copied());
        }
        4 => {
            let bytes: Vec<_> = (0..1 << random.below(6)).map(|_| random.next() as u8).collect();
            input.splice(at..at, bytes);
        }
        5 => {
            let width = 1 << random.below(4);
            let value = boundary(random).to_be_bytes();
            let end = (at + width).min(input.len());
            input.splice(at..end, value[8 - width..].iter().copied());
        }
        6 => input[at..at + len].fill([0x00, 0xff, 0x80, 0x7f][random.below(4)]),
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
    }
}

/// Values around which lengths and counters go wrong.
fn boundary(random: &mut Random) -> u64 {
    let power = 1u64 << random.below(64);
    [power, power - 1, power.wrapping_add(1), u64::MAX, u64::MAX - 1, random.next()][random.below(6)]
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is positive.
    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
