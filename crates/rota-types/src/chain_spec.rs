//! What makes a chain this chain: the standard `genesis.json` and `rollup.json`, and a small committee file.

pub use crate::rollup_config::{ChainOpConfig, GenesisSystemConfig, RollupConfig, RollupGenesis};
use crate::{
    Body, Committee, Digest, Epoch, Flashblock, Header, KeyDomain, Limits, Operator, PROTOCOL_VERSION, Position,
    Strategy, committee::CommitteeError,
};
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, keccak256};
use serde::{Deserialize, Serialize};
use std::{path::Path, time::Duration};

/// The longest block time.
const MAX_BLOCK_TIME_SECONDS: u64 = 3_600;

/// A pace of 10 ms: below it, no agreement over a network keeps up.
const MAX_FLASHBLOCKS_PER_SECOND: u64 = 100;

/// Twice as many still fit the header's `u16` index.
const MAX_FLASHBLOCKS_PER_BLOCK: u64 = 10_000;

/// Why a chain spec is unusable.
#[derive(Debug, thiserror::Error)]
pub enum ChainSpecError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("cannot parse {path}: {source}")]
    Parse {
        /// The file.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The operators are no committee.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
    /// The files contradict each other or a rule.
    #[error("{0}")]
    Inconsistent(String),
}

/// The committee file: who sequences, and in what rhythm.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitteeFile {
    /// Lineage of the chain.
    #[serde(default)]
    pub lineage: u32,
    /// Flashblocks in one L2 block at the nominal pace.
    pub flashblocks_per_block: u16,
    /// Heights in one epoch.
    pub epoch_length: u64,
    /// Views in one turn.
    pub turn_length: u32,
    /// Limits of a flashblock.
    #[serde(default)]
    pub limits: Limits,
    /// The registry on L1 that names the committees from epoch 2 on; without one the committee never changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistrySpec>,
    /// Who gives the turns until the registry announces another.
    #[serde(default)]
    pub strategy: Strategy,
    /// The operators of epochs 0 and 1: the registry's at the rollup's L1 genesis.
    pub operators: Vec<Operator>,
}

/// Where the registry is on L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrySpec {
    /// Its address.
    pub address: Address,
    /// The L1 block that it was deployed in, or an earlier one.
    pub since: u64,
}

/// A chain: immutable, shared by every part of the node.
#[derive(Debug, Clone)]
pub struct ChainSpec {
    /// Standard L2 genesis.
    pub genesis: Genesis,
    /// Standard rollup config.
    pub rollup: RollupConfig,
    /// Lineage.
    pub lineage: u32,
    /// Flashblocks in one L2 block at the nominal pace.
    pub flashblocks_per_block: u16,
    /// Heights in one epoch; epoch e holds heights `e·length ..= (e+1)·length − 1`.
    pub epoch_length: u64,
    /// Views in one turn.
    pub turn_length: u32,
    /// Limits of a flashblock.
    pub limits: Limits,
    /// The registry on L1, if committees may change.
    pub registry: Option<RegistrySpec>,
    /// Who gives the turns until the registry announces another.
    pub strategy: Strategy,
    /// The committee of epochs 0 and 1; of all epochs without a registry.
    pub committee: Committee,
}

impl ChainSpec {
    /// The shortest epoch, in heights: more than twice what a node may execute behind consensus (16), so that one that
    /// lags enters an epoch well after it has left the one before the last.
    pub const MIN_EPOCH_LENGTH: u64 = 33;

    /// Reads the three files and checks every operator's proof of possession, without which aggregate signatures prove
    /// nothing. (A registry has checked them; that the committee is the registry's is for those to see who read L1.)
    pub fn load(genesis: &Path, rollup: &Path, committee: &Path) -> Result<Self, ChainSpecError> {
        let spec = Self::new(parse(genesis)?, parse(rollup)?, parse(committee)?)?;
        if spec.registry.is_none() {
            spec.committee.check_possession(&spec.key_domain())?;
        }
        Ok(spec)
    }

