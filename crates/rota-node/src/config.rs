//! What an operator may choose: one TOML file, whose knobs, defaults, units and reasons stand in one table.

use crate::poster::CarrierChoice;
use alloy_primitives::Address;
use rota_consensus::tcp::Follower;
use rota_types::RollupConfig;
use serde::{Deserialize, Serialize};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use url::Url;

/// One knob of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Knob {
    /// Its name in the file.
    pub name: &'static str,
    /// Its default as TOML; `None` if it must be given.
    pub default: Option<&'static str>,
    /// What its value counts or is.
    pub unit: &'static str,
    /// What it does, and why the default is what it is.
    pub why: &'static str,
}

macro_rules! knobs {
    ($($name:literal, $default:expr, $unit:literal, $why:literal;)*) => {
        &[$(Knob { name: $name, default: $default, unit: $unit, why: $why }),*]
    };
}

/// Every knob: the single source of defaults and of the documentation that `rota config` prints.
pub const KNOBS: &[Knob] = knobs! {
    "name", Some("\"operator\""), "text", "Name in logs and status; nothing depends on it.";
    "genesis", None, "path", "genesis.json of the L2 chain. Paths are relative to this file.";
    "rollup", None, "path", "rollup.json of the L2 chain, as op-node reads it.";
    "committee", None, "path", "The operators and the rhythm of the chain.";
    "data_dir", None, "path", "Everything that the node writes; belongs to one chain, one lineage and one process.";
    "keys", Some("\"keys\""), "path", "Directory of the encrypted keystores (`rota keys new`).";
    "password_file", Some("\"password\""), "path", "File whose first line decrypts the keystores.";
    "follower", Some("false"), "bool", "Sync and serve without voting; only the identity key is read.";
    "first_start", Some("false"), "bool",
        "Vote with an empty data directory. Only for the very start of a chain: a node that lost its vote journal must \
         never vote in an epoch again, so without this flag it follows until an epoch after the tip.";
    "p2p_listen", Some("\"0.0.0.0:9222\""), "ip:port", "Where other operators connect.";
    "followers", Some("[]"), "identity@ip:port",
        "Peers beside the committee that may connect, as each operator lists them.";
    "rpc_listen", Some("\"127.0.0.1:8545\""), "ip:port", "JSON-RPC over HTTP and WebSocket; local unless chosen.";
    "metrics_listen", Some("\"127.0.0.1:9100\""), "ip:port", "/metrics, /healthz and /readyz; local unless chosen.";
    "l1_endpoints", None, "URLs",
        "L1 JSON-RPC endpoints, asked in this order: one that fails is passed over. That finalized L1 has overruled the \
         chain is believed when at least two, and more than half, of them say so: give three of different providers.";
    "l1_confirmations", Some("4"), "L1 blocks",
        "Depth at which an L1 block becomes an origin: post-merge reorgs deeper than 2 are rare, and deposits wait this \
         long.";
    "l1_poll_ms", Some("1000"), "ms", "Time between looks at the L1 head: well below an L1 slot of 12 s (devnet 2 s).";
    "trust_l1_bodies", Some("false"), "bool",
        "Don't check L1 transactions against their header: only for test chains whose headers are wrong (anvil with \
         blobs).";
    "l1_beacon_endpoints", Some("[]"), "URLs",
        "Beacon nodes (or archives) that serve the blobs of L1 blocks, asked in this order; needed as soon as anybody \
         posts blobs, and by followers as well.";
    "posting_turns", Some("\"\""), "address",
        "The PostingTurns contract on L1 that says whose turn it is to post; empty on a chain with one batcher for good.";
    "max_rtt_ms", Some("200"), "ms",
        "Largest round trip between operators; the leader timeout is pace + 1.25 x this + 100 ms. 200 ms spans Europe, \
         America and East Asia.";
    "poster", Some("false"), "bool", "Post batches to L1 with this operator's posting key.";
    "poster_interval_s", Some("10"), "s",
        "Longest time that certified blocks wait for a batch: far below the sequencing window, and long enough to \
         compress well.";
    "poster_carrier", Some("\"auto\""), "auto, calldata, blobs",
        "What carries batches: what costs less by current prices, unless one is chosen; without a beacon endpoint call data.";
    "poster_max_blobs", Some("6"), "blobs", "Blobs in one L1 transaction; pools take no more (EIP-7594).";
    "poster_patience_gwei", Some("100"), "gwei",
        "Above this base fee (call data) or blob base fee (blobs) a batch waits: for half the skip timeout, or, without \
         posting turns, until a quarter of the sequencing window is over. 100 gwei are some 20 times the usual.";
    "poster_skip_timeout_s", Some("300"), "s",
        "A certified block that a poster leaves unposted in its turn for this long makes it silent, and this operator \
         asks for a skip: several times what a batch takes with a fee that has to be raised. The same for all operators.";
    "pool_transactions", Some("20000"), "transactions", "Size of the pool: five seconds at 4 000/s.";
    "pool_bytes", Some("67108864"), "bytes", "Memory of the pool: 20 000 transactions of 3 kB.";
    "pool_per_sender", Some("256"), "transactions",
        "Of one sender in the pool, so that nobody fills it alone; more than one flashblock of a busy sender.";
    "pool_min_tip", Some("0"), "wei", "Smallest priority fee that is admitted; on L2 the base fee and L1 fee price spam.";
    "retention_blocks", Some("0"), "L2 blocks",
        "Blocks, receipts and certificates kept; 0 keeps all, less than the sequencing window is refused. 604 800 is a \
         week of 1 s blocks.";
    "state_window", Some("128"), "L2 blocks", "Past states that eth_call can see, as in geth without archive.";
    "rpc_max_request_bytes", Some("1048576"), "bytes", "Largest request: a batch of the largest transactions.";
    "rpc_max_response_bytes", Some("10485760"), "bytes", "Largest response: 10 000 logs of 1 kB.";
    "rpc_max_connections", Some("256"), "connections", "HTTP and WebSocket connections at once; bounds memory.";
    "rpc_max_log_blocks", Some("10000"), "L2 blocks", "Largest range of eth_getLogs, as public providers allow.";
};

