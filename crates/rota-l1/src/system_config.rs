//! The chain's parameters on L1 (`SystemConfig`), as derivation follows them.
//!
//! Exactly as in op-node, the config of an L2 block is a function of its parent (whose header and L1 info transaction
//! hold it) and, in the first block of an epoch, of the updates in the new origin. So a node needs no L1 history.

use crate::l1_info::{L1Info, L1InfoError};
use alloy_consensus::Header;
use alloy_primitives::{Address, B64, B256, Log, U256, b256};
use rota_types::{ChainSpec, RollupConfig};

/// keccak256 of `ConfigUpdate(uint256,uint8,bytes)`.
pub const CONFIG_UPDATE_TOPIC: B256 = b256!("1d2b0bda21d56b8bd12d4f94ebacffdfb35f5e226f84b461103bb8beab6353be");

/// System config of an L2 block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemConfig {
    /// Address that may post batches.
    pub batcher: Address,
    /// `0x01 ‖ 0… ‖ blobBaseFeeScalar ‖ baseFeeScalar`.
    pub scalar: B256,
    /// L2 gas limit.
    pub gas_limit: u64,
    /// `denominator ‖ elasticity`; zero stands for the chain's default.
    pub eip1559_params: B64,
    /// Operator fee scalar.
    pub operator_fee_scalar: u32,
    /// Operator fee constant.
    pub operator_fee_constant: u64,
    /// Minimum base fee, wei (Jovian).
    pub min_base_fee: u64,
    /// DA footprint gas scalar (Jovian); 0 stands for the default 400.
    pub da_footprint_gas_scalar: u16,
}

impl SystemConfig {
    /// The config that `rollup.json` gives for the genesis block.
    pub fn from_genesis(rollup: &RollupConfig) -> Self {
        let genesis = &rollup.genesis.system_config;
        let (operator_fee_scalar, operator_fee_constant) = operator_fee(genesis.operator_fee_params);
        Self {
            batcher: genesis.batcher_addr,
            scalar: genesis.scalar,
            gas_limit: genesis.gas_limit,
            eip1559_params: genesis.eip1559_params,
            operator_fee_scalar,
            operator_fee_constant,
            min_base_fee: genesis.min_base_fee,
            da_footprint_gas_scalar: genesis.da_footprint_gas_scalar,
        }
    }

    /// The config that an L2 block holds (op-node `PayloadToSystemConfig`): of its header and the input of its first
    /// transaction, the L1 info deposit (which the genesis block doesn't have).
    pub fn from_l2_block(spec: &ChainSpec, header: &Header, l1_info: &[u8]) -> Result<Self, L1InfoError> {
        if header.number == spec.rollup.genesis.l2.number {
            return Ok(Self::from_genesis(&spec.rollup));
        }
        let info = L1Info::decode(l1_info)?;
        // 0x00 ‖ denominator ‖ elasticity, from Jovian on 0x01 ‖ denominator ‖ elasticity ‖ minimum base fee.
        let (eip1559_params, min_base_fee) = match header.extra_data.as_ref() {
            [0, params @ ..] if params.len() == 8 => (B64::from_slice(params), 0),
            [1, rest @ ..] if rest.len() == 16 => {
                (B64::from_slice(&rest[..8]), u64::from_be_bytes(B64::from_slice(&rest[8..]).0))
            }
            _ => return Err(L1InfoError("extra data of the L2 header")),
        };
        Ok(Self {
            batcher: info.batcher,
            scalar: pack_scalar(info.base_fee_scalar, info.blob_base_fee_scalar),
            gas_limit: header.gas_limit,
            eip1559_params,
            operator_fee_scalar: info.operator_fee_scalar,
            operator_fee_constant: info.operator_fee_constant,
            min_base_fee,
            da_footprint_gas_scalar: info.da_footprint_gas_scalar.unwrap_or(0),
        })
    }

    /// Applies one update.
    pub const fn apply(&mut self, update: &ConfigUpdate) {
        match *update {
            ConfigUpdate::Batcher(batcher) => self.batcher = batcher,
            ConfigUpdate::Scalar(scalar) => self.scalar = scalar,
            ConfigUpdate::GasLimit(gas_limit) => self.gas_limit = gas_limit,
            ConfigUpdate::Eip1559Params(params) => self.eip1559_params = params,
            ConfigUpdate::OperatorFee { scalar, constant } => {
                self.operator_fee_scalar = scalar;
                self.operator_fee_constant = constant;
            }
            ConfigUpdate::MinBaseFee(fee) => self.min_base_fee = fee,
            ConfigUpdate::DaFootprintGasScalar(scalar) => self.da_footprint_gas_scalar = scalar,
        }
    }

