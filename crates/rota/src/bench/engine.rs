//! `engine`: execution of blocks of 1 000 transfers on one thread, senders known, roots included.

use super::report::{Figure, Report, Target};
use rota_execution::testing::bench_engine;

/// Blocks measured.
const BLOCKS: usize = 50;
/// Transfers in each.
const TRANSFERS: usize = 1_000;

pub(super) fn run() -> eyre::Result<Report> {
    let measured = bench_engine(BLOCKS, TRANSFERS)?;
    let figures = vec![
        Figure::new("transfers per second, median block", measured.transactions_per_second, "tx/s")
            .target(Target::ExpectAtLeast(25_000.0)),
        Figure::new("execution per transfer, median block", measured.execute_us, "us"),
        Figure::new("tries, roots and header per transfer, median", measured.seal_us, "us"),
        Figure::new("commit of a block, median (not in the rate)", measured.commit_ms, "ms"),
    ];
    let conditions = vec![
        ("blocks", measured.blocks.to_string()),
        ("transfers_per_block", measured.transactions_per_block.to_string()),
        ("accounts", measured.accounts.to_string()),
        ("threads", "1".into()),
        ("clock", measured.clock.into()),
        ("store", "memory".into()),
    ];
    Ok(Report::new("engine", figures, conditions, vec![("us_per_transfer", measured.samples_us)]))
}
