//! The way out: whoever notices that the node must not go on says so here, once.

use tokio::sync::watch;
use tracing::error;

/// Ends the node with a reason. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fatal(watch::Sender<Option<String>>);

impl Default for Fatal {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Fatal {
    /// Stops the node; the first reason counts.
    pub fn stop(&self, why: impl Into<String>) {
        let why = why.into();
        self.0.send_if_modified(|reason| {
            let first = reason.is_none();
            if first {
                error!(reason = why, "the node stops");
                *reason = Some(why);
            }
            first
        });
    }

    /// Resolves with the reason once there is one.
    pub async fn reason(&self) -> String {
        let mut receiver = self.0.subscribe();
        match receiver.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            // Never: the sender is part of `self`.
            Err(_) => String::new(),
        }
    }
}