    /// Base fee scalar and blob base fee scalar. A version 0 scalar with dirty padding counts as the largest base fee
    /// scalar (Ecotone spec); other malformed scalars can only come from a wrong `rollup.json`.
    pub(crate) fn fee_scalars(&self) -> Result<(u32, u32), L1InfoError> {
        let low = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|i| self.scalar[at + i]));
        match self.scalar[0] {
            0 if self.scalar[1..28].iter().any(|byte| *byte != 0) => Ok((u32::MAX, 0)),
            0 => Ok((low(28), 0)),
            1 if self.scalar[1..24].iter().all(|byte| *byte == 0) => Ok((low(28), low(24))),
            _ => Err(L1InfoError("fee scalar of the system config")),
        }
    }
}

/// A version 1 scalar.
fn pack_scalar(base_fee_scalar: u32, blob_base_fee_scalar: u32) -> B256 {
    let mut scalar = B256::ZERO;
    scalar[0] = 1;
    scalar[24..28].copy_from_slice(&blob_base_fee_scalar.to_be_bytes());
    scalar[28..].copy_from_slice(&base_fee_scalar.to_be_bytes());
    scalar
}

/// `operatorFeeScalar ‖ operatorFeeConstant` in the low 12 bytes.
fn operator_fee(word: B256) -> (u32, u64) {
    let scalar = u32::from_be_bytes([20, 21, 22, 23].map(|i| word[i]));
    let constant = u64::from_be_bytes([24, 25, 26, 27, 28, 29, 30, 31].map(|i| word[i]));
    (scalar, constant)
}

/// A change of the system config (op-node `ProcessSystemConfigUpdateLogEvent`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigUpdate {
    /// Type 0: who may post batches.
    Batcher(Address),
    /// Type 1: the fee scalars.
    Scalar(B256),
    /// Type 2: the L2 gas limit.
    GasLimit(u64),
    /// Type 4: `denominator ‖ elasticity`.
    Eip1559Params(B64),
    /// Type 5: the operator fee.
    OperatorFee {
        /// Scalar.
        scalar: u32,
        /// Constant.
        constant: u64,
    },
    /// Type 6: the minimum base fee.
    MinBaseFee(u64),
    /// Type 7: the DA footprint gas scalar.
    DaFootprintGasScalar(u16),
}

impl ConfigUpdate {
    /// Reads a log of the `SystemConfig` contract. `None` for everything that changes nothing: other events, the
    /// unsafe block signer (type 3), unknown versions and types, malformed values.
    pub fn decode(log: &Log) -> Option<Self> {
        let [CONFIG_UPDATE_TOPIC, version, kind] = log.topics() else {
            return None;
        };
        let kind = U256::from_be_bytes(kind.0).try_into().ok()?;
        let data = log.data.data.as_ref();
        if !version.is_zero() {
            return None;
        }
        match kind {
            0u8 => {
                let [word] = words(data)?;
                (word[..12] == [0; 12]).then(|| Self::Batcher(Address::from_word(word)))
            }
            1 => {
                let [_overhead, scalar] = words(data)?;
                let padding = match scalar[0] {
                    0 => &scalar[1..28],
                    1 => &scalar[1..24],
                    _ => return None,
                };
                padding.iter().all(|byte| *byte == 0).then_some(Self::Scalar(scalar))
            }
            2 => Some(Self::GasLimit(number(data)?)),
            4 => {
                let [word] = words(data)?;
                let params = B64::from_slice(&word[24..]);
                let (denominator, elasticity) = (params[..4] != [0; 4], params[4..] != [0; 4]);
                (denominator == elasticity).then_some(Self::Eip1559Params(params))
            }
            5 => {
                let [word] = words(data)?;
                let (scalar, constant) = operator_fee(word);
                Some(Self::OperatorFee { scalar, constant })
            }
            6 => Some(Self::MinBaseFee(number(data)?)),
            7 => Some(Self::DaFootprintGasScalar(number(data)?.try_into().ok()?)),
            _ => None,
        }
    }

    /// The log that the contract emits for this update: the inverse of [`Self::decode`], for L1 chains in memory.
    pub fn encode(&self, system_config: Address) -> Log {
        let (kind, words) = match *self {
            Self::Batcher(batcher) => (0, vec![batcher.into_word()]),
            Self::Scalar(scalar) => (1, vec![B256::ZERO, scalar]),
            Self::GasLimit(limit) => (2, vec![U256::from(limit).into()]),
            Self::Eip1559Params(params) => (4, vec![B256::left_padding_from(params.as_slice())]),
            Self::OperatorFee { scalar, constant } => {
                (5, vec![B256::from((U256::from(scalar) << 64) | U256::from(constant))])
            }
            Self::MinBaseFee(fee) => (6, vec![U256::from(fee).into()]),
            Self::DaFootprintGasScalar(scalar) => (7, vec![U256::from(scalar).into()]),
        };
        let head = [B256::from(U256::from(32)), B256::from(U256::from(words.len() * 32))];
        let data: Vec<u8> = head.iter().chain(&words).flat_map(|word| word.0).collect();
        let topics = vec![CONFIG_UPDATE_TOPIC, B256::ZERO, B256::with_last_byte(kind)];
        Log::new_unchecked(system_config, topics, data.into())
    }
}