/// The configuration of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "KNOBS documents every field, and a test holds the two together")]
pub struct Config {
    pub name: String,
    pub genesis: PathBuf,
    pub rollup: PathBuf,
    pub committee: PathBuf,
    pub data_dir: PathBuf,
    pub keys: PathBuf,
    pub password_file: PathBuf,
    pub follower: bool,
    pub first_start: bool,
    pub p2p_listen: SocketAddr,
    #[serde(with = "followers")]
    pub followers: Vec<Follower>,
    pub rpc_listen: SocketAddr,
    pub metrics_listen: SocketAddr,
    pub l1_endpoints: Vec<Url>,
    pub l1_confirmations: u64,
    pub l1_poll_ms: u64,
    pub trust_l1_bodies: bool,
    pub l1_beacon_endpoints: Vec<Url>,
    pub posting_turns: String,
    pub max_rtt_ms: u64,
    pub poster: bool,
    pub poster_interval_s: u64,
    pub poster_carrier: CarrierChoice,
    pub poster_max_blobs: usize,
    pub poster_patience_gwei: u64,
    pub poster_skip_timeout_s: u64,
    pub pool_transactions: usize,
    pub pool_bytes: usize,
    pub pool_per_sender: usize,
    pub pool_min_tip: u64,
    pub retention_blocks: u64,
    pub state_window: u64,
    pub rpc_max_request_bytes: u32,
    pub rpc_max_response_bytes: u32,
    pub rpc_max_connections: u32,
    pub rpc_max_log_blocks: u64,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, a missing key, or a value of the wrong type.
    #[error("{path}: {why}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A value that makes no sense.
    #[error("{knob}: {why}")]
    Value {
        /// The knob.
        knob: &'static str,
        /// Why.
        why: &'static str,
    },
    /// Fewer blocks would be kept than may still have to be posted.
    #[error(
        "retention_blocks: must be 0 or at least {needed}: {window} L1 blocks of {L1_SLOT} s, the sequencing window \
         within which blocks may have to be posted"
    )]
    Retention {
        /// The smallest that is accepted, L2 blocks.
        needed: u64,
        /// The sequencing window, L1 blocks.
        window: u64,
    },
}

/// Seconds between L1 blocks. A test L1 is faster, and keeps more than it needs.
const L1_SLOT: u64 = 12;

