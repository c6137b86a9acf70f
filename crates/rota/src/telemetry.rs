//! Structured logs to standard error: `RUST_LOG` filters (default `info`), `ROTA_LOG_FORMAT=json` writes JSON lines.

use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// Installs the subscriber of the process.
pub(crate) fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let stderr = fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    if std::env::var("ROTA_LOG_FORMAT").is_ok_and(|format| format == "json") {
        registry.with(stderr.json()).init();
    } else {
        registry.with(stderr.with_ansi(std::io::stderr().is_terminal())).init();
    }
}
