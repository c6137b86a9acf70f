//! The golden vectors in `vectors/`, shared with other languages: compared, or rewritten with `UPDATE_VECTORS=1`.

use crate::{
    BlockId, Body, Certificate, ChainSpec, CommitteeFile, EpochPlan, Flashblock, Header, Limits, Opening, Seat,
    Strategy, Transaction, TurnTable,
    codec::Reader,
    merkle::{self, Branch},
    testing,
};
use alloy_consensus::{SignableTransaction, Signed, TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy_eips::{
    eip2718::Encodable2718,
    eip2930::{AccessList, AccessListItem},
    eip7702::Authorization,
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use op_alloy_consensus::OpTxEnvelope;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(name)
}

/// Compares `made` with the committed file, or writes it.
fn golden(name: &str, made: &Value) {
    let path = path(name);
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(made).expect("JSON") + "\n";
        return std::fs::write(path, text).expect("the vectors directory is writable");
    }
    let text = std::fs::read_to_string(&path).expect("committed; UPDATE_VECTORS=1 makes it");
    let kept: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(&kept, made, "{name} differs: if that is meant, run again with UPDATE_VECTORS=1");
}

fn spec() -> ChainSpec {
    ChainSpec::load(&path("spec/genesis.json"), &path("spec/rollup.json"), &path("spec/committee.json"))
        .expect("vectors/spec is consistent")
}

fn header(fill: u8, seal: B256) -> Header {
    let word = |n: u8| B256::repeat_byte(fill ^ n);
    Header {
        version: 1,
        chain_id: 901,
        lineage: 2,
        epoch: 3,
        view: 0x0102_0304_0506_0708,
        leader: word(1),
        parent_view: 4,
        parent: word(2),
        height: 901,
        block_number: 180,
        index: 4,
        body_hash: word(3),
        outcome_root: word(4),
        cumulative_gas: 21_000,
        seal,
        next_committee_root: word(5),
    }
}

fn bodies() -> Vec<(&'static str, Body)> {
    let opening = Opening { timestamp: 1_760_000_001, origin: BlockId { number: 7, hash: B256::repeat_byte(7) } };
    let transactions = vec![Bytes::from_static(&[0x02, 0xc0]), Bytes::from(vec![0xab; 300])];
    vec![
        ("empty", Body::default()),
        ("opens", Body { opening: Some(opening), transactions: vec![] }),
        ("continues", Body { opening: None, transactions: transactions.clone() }),
        ("opens with transactions", Body { opening: Some(opening), transactions }),
    ]
}

#[test]
fn flashblock() {
    let headers: Vec<_> = [("mid-block", header(0x10, B256::ZERO)), ("sealing", header(0xa0, B256::repeat_byte(0x5e)))]
        .into_iter()
        .map(|(name, header)| {
            assert_eq!(Header::read(&mut Reader::new(&header.encode())), Ok(header));
            json!({ "name": name, "header": header, "encoding": hex::encode_prefixed(header.encode()), "digest": header.digest() })
        })
        .collect();
    let bodies: Vec<_> = bodies()
        .into_iter()
        .map(|(name, body)| {
            let (encoding, size) = (body.encode(), body.transaction_bytes());
            assert_eq!(Body::read(&mut Reader::new(&encoding), size), Ok(body.clone()));
            json!({ "name": name, "body": body, "encoding": hex::encode_prefixed(encoding), "hash": body.hash(), "transactionBytes": size })
        })
        .collect();
    let spec = spec();
    let genesis = spec.genesis_flashblock();
    let good = genesis.encode();
    let refused: Vec<_> = [
        ("no byte", vec![]),
        ("header alone", good[..Header::SIZE].to_vec()),
        ("trailing byte", [&good[..], &[0]].concat()),
        ("opening flag 2", [&good[..Header::SIZE], &[2, 0, 0, 0, 0]].concat()),
        ("count beyond the input", [&good[..Header::SIZE], &[0, 0xff, 0xff, 0xff, 0xff]].concat()),
        ("empty transaction", [&good[..Header::SIZE], &[0, 0, 0, 0, 1, 0, 0, 0, 0]].concat()),
        ("body of another header", [&good[..Header::SIZE], &[0, 0, 0, 0, 1, 0, 0, 0, 1, 9]].concat()),
    ]
    .into_iter()
    .map(|(name, bytes)| {
        let error = Flashblock::decode(&bytes, 1 << 20).expect_err(name);
        json!({ "name": name, "encoding": hex::encode_prefixed(bytes), "error": error.to_string() })
    })
    .collect();
    golden(
        "flashblock.json",
        &json!({
            "headers": headers,
            "bodies": bodies,
            "genesis": {
                "spec": "spec/",
                "namespace": hex::encode_prefixed(spec.namespace()),
                "chainSpecId": spec.id(),
                "flashblock": genesis,
                "encoding": hex::encode_prefixed(good),
                "digest": genesis.digest(),
            },
            "refused": refused,
        }),
    );
}

