//! A process of the devnet: started apart, found again by its pid file, and touched only if it is really ours.

use eyre::WrapErr;
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs::{self, File},
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);
/// Bytes of a log that matter when something fails.
const TAIL: usize = 2_000;
/// Time between looks at a process that ends.
const LOOK: Duration = Duration::from_millis(20);

/// A process with a directory of its own, in which are its pid file and its log.
#[derive(Debug, Clone)]
pub(super) struct Process {
    name: String,
    dir: PathBuf,
    /// A file that is named on its command line and on no other process's.
    marker: PathBuf,
}

impl Process {
    /// A process that may or may not run now.
    pub(super) fn new(name: &str, dir: PathBuf, marker: PathBuf) -> Self {
        Self { name: name.to_owned(), dir, marker }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where its output goes.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// The end of its output.
    pub(super) fn tail(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(TAIL)..]).into_owned()
    }

    /// Its pid if it runs: the pid file names a live process whose command line has the marker.
    pub(super) fn pid(&self) -> Option<u32> {
        let pid: u32 = fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()?;
        // Empty for a process that has ended but was not waited for.
        let command_line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let marker = self.marker.as_os_str().as_encoded_bytes();
        command_line.split(|byte| *byte == 0).any(|argument| argument == marker).then_some(pid)
    }

    /// Starts it in a process group of its own, so that Ctrl-C reaches only us; its output is appended to the log.
    pub(super) fn start(&self, mut command: Command) -> eyre::Result<u32> {
        eyre::ensure!(self.pid().is_none(), "{} runs already", self.name);
        let log = File::options().create(true).append(true).open(self.log()).wrap_err_with(|| self.name.clone())?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .wrap_err_with(|| format!("cannot start {}", self.name))?;
        fs::write(self.pid_file(), format!("{}\n", child.id()))?;
        // Until exec, the child has our command line.
        while self.pid().is_none() && child.try_wait()?.is_none() {
            std::thread::sleep(LOOK);
        }
        Ok(child.id())
    }

    /// Kills it without warning; returns when it is gone, and whether it ran.
    pub(super) async fn kill(&self) -> eyre::Result<bool> {
        let ran = self.signal(Signal::SIGKILL)?;
        eyre::ensure!(self.gone_within(GRACE).await, "{} survived SIGKILL", self.name);
        self.forget();
        Ok(ran)
    }

    /// Asks it to end, and kills it if it does not; returns whether it ran.
    pub(super) async fn stop(&self) -> eyre::Result<bool> {
        let ran = self.signal(Signal::SIGTERM)?;
        if !self.gone_within(GRACE).await {
            println!("{} did not stop within {} s: killed", self.name, GRACE.as_secs());
            return self.kill().await;
        }
        self.forget();
        Ok(ran)
    }

    fn signal(&self, signal: Signal) -> eyre::Result<bool> {
        let Some(pid) = self.pid() else { return Ok(false) };
        match kill(Pid::from_raw(i32::try_from(pid)?), signal) {
            Ok(()) => Ok(true),
            Err(Errno::ESRCH) => Ok(false),
            Err(error) => Err(error).wrap_err_with(|| format!("cannot signal {}", self.name)),
        }
    }

    async fn gone_within(&self, limit: Duration) -> bool {
        let gone = async {
            while self.pid().is_some() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(limit, gone).await.is_ok()
    }

    fn pid_file(&self) -> PathBuf {
        self.dir.join("pid")
    }

    /// Removes the pid file; a missing one is fine.
    fn forget(&self) {
        let _ = fs::remove_file(self.pid_file());
    }
}

/// Ports of the loopback interface on which nobody listens. They lie below the range from which outgoing connections
/// take theirs, so that a stopped operator finds its port free again.
pub(crate) fn free_ports(count: usize) -> eyre::Result<Vec<u16>> {
    const RANGE: std::ops::Range<u16> = 20_000..32_000;
    let start = usize::from(rand::random::<u16>()) % RANGE.len();
    // Listeners are kept until all ports are found, so that none is found twice.
    let found: Vec<_> = RANGE
        .cycle()
        .skip(start)
        .take(RANGE.len())
        .filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok().map(|listener| (port, listener)))
        .take(count)
        .collect();
    eyre::ensure!(found.len() == count, "no {count} free ports between {} and {}", RANGE.start, RANGE.end);
    Ok(found.into_iter().map(|(port, _)| port).collect())
}

/// A program: as given, else from the npm packages beside the working directory or the binary, else from the path.
pub(super) fn find_program(given: Option<&Path>, name: &str) -> eyre::Result<PathBuf> {
    if let Some(path) = given {
        eyre::ensure!(path.is_file(), "{} does not exist", path.display());
        return Ok(path.to_owned());
    }
    let platform = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let package = format!("node_modules/@foundry-rs/{name}-{}-{platform}/bin/{name}", std::env::consts::OS);
    let here = std::env::current_dir().ok();
    let binary = std::env::current_exe().ok();
    let beside = [here, binary]
        .into_iter()
        .flatten()
        .flat_map(|path| path.ancestors().map(|dir| dir.join(&package)).collect::<Vec<_>>());
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&on_path).map(|dir| dir.join(name)).collect::<Vec<_>>();
    beside
        .chain(on_path)
        .find(|path| path.is_file())
        .ok_or_else(|| eyre::eyre!("{name} not found: run `make tools` in the repository, or put {name} on the PATH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_distinct() {
        let ports = free_ports(20).expect("a machine with free ports");
        let unique: std::collections::BTreeSet<_> = ports.iter().collect();
        assert_eq!(unique.len(), 20);
        for port in ports {
            TcpListener::bind(("127.0.0.1", port)).expect("free");
        }
    }

    #[tokio::test]
    async fn only_a_process_with_the_marker_is_ours() {
        let dir = std::env::temp_dir().join(format!("rota-process-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("temporary directory");
        let process = Process::new("sleeper", dir.clone(), "600.5".into());
        let mut command = Command::new("sleep");
        command.arg("600.5");
        let pid = process.start(command).expect("sleep exists");
        assert_eq!(process.pid(), Some(pid));
        let stranger = Process::new("stranger", dir.clone(), "600".into());
        assert_eq!(stranger.pid(), None);
        assert!(!stranger.signal(Signal::SIGKILL).expect("nothing to signal"));
        assert!(process.stop().await.expect("it can be stopped"));
        assert_eq!(process.pid(), None);
        fs::remove_dir_all(dir).expect("ours");
    }
}
