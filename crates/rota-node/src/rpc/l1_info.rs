//! Reads the L1 info deposit that opens every L2 block: origin, and the fee parameters that receipts show.
//!
//! Isthmus `setL1BlockValuesIsthmus` (0x098999be, 176 bytes) and Jovian `setL1BlockValuesJovian` (0x3db6be2b, 178
//! bytes): packed big-endian fields (OP specs, "L1 Attributes Deposited Transaction").

use alloy_primitives::{B256, Bytes, U256};
use rota_types::{BlockId, codec::Reader};

const ISTHMUS: u32 = 0x098999be;
const JOVIAN: u32 = 0x3db6be2b;

/// What the L1 info deposit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct L1Info {
    pub(super) base_fee_scalar: u32,
    pub(super) blob_base_fee_scalar: u32,
    pub(super) sequence_number: u64,
    pub(super) origin: BlockId,
    pub(super) base_fee: U256,
    pub(super) blob_base_fee: U256,
    pub(super) operator_fee_scalar: u32,
    pub(super) operator_fee_constant: u64,
    /// From Jovian on.
    pub(super) da_footprint_gas_scalar: Option<u16>,
}

impl L1Info {
    /// `None` for other input, as in a genesis block that has no transactions.
    pub(super) fn parse(input: &Bytes) -> Option<Self> {
        let mut reader = Reader::new(input);
        let selector = reader.u32().ok()?;
        if selector != ISTHMUS && selector != JOVIAN {
            return None;
        }
        let (base_fee_scalar, blob_base_fee_scalar) = (reader.u32().ok()?, reader.u32().ok()?);
        let sequence_number = reader.u64().ok()?;
        let _timestamp = reader.u64().ok()?;
        let number = reader.u64().ok()?;
        let (base_fee, blob_base_fee) = (reader.b256().ok()?, reader.b256().ok()?);
        let hash: B256 = reader.b256().ok()?;
        let _batcher = reader.b256().ok()?;
        let (operator_fee_scalar, operator_fee_constant) = (reader.u32().ok()?, reader.u64().ok()?);
        // 0 stands for the default (OP specs, Jovian).
        let mut da_footprint = || reader.u16().ok().map(|scalar| if scalar == 0 { 400 } else { scalar });
        let da_footprint_gas_scalar = if selector == JOVIAN { Some(da_footprint()?) } else { None };
        Some(Self {
            base_fee_scalar,
            blob_base_fee_scalar,
            sequence_number,
            origin: BlockId { number, hash },
            base_fee: base_fee.into(),
            blob_base_fee: blob_base_fee.into(),
            operator_fee_scalar,
            operator_fee_constant,
            da_footprint_gas_scalar,
        })
    }
}