#[test]
fn merkle() {
    let pairs = [(&b"transaction"[..], &b"receipt"[..]), (b"", b""), (b"\x02\xc0", b"\x02\xc0")];
    let leaf = |(transaction, receipt): (&[u8], &[u8])| {
        json!({
            "transaction": hex::encode_prefixed(transaction),
            "receipt": hex::encode_prefixed(receipt),
            "leaf": merkle::leaf(transaction, receipt),
        })
    };
    let tree = |count: u8| {
        let leaves: Vec<_> = (0..count).map(|i| keccak256([i])).collect();
        let branch = |index| Branch::of(&leaves, index).expect("a leaf");
        json!({
            "leaves": leaves,
            "root": merkle::root(&leaves),
            "branches": (0..leaves.len()).map(branch).collect::<Vec<_>>(),
        })
    };
    let trees = [0, 1, 2, 3, 4, 5, 7, 8, 13].map(tree);
    golden(
        "merkle.json",
        &json!({
            "leaves": pairs.map(leaf),
            "trees": trees,
        }),
    );
}

#[test]
fn committee_and_certificates() {
    let file = CommitteeFile {
        lineage: 0,
        flashblocks_per_block: 5,
        epoch_length: 300,
        turn_length: 50,
        limits: Limits::default(),
        registry: None,
        strategy: Strategy::RoundRobin,
        operators: (0..4).map(testing::operator).collect(),
    };
    golden("spec/committee.json", &serde_json::to_value(&file).expect("serializes"));
    let spec = spec();
    let (namespace, committee, digest) = (spec.namespace(), &spec.committee, spec.genesis_flashblock().digest());
    let quorum = testing::certificate(&namespace, 4, &[0, 2, 3], digest);
    let cases = [
        ("a quorum", quorum.clone()),
        ("everybody", testing::certificate(&namespace, 4, &[0, 1, 2, 3], digest)),
        ("too few", testing::certificate(&namespace, 4, &[1, 2], digest)),
        ("another digest", Certificate { digest: B256::repeat_byte(1), ..quorum.clone() }),
        ("another signer", Certificate { signers: vec![true, true, false, true], ..quorum.clone() }),
        ("another lineage", testing::certificate(b"rota-other", 4, &[0, 2, 3], digest)),
        ("another committee size", testing::certificate(&namespace, 5, &[0, 1, 2, 3], digest)),
    ]
    .map(|(name, certificate)| {
        let encoding = certificate.encode();
        assert_eq!(Certificate::decode(&encoding).as_ref(), Ok(&certificate));
        json!({
            "name": name,
            "certificate": certificate,
            "encoding": hex::encode_prefixed(encoding),
            "error": certificate.verify(&namespace, committee).err().map(|e| e.to_string()),
        })
    });
    let mut padded = quorum.encode();
    let bitmap = padded.len() - 97;
    padded[bitmap] |= 0x80;
    let refused = [("no byte", vec![]), ("bitmap padding", padded)].map(|(name, bytes)| {
        let error = Certificate::decode(&bytes).expect_err(name);
        json!({ "name": name, "encoding": hex::encode_prefixed(bytes), "error": error.to_string() })
    });
    golden(
        "certificate.json",
        &json!({
            "committee": "spec/committee.json",
            "order": committee.operators().iter().map(|operator| &operator.name).collect::<Vec<_>>(),
            "leaves": committee.operators().iter().map(|operator| operator.leaf()).collect::<Vec<_>>(),
            "committeeRoot": committee.root(),
            "quorum": committee.quorum(),
            "namespace": hex::encode_prefixed(namespace),
            "certificates": cases,
            "refused": refused,
        }),
    );
}

#[test]
fn transactions() {
    let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(1)).expect("a valid key");
    let to = TxKind::Call(Address::repeat_byte(0x70));
    let access_list =
        AccessList(vec![AccessListItem { address: Address::repeat_byte(0xac), storage_keys: vec![B256::ZERO] }]);
    let authorization = Authorization { chain_id: U256::from(901), address: Address::repeat_byte(0xde), nonce: 1 };
    let signature = signer.sign_hash_sync(&authorization.signature_hash()).expect("signs");
    let authorization_list = vec![authorization.into_signed(signature)];
    let (chain_id, gas_limit, max_fee_per_gas) = (901, 100_000, 2_000_000_000);
    let legacy = TxLegacy { chain_id: Some(chain_id), gas_price: max_fee_per_gas, gas_limit, to, ..Default::default() };
    let eip2930 = TxEip2930 { chain_id, gas_limit, access_list: access_list.clone(), ..Default::default() };
    let eip1559 = TxEip1559 { chain_id, gas_limit, max_fee_per_gas, to, value: U256::from(1), ..Default::default() };
    let create = TxEip1559 { to: TxKind::Create, input: Bytes::from_static(&[0x60, 0x00]), ..eip1559.clone() };
    let to = Address::repeat_byte(0x70);
    let eip7702 =
        TxEip7702 { chain_id, gas_limit, max_fee_per_gas, to, access_list, authorization_list, ..Default::default() };
    let accepted = [
        ("legacy", signed(&signer, legacy.clone())),
        ("legacy before EIP-155", signed(&signer, TxLegacy { chain_id: None, ..legacy })),
        ("access list", signed(&signer, eip2930)),
        ("dynamic fee", signed(&signer, eip1559)),
        ("creation", signed(&signer, create)),
        ("set code", signed(&signer, eip7702)),
    ]
    .map(|(name, encoded)| {
        let transaction = Transaction::decode(encoded.clone()).expect(name);
        json!({ "name": name, "encoding": encoded, "hash": transaction.hash(), "sender": transaction.sender() })
    });
    golden("transactions.json", &json!({ "accepted": accepted }));
}