/// The `N` words of ABI-encoded `bytes`, exactly: offset 32, length 32·N, nothing behind.
fn words<const N: usize>(data: &[u8]) -> Option<[B256; N]> {
    if data.len() != 64 + 32 * N {
        return None;
    }
    let mut words = data.chunks_exact(32).map(B256::from_slice);
    let (offset, length) = (words.next()?, words.next()?);
    if U256::from_be_bytes(offset.0) != U256::from(32) || U256::from_be_bytes(length.0) != U256::from(32 * N) {
        return None;
    }
    let mut out = [B256::ZERO; N];
    out.fill_with(|| words.next().expect("the length was checked"));
    Some(out)
}

fn number(data: &[u8]) -> Option<u64> {
    let [word] = words(data)?;
    U256::from_be_bytes(word.0).try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;
    use proptest::prelude::*;

    fn log(kind: u8, words: &[U256]) -> Log {
        let topics = vec![CONFIG_UPDATE_TOPIC, B256::ZERO, B256::with_last_byte(kind)];
        let data: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes::<32>()).collect();
        Log::new_unchecked(Address::ZERO, topics, data.into())
    }

    fn one(kind: u8, word: U256) -> Option<ConfigUpdate> {
        ConfigUpdate::decode(&log(kind, &[U256::from(32), U256::from(32), word]))
    }

    #[test]
    fn topic_is_the_event_signature() {
        assert_eq!(CONFIG_UPDATE_TOPIC, keccak256("ConfigUpdate(uint256,uint8,bytes)"));
    }

    #[test]
    fn every_update_round_trips() {
        for update in [
            ConfigUpdate::Batcher(Address::repeat_byte(9)),
            ConfigUpdate::Scalar(pack_scalar(1368, 810_949)),
            ConfigUpdate::GasLimit(60_000_000),
            ConfigUpdate::Eip1559Params(B64::from(0x0000_00fa_0000_0006_u64.to_be_bytes())),
            ConfigUpdate::OperatorFee { scalar: 100, constant: 7 },
            ConfigUpdate::MinBaseFee(1_000),
            ConfigUpdate::DaFootprintGasScalar(300),
        ] {
            assert_eq!(ConfigUpdate::decode(&update.encode(Address::ZERO)), Some(update));
        }
    }

    #[test]
    fn malformed_updates_change_nothing() {
        let max = U256::from(u64::MAX);
        assert_eq!(one(2, max), Some(ConfigUpdate::GasLimit(u64::MAX)));
        assert_eq!(one(2, max + U256::from(1)), None, "gas limit beyond 64 bits");
        assert_eq!(one(0, U256::MAX), None, "dirty address padding");
        assert_eq!(one(3, U256::from(1)), None, "the unsafe block signer is not derivation's");
        assert_eq!(one(7, U256::from(0x1_0000)), None, "scalar beyond 16 bits");
        assert_eq!(one(8, U256::from(1)), None, "unknown type");
        assert_eq!(one(4, U256::from(250) << 32), None, "zero elasticity with a denominator");
        assert_eq!(one(4, U256::ZERO), Some(ConfigUpdate::Eip1559Params(B64::ZERO)));
        let four = [U256::from(32), U256::from(32), U256::from(1), U256::from(1)];
        assert_eq!(ConfigUpdate::decode(&log(2, &four)), None, "bytes behind the value");
        assert_eq!(ConfigUpdate::decode(&log(2, &four[..2])), None, "no value");
        let scalar = |version: u64| {
            log(1, &[U256::from(32), U256::from(64), U256::ZERO, (U256::from(version) << 248) | U256::from(5)])
        };
        assert!(ConfigUpdate::decode(&scalar(0)).is_some());
        assert!(ConfigUpdate::decode(&scalar(1)).is_some());
        assert_eq!(ConfigUpdate::decode(&scalar(2)), None, "unknown scalar version");
        let mut future = log(2, &[U256::from(32), U256::from(32), U256::from(5)]);
        future.data.topics_mut_unchecked()[1] = B256::with_last_byte(1);
        assert_eq!(ConfigUpdate::decode(&future), None, "unknown event version");
    }

    proptest! {
        #[test]
        fn garbage_never_panics(kind in 0u8..9, data in prop::collection::vec(any::<u8>(), 0..200)) {
            let topics = vec![CONFIG_UPDATE_TOPIC, B256::ZERO, B256::with_last_byte(kind)];
            let _ = ConfigUpdate::decode(&Log::new_unchecked(Address::ZERO, topics, data.into()));
        }
    }
}
