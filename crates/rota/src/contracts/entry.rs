//! An operator's entry in the registry: how it is made, and how the entries are read from their events.

use super::{
    abi::OperatorRegistry::{joinCall, rotateKeysCall},
    account::Reader,
};
use alloy_primitives::{Address, Log, U64};
use eyre::OptionExt;
use rota_l1::registry::{TOPICS, decode};
use rota_node::keys::{KeyProofs, OperatorKeys};
use rota_types::{KeyDomain, RegistryEntry, RegistryEvent};
use serde_json::json;
use std::collections::BTreeMap;

/// L1 blocks in one question for events: what public endpoints allow.
const RANGE: u64 = 5_000;

/// How an account joins with these keys.
pub(crate) fn join(
    keys: &OperatorKeys,
    domain: &KeyDomain,
    account: Address,
    reward: Address,
    endpoint: String,
) -> eyre::Result<joinCall> {
    let KeyProofs { identity, identity_proof, bls_key, possession } = proofs(keys, domain, account)?;
    Ok(joinCall {
        identity,
        identityProof: identity_proof,
        blsKey: bls_key,
        possession,
        posting: keys.posting_address(),
        reward,
        endpoint,
    })
}

/// How an account changes to the identity and BLS key of these keys.
pub(crate) fn rotate_keys(keys: &OperatorKeys, domain: &KeyDomain, account: Address) -> eyre::Result<rotateKeysCall> {
    let KeyProofs { identity, identity_proof, bls_key, possession } = proofs(keys, domain, account)?;
    Ok(rotateKeysCall { identity, identityProof: identity_proof, blsKey: bls_key, possession })
}

fn proofs(keys: &OperatorKeys, domain: &KeyDomain, account: Address) -> eyre::Result<KeyProofs> {
    keys.proofs(domain, account).ok_or_eyre("the voting key proves nothing")
}

/// Every account's newest entry, from the registry's events since an L1 block.
pub(crate) async fn entries(
    l1: &Reader,
    registry: Address,
    since: u64,
) -> eyre::Result<BTreeMap<Address, RegistryEntry>> {
    let head: U64 = l1.rpc().get("eth_blockNumber").await?;
    let head: u64 = head.to();
    let mut entries = BTreeMap::new();
    let mut from = since;
    while from <= head {
        let to = head.min(from + RANGE - 1);
        let (first, last) = (U64::from(from), U64::from(to));
        let question = json!({ "address": registry, "topics": [TOPICS], "fromBlock": first, "toBlock": last });
        let logs: Vec<Log> = l1.rpc().call("eth_getLogs", &[question]).await?;
        for event in logs.iter().filter_map(decode) {
            if let RegistryEvent::Operator { account, entry } = event {
                entries.insert(account, *entry);
            }
        }
        from = to + 1;
    }
    Ok(entries)
}
