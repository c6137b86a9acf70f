//! The blob base fee of an L1 block, which depends on the L1 chain's blob schedule (EIP-7840, EIP-7892).

use alloy_consensus::Header;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::U256;

/// Activation times of Prague, BPO1 and BPO2 (Osaka leaves the update fraction as it is) for the L1 chains that
/// op-geth v1.101701.0 knows. Any other L1 has Prague's parameters from its genesis on.
const SCHEDULES: [(u64, [u64; 3]); 4] = [
    (1, [1_746_612_311, 1_765_290_071, 1_767_747_671]),
    (17_000, [1_740_434_112, 1_759_800_000, 1_760_389_824]),
    (11_155_111, [1_741_159_776, 1_761_017_184, 1_761_607_008]),
    (560_048, [1_742_999_832, 1_762_365_720, 1_762_955_544]),
];

/// Blob base fee of `header` in wei; 1 (the minimum of EIP-4844) on an L1 without blobs, as the L2 specs say.
pub(crate) fn blob_base_fee(l1_chain_id: u64, header: &Header) -> U256 {
    let fee = header.blob_fee(blob_params(l1_chain_id, header.timestamp));
    fee.map_or(U256::from(1), U256::from)
}

fn blob_params(l1_chain_id: u64, timestamp: u64) -> BlobParams {
    let Some((_, [prague, bpo1, bpo2])) = SCHEDULES.iter().find(|(id, _)| *id == l1_chain_id) else {
        return BlobParams::prague();
    };
    if timestamp >= *bpo2 {
        BlobParams::bpo2()
    } else if timestamp >= *bpo1 {
        BlobParams::bpo1()
    } else if timestamp >= *prague {
        BlobParams::prague()
    } else {
        BlobParams::cancun()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_l1_without_blobs_has_the_minimum_fee() {
        assert_eq!(blob_base_fee(1, &Header::default()), U256::from(1));
    }

    #[test]
    fn the_schedule_decides_the_fee() {
        let header = |timestamp| Header { timestamp, excess_blob_gas: Some(100_000_000), ..Header::default() };
        let cancun = blob_base_fee(1, &header(1_746_612_310));
        let prague = blob_base_fee(1, &header(1_746_612_311));
        let bpo1 = blob_base_fee(1, &header(1_765_290_071));
        assert!(cancun > prague && prague > bpo1, "{cancun} {prague} {bpo1}");
        assert_eq!(blob_base_fee(900, &header(0)), prague, "unknown chains are on Prague");
    }
}
