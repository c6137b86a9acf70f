//! What nodes tell each other beside consensus: transactions, acknowledgements of them, confirmed L1 origins, what time
//! it is, and that a poster is silent.

use alloy_primitives::{B256, Bytes, Signature};
use rota_consensus::MAX_GOSSIP_BYTES;
use rota_types::{BlockId, CodecError, codec::Reader};

/// A message on the node's own p2p channel.
///
/// Encoding: a tag byte, then for transactions each a `u32` length and its EIP-2718 bytes, for acknowledgements each a
/// transaction hash, for an origin its `u64` number and its hash, for a clock its `u64` reading, for a skip the `u64` turn
/// and the signature's 65 bytes. The end of the message
/// ends the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Transactions to hold and, when it is the receiver's turn, to propose. At least one.
    Transactions(Vec<Bytes>),
    /// Hashes of transactions that the sender holds. At least one.
    Acknowledge(Vec<B256>),
    /// The newest L1 block that the sender has confirmed.
    Origin(BlockId),
    /// The sender's clock, milliseconds since 1970.
    Clock(u64),
    /// The poster of a turn is silent, says a member.
    Skip {
        /// The turn.
        turn: u64,
        /// By the member's posting key ([`rota_l1::SkipDomain`]).
        signature: Signature,
    },
}

impl Message {
    const TRANSACTIONS: u8 = 1;
    const ACKNOWLEDGE: u8 = 2;
    const ORIGIN: u8 = 3;
    const CLOCK: u8 = 4;
    const SKIP: u8 = 5;

    /// The largest transaction that a message can carry, bytes.
    pub const MAX_TRANSACTION_BYTES: usize = MAX_GOSSIP_BYTES - 5;

