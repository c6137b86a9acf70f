//! Seeds of the explorer that have once failed, with what they found. They are run with every test.

/// A seed, and what it found.
pub const REGRESSIONS: &[(u64, &str)] = &[];