impl Config {
    /// Reads a file; paths in it become relative to the file's directory.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
        let mut config = Self::parse(&text).map_err(|why| ConfigError::Parse { path: path.to_path_buf(), why })?;
        let base = path.parent().unwrap_or(Path::new("."));
        for path in [
            &mut config.genesis,
            &mut config.rollup,
            &mut config.committee,
            &mut config.data_dir,
            &mut config.keys,
            &mut config.password_file,
        ] {
            *path = base.join(&path);
        }
        config.check()?;
        Ok(config)
    }

    /// Lays the text over the defaults.
    fn parse(text: &str) -> Result<Self, String> {
        let defaults: String = KNOBS
            .iter()
            .filter_map(|knob| knob.default.map(|default| format!("{} = {default}\n", knob.name)))
            .collect();
        let mut table: toml::Table = toml::from_str(&defaults).map_err(|error| error.to_string())?;
        let given: toml::Table = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            format!("line {}: {}", before.matches('\n').count() + 1, error.message().replace('\n', " "))
        })?;
        table.extend(given);
        // Without a place in the text, but the key is named.
        table.try_into().map_err(|error: toml::de::Error| error.to_string().trim().replace('\n', " "))
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |knob, why| Err(ConfigError::Value { knob, why });
        if self.l1_endpoints.is_empty() {
            return refuse("l1_endpoints", "at least one is needed");
        }
        if (1..self.l1_endpoints.len()).any(|index| self.l1_endpoints[..index].contains(&self.l1_endpoints[index])) {
            return refuse("l1_endpoints", "the same one twice: they are each other's witnesses");
        }
        if self.l1_endpoints.iter().any(|url| !matches!(url.scheme(), "http" | "https")) {
            return refuse("l1_endpoints", "must be http or https");
        }
        if self.l1_beacon_endpoints.iter().any(|url| !matches!(url.scheme(), "http" | "https")) {
            return refuse("l1_beacon_endpoints", "must be http or https");
        }
        if !self.posting_turns.is_empty() && self.posting_turns().is_none() {
            return refuse("posting_turns", "must be an address, or empty");
        }
        if self.poster_carrier == CarrierChoice::Blobs && self.l1_beacon_endpoints.is_empty() {
            return refuse("poster_carrier", "blobs need l1_beacon_endpoints, to be read back");
        }
        if !(1..=6).contains(&self.poster_max_blobs) {
            return refuse("poster_max_blobs", "must be between 1 and 6");
        }
        if self.poster_skip_timeout_s == 0 {
            return refuse("poster_skip_timeout_s", "must be positive");
        }
        if self.posting_turns().is_some() && self.poster_interval_s >= self.poster_skip_timeout_s {
            return refuse(
                "poster_interval_s",
                "must be shorter than poster_skip_timeout_s: the others skip who waits so long",
            );
        }
        if self.l1_poll_ms == 0 {
            return refuse("l1_poll_ms", "must be positive");
        }
        if self.max_rtt_ms == 0 || self.max_rtt_ms > 5_000 {
            return refuse("max_rtt_ms", "must be between 1 and 5000");
        }
        if self.follower && self.poster {
            return refuse("poster", "a follower has no posting key");
        }
        if self.pool_transactions == 0 || self.pool_bytes == 0 || self.pool_per_sender == 0 {
            return refuse("pool_transactions", "the limits of the pool must be positive");
        }
        if self.state_window == 0 {
            return refuse("state_window", "must be positive");
        }
        Ok(())
    }

    /// Refuses to keep fewer blocks than this chain may still have to post.
    pub const fn check_retention(&self, rollup: &RollupConfig) -> Result<(), ConfigError> {
        let window = rollup.seq_window_size;
        let needed = window.saturating_mul(L1_SLOT).div_ceil(rollup.block_time);
        if self.retention_blocks != 0 && self.retention_blocks < needed {
            return Err(ConfigError::Retention { needed, window });
        }
        Ok(())
    }

    /// Largest round trip between operators.
    pub const fn max_rtt(&self) -> Duration {
        Duration::from_millis(self.max_rtt_ms)
    }

    /// The PostingTurns contract, if there is one.
    pub fn posting_turns(&self) -> Option<Address> {
        self.posting_turns.parse().ok()
    }

    /// How long a poster may leave certified blocks unposted.
    pub const fn poster_skip_timeout(&self) -> Duration {
        Duration::from_secs(self.poster_skip_timeout_s)
    }

    /// Time between looks at the L1 head.
    pub const fn l1_poll(&self) -> Duration {
        Duration::from_millis(self.l1_poll_ms)
    }

    /// As [`Self::to_toml`], for logs: without what providers make secret in URLs (user, path, query).
    pub fn to_log(&self) -> String {
        const HIDDEN: &str = "hidden";
        let mut shown = self.clone();
        for url in shown.l1_endpoints.iter_mut().chain(&mut shown.l1_beacon_endpoints) {
            // Errors say that there is nothing to hide.
            let (_, _) = (url.set_username(""), url.set_password(None));
            if url.path() != "/" {
                url.set_path(HIDDEN);
            }
            url.set_query(url.query().is_some().then_some(HIDDEN));
        }
        shown.to_toml()
    }

    /// Every knob with its effective value, as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("the configuration is a flat table")
    }
}