    /// The canonical encoding.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        match self {
            Self::Transactions(transactions) => {
                out.push(Self::TRANSACTIONS);
                for transaction in transactions {
                    out.extend_from_slice(&(transaction.len() as u32).to_be_bytes());
                    out.extend_from_slice(transaction);
                }
            }
            Self::Acknowledge(hashes) => {
                out.push(Self::ACKNOWLEDGE);
                hashes.iter().for_each(|hash| out.extend_from_slice(hash.as_slice()));
            }
            Self::Origin(origin) => {
                out.push(Self::ORIGIN);
                out.extend_from_slice(&origin.number.to_be_bytes());
                out.extend_from_slice(origin.hash.as_slice());
            }
            Self::Clock(millis) => {
                out.push(Self::CLOCK);
                out.extend_from_slice(&millis.to_be_bytes());
            }
            Self::Skip { turn, signature } => {
                out.push(Self::SKIP);
                out.extend_from_slice(&turn.to_be_bytes());
                out.extend_from_slice(&signature.as_bytes());
            }
        }
        out.into()
    }

    /// Decodes a message of at most [`MAX_GOSSIP_BYTES`]; what it holds takes no more memory than a small multiple of
    /// the input.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        if bytes.len() > MAX_GOSSIP_BYTES {
            return Err(CodecError::TooLarge { what: "message", value: bytes.len(), limit: MAX_GOSSIP_BYTES });
        }
        let mut reader = Reader::new(bytes);
        let tag = reader.u8()?;
        match tag {
            Self::ORIGIN => {
                let origin = BlockId { number: reader.u64()?, hash: reader.b256()? };
                return reader.finish().map(|()| Self::Origin(origin));
            }
            Self::CLOCK => {
                let millis = reader.u64()?;
                return reader.finish().map(|()| Self::Clock(millis));
            }
            Self::SKIP => {
                let (turn, bytes): (u64, [u8; 65]) = (reader.u64()?, reader.array()?);
                let signature = Signature::from_raw_array(&bytes).ok().filter(|it| it.as_bytes() == bytes);
                let signature = signature.ok_or(CodecError::Invalid("signature"))?;
                return reader.finish().map(|()| Self::Skip { turn, signature });
            }
            _ => {}
        }
        if reader.remaining() == 0 {
            return Err(CodecError::Invalid("empty list"));
        }
        match tag {
            Self::TRANSACTIONS => {
                let mut transactions = Vec::new();
                while reader.remaining() > 0 {
                    let len = reader.u32()? as usize;
                    if len == 0 {
                        return Err(CodecError::Invalid("empty transaction"));
                    }
                    transactions.push(Bytes::copy_from_slice(reader.bytes(len)?));
                }
                Ok(Self::Transactions(transactions))
            }
            Self::ACKNOWLEDGE => {
                let mut hashes = Vec::with_capacity(reader.remaining() / 32);
                while reader.remaining() > 0 {
                    hashes.push(reader.b256()?);
                }
                Ok(Self::Acknowledge(hashes))
            }
            _ => Err(CodecError::Invalid("message tag")),
        }
    }

    /// Packs transactions into as few messages as hold them, in order. One that fits into no message is left out.
    pub fn pack(transactions: impl IntoIterator<Item = Bytes>) -> Vec<Self> {
        let (mut messages, mut open, mut size) = (Vec::new(), Vec::new(), 1);
        for transaction in transactions.into_iter().filter(|t| t.len() <= Self::MAX_TRANSACTION_BYTES) {
            let more = 4 + transaction.len();
            if size + more > MAX_GOSSIP_BYTES {
                messages.push(Self::Transactions(std::mem::take(&mut open)));
                size = 1;
            }
            size += more;
            open.push(transaction);
        }
        if !open.is_empty() {
            messages.push(Self::Transactions(open));
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> Vec<Message> {
        vec![
            Message::Transactions(vec![Bytes::from_static(b"a"), Bytes::from(vec![7; 300])]),
            Message::Acknowledge(vec![B256::repeat_byte(1), B256::repeat_byte(2)]),
            Message::Origin(BlockId { number: 7, hash: B256::repeat_byte(3) }),
            Message::Clock(1_700_000_000_123),
            Message::Skip { turn: 7, signature: Signature::test_signature() },
        ]
    }

    #[test]
    fn messages_survive_the_wire() {
        for message in messages() {
            assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn every_truncation_and_extension_is_another_message_or_none() {
        for message in messages() {
            let bytes = message.encode();
            for len in 0..bytes.len() {
                assert_ne!(Message::decode(&bytes[..len]), Ok(message.clone()));
            }
            let longer = [bytes.as_ref(), &[0]].concat();
            assert!(Message::decode(&longer).is_err());
        }
    }

    #[test]
    fn what_no_encoder_writes_is_refused() {
        for bytes in [&[][..], &[1], &[2], &[9, 0], &[1, 0, 0, 0, 0], &[1, 255, 255, 255, 255, 0]] {
            assert!(Message::decode(bytes).is_err(), "{bytes:?}");
        }
        assert!(Message::decode(&vec![1; MAX_GOSSIP_BYTES + 1]).is_err());
    }

    #[test]
    fn packing_loses_nothing_and_exceeds_nothing() {
        let transactions: Vec<_> = (1..=20).map(|n| Bytes::from(vec![n; 40_000])).collect();
        let largest = Bytes::from(vec![1; Message::MAX_TRANSACTION_BYTES]);
        let too_large = Bytes::from(vec![1; Message::MAX_TRANSACTION_BYTES + 1]);
        let input = transactions.iter().cloned().chain([too_large, largest.clone()]);
        let mut unpacked = Vec::new();
        for message in Message::pack(input) {
            assert!(message.encode().len() <= MAX_GOSSIP_BYTES);
            let Message::Transactions(list) = message else { panic!("only transactions were packed") };
            unpacked.extend(list);
        }
        assert_eq!(unpacked, transactions.into_iter().chain([largest]).collect::<Vec<_>>());
    }
}
