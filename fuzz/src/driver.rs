//! The driver: seeded mutations of seeds and corpus, which grow with what is new to the decoder.

use crate::{Outcome, Target};
use alloy_primitives::hex;
use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

/// Inputs kept as parents of further mutations.
const PARENTS_MAX: usize = 512;

/// Bytes of an input, at most; every decoder's own limits are far below or tested on their own.
const INPUT_MAX: usize = 1 << 16;

/// An input that takes longer is a way to stall a node.
const INPUT_TIME_MAX: Duration = Duration::from_secs(2);

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Inputs fed.
    pub executions: u64,
    /// Inputs that the decoder accepted.
    pub accepted: u64,
    /// Inputs of a class that neither the seeds nor the corpus had: refused for a new reason, or accepted at a new
    /// length.
    pub found: Vec<Vec<u8>>,
}

/// Feeds the target's seeds, its corpus, and then mutations of what it has seen, until `proceed` says no to the report
/// so far. The same seed and corpus feed the same inputs in the same order.
///
/// # Panics
///
/// If the target panics or stalls, with the input in the message.
pub fn run(target: &Target, corpus: &[Vec<u8>], seed: u64, mut proceed: impl FnMut(&Report) -> bool) -> Report {
    let mut run = Run { target, report: Report::default(), classes: BTreeSet::new() };
    let mut parents = (target.seeds)();
    for input in &parents {
        if let Some(why) = run.feed(input).class.refusal {
            panic!("{}: a seed is refused, {why}: {}", target.name, String::from_utf8_lossy(input));
        }
    }
    for input in corpus {
        run.feed(input);
    }
    parents.extend_from_slice(corpus);
    let mut random = Random(seed);
    while proceed(&run.report) {
        let mut input = random.pick(&parents).clone();
        for _ in 0..=random.below(4) {
            mutate(&mut input, &parents, &mut random);
        }
        input.truncate(INPUT_MAX);
        let Fed { class, new } = run.feed(&input);
        if new {
            run.report.found.push(input.clone());
        }
        if new || class.refusal.is_none() {
            if parents.len() < PARENTS_MAX {
                parents.push(input);
            } else {
                let index = random.below(PARENTS_MAX);
                parents[index] = input;
            }
        }
    }
    run.report
}

/// What tells inputs apart, without looking into the decoder: why it was refused, or how long it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    refusal: Option<String>,
    /// Binary digits of the length of what was accepted.
    size: u32,
}

impl Class {
    fn new(outcome: Outcome, input: &[u8]) -> Self {
        match outcome {
            Ok(()) => Self { refusal: None, size: usize::BITS - input.len().leading_zeros() },
            // Up to where the reason quotes the input.
            Err(reason) => {
                let mut before = ' ';
                let own_words = reason.chars().take_while(|c| {
                    let number = c.is_ascii_digit() && !before.is_ascii_alphabetic();
                    before = *c;
                    !number && !matches!(c, '"' | '`' | '\'')
                });
                Self { refusal: Some(own_words.collect()), size: 0 }
            }
        }
    }
}

struct Fed {
    class: Class,
    new: bool,
}

struct Run<'a> {
    target: &'a Target,
    report: Report,
    classes: BTreeSet<Class>,
}

impl Run<'_> {
    fn feed(&mut self, input: &[u8]) -> Fed {
        let name = self.target.name;
        let start = Instant::now();
        let Ok(outcome) = catch_unwind(AssertUnwindSafe(|| (self.target.feed)(input))) else {
            panic!("{name} panicked on {}", hex::encode(input));
        };
        let took = start.elapsed();
        assert!(took < INPUT_TIME_MAX, "{name} took {took:?} on {}", hex::encode(input));
        self.report.executions += 1;
        self.report.accepted += u64::from(outcome.is_ok());
        let class = Class::new(outcome, input);
        let new = self.classes.insert(class.clone());
        Fed { class, new }
    }
}

/// Changes an input in one of the ways that break decoders.
fn mutate(input: &mut Vec<u8>, parents: &[Vec<u8>], random: &mut Random) {
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
            let other = random.pick(parents);
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
