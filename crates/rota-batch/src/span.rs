//! The span batch (Delta): a run of L2 blocks in columns, so that what repeats compresses well.
//!
//! ```text
//! prefix  = rel_timestamp ‖ l1_origin_num ‖ parent_check(20) ‖ l1_origin_check(20)
//! payload = block_count ‖ origin_bits ‖ block_tx_counts ‖ txs
//! txs     = contract_creation_bits ‖ y_parity_bits ‖ sigs ‖ tos ‖ datas ‖ nonces ‖ gases ‖ protected_bits
//! ```
//!
//! Numbers are varints. Spec: `specs/protocol/delta/span-batches.md`.

use crate::{
    DecodeError, EncodeError, MAX_SPAN_BATCH_ELEMENTS,
    bits::{Bits, uvarint},
    transaction::{Columns, read_data},
};
use alloy_primitives::{B256, Bytes, FixedBytes, U256};
use rota_types::{
    BlockId, RollupConfig,
    codec::{Reader, put_leb128},
};

/// An L2 block as the batcher has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchBlock {
    /// Timestamp, seconds.
    pub timestamp: u64,
    /// L1 origin.
    pub origin: BlockId,
    /// Blocks since the one that adopted the origin.
    pub sequence_number: u64,
    /// Hash of the parent L2 block.
    pub parent_hash: B256,
    /// EIP-2718 encoded transactions, without deposits.
    pub transactions: Vec<Bytes>,
}

/// An L2 block as a span batch gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanBlock<'a> {
    /// Timestamp, seconds.
    pub timestamp: u64,
    /// L1 origin number.
    pub origin_number: u64,
    /// EIP-2718 encoded transactions, without deposits.
    pub transactions: &'a [Bytes],
}

/// A run of L2 blocks, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanBatch {
    /// Seconds from the L2 genesis to the first block.
    pub rel_timestamp: u64,
    /// L1 origin number of the last block.
    pub last_origin: u64,
    /// First 20 bytes of the hash of the first block's parent.
    pub parent_check: FixedBytes<20>,
    /// First 20 bytes of the hash of the last block's L1 origin.
    pub origin_check: FixedBytes<20>,
    /// Whether each block has another origin than its parent.
    origin_bits: Bits,
    /// Number of transactions of each block.
    counts: Vec<u32>,
    /// All transactions.
    transactions: Vec<Bytes>,
}

impl SpanBatch {
    /// The batch of these blocks, which must follow each other.
    pub fn new(rollup: &RollupConfig, blocks: &[BatchBlock]) -> Result<Self, EncodeError> {
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else {
            return Err(EncodeError::Empty);
        };
        let mut origin_bits = Bits::default();
        origin_bits.push(first.sequence_number == 0);
        for (index, pair) in (1..).zip(blocks.windows(2)) {
            let fail = |reason| Err(EncodeError::NotContiguous { index, reason });
            if pair[0].timestamp.checked_add(rollup.block_time) != Some(pair[1].timestamp) {
                return fail("timestamp is not the parent's plus the block time");
            }
            let advances = pair[0].origin.number.checked_add(1) == Some(pair[1].origin.number);
            if !advances && pair[0].origin != pair[1].origin {
                return fail("origin is neither the parent's nor the next");
            }
            origin_bits.push(advances);
        }
        let before_genesis = EncodeError::NotContiguous { index: 0, reason: "block before the L2 genesis" };
        Ok(Self {
            rel_timestamp: first.timestamp.checked_sub(rollup.genesis.l2_time).ok_or(before_genesis)?,
            last_origin: last.origin.number,
            parent_check: check(first.parent_hash),
            origin_check: check(last.origin.hash),
            origin_bits,
            counts: blocks.iter().map(|block| block.transactions.len() as u32).collect(),
            transactions: blocks.iter().flat_map(|block| block.transactions.iter().cloned()).collect(),
        })
    }

    /// Number of blocks.
    pub fn block_count(&self) -> usize {
        self.counts.len()
    }

    /// Whether the first block's parent has this hash.
    pub fn follows(&self, parent: B256) -> bool {
        self.parent_check == check(parent)
    }

    /// Whether the last block's origin has this hash.
    pub fn ends_on(&self, origin: B256) -> bool {
        self.origin_check == check(origin)
    }

