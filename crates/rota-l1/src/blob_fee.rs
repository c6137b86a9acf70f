//! What depends on the L1 chain's forks of blobs: the blob base fee of a block (EIP-7840, EIP-7892), and the form in
//! which pools take blobs (EIP-7594).

use crate::kzg::SidecarForm;
use alloy_consensus::Header;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::U256;

/// Activation times of Prague, Osaka (which leaves the update fraction as it is), BPO1 and BPO2 for the L1 chains that
/// op-geth v1.101701.0 knows. Any other L1 has Prague's rules from its genesis on.
const SCHEDULES: [(u64, [u64; 4]); 4] = [
    (1, [1_746_612_311, 1_764_798_551, 1_765_290_071, 1_767_747_671]),
    (17_000, [1_740_434_112, 1_759_308_480, 1_759_800_000, 1_760_389_824]),
    (11_155_111, [1_741_159_776, 1_760_427_360, 1_761_017_184, 1_761_607_008]),
    (560_048, [1_742_999_832, 1_761_677_592, 1_762_365_720, 1_762_955_544]),
];

fn schedule(l1_chain_id: u64) -> Option<[u64; 4]> {
    SCHEDULES.iter().find(|(id, _)| *id == l1_chain_id).map(|(_, times)| *times)
}

/// The form in which the L1's pools take blobs while its head has this timestamp.
pub(crate) fn sidecar_form(l1_chain_id: u64, timestamp: u64) -> SidecarForm {
    match schedule(l1_chain_id) {
        Some([_, osaka, _, _]) if timestamp >= osaka => SidecarForm::CellProofs,
        _ => SidecarForm::BlobProofs,
    }
}

/// Blob base fee of `header` in wei; 1 (the minimum of EIP-4844) on an L1 without blobs, as the L2 specs say.
pub(crate) fn blob_base_fee(l1_chain_id: u64, header: &Header) -> U256 {
    let fee = header.blob_fee(blob_params(l1_chain_id, header.timestamp));
    fee.map_or(U256::from(1), U256::from)
}

fn blob_params(l1_chain_id: u64, timestamp: u64) -> BlobParams {
    let Some([prague, _, bpo1, bpo2]) = schedule(l1_chain_id) else {
        return BlobParams::prague();
    };
    if timestamp >= bpo2 {
        BlobParams::bpo2()
    } else if timestamp >= bpo1 {
        BlobParams::bpo1()
    } else if timestamp >= prague {
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
    fn pools_want_cell_proofs_from_osaka_on() {
        assert_eq!(sidecar_form(1, 1_764_798_550), SidecarForm::BlobProofs);
        assert_eq!(sidecar_form(1, 1_764_798_551), SidecarForm::CellProofs);
        assert_eq!(sidecar_form(900, u64::MAX), SidecarForm::BlobProofs, "unknown chains are on Prague");
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
