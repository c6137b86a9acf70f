//! What a transaction's data cost on L1 (Fjord's formula), from a size that is estimated once per transaction.

use alloy_primitives::U256;
use op_revm::{L1BlockInfo, estimate_tx_compressed_size};
use rota_types::Transaction;

/// Sizes are in 10^-6 bytes, prices of a byte in 10^-6 wei.
const SCALE: U256 = U256::from_limbs([1_000_000_000_000, 0, 0, 0]);

/// What L1 charges for data, as one block sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct L1Fees {
    /// For a byte of estimated compressed size, 10^-6 wei: `16 × base fee scalar × base fee + blob base fee scalar × blob
    /// base fee`.
    pub byte_price: U256,
}

impl L1Fees {
    pub(crate) fn new(block: &L1BlockInfo) -> Self {
        let data = block.l1_base_fee.saturating_mul(U256::from(16)).saturating_mul(block.l1_base_fee_scalar);
        let blob_base_fee = block.l1_blob_base_fee.unwrap_or_default();
        let blobs = blob_base_fee.saturating_mul(block.l1_blob_base_fee_scalar.unwrap_or_default());
        Self { byte_price: data.saturating_add(blobs) }
    }

    /// The L1 fee of a transaction, wei; deposits pay none.
    pub fn fee(&self, transaction: &Transaction) -> U256 {
        if transaction.envelope().is_deposit() {
            return U256::ZERO;
        }
        U256::from(estimated_size(transaction)).saturating_mul(self.byte_price) / SCALE
    }
}

/// The size to which a transaction is estimated to be compressed, 10^-6 bytes (Fjord): by it L1 fees and the DA footprint
/// are counted. Takes some microseconds the first time.
pub fn estimated_size(transaction: &Transaction) -> u64 {
    transaction.estimated_size(estimate_tx_compressed_size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Request;
    use alloy_primitives::{Address, Bytes, keccak256};
    use alloy_signer_local::PrivateKeySigner;
    use op_revm::OpSpecId;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fees_are_those_of_the_evm(
            data in prop::collection::vec(any::<u8>(), 0..600),
            repeated in 0usize..8,
            base_fee: u64,
            blob_base_fee: u64,
            scalars: (u32, u32),
        ) {
            let mut block = L1BlockInfo {
                l1_base_fee: U256::from(base_fee),
                l1_base_fee_scalar: U256::from(scalars.0),
                l1_blob_base_fee: Some(U256::from(blob_base_fee)),
                l1_blob_base_fee_scalar: Some(U256::from(scalars.1)),
                ..Default::default()
            };
            let signer = PrivateKeySigner::from_bytes(&keccak256([1])).expect("a key");
            let input = Bytes::from(data.repeat(repeated));
            let transaction = Request { input, ..Request::transfer(0, Address::ZERO, 1) }.sign(&signer);
            let expected = block.calculate_tx_l1_cost(transaction.encoded(), OpSpecId::JOVIAN);
            prop_assert_eq!(L1Fees::new(&block).fee(&transaction), expected);
        }
    }
}