    /// Checks that the three files describe one chain.
    pub fn new(genesis: Genesis, rollup: RollupConfig, file: CommitteeFile) -> Result<Self, ChainSpecError> {
        check_genesis(&genesis, &rollup)?;
        check_rhythm(rollup.block_time, &file)?;
        file.limits.check().map_err(ChainSpecError::Inconsistent)?;
        let spec = Self {
            genesis,
            rollup,
            lineage: file.lineage,
            flashblocks_per_block: file.flashblocks_per_block,
            epoch_length: file.epoch_length,
            turn_length: file.turn_length,
            limits: file.limits,
            registry: file.registry,
            strategy: file.strategy,
            committee: Committee::new(file.operators)?,
        };
        let epoch = Epoch::new(&spec, 0, spec.committee.clone(), spec.strategy, B256::ZERO);
        epoch.map_err(|error| ChainSpecError::Inconsistent(error.to_string()))?;
        Ok(spec)
    }

    /// L2 chain id.
    pub const fn chain_id(&self) -> u64 {
        self.rollup.l2_chain_id
    }

    /// What operators' keys are bound to.
    pub fn key_domain(&self) -> KeyDomain {
        let bound =
            |registry: RegistrySpec| KeyDomain { l1_chain_id: self.rollup.l1_chain_id, registry: registry.address };
        self.registry.map(bound).unwrap_or_default()
    }

    /// Nominal time between flashblocks.
    pub fn pace(&self) -> Duration {
        Duration::from_secs(self.rollup.block_time) / u32::from(self.flashblocks_per_block)
    }

    /// The index at which a block must be sealed at the latest: `2 × flashblocks per block − 1` (0 with one flashblock
    /// per block).
    pub const fn last_index(&self) -> u16 {
        if self.flashblocks_per_block == 1 { 0 } else { 2 * self.flashblocks_per_block - 1 }
    }

    /// The epoch of a height.
    pub const fn epoch_of(&self, height: u64) -> u64 {
        height / self.epoch_length
    }

    /// Whether a height is the last of its epoch: it seals its block and carries no user transactions.
    pub const fn ends_epoch(&self, height: u64) -> bool {
        height % self.epoch_length == self.epoch_length - 1
    }

    /// What every consensus signature is bound to: `"rota" ‖ version ‖ chain id ‖ lineage`.
    pub fn namespace(&self) -> Vec<u8> {
        let mut out = b"rota".to_vec();
        out.extend_from_slice(&PROTOCOL_VERSION.to_be_bytes());
        out.extend_from_slice(&self.chain_id().to_be_bytes());
        out.extend_from_slice(&self.lineage.to_be_bytes());
        out
    }

    /// Identifies the chain on disk and in the handshake: namespace, genesis blocks, block time, rhythm, limits and
    /// first committee, hashed. Two nodes with one id give the same verdicts as long as they know the same upgrades.
    pub fn id(&self) -> B256 {
        let mut out = self.namespace();
        out.extend_from_slice(self.rollup.genesis.l2.hash.as_slice());
        out.extend_from_slice(self.rollup.genesis.l1.hash.as_slice());
        out.extend_from_slice(&self.rollup.block_time.to_be_bytes());
        out.extend_from_slice(&self.flashblocks_per_block.to_be_bytes());
        out.extend_from_slice(&self.epoch_length.to_be_bytes());
        out.extend_from_slice(&self.turn_length.to_be_bytes());
        out.extend_from_slice(&(self.limits.max_flashblock_bytes as u64).to_be_bytes());
        out.extend_from_slice(&self.limits.max_flashblock_gas.to_be_bytes());
        out.extend_from_slice(&self.limits.max_flashblock_precompile_gas.to_be_bytes());
        out.extend_from_slice(self.key_domain().registry.as_slice());
        out.extend_from_slice(Epoch::genesis(self, 0).root().as_slice());
        keccak256(out)
    }

    /// The flashblock at height 0: it stands for the L2 genesis block.
    pub fn genesis_flashblock(&self) -> Flashblock {
        let body = Body::default();
        Flashblock {
            header: Header {
                version: PROTOCOL_VERSION,
                chain_id: self.chain_id(),
                lineage: self.lineage,
                epoch: 0,
                view: 0,
                leader: B256::ZERO,
                parent_view: 0,
                parent: Digest::ZERO,
                height: 0,
                block_number: self.rollup.genesis.l2.number,
                index: 0,
                body_hash: body.hash(),
                outcome_root: B256::ZERO,
                cumulative_gas: 0,
                seal: self.rollup.genesis.l2.hash,
                next_committee_root: B256::ZERO,
            },
            body,
        }
    }

