//! Operators that lie: one behaviour per file, each in front of (or behind) the honest node's own code.

mod invalid;

pub use invalid::{Invalid, InvalidLeader, Record};

use rota_consensus::Application;
use std::sync::Arc;

/// Puts a behaviour in front of an application. An operator may have several: each wraps the one before.
pub type Behaviour = Arc<dyn Fn(Arc<dyn Application>) -> Arc<dyn Application> + Send + Sync>;
