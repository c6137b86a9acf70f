//! Upgrade transactions: deposits that a fork's activation block executes after the user deposits.

use alloy_primitives::Bytes;
use op_alloy_consensus::{OpTxEnvelope, TxDeposit};
use serde::Deserialize;
use std::sync::LazyLock;

/// Made by op-node v1.16.11 (`JovianNetworkUpgradeTransactions`).
const RECORDED: &str = include_str!("../../../vectors/upgrade-txs.json");

#[derive(Deserialize)]
struct Recorded {
    jovian: Vec<RecordedTransaction>,
}

#[derive(Deserialize)]
struct RecordedTransaction {
    raw: Bytes,
}

static JOVIAN: LazyLock<Vec<TxDeposit>> = LazyLock::new(|| {
    use alloy_eips::eip2718::Decodable2718;
    let recorded: Recorded = serde_json::from_str(RECORDED).expect("the recorded file is part of the build");
    let decode = |recorded: RecordedTransaction| match OpTxEnvelope::decode_2718_exact(&recorded.raw) {
        Ok(OpTxEnvelope::Deposit(deposit)) => deposit.into_inner(),
        other => panic!("recorded upgrade transaction is no deposit: {other:?}"),
    };
    recorded.jovian.into_iter().map(decode).collect()
});

/// Jovian's: L1Block and GasPriceOracle with their proxies, then `setJovian()`.
pub fn jovian() -> &'static [TxDeposit] {
    &JOVIAN
}

#[cfg(test)]
mod tests {
    use super::*;
    use op_alloy_consensus::UpgradeDepositSource;

    #[test]
    fn source_hashes_are_those_of_the_intents() {
        let intents = [
            "Jovian: L1 Block Deployment",
            "Jovian: L1 Block Proxy Update",
            "Jovian: Gas Price Oracle Deployment",
            "Jovian: Gas Price Oracle Proxy Update",
            "Jovian: Gas Price Oracle Set Jovian",
        ];
        assert_eq!(jovian().len(), intents.len());
        for (intent, deposit) in intents.into_iter().zip(jovian()) {
            assert_eq!(deposit.source_hash, UpgradeDepositSource { intent: intent.into() }.source_hash());
        }
    }
}
