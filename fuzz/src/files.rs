//! What lies on an operator's disk and is edited or copied by people: `rota-node`.

use crate::{Outcome, Target, refused};
use rota_node::{
    Config,
    keys::{KeysError, load_account},
};
use std::path::{Path, PathBuf};

pub(crate) const CONFIG_TOML: Target = Target {
    name: "config-toml",
    executions: 10_000,
    seeds: || vec![CONFIG.into()],
    feed: |bytes| {
        with_file(bytes, |path| {
            let config = Config::load(path).map_err(refused)?;
            let (shown, logged) = (config.to_toml(), config.to_log());
            assert!(!shown.is_empty() && !logged.is_empty());
            Ok(())
        })
    },
};

/// Everything without a default, and knobs of every type.
const CONFIG: &str = r#"
name = "operator"
genesis = "genesis.json"
rollup = "rollup.json"
committee = "committee.json"
data_dir = "data"
p2p_listen = "0.0.0.0:9222"
l1_endpoints = ["http://127.0.0.1:8545"]
l1_poll_ms = 500
poster = false
posting_turns = "0x0101010101010101010101010101010101010101"
retention_blocks = 0
"#;

pub(crate) const KEYSTORE: Target = Target {
    name: "keystore",
    executions: 3_000,
    seeds: || vec![CHEAP_KEYSTORE.into()],
    feed: |bytes| {
        with_file(bytes, |path| match load_account(path, PASSWORD) {
            // A key was derived, though not the right one.
            Ok(_) | Err(KeysError::Password(_)) => Ok(()),
            Err(error) => Err(refused(error)),
        })
    },
};

const PASSWORD: &str = "p";

/// Key derivation with n = 2 takes no time. Made with node's crypto; the secret is 32 times 1.
const CHEAP_KEYSTORE: &str = r#"{"crypto":{"cipher":"aes-128-ctr",
"cipherparams":{"iv":"03030303030303030303030303030303"},
"ciphertext":"2534bb1c05aef31f1aa9d45ae3a320d5400ae5f081cb14d7de140ae6b7b5c780","kdf":"scrypt","kdfparams":{"dklen":32,
"n":2,"p":1,"r":8,"salt":"0202020202020202020202020202020202020202020202020202020202020202"},
"mac":"0ceb4c7f785ed7e8c949e5b30da6c583b6776204cfe31843f2f3dd95d9f12cff"},"id":"00000000-0000-4000-8000-000000000000",
"version":3}"#;

thread_local! {
    static FILE: File = File::new();
}

/// A file of this thread, removed with it.
struct File(PathBuf);

impl File {
    fn new() -> Self {
        let thread = std::thread::current().id();
        Self(std::env::temp_dir().join(format!("rota-fuzz-{}-{thread:?}", std::process::id())))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn with_file(bytes: &[u8], read: impl FnOnce(&Path) -> Outcome) -> Outcome {
    FILE.with(|file| {
        std::fs::write(&file.0, bytes).expect("a temporary file");
        read(&file.0).map_err(|why| why.replace(&file.0.display().to_string(), "the file"))
    })
}