    /// The chain before its first flashblock.
    pub fn genesis_position(&self) -> Position {
        Position {
            digest: self.genesis_flashblock().digest(),
            height: 0,
            block_number: self.rollup.genesis.l2.number,
            index: 0,
            sealed: Some(self.rollup.genesis.l2.hash),
            timestamp: self.rollup.genesis.l2_time,
            origin: self.rollup.genesis.l1,
            sequence_number: 0,
            user_transactions: true,
        }
    }
}

/// Genesis and rollup config must agree on everything that both of them say.
fn check_genesis(genesis: &Genesis, rollup: &RollupConfig) -> Result<(), ChainSpecError> {
    let extra = |key: &str| genesis.config.extra_fields.get(key).and_then(|value| value.as_u64());
    same("chain id", Some(genesis.config.chain_id), Some(rollup.l2_chain_id))?;
    same("genesis time", Some(genesis.timestamp), Some(rollup.genesis.l2_time))?;
    same("genesis block number", Some(genesis.number.unwrap_or(0)), Some(rollup.genesis.l2.number))?;
    let forks = [
        ("regolithTime", rollup.regolith_time),
        ("canyonTime", rollup.canyon_time),
        ("ecotoneTime", rollup.ecotone_time),
        ("fjordTime", rollup.fjord_time),
        ("graniteTime", rollup.granite_time),
        ("holoceneTime", rollup.holocene_time),
        ("isthmusTime", rollup.isthmus_time),
    ];
    for (key, time) in forks {
        same(key, extra(key), time)?;
        if time.is_none_or(|time| time > rollup.genesis.l2_time) {
            return Err(ChainSpecError::Inconsistent(format!("{key}: must be active at genesis")));
        }
    }
    same("jovianTime", extra("jovianTime"), rollup.jovian_time)?;
    let fees = |key: &str| genesis.config.extra_fields.get("optimism")?.get(key)?.as_u64();
    let op = &rollup.chain_op_config;
    same("eip1559Elasticity", fees("eip1559Elasticity"), Some(op.eip1559_elasticity.into()))?;
    same("eip1559DenominatorCanyon", fees("eip1559DenominatorCanyon"), Some(op.eip1559_denominator_canyon.into()))
}

/// The rhythm must leave time for agreement.
fn check_rhythm(block_time: u64, file: &CommitteeFile) -> Result<(), ChainSpecError> {
    let refuse = |why: &str| Err(ChainSpecError::Inconsistent(why.into()));
    if !(1..=MAX_BLOCK_TIME_SECONDS).contains(&block_time) {
        return refuse("block_time must be 1 to 3600 seconds");
    }
    if file.flashblocks_per_block == 0
        || u64::from(file.flashblocks_per_block) > block_time * MAX_FLASHBLOCKS_PER_SECOND
    {
        return refuse("flashblocks_per_block must be at least 1 and at most 100 per second of block_time");
    }
    if u64::from(file.flashblocks_per_block) > MAX_FLASHBLOCKS_PER_BLOCK {
        return refuse("flashblocks_per_block must be at most 10000");
    }
    if file.epoch_length < ChainSpec::MIN_EPOCH_LENGTH {
        return refuse("epoch_length must be at least 33");
    }
    if file.turn_length < 2 {
        return refuse("turn_length must be at least 2");
    }
    Ok(())
}