/// Followers as `identity@ip:port`.
mod followers {
    use super::Follower;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(followers: &[Follower], serializer: S) -> Result<S::Ok, S::Error> {
        let text: Vec<_> = followers.iter().map(|peer| format!("{}@{}", peer.identity, peer.endpoint)).collect();
        text.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Follower>, D::Error> {
        let parse = |text: String| -> Option<Follower> {
            let (identity, endpoint) = text.split_once('@')?;
            Some(Follower { identity: identity.parse().ok()?, endpoint: endpoint.parse().ok()? })
        };
        let text = Vec::<String>::deserialize(deserializer)?;
        text.into_iter()
            .map(|text| parse(text.clone()).ok_or_else(|| D::Error::custom(format!("{text:?} is no identity@ip:port"))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
        genesis = "g.json"
        rollup = "r.json"
        committee = "c.json"
        data_dir = "data"
        l1_endpoints = ["http://127.0.0.1:8545"]
    "#;

    #[test]
    fn the_table_and_the_struct_name_the_same_knobs() {
        let config = Config::parse(MINIMAL).expect("only what has no default is needed");
        let table: toml::Table = toml::from_str(&config.to_toml()).expect("its own output");
        let fields: std::collections::BTreeSet<_> = table.keys().map(String::as_str).collect();
        assert_eq!(fields, KNOBS.iter().map(|knob| knob.name).collect());
        config.check().expect("the defaults are legal");
    }

    #[test]
    fn unknown_and_missing_keys_are_named() {
        let unknown = Config::parse(&format!("{MINIMAL}\nretentoin = 1")).expect_err("unknown");
        assert!(unknown.contains("retentoin"), "{unknown}");
        let missing = Config::parse(&MINIMAL.replace("genesis =", "name =")).expect_err("missing");
        assert!(missing.contains("genesis"), "{missing}");
        let mistyped = Config::parse(&format!("{MINIMAL}\npool_bytes = \"many\"")).expect_err("no number");
        assert!(mistyped.contains("`pool_bytes`"), "{mistyped}");
        let broken = Config::parse("name = \"a\"\npool_bytes = = 1").expect_err("no TOML");
        assert!(broken.starts_with("line 2: "), "{broken}");
        assert!([unknown, missing, mistyped, broken].iter().all(|why| why.lines().count() == 1));
    }

    #[test]
    fn keys_of_l1_providers_are_not_logged() {
        let endpoints = r#"["https://me:w0rd@l1.example/v3/c0ffee?key=c0ffee", "http://127.0.0.1:8545"]"#;
        let config = Config::parse(&MINIMAL.replace(r#"["http://127.0.0.1:8545"]"#, endpoints)).expect("legal");
        let logged = config.to_log();
        assert!(logged.contains("l1.example") && logged.contains("http://127.0.0.1:8545"), "{logged}");
        assert!(!["me:", "w0rd", "c0ffee"].iter().any(|secret| logged.contains(secret)), "{logged}");
    }

    #[test]
    fn followers_are_written_as_they_are_read() {
        let peer = format!("{}@127.0.0.1:9", alloy_primitives::B256::repeat_byte(7));
        let config = Config::parse(&format!("{MINIMAL}\nfollowers = [\"{peer}\"]")).expect("a follower");
        assert_eq!(Config::parse(&config.to_toml()), Ok(config));
        assert!(Config::parse(&format!("{MINIMAL}\nfollowers = [\"127.0.0.1:9\"]")).is_err());
    }

    #[test]
    fn values_without_sense_are_refused() {
        let refused = |text: &str| Config::parse(&MINIMAL.replace("data_dir", text)).is_ok_and(|c| c.check().is_err());
        assert!(refused("max_rtt_ms = 0\ndata_dir"));
        assert!(refused("follower = true\nposter = true\ndata_dir"));
        assert!(!refused("max_rtt_ms = 80\ndata_dir"));
        let endpoints =
            |list: &str| Config::parse(&MINIMAL.replace("\"http://127.0.0.1:8545\"", list)).map(|c| c.check().is_ok());
        assert_eq!(endpoints(r#""http://a", "http://b""#), Ok(true));
        assert_eq!(endpoints(r#""http://a", "http://b", "http://a""#), Ok(false));
    }

    #[test]
    fn a_retention_below_the_sequencing_window_is_refused() {
        let spec = crate::ledger::fixture::spec();
        let rollup = RollupConfig { seq_window_size: 3_600, block_time: 2, ..spec.rollup };
        let keeping = |blocks| Config { retention_blocks: blocks, ..Config::parse(MINIMAL).expect("minimal") };
        assert!(keeping(0).check_retention(&rollup).is_ok());
        assert!(keeping(21_600).check_retention(&rollup).is_ok());
        let refused = keeping(21_599).check_retention(&rollup).expect_err("too few").to_string();
        assert!(refused.contains("retention_blocks: must be 0 or at least 21600: 3600 L1 blocks"), "{refused}");
    }
}
