//! Span batches and channels against op-node's, against themselves, and against garbage.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use proptest::prelude::*;
use rota_batch::{
    Batch, BatchBlock, ChannelAssembler, ChannelId, ChannelReader, Compression, DecodeError, EncodeError, SpanBatch,
    encode_channel, parse_frames,
};
use rota_types::{BlockId, RollupConfig};
use serde::Deserialize;

const CHAIN: u64 = 901;
const GENESIS_TIME: u64 = 1_760_000_000;

fn rollup() -> RollupConfig {
    let zero = B256::ZERO;
    let json = serde_json::json!({
        "genesis": {
            "l1": { "hash": zero, "number": 0 }, "l2": { "hash": zero, "number": 0 }, "l2_time": GENESIS_TIME,
            "system_config": { "batcherAddr": Address::ZERO, "overhead": zero, "scalar": zero, "gasLimit": 60_000_000 }
        },
        "block_time": 1, "max_sequencer_drift": 600, "seq_window_size": 3600, "channel_timeout": 300,
        "l1_chain_id": 900, "l2_chain_id": CHAIN,
        "batch_inbox_address": Address::ZERO, "deposit_contract_address": Address::ZERO,
        "l1_system_config_address": Address::ZERO, "protocol_versions_address": Address::ZERO,
        "chain_op_config": { "eip1559Elasticity": 6, "eip1559Denominator": 250, "eip1559DenominatorCanyon": 250 }
    });
    serde_json::from_value(json).unwrap()
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    blocks: Vec<VectorBlock>,
    batch: Bytes,
    zlib: Bytes,
    brotli: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VectorBlock {
    timestamp: u64,
    origin_number: u64,
    origin_hash: B256,
    sequence_number: u64,
    parent_hash: B256,
    transactions: Vec<Bytes>,
}

impl Vector {
    fn all() -> Vec<Self> {
        serde_json::from_str(include_str!("../../../vectors/batch/span.json")).unwrap()
    }

    fn blocks(&self) -> Vec<BatchBlock> {
        let block = |block: &VectorBlock| BatchBlock {
            timestamp: block.timestamp,
            origin: BlockId { number: block.origin_number, hash: block.origin_hash },
            sequence_number: block.sequence_number,
            parent_hash: block.parent_hash,
            transactions: block.transactions.clone(),
        };
        self.blocks.iter().map(block).collect()
    }
}

/// The blocks that a batch gives are those that were written.
fn assert_gives(batch: &SpanBatch, blocks: &[BatchBlock]) {
    assert_eq!(batch.block_count(), blocks.len());
    for (found, expected) in batch.blocks(&rollup()).zip(blocks) {
        assert_eq!(found.timestamp, expected.timestamp);
        assert_eq!(found.origin_number, expected.origin.number);
        assert_eq!(found.transactions, expected.transactions);
    }
    let last = &blocks[blocks.len() - 1];
    assert!(batch.follows(blocks[0].parent_hash) && !batch.follows(B256::repeat_byte(0xee)));
    assert!(batch.ends_on(last.origin.hash) && !batch.ends_on(B256::repeat_byte(0xee)));
}

#[test]
fn batches_are_op_nodes_byte_by_byte() {
    for vector in Vector::all() {
        let blocks = vector.blocks();
        let batch = SpanBatch::new(&rollup(), &blocks).unwrap();
        assert_eq!(batch.encode(CHAIN).unwrap(), vector.batch[1..], "{}", vector.name);
        let decoded = SpanBatch::decode(&vector.batch[1..], CHAIN).unwrap();
        assert_eq!(decoded, batch, "{}", vector.name);
        assert_gives(&decoded, &blocks);
    }
}

#[test]
fn op_nodes_channels_can_be_read() {
    for vector in Vector::all() {
        for channel in [&vector.zlib, &vector.brotli] {
            let batches: Vec<_> = ChannelReader::new(channel, CHAIN).unwrap().collect();
            let [Ok(Batch::Span(batch))] = batches.as_slice() else { panic!("{}: {batches:?}", vector.name) };
            assert_gives(batch, &vector.blocks());
        }
    }
}

#[test]
fn a_cut_batch_is_malformed_at_every_byte() {
    for vector in Vector::all() {
        let batch = &vector.batch[1..];
        for cut in 0..batch.len() {
            let result = SpanBatch::decode(&batch[..cut], CHAIN);
            assert!(matches!(result, Err(DecodeError::Malformed(_))), "{} cut at {cut}: {result:?}", vector.name);
        }
    }
}

#[test]
fn flipped_bits_never_panic() {
    for vector in Vector::all() {
        for index in 0..vector.batch.len() - 1 {
            for bit in 0..8 {
                let mut batch = vector.batch[1..].to_vec();
                batch[index] ^= 1 << bit;
                if let Ok(decoded) = SpanBatch::decode(&batch, CHAIN) {
                    decoded.blocks(&rollup()).for_each(drop);
                }
            }
        }
    }
}

#[test]
fn blocks_that_do_not_follow_each_other_are_refused() {
    let good = Vector::all().remove(2).blocks();
    assert_eq!(SpanBatch::new(&rollup(), &[]), Err(EncodeError::Empty));
    let mut late = good.clone();
    late[3].timestamp += 1;
    assert!(matches!(SpanBatch::new(&rollup(), &late), Err(EncodeError::NotContiguous { index: 3, .. })));
    let mut skipped = good.clone();
    skipped[4].origin.number += 2;
    assert!(matches!(SpanBatch::new(&rollup(), &skipped), Err(EncodeError::NotContiguous { index: 4, .. })));
    let mut early = good[..1].to_vec();
    early[0].timestamp = GENESIS_TIME - 1;
    assert!(matches!(SpanBatch::new(&rollup(), &early), Err(EncodeError::NotContiguous { index: 0, .. })));
}

#[test]
fn transactions_that_no_batch_can_hold_are_refused() {
    let block = Vector::all().remove(3).blocks().remove(0);
    let refused = |transaction: Bytes, chain_id: u64| {
        let blocks = [BatchBlock { transactions: vec![transaction], ..block.clone() }];
        SpanBatch::new(&rollup(), &blocks).unwrap().encode(chain_id).unwrap_err()
    };
    for transaction in &block.transactions[..8] {
        let reason = refused(transaction.clone(), CHAIN + 1);
        assert!(reason.to_string().contains("another chain"), "{reason}");
    }
    for kind in [0x03, 0x05, 0x7e] {
        let reason = refused([&[kind], &block.transactions[4][1..]].concat().into(), CHAIN);
        assert!(reason.to_string().contains("type not allowed"), "{reason}");
    }
    for garbage in [Bytes::new(), Bytes::from_static(&[2]), Bytes::from_static(&[0xc0]), Bytes::from_static(&[0x80])] {
        assert!(matches!(refused(garbage, CHAIN), EncodeError::Transaction { index: 0, .. }));
    }
}

#[test]
fn one_bad_batch_does_not_spoil_the_channel() {
    let vector = Vector::all().remove(3);
    let good = alloy_rlp::encode(&vector.batch[..]);
    // A type 3 transaction: well-formed columns that make no transaction.
    let list = keccak256("r");
    let mut bad = vector.batch.to_vec();
    let at = bad.windows(2).position(|pair| pair == [0x04, 0xf8] || pair == [0x04, 0xf9]).unwrap();
    bad[at] = 0x03;
    let bad = alloy_rlp::encode(&bad[..]);
    let read = |batches: &[&[u8]]| -> Vec<_> {
        let channel = Compression::Zlib.compress(&batches.concat());
        ChannelReader::new(&channel, CHAIN).unwrap().map(|batch| batch.map(drop)).collect()
    };
    let after_bad = read(&[&bad, &good]);
    assert!(matches!(after_bad[..], [Err(DecodeError::Underivable(_)), Ok(())]), "{after_bad:?}");
    let unknown = alloy_rlp::encode(&[&[7][..], list.as_slice()].concat()[..]);
    let after_unknown = read(&[&good, &unknown, &good]);
    assert!(matches!(after_unknown[..], [Ok(()), Err(DecodeError::Malformed(_))]), "{after_unknown:?}");
}

#[test]
fn absurd_counts_allocate_nothing() {
    // Ten million blocks, and none of their bytes.
    let mut batch = vec![0, 0];
    batch.extend([0; 40]);
    batch.extend([0x80, 0xad, 0xe2, 0x04]);
    assert!(SpanBatch::decode(&batch, CHAIN).is_err());
    let mut one_block_too_many = batch[..42].to_vec();
    one_block_too_many.extend([0x81, 0xad, 0xe2, 0x04]);
    assert_eq!(SpanBatch::decode(&one_block_too_many, CHAIN), Err(DecodeError::Malformed("number of elements")));
}

fn transaction(nonce: u64, data: Vec<u8>, kind: u8) -> Bytes {
    let signer = PrivateKeySigner::from_bytes(&keccak256("key")).unwrap();
    let to = if kind & 1 == 1 { TxKind::Create } else { TxKind::Call(Address::repeat_byte(kind)) };
    let envelope: TxEnvelope = if kind & 2 == 2 {
        let chain_id = (kind & 4 == 4).then_some(CHAIN);
        let tx = TxLegacy { chain_id, nonce, to, value: U256::from(nonce), input: data.into(), ..Default::default() };
        let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
        tx.into_signed(signature).into()
    } else {
        let tx = TxEip1559 { chain_id: CHAIN, nonce, gas_limit: nonce, to, input: data.into(), ..Default::default() };
        let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
        tx.into_signed(signature).into()
    };
    envelope.encoded_2718().into()
}

prop_compose! {
    fn blocks()(
        origin in 1u64..1_000,
        sequence_number in 0u64..3,
        start in 1u64..100_000,
        // For each block: whether it adopts the next origin, and its transactions.
        content in prop::collection::vec(
            (any::<bool>(), prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..100), any::<u8>()), 0..4)),
            1..12,
        ),
    ) -> Vec<BatchBlock> {
        let (mut number, mut sequence_number) = (origin, sequence_number);
        content.into_iter().enumerate().map(|(index, (advances, transactions))| {
            if index > 0 {
                number += u64::from(advances);
                sequence_number = if advances { 0 } else { sequence_number + 1 };
            }
            BatchBlock {
                timestamp: GENESIS_TIME + start + index as u64,
                origin: BlockId { number, hash: keccak256(number.to_be_bytes()) },
                sequence_number,
                parent_hash: keccak256(index.to_be_bytes()),
                transactions: transactions.into_iter().map(|(nonce, data, kind)| transaction(nonce, data, kind)).collect(),
            }
        }).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_to_l1_comes_back(blocks in blocks(), zlib: bool, max_payload in 30usize..2_000) {
        let compression = if zlib { Compression::Zlib } else { Compression::Brotli(5) };
        let payloads = encode_channel(&rollup(), &blocks, ChannelId::repeat_byte(1), compression, max_payload).unwrap();
        let mut assembler = ChannelAssembler::default();
        let mut channels = Vec::new();
        for payload in &payloads {
            prop_assert!(payload.len() <= max_payload);
            for frame in parse_frames(payload).unwrap() {
                channels.extend(assembler.push(1, frame));
            }
        }
        prop_assert_eq!(channels.len(), 1);
        let batches: Vec<_> = ChannelReader::new(&channels[0], CHAIN).unwrap().collect();
        let [Ok(Batch::Span(batch))] = batches.as_slice() else { panic!("{batches:?}") };
        assert_gives(batch, &blocks);
    }

    #[test]
    fn garbage_never_panics(data in prop::collection::vec(any::<u8>(), 0..600), compressed: bool) {
        let _ = SpanBatch::decode(&data, CHAIN);
        let channel = if compressed { Compression::Zlib.compress(&data) } else { data };
        if let Ok(reader) = ChannelReader::new(&channel, CHAIN) {
            reader.for_each(drop);
        }
    }
}
