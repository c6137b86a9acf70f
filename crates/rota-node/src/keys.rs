//! An operator's keys: made, shown in public form, and kept encrypted in standard keystores (Web3 Secret Storage v3),
//! one file per key, so that the posting key opens in any Ethereum wallet.

use alloy_primitives::{Address, Bytes};
use alloy_signer::k256::elliptic_curve::rand_core::OsRng;
use alloy_signer_local::PrivateKeySigner;
use eth_keystore::{EthKeystore, KdfparamsType};
use rota_consensus::{IdentityKey, VotingKey};
use rota_types::{Identity, KeyDomain, Operator, key_domain};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why keys can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file cannot be read or written.
    #[error("{path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A keystore exists already: keys are never overwritten.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// Not a keystore of the expected form.
    #[error("{path}: not a usable keystore: {why}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The password does not open the keystore.
    #[error("{0}: wrong password or damaged keystore")]
    Password(PathBuf),
    /// The password file is empty.
    #[error("{0}: the first line is empty")]
    NoPassword(PathBuf),
}

/// The secrets of one node. Wiped when dropped, never printed.
#[derive(Debug, Clone)]
pub struct OperatorKeys {
    /// p2p identity.
    pub identity: IdentityKey,
    /// Votes.
    pub voting: VotingKey,
    /// Posts batches on L1.
    pub posting: PrivateKeySigner,
}

/// Consensus keys with their proofs, in the encoding of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyProofs {
    /// p2p identity.
    pub identity: Identity,
    /// Its signature over the account: 64 bytes.
    pub identity_proof: Bytes,
    /// BLS12-381 key: a G1 point, 128 bytes (EIP-2537).
    pub bls_key: Bytes,
    /// Proof of its possession: a G2 point, 256 bytes (EIP-2537).
    pub possession: Bytes,
}

/// The files of a key directory.
const IDENTITY: &str = "identity.json";
const VOTING: &str = "voting.json";
const POSTING: &str = "posting.json";

impl OperatorKeys {
    /// New keys from the operating system's randomness.
    pub fn generate() -> Self {
        let mut rng = rand::rng();
        Self {
            identity: IdentityKey::generate(&mut rng),
            voting: VotingKey::generate(&mut rng),
            posting: PrivateKeySigner::random_with(&mut OsRng),
        }
    }

    /// Writes one keystore per key into a directory, readable by the owner only. Overwrites nothing.
    pub fn save(&self, dir: &Path, password: &str) -> Result<(), KeysError> {
        std::fs::create_dir_all(dir).map_err(|source| KeysError::Io { path: dir.into(), source })?;
        if let Some(taken) = [IDENTITY, VOTING, POSTING].map(|name| dir.join(name)).into_iter().find(|p| p.exists()) {
            return Err(KeysError::Exists(taken));
        }
        write(dir, IDENTITY, &Zeroizing::new(self.identity.to_bytes()), password)?;
        write(dir, VOTING, &Zeroizing::new(self.voting.to_bytes()), password)?;
        write(dir, POSTING, &Zeroizing::new(self.posting.to_bytes().0), password)
    }

    /// Decrypts the keystores of a directory.
    pub fn load(dir: &Path, password: &str) -> Result<Self, KeysError> {
        Ok(Self {
            identity: load_identity(dir, password)?,
            voting: read(&dir.join(VOTING), password, |bytes| VotingKey::from_bytes(bytes).map_err(|e| e.to_string()))?,
            posting: load_account(&dir.join(POSTING), password)?,
        })
    }

    /// The address that posts.
    pub const fn posting_address(&self) -> Address {
        self.posting.address()
    }

    /// What the operator tells a registry of its two consensus keys, from its account on L1.
    pub fn proofs(&self, domain: &KeyDomain, account: Address) -> Option<KeyProofs> {
        let identity = self.identity.identity();
        let possession = self.voting.prove_possession(domain, account, &identity)?;
        Some(KeyProofs {
            identity,
            identity_proof: self.identity.prove(domain, account),
            bls_key: key_domain::uncompressed(&self.voting.public())?,
            possession: key_domain::uncompressed_signature(&possession)?,
        })
    }

    /// What the operator publishes, proof of possession included: its entry in the committee file of a chain without a
    /// registry.
    pub fn operator(&self, name: impl Into<String>, endpoint: impl Into<String>) -> Operator {
        let (account, identity) = (Address::ZERO, self.identity.identity());
        Operator {
            name: name.into(),
            account,
            identity,
            bls_public_key: self.voting.public(),
            proof_of_possession: self.voting.prove_possession(&KeyDomain::default(), account, &identity),
            posting_address: self.posting_address(),
            endpoint: endpoint.into(),
            weight: 1,
            reserve: false,
        }
    }
}

/// Writes the keystore of a p2p identity alone: all that a follower needs. Overwrites nothing.
pub fn save_identity(dir: &Path, identity: &IdentityKey, password: &str) -> Result<(), KeysError> {
    std::fs::create_dir_all(dir).map_err(|source| KeysError::Io { path: dir.into(), source })?;
    let path = dir.join(IDENTITY);
    if path.exists() {
        return Err(KeysError::Exists(path));
    }
    write(dir, IDENTITY, &Zeroizing::new(identity.to_bytes()), password)
}

/// Decrypts the p2p identity alone.
pub fn load_identity(dir: &Path, password: &str) -> Result<IdentityKey, KeysError> {
    read(&dir.join(IDENTITY), password, |bytes| IdentityKey::from_bytes(bytes).map_err(|e| e.to_string()))
}

