//! The registry's events in L1 logs.

use alloy_primitives::{B256, Log};
use alloy_sol_types::{SolEvent, sol};
use rota_types::{OperatorStatus, RegistryEntry, RegistryEvent};

sol! {
    /// `contracts/src/Operator.sol`.
    struct Operator {
        bytes32 identity;
        bytes identityProof;
        bytes blsKey;
        address posting;
        address reward;
        string endpoint;
        uint64 weight;
        bool reserve;
        uint8 status;
        uint64 leavesAt;
    }

    /// `contracts/src/IOperatorRegistry.sol`.
    event OperatorChanged(address indexed operator, Operator entry);

    /// `contracts/src/IOperatorRegistry.sol`.
    event ScheduleAnnounced(bytes32 indexed kind, uint64 fromEpoch);
}

/// The event in a log of the registry; `None` if it is another one.
pub fn decode(log: &Log) -> Option<RegistryEvent> {
    match *log.topics().first()? {
        OperatorChanged::SIGNATURE_HASH => {
            let OperatorChanged { operator, entry } = OperatorChanged::decode_log(log).ok()?.data;
            let entry = RegistryEntry {
                identity: entry.identity,
                identity_proof: entry.identityProof,
                bls_key: entry.blsKey,
                posting: entry.posting,
                reward: entry.reward,
                endpoint: entry.endpoint,
                weight: entry.weight,
                reserve: entry.reserve,
                status: OperatorStatus::from_number(entry.status)?,
                leaves_at: entry.leavesAt,
            };
            Some(RegistryEvent::Operator { account: operator, entry: Box::new(entry) })
        }
        ScheduleAnnounced::SIGNATURE_HASH => {
            let ScheduleAnnounced { kind, fromEpoch } = ScheduleAnnounced::decode_log(log).ok()?.data;
            Some(RegistryEvent::Schedule { kind, from_epoch: fromEpoch })
        }
        _ => None,
    }
}

/// The log that the registry emits: the inverse of [`decode`], for L1 chains in memory and for the ledger.
pub fn encode(registry: alloy_primitives::Address, event: &RegistryEvent) -> Log {
    let data = match event {
        RegistryEvent::Operator { account, entry } => OperatorChanged {
            operator: *account,
            entry: Operator {
                identity: entry.identity,
                identityProof: entry.identity_proof.clone(),
                blsKey: entry.bls_key.clone(),
                posting: entry.posting,
                reward: entry.reward,
                endpoint: entry.endpoint.clone(),
                weight: entry.weight,
                reserve: entry.reserve,
                status: entry.status as u8,
                leavesAt: entry.leaves_at,
            },
        }
        .encode_log_data(),
        RegistryEvent::Schedule { kind, from_epoch } => {
            ScheduleAnnounced { kind: *kind, fromEpoch: *from_epoch }.encode_log_data()
        }
    };
    Log { address: registry, data }
}

/// Topics of the events that [`decode`] reads.
pub const TOPICS: [B256; 2] = [OperatorChanged::SIGNATURE_HASH, ScheduleAnnounced::SIGNATURE_HASH];

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, Bytes, LogData};
    use proptest::prelude::*;

    fn entry(endpoint: &str) -> RegistryEntry {
        RegistryEntry {
            identity: B256::repeat_byte(1),
            identity_proof: vec![2; 64].into(),
            bls_key: vec![3; 128].into(),
            posting: Address::repeat_byte(4),
            reward: Address::repeat_byte(5),
            endpoint: endpoint.into(),
            weight: 7,
            reserve: true,
            status: OperatorStatus::Leaving,
            leaves_at: 1_800_000_000,
        }
    }

    #[test]
    fn events_survive_their_logs() {
        let account = Address::repeat_byte(9);
        for event in [
            RegistryEvent::Operator { account, entry: Box::new(entry("10.0.0.1:9000")) },
            RegistryEvent::Operator { account, entry: Box::new(entry("")) },
            RegistryEvent::Schedule { kind: B256::repeat_byte(8), from_epoch: u64::MAX },
        ] {
            assert_eq!(decode(&encode(Address::ZERO, &event)), Some(event));
        }
    }

    proptest! {
        #[test]
        fn garbage_is_no_event(data in prop::collection::vec(any::<u8>(), 0..600), topics in 0usize..4, which in 0usize..2) {
            let log = LogData::new_unchecked(vec![TOPICS[which]; topics], Bytes::from(data));
            let _ = decode(&Log { address: Address::ZERO, data: log });
        }
    }
}
