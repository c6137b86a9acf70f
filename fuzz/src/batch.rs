//! What anybody can write into the batch inbox: `rota-batch`.

use crate::{Target, refused};
use alloy_primitives::hex;
use rota_batch::{
    BLOB_BYTES, Batch, ChannelAssembler, ChannelReader, DecodeError, Frame, SpanBatch, decode_blob, encode_blob,
    parse_frames,
};
use rota_types::RollupConfig;
use serde_json::Value;

const CHAIN: u64 = 901;

pub(crate) const FRAMES: Target = Target {
    name: "frames",
    executions: 50_000,
    seeds: || {
        let channel = [0x5a; 40];
        let frame = |number: u16, is_last| Frame { id: [7; 16].into(), number, data: channel.to_vec(), is_last };
        let payload = |frames: &[Frame]| {
            frames.iter().fold(vec![0], |mut out, frame| {
                frame.encode(&mut out);
                out
            })
        };
        vec![payload(&[frame(0, true)]), payload(&[frame(0, false), frame(1, false), frame(2, true)])]
    },
    feed: |bytes| {
        let frames = parse_frames(bytes).map_err(refused)?;
        let written: usize = frames.iter().map(|frame| Frame::OVERHEAD + frame.data.len()).sum();
        assert!(written < bytes.len(), "frames hold no more than was read");
        let mut assembler = ChannelAssembler::default();
        for (at, frame) in (0..).zip(frames) {
            let is_last = frame.is_last;
            let complete = assembler.push(at * 30, frame);
            assert!(complete.is_none_or(|channel| is_last && channel.len() <= bytes.len()));
        }
        Ok(())
    },
};

pub(crate) const BLOB: Target = Target {
    name: "blob",
    executions: 2_000,
    // Inputs are shorter than blobs, which go on with zeros.
    seeds: || {
        [0, 27, 28, 127, 1_000]
            .map(|length| encode_blob(&vec![0xa5; length]).expect("it fits")[..2_048].to_vec())
            .into()
    },
    feed: |bytes| {
        let mut blob = bytes.to_vec();
        blob.resize(BLOB_BYTES, 0);
        let data = decode_blob(&blob).map_err(refused)?;
        // The two high bits of the first byte mean nothing.
        blob[0] &= 0b0011_1111;
        assert_eq!(encode_blob(&data), Ok(blob));
        Ok(())
    },
};

pub(crate) const CHANNEL: Target = Target {
    name: "channel",
    executions: 5_000,
    seeds: || ["zlib", "brotli"].into_iter().flat_map(column).collect(),
    feed: |bytes| {
        let reader = ChannelReader::new(bytes, CHAIN).map_err(refused)?;
        let mut ended = false;
        for batch in reader {
            assert!(!ended, "a malformed batch is the last");
            match batch {
                Ok(Batch::Span(batch)) => walk(&batch),
                Ok(Batch::Singular(_)) | Err(DecodeError::Underivable(_)) => {}
                Err(DecodeError::Malformed(_)) => ended = true,
            }
        }
        Ok(())
    },
};

pub(crate) const SPAN_BATCH: Target = Target {
    name: "span-batch",
    executions: 30_000,
    seeds: || column("batch"),
    feed: |bytes| {
        // The first byte is the batch type.
        let bytes = bytes.get(1..).ok_or("empty")?;
        let batch = SpanBatch::decode(bytes, CHAIN).map_err(refused)?;
        walk(&batch);
        if let Ok(encoded) = batch.encode(CHAIN) {
            assert_eq!(SpanBatch::decode(&encoded, CHAIN), Ok(batch));
        }
        Ok(())
    },
};

/// Every block of a batch is there, and every transaction is in one block.
fn walk(batch: &SpanBatch) {
    let rollup: RollupConfig =
        serde_json::from_str(include_str!("../../vectors/spec/rollup.json")).expect("a rollup config");
    assert_eq!(batch.blocks(&rollup).count(), batch.block_count());
}

/// One column of the golden batches.
fn column(name: &str) -> Vec<Vec<u8>> {
    let vectors: Value = serde_json::from_str(include_str!("../../vectors/batch/span.json")).expect("JSON");
    let vectors = vectors.as_array().expect("a list");
    vectors.iter().map(|vector| hex::decode(vector[name].as_str().expect("hex")).expect("hex")).collect()
}