/// Decrypts the key of an account on L1.
pub fn load_account(keystore: &Path, password: &str) -> Result<PrivateKeySigner, KeysError> {
    read(keystore, password, |bytes| PrivateKeySigner::from_slice(bytes).map_err(|e| e.to_string()))
}

/// The first line of a password file.
pub fn read_password(path: &Path) -> Result<Zeroizing<String>, KeysError> {
    let text = std::fs::read_to_string(path).map_err(|source| KeysError::Io { path: path.into(), source })?;
    let text = Zeroizing::new(text);
    match text.lines().next().map(str::trim_end).filter(|line| !line.is_empty()) {
        Some(line) => Ok(Zeroizing::new(line.to_owned())),
        None => Err(KeysError::NoPassword(path.into())),
    }
}

/// Encrypts one secret into a file that only its owner can read.
fn write(dir: &Path, name: &str, secret: &[u8; 32], password: &str) -> Result<(), KeysError> {
    let path = dir.join(name);
    let io = |source| KeysError::Io { path: path.clone(), source };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&path).map_err(io)?;
    eth_keystore::encrypt_key(dir, &mut OsRng, secret, password, Some(name))
        .map(drop)
        .map_err(|error| KeysError::Malformed { path: path.clone(), why: error.to_string() })
}

/// Decrypts one secret and makes a key of it.
fn read<T>(path: &Path, password: &str, key: impl FnOnce(&[u8; 32]) -> Result<T, String>) -> Result<T, KeysError> {
    let malformed = |why: String| KeysError::Malformed { path: path.into(), why };
    let text = std::fs::read_to_string(path).map_err(|source| KeysError::Io { path: path.into(), source })?;
    let store: EthKeystore = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    check(&store).map_err(|why| malformed(why.into()))?;
    let secret =
        Zeroizing::new(eth_keystore::decrypt_key(path, password).map_err(|_| KeysError::Password(path.into()))?);
    let secret: &[u8; 32] = secret.as_slice().try_into().map_err(|_| malformed("not 32 bytes".into()))?;
    key(secret).map_err(malformed)
}

/// Refuses parameters that the library would panic on or spend more than seconds and 512 MiB on.
fn check(store: &EthKeystore) -> Result<(), &'static str> {
    if store.crypto.cipher != "aes-128-ctr" || store.crypto.cipherparams.iv.len() != 16 {
        return Err("cipher must be aes-128-ctr with a 16-byte iv");
    }
    let (dklen, cheap) = match &store.crypto.kdfparams {
        KdfparamsType::Pbkdf2 { dklen, c, .. } => (*dklen, *c <= 1 << 21),
        // Twice what is usual (n = 262 144, r = 8, p = 1), and 512 MiB.
        KdfparamsType::Scrypt { dklen, n, p, r, .. } => {
            let work = [*n, *p, *r].iter().try_fold(1u32, |work, factor| work.checked_mul(*factor));
            (*dklen, *n > 1 && n.is_power_of_two() && work.is_some_and(|work| (1..=1 << 22).contains(&work)))
        }
    };
    if dklen != 32 || !cheap {
        return Err("key derivation parameters out of range");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of this test alone, removed at the end.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("rota-keys-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn saved_keys_are_loaded_with_the_password_only() {
        let dir = Dir::new("load");
        let keys = OperatorKeys::generate();
        keys.save(&dir.0, "open sesame").expect("a fresh directory");
        let loaded = OperatorKeys::load(&dir.0, "open sesame").expect("what was saved");
        assert_eq!(loaded.operator("a", "b"), keys.operator("a", "b"));
        assert!(matches!(OperatorKeys::load(&dir.0, "open"), Err(KeysError::Password(_))));
        assert!(matches!(keys.save(&dir.0, "open sesame"), Err(KeysError::Exists(_))));
    }

    #[test]
    fn a_follower_has_an_identity_and_nothing_else() {
        let dir = Dir::new("follower");
        let identity = OperatorKeys::generate().identity;
        save_identity(&dir.0, &identity, "p").expect("a fresh directory");
        assert_eq!(load_identity(&dir.0, "p").expect("what was saved").identity(), identity.identity());
        assert!(matches!(OperatorKeys::load(&dir.0, "p"), Err(KeysError::Io { .. })));
        assert!(matches!(save_identity(&dir.0, &identity, "p"), Err(KeysError::Exists(_))));
    }

    #[test]
    fn a_wrong_key_file_is_a_clear_error() {
        let dir = Dir::new("wrong");
        OperatorKeys::generate().save(&dir.0, "p").expect("a fresh directory");
        let path = dir.0.join(VOTING);
        let text = std::fs::read_to_string(&path).expect("just written");
        for wrong in ["{}".to_owned(), text.replace("\"dklen\":32", "\"dklen\":8"), text.replace("8192", "8191")] {
            assert_ne!(wrong, text);
            std::fs::write(&path, wrong).expect("writable");
            assert!(matches!(OperatorKeys::load(&dir.0, "p"), Err(KeysError::Malformed { .. })));
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let keys = OperatorKeys::generate();
        let shown = format!("{keys:?}");
        for secret in [keys.identity.to_bytes(), keys.voting.to_bytes(), keys.posting.to_bytes().0] {
            assert!(!shown.contains(&alloy_primitives::hex::encode(secret)), "{shown}");
        }
    }
}
