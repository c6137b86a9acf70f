//! The L1 info deposit, first transaction of every L2 block, in its Isthmus and Jovian forms.

use crate::{block::L1Block, system_config::SystemConfig};
use alloy_primitives::{Address, TxKind, U256, address};
use op_alloy_consensus::{L1InfoDepositSource, TxDeposit};
use rota_types::{BlockId, codec::Reader};

/// Sender of the L1 info deposit.
pub const L1_INFO_DEPOSITOR: Address = address!("deaddeaddeaddeaddeaddeaddeaddeaddead0001");

/// The `L1Block` predeploy.
pub const L1_BLOCK: Address = address!("4200000000000000000000000000000000000015");

/// Gas limit of the L1 info deposit since Regolith.
const GAS_LIMIT: u64 = 1_000_000;

/// First four bytes of keccak256 of `setL1BlockValuesIsthmus()`.
const ISTHMUS_SELECTOR: [u8; 4] = [0x09, 0x89, 0x99, 0xbe];

/// First four bytes of keccak256 of `setL1BlockValuesJovian()`.
const JOVIAN_SELECTOR: [u8; 4] = [0x3d, 0xb6, 0xbe, 0x2b];

/// What a scalar of 0 in the system config stands for.
const DEFAULT_DA_FOOTPRINT_GAS_SCALAR: u16 = 400;

/// An L1 info transaction or what it is made of is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed {0}")]
pub struct L1InfoError(pub(crate) &'static str);

/// The values that the L1 info deposit sets in the `L1Block` predeploy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct L1Info {
    /// Base fee scalar.
    pub base_fee_scalar: u32,
    /// Blob base fee scalar.
    pub blob_base_fee_scalar: u32,
    /// Blocks since the one that adopted the origin.
    pub sequence_number: u64,
    /// Timestamp of the origin, seconds.
    pub timestamp: u64,
    /// The origin.
    pub origin: BlockId,
    /// Base fee of the origin, wei.
    pub base_fee: U256,
    /// Blob base fee of the origin, wei.
    pub blob_base_fee: U256,
    /// Address that may post batches.
    pub batcher: Address,
    /// Operator fee scalar.
    pub operator_fee_scalar: u32,
    /// Operator fee constant.
    pub operator_fee_constant: u64,
    /// DA footprint gas scalar: present in the Jovian form only.
    pub da_footprint_gas_scalar: Option<u16>,
}

impl L1Info {
    /// Bytes of the call data in Isthmus form; the Jovian form has two more.
    const ISTHMUS_SIZE: usize = 4 + 32 * 5 + 4 + 8;

    /// What an L2 block says of its origin.
    pub fn new(
        origin: &L1Block,
        config: &SystemConfig,
        sequence_number: u64,
        jovian: bool,
    ) -> Result<Self, L1InfoError> {
        let (base_fee_scalar, blob_base_fee_scalar) = config.fee_scalars()?;
        let da_footprint_gas_scalar = match config.da_footprint_gas_scalar {
            0 => DEFAULT_DA_FOOTPRINT_GAS_SCALAR,
            scalar => scalar,
        };
        Ok(Self {
            base_fee_scalar,
            blob_base_fee_scalar,
            sequence_number,
            timestamp: origin.timestamp,
            origin: origin.id,
            base_fee: origin.base_fee,
            blob_base_fee: origin.blob_base_fee,
            batcher: config.batcher,
            operator_fee_scalar: config.operator_fee_scalar,
            operator_fee_constant: config.operator_fee_constant,
            da_footprint_gas_scalar: jovian.then_some(da_footprint_gas_scalar),
        })
    }

