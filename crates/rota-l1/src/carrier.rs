//! What carries a channel to L1 for less: call data or blobs, by current prices.

use crate::sender::{Payload, Prices};
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_primitives::Bytes;
use rota_batch::{ChannelId, EncodeError, MAX_BLOB_DATA, channel::PAYLOAD_OVERHEAD, cut_channel};

/// Gas of a transaction without data, to an account without code.
pub(crate) const TRANSACTION_GAS: u64 = 21_000;

/// EIP-7623: what a token of call data costs at least in a transaction that does nothing else. A zero byte is one
/// token, any other four.
const TOKEN_GAS: u64 = 10;

/// What carries a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// Call data.
    Calldata,
    /// This many blobs.
    Blobs(usize),
}

/// How much one transaction carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CarrierLimits {
    /// Bytes of call data.
    pub max_calldata: usize,
    /// Blobs.
    pub max_blobs: usize,
}

impl Default for CarrierLimits {
    /// Pools refuse transactions above 128 kB (blobs aside), and more than six blobs from Osaka on (EIP-7594).
    fn default() -> Self {
        Self { max_calldata: 120_000, max_blobs: 6 }
    }
}

/// What carries a compressed channel of this length for less. Its bytes are taken as nonzero: compressed data has one
/// zero in 256.
pub fn cheaper(channel_bytes: usize, prices: &Prices, limits: &CarrierLimits) -> Carrier {
    let blobs = Carrier::blobs(channel_bytes);
    if blobs.cost(channel_bytes, prices, limits) < Carrier::Calldata.cost(channel_bytes, prices, limits) {
        blobs
    } else {
        Carrier::Calldata
    }
}

impl Carrier {
    /// What carrying a compressed channel of this length costs by current prices, wei.
    pub fn cost(self, channel_bytes: usize, prices: &Prices, limits: &CarrierLimits) -> u128 {
        match self {
            Self::Calldata => calldata_cost(channel_bytes, prices, limits),
            Self::Blobs(_) => blobs_cost(channel_bytes, prices, limits),
        }
    }

    /// Blobs, as many as a compressed channel of this length needs.
    pub const fn blobs(channel_bytes: usize) -> Self {
        Self::Blobs(pieces(channel_bytes, MAX_BLOB_DATA))
    }

    /// A compressed channel as the data of transactions, to be included in this order.
    pub fn load(self, channel: &[u8], id: ChannelId, limits: &CarrierLimits) -> Result<Vec<Payload>, EncodeError> {
        match self {
            Self::Calldata => {
                let pieces = cut_channel(channel, id, limits.max_calldata)?;
                Ok(pieces.into_iter().map(Payload::Calldata).collect())
            }
            Self::Blobs(_) => {
                let pieces = cut_channel(channel, id, MAX_BLOB_DATA)?;
                Ok(pieces.chunks(limits.max_blobs.max(1)).map(|blobs| Payload::Blobs(blobs.to_vec())).collect())
            }
        }
    }
}

/// Gas of a transaction with this call data to an account without code. The floor of EIP-7623 is above the price of
/// EIP-2028, so it is exact.
pub(crate) fn calldata_gas(input: &Bytes) -> u64 {
    let tokens: u64 = input.iter().map(|byte| if *byte == 0 { 1 } else { 4 }).sum();
    TRANSACTION_GAS + TOKEN_GAS * tokens
}

fn calldata_cost(channel_bytes: usize, prices: &Prices, limits: &CarrierLimits) -> u128 {
    let transactions = pieces(channel_bytes, limits.max_calldata);
    let bytes = channel_bytes.saturating_add(transactions.saturating_mul(PAYLOAD_OVERHEAD));
    let gas = cost(transactions, TRANSACTION_GAS.into()).saturating_add(cost(bytes, (4 * TOKEN_GAS).into()));
    gas.saturating_mul(gas_price(prices))
}

