//! How the chain is written to L1.
