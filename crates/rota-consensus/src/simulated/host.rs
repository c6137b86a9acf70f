//! The CPU of a simulated operator.

use std::time::Duration;

/// CPU time that the task now polled has used.
pub const fn charge(_cpu: Duration) {}