    /// The call data: selector and packed values.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::ISTHMUS_SIZE + 2);
        let jovian = self.da_footprint_gas_scalar.is_some();
        out.extend_from_slice(if jovian { &JOVIAN_SELECTOR } else { &ISTHMUS_SELECTOR });
        out.extend_from_slice(&self.base_fee_scalar.to_be_bytes());
        out.extend_from_slice(&self.blob_base_fee_scalar.to_be_bytes());
        out.extend_from_slice(&self.sequence_number.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.origin.number.to_be_bytes());
        out.extend_from_slice(&self.base_fee.to_be_bytes::<32>());
        out.extend_from_slice(&self.blob_base_fee.to_be_bytes::<32>());
        out.extend_from_slice(self.origin.hash.as_slice());
        out.extend_from_slice(self.batcher.into_word().as_slice());
        out.extend_from_slice(&self.operator_fee_scalar.to_be_bytes());
        out.extend_from_slice(&self.operator_fee_constant.to_be_bytes());
        out.extend(self.da_footprint_gas_scalar.iter().flat_map(|scalar| scalar.to_be_bytes()));
        out
    }

    /// Reads call data; the selector tells the form.
    pub fn decode(input: &[u8]) -> Result<Self, L1InfoError> {
        let malformed = |_| L1InfoError("L1 info call data");
        let mut reader = Reader::new(input);
        let jovian = match reader.array().map_err(malformed)? {
            ISTHMUS_SELECTOR => false,
            JOVIAN_SELECTOR => true,
            _ => return Err(L1InfoError("L1 info selector")),
        };
        let mut read = || {
            let base_fee_scalar = reader.u32()?;
            let blob_base_fee_scalar = reader.u32()?;
            let sequence_number = reader.u64()?;
            let timestamp = reader.u64()?;
            let number = reader.u64()?;
            let base_fee = reader.b256()?.into();
            let blob_base_fee = reader.b256()?.into();
            let origin = BlockId { number, hash: reader.b256()? };
            let batcher = reader.b256()?;
            let info = Self {
                base_fee_scalar,
                blob_base_fee_scalar,
                sequence_number,
                timestamp,
                origin,
                base_fee,
                blob_base_fee,
                batcher: Address::from_word(batcher),
                operator_fee_scalar: reader.u32()?,
                operator_fee_constant: reader.u64()?,
                da_footprint_gas_scalar: if jovian { Some(reader.u16()?) } else { None },
            };
            Ok((info, batcher))
        };
        let (info, batcher) = read().map_err(malformed)?;
        reader.finish().map_err(malformed)?;
        if info.batcher.into_word() != batcher {
            return Err(L1InfoError("batcher hash in L1 info"));
        }
        Ok(info)
    }

    /// The deposit that carries these values.
    pub fn deposit(&self) -> TxDeposit {
        TxDeposit {
            source_hash: L1InfoDepositSource::new(self.origin.hash, self.sequence_number).source_hash(),
            from: L1_INFO_DEPOSITOR,
            to: TxKind::Call(L1_BLOCK),
            mint: 0,
            value: U256::ZERO,
            gas_limit: GAS_LIMIT,
            is_system_transaction: false,
            input: self.encode().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{B256, keccak256};
    use proptest::prelude::*;

    fn info(jovian: bool) -> L1Info {
        L1Info {
            base_fee_scalar: 1_368,
            blob_base_fee_scalar: 810_949,
            sequence_number: 4,
            timestamp: 1_760_000_010,
            origin: BlockId { number: 5, hash: B256::repeat_byte(5) },
            base_fee: U256::from(7),
            blob_base_fee: U256::from(1),
            batcher: Address::repeat_byte(8),
            operator_fee_scalar: 100,
            operator_fee_constant: 7,
            da_footprint_gas_scalar: jovian.then_some(400),
        }
    }

    #[test]
    fn selectors_are_the_function_signatures() {
        assert_eq!(ISTHMUS_SELECTOR, keccak256("setL1BlockValuesIsthmus()")[..4]);
        assert_eq!(JOVIAN_SELECTOR, keccak256("setL1BlockValuesJovian()")[..4]);
    }

    #[test]
    fn forms_have_their_sizes_and_round_trip() {
        for (jovian, size) in [(false, 176), (true, 178)] {
            let encoded = info(jovian).encode();
            assert_eq!(encoded.len(), size);
            assert_eq!(L1Info::decode(&encoded), Ok(info(jovian)));
            assert!(L1Info::decode(&encoded[..size - 1]).is_err());
            assert!(L1Info::decode(&[encoded.as_slice(), &[0]].concat()).is_err());
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(mut data in prop::collection::vec(any::<u8>(), 0..200), jovian: bool) {
            for (byte, selector) in data.iter_mut().zip(if jovian { JOVIAN_SELECTOR } else { ISTHMUS_SELECTOR }) {
                *byte = selector;
            }
            let _ = L1Info::decode(&data);
        }
    }
}