fn same(what: &str, genesis: Option<u64>, rollup: Option<u64>) -> Result<(), ChainSpecError> {
    if genesis == rollup {
        return Ok(());
    }
    let show = |value: Option<u64>| value.map_or_else(|| "none".into(), |value| value.to_string());
    Err(ChainSpecError::Inconsistent(format!(
        "{what}: genesis.json says {}, rollup.json {}",
        show(genesis),
        show(rollup)
    )))
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ChainSpecError> {
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| ChainSpecError::Read { path: shown.clone(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| ChainSpecError::Parse { path: shown, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn file(name: &str) -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/spec").join(name);
        parse(&path).expect("vectors/spec is committed")
    }

    /// The spec of `vectors/spec` after one change to one of its files.
    fn changed(name: &str, pointer: &str, to: Value) -> Result<ChainSpec, String> {
        let mut files = [file("genesis.json"), file("rollup.json"), file("committee.json")];
        let index = ["genesis", "rollup", "committee"].iter().position(|n| *n == name).expect("a file of the spec");
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
        match files[index].pointer_mut(pointer) {
            Some(value) => *value = to,
            None => {
                let object = files[index].pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
                object.insert(key.into(), to);
            }
        }
        let [genesis, rollup, committee] = files;
        let read = |e: serde_json::Error| e.to_string();
        ChainSpec::new(
            serde_json::from_value(genesis).map_err(read)?,
            serde_json::from_value(rollup).map_err(read)?,
            serde_json::from_value(committee).map_err(read)?,
        )
        .map_err(|e| e.to_string())
    }

    fn spec() -> ChainSpec {
        changed("committee", "/lineage", json!(0)).expect("the spec is consistent")
    }

    #[test]
    fn contradictions_are_refused_by_name() {
        for (name, pointer, to, why) in [
            ("rollup", "/l2_chain_id", json!(902), "chain id: genesis.json says 901, rollup.json 902"),
            ("genesis", "/timestamp", json!("0x1"), "genesis time"),
            ("rollup", "/genesis/l2/number", json!(1), "genesis block number"),
            ("rollup", "/isthmus_time", json!(null), "isthmusTime: genesis.json says 0, rollup.json none"),
            ("rollup", "/jovian_time", json!(5), "jovianTime"),
            ("genesis", "/config/jovianTime", json!(5), "jovianTime"),
            ("genesis", "/config/optimism/eip1559Elasticity", json!(7), "eip1559Elasticity"),
            ("rollup", "/chain_op_config/eip1559DenominatorCanyon", json!(7), "eip1559DenominatorCanyon"),
            ("rollup", "/block_time", json!(0), "block_time"),
            ("rollup", "/block_time", json!(3601), "block_time"),
            ("committee", "/flashblocks_per_block", json!(0), "flashblocks_per_block"),
            ("committee", "/flashblocks_per_block", json!(101), "flashblocks_per_block"),
            ("committee", "/epoch_length", json!(32), "epoch_length must be at least 33"),
            ("committee", "/turn_length", json!(1), "turn_length"),
            ("committee", "/epoch_length", json!(1_000_000), "regular turns"),
            ("committee", "/operators/0/weight", json!(0), "weight"),
            ("committee", "/limits/max_flashblock_gas", json!(16_777_215), "EIP-7825"),
            ("committee", "/limits/max_flashblock_bytes", json!(131_075), "max_flashblock_bytes"),
            ("committee", "/limits/max_flashblock_bytes", json!(8_388_609), "max_flashblock_bytes"),
            ("committee", "/operators", json!([]), "at least one operator"),
        ] {
            let error = changed(name, pointer, to).expect_err(pointer);
            assert!(error.contains(why), "{pointer}: {error}");
        }
    }

    #[test]
    fn a_fork_after_genesis_is_refused_up_to_isthmus_only() {
        let mut genesis: Genesis = serde_json::from_value(file("genesis.json")).expect("a genesis");
        let mut rollup: RollupConfig = serde_json::from_value(file("rollup.json")).expect("a rollup config");
        let committee: CommitteeFile = serde_json::from_value(file("committee.json")).expect("a committee");
        let late = genesis.timestamp + 100;
        genesis.config.extra_fields.insert("jovianTime".into(), json!(late));
        rollup.jovian_time = Some(late);
        ChainSpec::new(genesis.clone(), rollup.clone(), committee.clone()).expect("Jovian may come later");
        genesis.config.extra_fields.insert("isthmusTime".into(), json!(late));
        rollup.isthmus_time = Some(late);
        let error = ChainSpec::new(genesis, rollup, committee).expect_err("Isthmus may not");
        assert_eq!(error.to_string(), "isthmusTime: must be active at genesis");
    }

    #[test]
    fn unknown_keys_are_refused() {
        for (name, at) in [("rollup", ""), ("rollup", "/genesis"), ("rollup", "/chain_op_config"), ("committee", "")] {
            let mut value = file(&format!("{name}.json"));
            let object = value.pointer_mut(at).and_then(Value::as_object_mut).expect("an object");
            object.insert("karst_time".into(), json!(7));
            let error = match name {
                "rollup" => serde_json::from_value::<RollupConfig>(value).expect_err(at).to_string(),
                _ => serde_json::from_value::<CommitteeFile>(value).expect_err(at).to_string(),
            };
            assert!(error.contains("unknown field `karst_time`"), "{error}");
        }
    }

    #[test]
    fn rollup_config_reads_back_what_it_writes() {
        let rollup: RollupConfig = serde_json::from_value(file("rollup.json")).expect("a rollup config");
        let written = serde_json::to_value(&rollup).expect("serializes");
        assert_eq!(serde_json::from_value::<RollupConfig>(written).expect("reads"), rollup);
    }

    #[test]
    fn a_missing_file_is_named() {
        let nowhere = Path::new("/nowhere/genesis.json");
        let error = ChainSpec::load(nowhere, nowhere, nowhere).expect_err("no such file");
        assert!(error.to_string().starts_with("cannot read /nowhere/genesis.json"), "{error}");
    }

    #[test]
    fn the_last_height_ends_its_epoch() {
        let spec = spec();
        let last = spec.epoch_length - 1;
        assert!(spec.ends_epoch(last) && !spec.ends_epoch(last - 1) && !spec.ends_epoch(last + 1));
        assert_eq!((spec.epoch_of(last), spec.epoch_of(last + 1)), (0, 1));
        // Heights come from strangers: the largest must not overflow.
        let _ = spec.ends_epoch(u64::MAX);
    }

    #[test]
    fn pace_and_last_index_follow_flashblocks_per_block() {
        let mut spec = spec();
        assert_eq!((spec.pace(), spec.last_index()), (Duration::from_millis(200), 9));
        spec.flashblocks_per_block = 1;
        assert_eq!((spec.pace(), spec.last_index()), (Duration::from_secs(1), 0));
    }

    #[test]
    fn genesis_position_stands_on_the_genesis_flashblock() {
        let spec = spec();
        let (flashblock, position) = (spec.genesis_flashblock(), spec.genesis_position());
        assert_eq!(position.digest, flashblock.digest());
        assert_eq!(position.sealed, Some(flashblock.header.seal));
        assert_eq!(flashblock.header.body_hash, flashblock.body.hash());
        assert_eq!(Flashblock::decode(&flashblock.encode(), 0), Ok(flashblock));
    }

    #[test]
    fn whatever_changes_a_verdict_changes_the_id() {
        let id = spec().id();
        for (name, pointer, to) in [
            ("committee", "/lineage", json!(1)),
            ("committee", "/flashblocks_per_block", json!(4)),
            ("committee", "/epoch_length", json!(301)),
            ("committee", "/turn_length", json!(51)),
            ("committee", "/limits/max_flashblock_gas", json!(60_000_000)),
            ("committee", "/limits/max_flashblock_bytes", json!(2_000_000)),
            ("committee", "/limits/max_flashblock_precompile_gas", json!(1)),
            ("committee", "/operators/0/weight", json!(2)),
            ("committee", "/registry", json!({ "address": Address::repeat_byte(9), "since": 1 })),
            ("committee", "/strategy", json!("weighted")),
            ("rollup", "/block_time", json!(2)),
            ("rollup", "/genesis/l1/hash", json!(B256::repeat_byte(9))),
            ("rollup", "/genesis/l2/hash", json!(B256::repeat_byte(9))),
        ] {
            assert_ne!(changed(name, pointer, to).expect(pointer).id(), id, "{pointer}");
        }
        let moved = changed("committee", "/operators/0/endpoint", json!("10.0.0.1:1")).expect("an endpoint may move");
        assert_eq!(moved.id(), id, "an endpoint is no part of the chain");
    }
}
