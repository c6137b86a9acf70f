//! The disk under a devnet: how long a sync takes on it.

use super::report::quantile;
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Syncs of each file, and the time between two: as an operator's journal has them.
const SYNCS: usize = 100;
const BETWEEN: Duration = Duration::from_millis(20);
/// Written before each.
const BYTES: usize = 512;

/// The median time of a sync where devnets are, while so many files are appended to and synced side by side.
pub(super) fn sync_time(files: usize) -> io::Result<Duration> {
    let dir = std::env::temp_dir().join(format!("rota-disk-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let times = thread::scope(|scope| {
        let threads: Vec<_> = (0..files)
            .map(|file| {
                scope.spawn({
                    let path = dir.join(file.to_string());
                    move || syncs(&path)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("nothing panics")).collect::<io::Result<Vec<_>>>()
    });
    fs::remove_dir_all(&dir)?;
    Ok(Duration::from_secs_f64(quantile(&times?.concat(), 0.5)))
}

/// Seconds.
fn syncs(path: &Path) -> io::Result<Vec<f64>> {
    let mut file = File::create(path)?;
    let one = |_| {
        thread::sleep(BETWEEN);
        file.write_all(&[1; BYTES])?;
        let begun = Instant::now();
        file.sync_data()?;
        Ok(begun.elapsed().as_secs_f64())
    };
    (0..SYNCS).map(one).collect()
}