fn blobs_cost(channel_bytes: usize, prices: &Prices, limits: &CarrierLimits) -> u128 {
    let blobs = pieces(channel_bytes, MAX_BLOB_DATA);
    let gas = cost(blobs.div_ceil(limits.max_blobs.max(1)), TRANSACTION_GAS.into());
    let blob_gas = cost(blobs, DATA_GAS_PER_BLOB.into());
    gas.saturating_mul(gas_price(prices)).saturating_add(blob_gas.saturating_mul(prices.blob_base_fee))
}

const fn gas_price(prices: &Prices) -> u128 {
    prices.base_fee.saturating_add(prices.tip)
}

const fn cost(count: usize, each: u128) -> u128 {
    (count as u128).saturating_mul(each)
}

/// Pieces of at most `max_payload` bytes into which a channel is cut.
const fn pieces(channel_bytes: usize, max_payload: usize) -> usize {
    channel_bytes.div_ceil(match max_payload.saturating_sub(PAYLOAD_OVERHEAD) {
        0 => 1,
        piece => piece,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CarrierLimits = CarrierLimits { max_calldata: 120_000, max_blobs: 6 };

    const fn prices(base_fee: u128, blob_base_fee: u128) -> Prices {
        Prices { base_fee, tip: 0, blob_base_fee }
    }

    #[test]
    fn blobs_carry_what_is_large_and_call_data_what_is_small() {
        // With equal fees a blob costs as much as 3 276 bytes of call data.
        let equal = prices(1_000, 1_000);
        assert_eq!(cheaper(0, &equal, &LIMITS), Carrier::Calldata);
        assert_eq!(cheaper(3_252, &equal, &LIMITS), Carrier::Calldata);
        assert_eq!(cheaper(3_253, &equal, &LIMITS), Carrier::Blobs(1));
        assert_eq!(cheaper(130_020, &equal, &LIMITS), Carrier::Blobs(1));
        assert_eq!(cheaper(130_021, &equal, &LIMITS), Carrier::Blobs(2));
    }

    #[test]
    fn a_spike_of_either_fee_turns_the_choice() {
        // A full blob is 130 kB x 40 gas = 5.2 M gas in call data: 40 times its blob gas.
        assert_eq!(cheaper(130_000, &prices(1_000, 39_000), &LIMITS), Carrier::Blobs(1));
        assert_eq!(cheaper(130_000, &prices(1_000, 41_000), &LIMITS), Carrier::Calldata);
        assert_eq!(cheaper(130_000, &prices(2_000, 41_000), &LIMITS), Carrier::Blobs(1));
        assert_eq!(cheaper(usize::MAX, &prices(u128::MAX, u128::MAX), &LIMITS), Carrier::Calldata, "no overflow");
    }

    #[test]
    fn the_costs_are_those_of_the_transactions_that_are_sent() {
        let (channel, id, prices) = (vec![0xff; 900_000], ChannelId::repeat_byte(0xff), prices(7, 3));
        let limits = CarrierLimits { max_blobs: 4, ..LIMITS };
        let calldata = Carrier::Calldata.load(&channel, id, &limits).expect("few frames");
        let gas: u64 = calldata.iter().map(|payload| payload.gas().0).sum();
        let predicted = calldata_cost(channel.len(), &prices, &limits);
        assert!(predicted.abs_diff(u128::from(gas) * 7) < predicted / 1_000, "{predicted} {gas}");

        let Carrier::Blobs(count) = cheaper(channel.len(), &prices, &limits) else { panic!("blobs are cheaper") };
        let blobs = Carrier::Blobs(count).load(&channel, id, &limits).expect("few frames");
        let (gas, blob_gas) = blobs.iter().map(Payload::gas).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        assert_eq!((blobs.len(), blob_gas), (2, 7 * DATA_GAS_PER_BLOB));
        assert_eq!(count, 7);
        assert_eq!(blobs_cost(channel.len(), &prices, &limits), u128::from(gas) * 7 + u128::from(blob_gas) * 3);
    }
}
