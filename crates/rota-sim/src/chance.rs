//! What a plan leaves to chance: numbers from a seed, the same on every machine and for ever (splitmix64).

use std::ops::RangeInclusive;

/// A stream of numbers.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The stream of a seed, for one purpose.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut chance = Self(seed ^ purpose.wrapping_mul(0xa076_1d64_78bd_642f));
        // Neighbouring seeds have nothing in common from here on.
        chance.next();
        chance
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of this range.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (start, end) = range.into_inner();
        start + self.next() % (end - start + 1)
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.within(1..=times) == 1
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.within(0..=from.len() as u64 - 1) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_stays_what_it_is() {
        let mut chance = Chance::new(7, 1);
        let drawn: Vec<_> = (0..4).map(|_| chance.within(0..=99)).collect();
        let mut again = Chance::new(7, 1);
        assert_eq!(drawn, (0..4).map(|_| again.within(0..=99)).collect::<Vec<_>>());
        let mut other = Chance::new(8, 1);
        assert_ne!(drawn, (0..4).map(|_| other.within(0..=99)).collect::<Vec<_>>());
        let mut seen = [false; 6];
        (0..200).for_each(|_| seen[chance.within(0..=5) as usize] = true);
        assert_eq!(seen, [true; 6]);
    }
}