    /// The blocks, in order. As in op-node, timestamps and origins of an absurd batch wrap around; they match nothing.
    pub fn blocks(&self, rollup: &RollupConfig) -> impl Iterator<Item = SpanBlock<'_>> {
        let advances = (1..self.counts.len()).filter(|index| self.origin_bits.get(*index)).count();
        let mut origin_number = self.last_origin.wrapping_sub(advances as u64);
        let mut timestamp = rollup.genesis.l2_time.wrapping_add(self.rel_timestamp);
        let mut rest = self.transactions.as_slice();
        self.counts.iter().enumerate().map(move |(index, count)| {
            if index > 0 {
                timestamp = timestamp.wrapping_add(rollup.block_time);
                origin_number = origin_number.wrapping_add(u64::from(self.origin_bits.get(index)));
            }
            let (transactions, tail) = rest.split_at(*count as usize);
            rest = tail;
            SpanBlock { timestamp, origin_number, transactions }
        })
    }

    /// The canonical encoding, without the batch type.
    pub fn encode(&self, chain_id: u64) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        put_leb128(self.rel_timestamp, &mut out);
        put_leb128(self.last_origin, &mut out);
        out.extend_from_slice(self.parent_check.as_slice());
        out.extend_from_slice(self.origin_check.as_slice());
        put_leb128(self.counts.len() as u64, &mut out);
        self.origin_bits.encode(&mut out);
        self.counts.iter().for_each(|count| put_leb128(u64::from(*count), &mut out));

        let mut columns = Vec::with_capacity(self.transactions.len());
        for (index, transaction) in self.transactions.iter().enumerate() {
            let split = Columns::split(transaction, chain_id);
            columns.push(split.map_err(|reason| EncodeError::Transaction { index, reason })?);
        }
        put_bits(columns.iter().map(|columns| columns.to.is_none()), &mut out);
        put_bits(columns.iter().map(|columns| columns.y_parity), &mut out);
        for columns in &columns {
            out.extend_from_slice(&columns.r.to_be_bytes::<32>());
            out.extend_from_slice(&columns.s.to_be_bytes::<32>());
        }
        columns.iter().filter_map(|columns| columns.to).for_each(|to| out.extend_from_slice(to.as_slice()));
        columns.iter().for_each(|columns| out.extend_from_slice(&columns.data));
        columns.iter().for_each(|columns| put_leb128(columns.nonce, &mut out));
        columns.iter().for_each(|columns| put_leb128(columns.gas, &mut out));
        put_bits(columns.iter().filter(|columns| columns.kind == 0).map(|columns| columns.protected), &mut out);
        Ok(out)
    }

    /// Reads a batch (without its type) of this chain. As in op-node, bytes after it are ignored.
    pub fn decode(bytes: &[u8], chain_id: u64) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let rel_timestamp = uvarint(&mut reader)?;
        let last_origin = uvarint(&mut reader)?;
        let mut check = || reader.array().map_err(|_| DecodeError::Malformed("span batch prefix"));
        let (parent_check, origin_check) = (check()?.into(), check()?.into());

        let block_count = count(&mut reader)?;
        if block_count == 0 {
            return Err(DecodeError::Malformed("span batch without blocks"));
        }
        let origin_bits = Bits::read(&mut reader, block_count)?;
        // Each of the blocks takes a byte, so the input bounds the allocations.
        if block_count > reader.remaining() {
            return Err(DecodeError::Malformed("span batch"));
        }
        let mut counts = Vec::with_capacity(block_count);
        let mut total = 0usize;
        for _ in 0..block_count {
            let transactions = count(&mut reader)?;
            total = total.saturating_add(transactions);
            counts.push(transactions as u32);
        }
        if total as u64 > MAX_SPAN_BATCH_ELEMENTS {
            return Err(DecodeError::Malformed("number of transactions"));
        }
        let columns = read_columns(&mut reader, total)?;
        let transactions = columns.iter().map(|columns| columns.join(chain_id)).collect::<Result<_, _>>()?;
        Ok(Self { rel_timestamp, last_origin, parent_check, origin_check, origin_bits, counts, transactions })
    }
}

fn read_columns(reader: &mut Reader<'_>, total: usize) -> Result<Vec<Columns>, DecodeError> {
    let creations = Bits::read(reader, total)?;
    let y_parities = Bits::read(reader, total)?;
    // Each signature takes 64 bytes.
    if total > reader.remaining() / 64 {
        return Err(DecodeError::Malformed("signatures"));
    }
    let mut columns = Vec::with_capacity(total);
    for index in 0..total {
        let mut word =
            || reader.b256().map(|word| U256::from_be_bytes(word.0)).map_err(|_| DecodeError::Malformed("signatures"));
        columns.push(Columns {
            kind: 0,
            y_parity: y_parities.get(index),
            protected: false,
            r: word()?,
            s: word()?,
            nonce: 0,
            gas: 0,
            to: None,
            data: Vec::new(),
        });
    }
    for (index, columns) in columns.iter_mut().enumerate() {
        if !creations.get(index) {
            let to: [u8; 20] = reader.array().map_err(|_| DecodeError::Malformed("recipients"))?;
            columns.to = Some(to.into());
        }
    }
    let mut legacy = 0;
    for columns in &mut columns {
        let (data, kind) = read_data(reader)?;
        columns.kind = kind;
        columns.data = data.to_vec();
        legacy += usize::from(kind == 0);
    }
    for columns in &mut columns {
        columns.nonce = uvarint(reader)?;
    }
    for columns in &mut columns {
        columns.gas = uvarint(reader)?;
    }
    let protected = Bits::read(reader, legacy)?;
    for (index, columns) in columns.iter_mut().filter(|columns| columns.kind == 0).enumerate() {
        columns.protected = protected.get(index);
    }
    Ok(columns)
}

/// A number of elements within the limit.
fn count(reader: &mut Reader<'_>) -> Result<usize, DecodeError> {
    match uvarint(reader)? {
        count if count <= MAX_SPAN_BATCH_ELEMENTS => Ok(count as usize),
        _ => Err(DecodeError::Malformed("number of elements")),
    }
}

fn put_bits(values: impl Iterator<Item = bool>, out: &mut Vec<u8>) {
    let mut bits = Bits::default();
    values.for_each(|bit| bits.push(bit));
    bits.encode(out);
}

fn check(hash: B256) -> FixedBytes<20> {
    FixedBytes::from_slice(&hash[..20])
}
