//! What lies where in a devnet's directory, and `devnet.json`, in which scripts find everything.

use super::{chain::Contracts, nodes};
use alloy_primitives::{Address, B256};
use eyre::WrapErr;
use rota_types::Identity;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The directory of one devnet.
#[derive(Debug, Clone)]
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    /// At an existing directory; paths become absolute, because other processes get them.
    pub(super) fn at(root: &Path) -> eyre::Result<Self> {
        let root = root.canonicalize().wrap_err_with(|| format!("no devnet at {}", root.display()))?;
        Ok(Self { root })
    }

    /// Makes the directory, or empties one that holds an earlier devnet. Anything else is left alone.
    pub(super) fn create(root: &Path) -> eyre::Result<Self> {
        fs::create_dir_all(root).wrap_err_with(|| root.display().to_string())?;
        let files = Self::at(root)?;
        let empty = fs::read_dir(&files.root)?.next().is_none();
        eyre::ensure!(
            empty || files.manifest().exists(),
            "{} is neither empty nor a devnet's directory",
            files.root.display()
        );
        for entry in fs::read_dir(&files.root)? {
            let path = entry?.path();
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }
                .wrap_err_with(|| path.display().to_string())?;
        }
        // From here on the directory is a devnet's, even if starting fails half way.
        fs::write(files.manifest(), "{}")?;
        Ok(files)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn manifest(&self) -> PathBuf {
        self.root.join("devnet.json")
    }

    /// L2 genesis.
    pub(super) fn genesis(&self) -> PathBuf {
        self.root.join("genesis.json")
    }

    pub(super) fn rollup(&self) -> PathBuf {
        self.root.join("rollup.json")
    }

    pub(super) fn committee(&self) -> PathBuf {
        self.root.join("committee.json")
    }

    pub(super) fn l1_genesis(&self) -> PathBuf {
        self.root.join("l1-genesis.json")
    }

    /// The L1 chain config alone: op-node's `--rollup.l1-chain-config`.
    pub(super) fn l1_config(&self) -> PathBuf {
        self.root.join("l1-config.json")
    }

    pub(super) fn l1_dir(&self) -> PathBuf {
        self.root.join("l1")
    }

    pub(super) fn beacon_dir(&self) -> PathBuf {
        self.root.join("beacon")
    }

    pub(super) fn beacon_settings(&self) -> PathBuf {
        self.beacon_dir().join("settings.json")
    }

    pub(super) fn node_dir(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn node_config(&self, name: &str) -> PathBuf {
        self.node_dir(name).join("config.toml")
    }
}

/// `devnet.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// L1.
    pub(crate) l1: L1Entry,
    /// L2 chain id.
    pub(crate) chain_id: u64,
    /// The operators, in order.
    pub(crate) operators: Vec<NodeEntry>,
    /// The followers, in order.
    pub(crate) followers: Vec<NodeEntry>,
    /// Contracts by name: on L1, and `FeeRecipient` on L2.
    pub(crate) contracts: Contracts,
    /// Accounts with ether on L1 and on L2.
    pub(crate) accounts: Vec<AccountEntry>,
}

/// L1 in `devnet.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct L1Entry {
    /// HTTP and WebSocket endpoint, as an `http` URL.
    pub(crate) rpc: String,
    /// Beacon API: the slot clock and the blobs.
    pub(crate) beacon: String,
}

/// An operator or a follower in `devnet.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NodeEntry {
    /// `operator-0`, `follower-0`, ...
    pub(crate) name: String,
    /// p2p identity: what tells operators apart in `rota_status`.
    pub(crate) identity: Identity,
    /// JSON-RPC over HTTP.
    pub(crate) rpc: String,
    /// JSON-RPC over WebSocket.
    pub(crate) ws: String,
    /// Prometheus metrics; `/healthz` and `/readyz` beside it.
    pub(crate) metrics: String,
    /// Its process; `null` while it does not run.
    pub(crate) pid: Option<u32>,
}

/// An account in `devnet.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AccountEntry {
    pub(crate) address: Address,
    /// Well known: never use it elsewhere.
    pub(crate) private_key: B256,
}

impl Manifest {
    /// Operators, then followers.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &NodeEntry> {
        self.operators.iter().chain(&self.followers)
    }

    /// The address of a contract.
    pub(super) fn contract(&self, name: &str) -> eyre::Result<Address> {
        self.contracts.get(name).copied().ok_or_else(|| eyre::eyre!("devnet.json has no {name}: start again"))
    }

    pub(super) fn load(files: &Files) -> eyre::Result<Self> {
        let path = files.manifest();
        let text = fs::read_to_string(&path).wrap_err_with(|| format!("no devnet at {}", files.root.display()))?;
        serde_json::from_str(&text).wrap_err_with(|| format!("{} is incomplete: start again", path.display()))
    }

    /// Writes the pids of now.
    pub(super) fn refresh(&mut self, files: &Files) -> eyre::Result<()> {
        for entry in self.operators.iter_mut().chain(&mut self.followers) {
            entry.pid = nodes::process(files, &entry.name).pid();
        }
        self.save(files)
    }

    /// Replaces the file at once, so that nobody reads half of it.
    pub(super) fn save(&self, files: &Files) -> eyre::Result<()> {
        let temporary = files.manifest().with_extension(format!("json.{}", std::process::id()));
        write_json(&temporary, self)?;
        fs::rename(&temporary, files.manifest()).wrap_err("devnet.json")
    }
}

/// Writes a value as indented JSON.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> eyre::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    fs::write(path, text).wrap_err_with(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_a_devnets_is_left_alone() {
        let dir = std::env::temp_dir().join(format!("rota-files-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("temporary directory");
        let precious = dir.join("precious");
        fs::write(&precious, "data").expect("writable");
        assert!(Files::create(&dir).is_err());
        assert!(precious.exists());

        fs::write(dir.join("devnet.json"), "{}").expect("writable");
        let files = Files::create(&dir).expect("an earlier devnet");
        assert!(!precious.exists());
        assert!(Manifest::load(&files).is_err(), "not started yet");
        fs::remove_dir_all(dir).expect("ours");
    }
}
