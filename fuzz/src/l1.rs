//! What anybody can make L1 say: `rota-l1`.

use crate::{Target, refused};
use alloy_primitives::{Address, B64, B256, Bytes, Log, TxKind, U256};
use op_alloy_consensus::TxDeposit;
use rota_consensus::Registry;
use rota_l1::{ConfigUpdate, L1Info, deposits, registry};
use rota_types::{KeyDomain, OperatorStatus, RegistryEntry, RegistryEvent, codec::Reader};
use serde_json::Value;

const CONTRACT: Address = Address::repeat_byte(0xc0);

pub(crate) const DEPOSIT_LOG: Target = Target {
    name: "deposit-log",
    executions: 100_000,
    seeds: || {
        let call =
            TxDeposit { to: TxKind::Call(Address::repeat_byte(2)), mint: 5, gas_limit: 100_000, ..Default::default() };
        let create = TxDeposit { to: TxKind::Create, input: vec![0x60; 70].into(), value: U256::MAX, ..call.clone() };
        [call, create].map(|deposit| flatten(&deposits::encode(CONTRACT, &deposit))).into()
    },
    feed: |bytes| {
        let log = unflatten(bytes).ok_or("no log")?;
        let deposit = deposits::decode(B256::repeat_byte(1), 7, &log).map_err(refused)?;
        // The high bytes of addresses, any nonzero creation flag and the padding are not kept: compare what is.
        let again = deposits::encode(CONTRACT, &deposit);
        assert_eq!(deposits::decode(B256::repeat_byte(1), 7, &again), Ok(deposit));
        Ok(())
    },
};

pub(crate) const CONFIG_LOG: Target = Target {
    name: "config-log",
    executions: 100_000,
    seeds: || {
        [
            ConfigUpdate::Batcher(Address::repeat_byte(1)),
            ConfigUpdate::Scalar(B256::with_last_byte(1)),
            ConfigUpdate::GasLimit(30_000_000),
            ConfigUpdate::Eip1559Params(B64::repeat_byte(1)),
            ConfigUpdate::OperatorFee { scalar: 1, constant: 2 },
            ConfigUpdate::MinBaseFee(1),
            ConfigUpdate::DaFootprintGasScalar(400),
        ]
        .map(|update| flatten(&update.encode(CONTRACT)))
        .into()
    },
    feed: |bytes| {
        let log = unflatten(bytes).ok_or("no log")?;
        let update = ConfigUpdate::decode(&log).ok_or("no update")?;
        assert_eq!(ConfigUpdate::decode(&update.encode(CONTRACT)), Some(update));
        Ok(())
    },
};

pub(crate) const L1_INFO: Target = Target {
    name: "l1-info",
    executions: 100_000,
    seeds: || {
        let isthmus = [&[0x09, 0x89, 0x99, 0xbe][..], &[0; 172]].concat();
        let jovian = [&[0x3d, 0xb6, 0xbe, 0x2b][..], &[0; 174]].concat();
        vec![isthmus, jovian]
    },
    feed: |bytes| {
        let info = L1Info::decode(bytes).map_err(refused)?;
        assert_eq!(info.encode(), bytes);
        Ok(())
    },
};

pub(crate) const REGISTRY_LOG: Target = Target {
    name: "registry-log",
    executions: 20_000,
    seeds: || {
        let file: Value = serde_json::from_str(include_str!("../../vectors/registry/keys.json")).expect("JSON");
        let key = |name: &str| serde_json::from_value::<Bytes>(file[name].clone()).unwrap_or_default();
        let entry = RegistryEntry {
            identity: B256::repeat_byte(1),
            identity_proof: vec![2; 64].into(),
            bls_key: key("key"),
            posting: Address::repeat_byte(4),
            reward: Address::repeat_byte(5),
            endpoint: "10.0.0.1:9000".into(),
            weight: 7,
            reserve: true,
            status: OperatorStatus::Leaving,
            leaves_at: 1_800_000_000,
        };
        [
            RegistryEvent::Operator { account: CONTRACT, entry: Box::new(entry) },
            RegistryEvent::Schedule { kind: B256::repeat_byte(8), from_epoch: u64::MAX },
        ]
        .map(|event| flatten(&registry::encode(CONTRACT, &event)))
        .into()
    },
    feed: |bytes| {
        let log = unflatten(bytes).ok_or("no log")?;
        let event = registry::decode(&log).ok_or("no event")?;
        assert_eq!(registry::decode(&registry::encode(CONTRACT, &event)).as_ref(), Some(&event));
        let mut members = Registry::new(KeyDomain::default());
        members.apply(&event);
        for time in [0, u64::MAX] {
            let (_, _) = (members.committee(time), members.others(time));
        }
        Ok(())
    },
};

/// A log as bytes: the number of topics, the topics, the data.
fn flatten(log: &Log) -> Vec<u8> {
    let mut out = vec![log.topics().len() as u8];
    log.topics().iter().for_each(|topic| out.extend_from_slice(topic.as_slice()));
    out.extend_from_slice(&log.data.data);
    out
}

fn unflatten(bytes: &[u8]) -> Option<Log> {
    let mut reader = Reader::new(bytes);
    let count = reader.u8().ok()? % 5;
    let topics = (0..count).map(|_| reader.b256()).collect::<Result<Vec<_>, _>>().ok()?;
    let data = reader.bytes(reader.remaining()).ok()?;
    Some(Log::new_unchecked(CONTRACT, topics, data.to_vec().into()))
}
