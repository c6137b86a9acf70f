//! A wide-area network for a benchmark: a host for each operator of a map, and one for L1 and the benchmark itself, with
//! `rota-wan` (bench/wan) between them, which delays every packet.

use eyre::{ContextCompat as _, WrapErr as _, ensure, eyre};
use nix::sched::{CloneFlags, setns};
use rota_sim::Map;
use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

/// Round trip between L1's host and every operator's.
pub(super) const L1_RTT: Duration = Duration::from_millis(20);

/// A network that runs; dropping it ends it.
#[derive(Debug)]
pub(super) struct Network {
    dir: PathBuf,
    router: Child,
    /// Of the operators, then of L1.
    namespaces: Vec<PathBuf>,
    max_rtt: Duration,
}

impl Network {
    /// Starts the network of a map with the router at a path. Needs root.
    pub(super) fn up(map: &Map, router: &Path) -> eyre::Result<Self> {
        let dir = std::env::temp_dir().join(format!("rota-wan-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        let file = dir.join("map");
        fs::write(&file, table(map))?;
        let mut child = Command::new(router)
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .wrap_err_with(|| format!("{}: `make wan` builds it", router.display()))?;
        let stdout = child.stdout.take().wrap_err("piped")?;
        let mut network = Self { dir, router: child, namespaces: Vec::new(), max_rtt: map.max_rtt() };
        let lines = BufReader::new(stdout).lines().take(map.operators() + 1).collect::<io::Result<Vec<_>>>()?;
        ensure!(lines.len() > map.operators(), "{} ended: network namespaces need root", router.display());
        let namespace = |line: &String| line.split_whitespace().nth(2).map(PathBuf::from).wrap_err("no namespace");
        network.namespaces = lines.iter().map(namespace).collect::<eyre::Result<_>>()?;
        fs::write(network.hosts(), lines.join("\n"))?;
        Ok(network)
    }

    /// What the router has printed: `rota devnet up --hosts` reads it.
    pub(super) fn hosts(&self) -> PathBuf {
        self.dir.join("hosts")
    }

    /// The host that has L1.
    pub(super) fn l1(&self) -> usize {
        self.namespaces.len() - 1
    }

    /// The longest round trip between operators.
    pub(super) const fn max_rtt(&self) -> Duration {
        self.max_rtt
    }

    /// Does something on a host, and so do the processes that it starts: in a thread of its own, which stays there.
    pub(super) fn on<T: Send + 'static>(
        &self,
        host: usize,
        work: impl AsyncFnOnce() -> eyre::Result<T> + Send + 'static,
    ) -> JoinHandle<eyre::Result<T>> {
        let namespace = self.namespaces[host].clone();
        std::thread::spawn(move || {
            let file = File::open(&namespace).wrap_err_with(|| namespace.display().to_string())?;
            setns(file, CloneFlags::CLONE_NEWNET).wrap_err_with(|| namespace.display().to_string())?;
            block_on(work)
        })
    }
}

/// Does something on L1's host of a map's network, with the router at a path.
pub(super) fn with_network<T: Send + 'static>(
    map: &Map,
    router: &Path,
    work: impl AsyncFnOnce(Arc<Network>) -> eyre::Result<T> + Send + 'static,
) -> eyre::Result<T> {
    let network = Arc::new(Network::up(map, router)?);
    let on = network.clone();
    let done = network.on(network.l1(), async move || work(on).await).join();
    done.map_err(|_| eyre!("the benchmark's thread panicked"))?
}

/// Runs something to its end on this thread.
pub(super) fn block_on<T>(work: impl AsyncFnOnce() -> eyre::Result<T>) -> eyre::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work())
}

impl Drop for Network {
    fn drop(&mut self) {
        // The router ends with its input.
        drop(self.router.stdin.take());
        let _ = self.router.wait();
        // What is left behind is in the directory for temporary files.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The map as the router reads it: a name and the round trips to all, in ms.
fn table(map: &Map) -> String {
    let ms = |rtt: Duration| (rtt.as_secs_f64() * 1_000.0).to_string();
    let operators = 0..map.operators();
    let row = |from: usize| {
        let others = operators.clone().map(|to| ms(map.delay(from, to) * 2));
        [map.region(from).to_owned()].into_iter().chain(others).chain([ms(L1_RTT)]).collect::<Vec<_>>().join(" ")
    };
    let l1 = format!("l1{} 0", format!(" {}", ms(L1_RTT)).repeat(map.operators()));
    operators.clone().map(row).chain([l1]).map(|row| row + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l1_is_as_far_from_everybody() {
        let map = Map::named("global", 4).expect("a map");
        let table = table(&map);
        let rows: Vec<Vec<_>> = table.lines().map(|line| line.split(' ').collect()).collect();
        assert_eq!(rows[0], ["us-east-1", "0", "64.4", "93.2", "149.7", "20"]);
        assert_eq!(rows[4], ["l1", "20", "20", "20", "20", "0"]);
    }
}
