//! Structured logs to standard error: `RUST_LOG` filters (by default our own words at `info`, libraries at `warn`), `ROTA_LOG_FORMAT=json` writes JSON lines.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::IsTerminal,
    panic::PanicHookInfo,
};
use tracing::error;
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

/// What a node says by default: its own words, and only warnings of the libraries below it.
const DEFAULT: &str = "warn,rota=info,rota_types=info,rota_execution=info,rota_batch=info,rota_l1=info,\
                       rota_consensus=info,rota_node=info";

/// What simulated nodes say by default: nothing, for their clocks are not ours; only where a claim does not hold.
const SIMULATED: &str = "off,rota::telemetry=error";

/// Installs the subscriber of the process, which runs simulated nodes (some benchmarks do), or is a node or talks to one.
pub(crate) fn init(simulated: bool) {
    let default = if simulated { SIMULATED } else { DEFAULT };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let stderr = fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    std::panic::set_hook(Box::new(log_panic));
    if std::env::var("ROTA_LOG_FORMAT").is_ok_and(|format| format == "json") {
        registry.with(stderr.json()).init();
    } else {
        registry.with(stderr.with_ansi(std::io::stderr().is_terminal())).init();
    }
}

/// One line, as everything else; the stack if `RUST_BACKTRACE` asks for it.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let (what, stack) = (panic.to_string().replace('\n', " "), Backtrace::capture());
    match stack.status() {
        BacktraceStatus::Captured => error!(what, %stack, "panic"),
        _ => error!(what, "panic"),
    }
}
