//! The poster against an L1 in memory.