/// `count` seats in canonical order, of different weights; each third is a reserve if there are `reserves`.
fn seats(count: u64, reserves: bool) -> Vec<Seat> {
    let mut seats: Vec<_> = (0..count)
        .map(|index| Seat {
            identity: keccak256(format!("identity {index}")),
            operator: Address::from_word(keccak256(format!("operator {index}"))),
            weight: [3, 1, 2, 10, 7, 1, 25][(index % 7) as usize],
            reserve: reserves && index % 3 == 1,
        })
        .collect();
    seats.sort_by_key(|seat| seat.identity);
    seats
}

/// A committee and who leads in some of its epochs: a byte for each turn from 0, the index of a seat.
fn schedule_case(strategy: Strategy, seats: Vec<Seat>, regular_turns: u32, turns: u64) -> Value {
    let epochs = [0, 1, 7, 1_000_003, (1 << 53) - 1].map(|epoch| {
        let seed = keccak256(format!("seed {epoch}"));
        let plan = EpochPlan { epoch, strategy, seed, regular_turns, seats: seats.clone() };
        let table = TurnTable::new(plan).expect("well-formed");
        let leader = |turn| seats.iter().position(|seat| seat == table.leader(turn));
        let leaders: Vec<_> = (0..turns).map(|turn| leader(turn).expect("a seat") as u8).collect();
        json!({ "epoch": epoch, "seed": seed, "leaders": hex::encode_prefixed(leaders) })
    });
    // The long cases are one epoch each.
    let epochs = if turns > 40 { &epochs[2..3] } else { &epochs[..] };
    json!({ "seats": seats, "regularTurns": regular_turns, "epochs": epochs })
}

#[test]
fn schedules() {
    for strategy in Strategy::ALL {
        let mut cases = vec![];
        for (count, regular_turns) in [(1, 1), (1, 8), (4, 8), (7, 3), (7, 8), (50, 32)] {
            cases.push(schedule_case(strategy, seats(count, false), regular_turns, 40));
            if count > 1 {
                cases.push(schedule_case(strategy, seats(count, true), regular_turns, 40));
            }
        }
        let all_reserve = seats(4, false).into_iter().map(|seat| Seat { reserve: true, ..seat }).collect();
        cases.push(schedule_case(strategy, all_reserve, 8, 40));
        let extreme = seats(4, false).into_iter().zip([1 << 32, 1, 1 << 31, 1 << 32]);
        let extreme = extreme.map(|(seat, weight)| Seat { weight, ..seat }).collect();
        cases.push(schedule_case(strategy, extreme, 8, 40));
        cases.push(schedule_case(strategy, seats(50, false), 64, 1000));
        cases.push(schedule_case(strategy, seats(50, true), 60, 1000));
        golden(
            &format!("schedule/{}.json", strategy.name()),
            &json!({ "strategy": strategy, "kind": strategy.kind(), "cases": cases }),
        );
    }
}

fn signed<T>(signer: &PrivateKeySigner, transaction: T) -> Bytes
where
    T: SignableTransaction<Signature>,
    Signed<T>: Into<OpTxEnvelope>,
{
    let signature = signer.sign_hash_sync(&transaction.signature_hash()).expect("signs");
    transaction.into_signed(signature).into().encoded_2718().into()
}

proptest::proptest! {
    /// Decoding either refuses bytes or reads exactly what they encode; it never panics.
    #[test]
    fn no_bytes_panic_and_each_value_has_one_encoding(
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600),
        limit in 0usize..700,
    ) {
        if let Ok(flashblock) = Flashblock::decode(&bytes, limit) {
            assert_eq!(flashblock.encode(), bytes);
        }
        let mut reader = Reader::new(&bytes);
        if let Ok(body) = Body::read(&mut reader, limit) {
            assert_eq!(body.encode(), bytes[..bytes.len() - reader.remaining()]);
            assert!(body.transaction_bytes() <= limit);
        }
        if let Ok(certificate) = Certificate::decode(&bytes) {
            assert_eq!(certificate.encode(), bytes);
        }
        let _ = Transaction::decode(bytes.clone().into());
        let mut reader = Reader::new(&bytes);
        while reader.remaining() > 0 {
            let before = reader.remaining();
            let read = match before % 4 {
                0 => reader.leb128().is_ok(),
                1 => reader.u16().is_ok(),
                2 => reader.bytes(before % 40).is_ok(),
                _ => reader.b256().is_ok(),
            };
            assert!(reader.remaining() <= before);
            if !read || reader.remaining() == before {
                break;
            }
        }
    }
}
