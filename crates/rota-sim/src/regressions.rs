//! Seeds of the explorer that have once failed, with what they found. They are run with every test.

/// A seed, and what it found.
pub const REGRESSIONS: &[(u64, &str)] = &[(
    114,
    "a wallet whose operator had died asked one that held its transaction, and was only told that it is known",
)];
