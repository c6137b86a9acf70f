//! The key of an account on L1, from a file: never from the command line, where others could see it.

use alloy_primitives::B256;
use alloy_signer_local::PrivateKeySigner;
use clap::Args;
use eyre::WrapErr;
use rota_node::keys::{load_account, read_password};
use std::path::PathBuf;

/// Which account signs and pays.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeyFile {
    /// Key of the account that signs and pays: a keystore if a password file is given, else a line of hex.
    #[arg(long)]
    key_file: PathBuf,
    /// File whose first line opens the keystore.
    #[arg(long)]
    password_file: Option<PathBuf>,
}

impl KeyFile {
    /// Reads the key.
    pub(crate) fn load(&self) -> eyre::Result<PrivateKeySigner> {
        if let Some(password) = &self.password_file {
            return Ok(load_account(&self.key_file, &read_password(password)?)?);
        }
        let text = read_password(&self.key_file)?;
        let malformed = || format!("{}: the first line is no 32 bytes of hex", self.key_file.display());
        let bytes: B256 = text.trim().parse().wrap_err_with(malformed)?;
        PrivateKeySigner::from_bytes(&bytes).wrap_err_with(malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_a_line_of_hex_and_a_bad_one_is_not_shown() {
        let path = std::env::temp_dir().join(format!("rota-key-{}", std::process::id()));
        let file = KeyFile { key_file: path.clone(), password_file: None };
        let secret = B256::repeat_byte(7);
        std::fs::write(&path, format!("{secret}\n")).expect("writable");
        assert_eq!(file.load().expect("a key").to_bytes(), secret);
        std::fs::write(&path, format!("{secret}00\n")).expect("writable");
        let error = format!("{:?}", file.load().expect_err("too long"));
        assert!(error.contains("no 32 bytes of hex") && !error.contains("0707"), "{error}");
        std::fs::remove_file(path).expect("ours");
    }
}
