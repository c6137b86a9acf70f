//! Where a devnet's nodes run: all on this host, or each on a host of a network that `rota-wan` (bench/wan) has made.

use eyre::{ContextCompat as _, WrapErr as _, ensure};
use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
};

/// The file in a node's directory that names the namespace it runs in, if it is not that of this process.
const NAMESPACE: &str = "namespace";

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    /// Where its nodes listen.
    pub(super) address: Ipv4Addr,
    /// Its network namespace; this process's own if there is none.
    namespace: Option<PathBuf>,
}

/// The hosts of a devnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hosts {
    /// By operator.
    pub(super) operators: Vec<Host>,
    /// Where L1 is, and this process.
    pub(super) l1: Ipv4Addr,
}

impl Hosts {
    /// This host alone.
    pub(super) fn here(operators: usize) -> Self {
        let host = Host { address: Ipv4Addr::LOCALHOST, namespace: None };
        Self { operators: vec![host; operators], l1: Ipv4Addr::LOCALHOST }
    }

    /// What `rota-wan` has printed: `REGION ADDRESS NAMESPACE`, a line for each operator, and the last for L1.
    pub(super) fn read(file: &Path, operators: usize) -> eyre::Result<Self> {
        let text = fs::read_to_string(file).wrap_err_with(|| file.display().to_string())?;
        Self::parse(&text, operators).wrap_err_with(|| file.display().to_string())
    }

    fn parse(text: &str, operators: usize) -> eyre::Result<Self> {
        let host = |line: &str| {
            let words: Vec<_> = line.split_whitespace().collect();
            let [_, address, namespace] = words[..] else { eyre::bail!("no host: {line}") };
            Ok(Host { address: address.parse()?, namespace: Some(namespace.into()) })
        };
        let mut hosts = text.lines().map(host).collect::<eyre::Result<Vec<_>>>()?;
        let l1 = hosts.pop().wrap_err("no hosts")?.address;
        ensure!(hosts.len() == operators, "{} hosts beside L1's for {operators} operators", hosts.len());
        Ok(Self { operators: hosts, l1 })
    }
}

impl Host {
    /// Makes it the host of the node in a directory, also when that is started again.
    pub(super) fn assign(&self, node: &Path) -> eyre::Result<()> {
        let Some(namespace) = &self.namespace else { return Ok(()) };
        Ok(fs::write(node.join(NAMESPACE), namespace.as_os_str().as_encoded_bytes())?)
    }
}

/// A command that runs a program on the host of the node in a directory.
pub(super) fn command(node: &Path, program: &Path) -> Command {
    match fs::read_to_string(node.join(NAMESPACE)) {
        Ok(namespace) => {
            let mut command = Command::new("nsenter");
            command.arg(format!("--net={namespace}")).arg(program);
            command
        }
        Err(_) => Command::new(program),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_host_is_l1s() {
        let text = "us 10.9.0.1 /proc/7/fd/4\neu 10.9.0.2 /proc/7/fd/5\nl1 10.9.0.3 /proc/7/fd/6\n";
        let hosts = Hosts::parse(text, 2).expect("three hosts");
        assert_eq!(hosts.l1, Ipv4Addr::new(10, 9, 0, 3));
        assert_eq!(hosts.operators[1].namespace.as_deref(), Some(Path::new("/proc/7/fd/5")));
        for (bad, operators) in [("", 0), (text, 3), ("us 10.9.0.1\n", 0), ("us here /proc/7/fd/4\n", 0)] {
            assert!(Hosts::parse(bad, operators).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_node_is_started_where_it_was_assigned() {
        let dir = std::env::temp_dir().join(format!("rota-hosts-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("temporary directory");
        assert_eq!(command(&dir, Path::new("rota")).get_program(), "rota");
        let namespace = Some("/proc/7/fd/4".into());
        Host { address: Ipv4Addr::LOCALHOST, namespace }.assign(&dir).expect("writable");
        let command = command(&dir, Path::new("rota"));
        assert_eq!(command.get_program(), "nsenter");
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["--net=/proc/7/fd/4", "rota"]);
        fs::remove_dir_all(dir).expect("ours");
    }
}
