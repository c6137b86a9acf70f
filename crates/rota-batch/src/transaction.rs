//! One transaction in a span batch: its encoding taken apart into columns, and put together again.
//!
//! Both directions work on the RLP items themselves, so that what comes out is what op-node makes of the same bytes,
//! also where a value is larger than any transaction's should be.

use crate::{DecodeError, MAX_SPAN_BATCH_ELEMENTS};
use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_primitives::{Address, Bytes, U256};
use alloy_rlp::{Decodable, Header};
use rota_types::codec::Reader;

/// The columns of one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    /// EIP-2718 type, 0 for legacy.
    pub(crate) kind: u8,
    pub(crate) y_parity: bool,
    /// Whether a legacy transaction is replay protected (EIP-155).
    pub(crate) protected: bool,
    pub(crate) r: U256,
    pub(crate) s: U256,
    pub(crate) nonce: u64,
    pub(crate) gas: u64,
    /// `None` creates a contract.
    pub(crate) to: Option<Address>,
    /// The remaining fields: the type (unless legacy) and an RLP list.
    pub(crate) data: Vec<u8>,
}

/// A field of a transaction's RLP list.
#[derive(Clone, Copy)]
enum Field {
    ChainId,
    Nonce,
    Gas,
    To,
    V,
    R,
    S,
    /// At this index of the span batch's list.
    Data(usize),
}

/// What an item of a span batch's list may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// An integer of any size.
    Integer,
    /// An integer of at most 256 bits.
    Word,
    Bytes,
    AccessList,
    Authorizations,
}

/// How the fields of one type of transaction are arranged.
struct Layout {
    /// In the transaction.
    fields: &'static [Field],
    /// In the span batch.
    shapes: &'static [Shape],
}

impl Layout {
    const fn of(kind: u8) -> Option<&'static Self> {
        use Field::*;
        match kind {
            0 => Some(&Self {
                fields: &[Nonce, Data(1), Gas, To, Data(0), Data(2), V, R, S],
                shapes: &[Shape::Integer, Shape::Integer, Shape::Bytes],
            }),
            1 => Some(&Self {
                fields: &[ChainId, Nonce, Data(1), Gas, To, Data(0), Data(2), Data(3), V, R, S],
                shapes: &[Shape::Integer, Shape::Integer, Shape::Bytes, Shape::AccessList],
            }),
            2 => Some(&Self {
                fields: &[ChainId, Nonce, Data(1), Data(2), Gas, To, Data(0), Data(3), Data(4), V, R, S],
                shapes: &[Shape::Integer, Shape::Integer, Shape::Integer, Shape::Bytes, Shape::AccessList],
            }),
            4 => Some(&Self {
                fields: &[ChainId, Nonce, Data(1), Data(2), Gas, To, Data(0), Data(3), Data(4), Data(5), V, R, S],
                shapes: &[
                    Shape::Word,
                    Shape::Word,
                    Shape::Word,
                    Shape::Bytes,
                    Shape::AccessList,
                    Shape::Authorizations,
                ],
            }),
            _ => None,
        }
    }
}

impl Columns {
    /// Takes a signed transaction apart.
    pub(crate) fn split(encoded: &[u8], chain_id: u64) -> Result<Self, &'static str> {
        let (kind, list) = match encoded {
            [kind @ 1..=0x7f, rest @ ..] => (*kind, rest),
            [0xc0..=0xff, ..] => (0, encoded),
            _ => return Err("not a transaction"),
        };
        let layout = Layout::of(kind).ok_or("transaction type not allowed in batches")?;
        let items = items(list).ok_or("not a list of fields")?;
        if items.len() != layout.fields.len() {
            return Err("wrong number of fields");
        }
        let malformed = "malformed field";
        let mut columns = Self {
            kind,
            y_parity: false,
            protected: false,
            r: U256::ZERO,
            s: U256::ZERO,
            nonce: 0,
            gas: 0,
            to: None,
            data: Vec::new(),
        };
        let mut data: Vec<&[u8]> = vec![&[]; layout.shapes.len()];
        for (field, item) in layout.fields.iter().zip(items) {
            match *field {
                Field::ChainId => {
                    if exact::<u64>(item).ok_or(malformed)? != chain_id {
                        return Err("transaction of another chain");
                    }
                }
                Field::Nonce => columns.nonce = exact(item).ok_or(malformed)?,
                Field::Gas => columns.gas = exact(item).ok_or(malformed)?,
                Field::To => columns.to = if item == [0x80] { None } else { Some(exact(item).ok_or(malformed)?) },
                Field::V => (columns.protected, columns.y_parity) = read_v(kind, item, chain_id)?,
                Field::R => columns.r = exact(item).ok_or(malformed)?,
                Field::S => columns.s = exact(item).ok_or(malformed)?,
                Field::Data(index) => data[index] = item,
            }
        }
        if !layout.shapes.iter().zip(&data).all(|(shape, item)| shape.holds(item)) {
            return Err(malformed);
        }
        if kind != 0 {
            columns.data.push(kind);
        }
        put_list(&data, &mut columns.data);
        Ok(columns)
    }

    /// Puts the transaction together.
    pub(crate) fn join(&self, chain_id: u64) -> Result<Bytes, DecodeError> {
        let underivable = DecodeError::Underivable;
        let layout = Layout::of(self.kind).ok_or(underivable("transaction type not allowed in batches"))?;
        let list = match self.data.split_first() {
            Some((0xc0..=0xff, _)) if self.kind == 0 => &self.data,
            Some((kind, rest)) if *kind != 0 && *kind == self.kind => rest,
            _ => return Err(underivable("transaction type")),
        };
        let data = items(list).ok_or(underivable("transaction fields"))?;
        if data.len() != layout.shapes.len() || !layout.shapes.iter().zip(&data).all(|(shape, item)| shape.holds(item))
        {
            return Err(underivable("transaction fields"));
        }
        if self.kind == 4 && self.to.is_none() {
            return Err(underivable("EIP-7702 transaction without a recipient"));
        }
        let own: Vec<Vec<u8>> = layout.fields.iter().map(|field| self.item(*field, chain_id)).collect();
        let fields: Vec<&[u8]> = layout
            .fields
            .iter()
            .zip(&own)
            .map(|(field, own)| if let Field::Data(index) = field { data[*index] } else { own.as_slice() })
            .collect();
        let mut out = Vec::new();
        if self.kind != 0 {
            out.push(self.kind);
        }
        put_list(&fields, &mut out);
        Ok(out.into())
    }

    /// RLP of a field that has a column of its own.
    fn item(&self, field: Field, chain_id: u64) -> Vec<u8> {
        match field {
            Field::ChainId => alloy_rlp::encode(chain_id),
            Field::Nonce => alloy_rlp::encode(self.nonce),
            Field::Gas => alloy_rlp::encode(self.gas),
            Field::To => self.to.map_or_else(|| vec![0x80], alloy_rlp::encode),
            Field::V => alloy_rlp::encode(self.v(chain_id)),
            Field::R => alloy_rlp::encode(self.r),
            Field::S => alloy_rlp::encode(self.s),
            Field::Data(_) => Vec::new(),
        }
    }

    fn v(&self, chain_id: u64) -> u128 {
        let parity = u128::from(self.y_parity);
        match (self.kind, self.protected) {
            (0, false) => 27 + parity,
            (0, true) => 35 + 2 * u128::from(chain_id) + parity,
            _ => parity,
        }
    }
}

impl Shape {
    fn holds(self, item: &[u8]) -> bool {
        let integer = |payload: &&[u8]| payload.first() != Some(&0);
        match self {
            Self::Integer => string(item).as_ref().is_some_and(integer),
            Self::Word => exact::<U256>(item).is_some(),
            Self::Bytes => string(item).is_some(),
            Self::AccessList => exact::<AccessList>(item).is_some(),
            Self::Authorizations => exact::<Vec<SignedAuthorization>>(item).is_some(),
        }
    }
}

/// Reads the type byte (unless legacy) and the RLP list of one transaction in a span batch: its bytes and its type.
/// What is in the list is looked at later: a list that makes no transaction spoils one batch, not the channel.
pub(crate) fn read_data<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], u8), DecodeError> {
    let malformed = |_| DecodeError::Malformed("transaction data");
    let mut ahead = reader.clone();
    let first = ahead.u8().map_err(malformed)?;
    let (prefix, kind) = if first <= 0x7f { (1, first) } else { (0, 0) };
    if prefix == 0 {
        ahead = reader.clone();
    }
    let rest = ahead.bytes(ahead.remaining()).map_err(malformed)?;
    let mut payload = rest;
    let header = Header::decode(&mut payload).map_err(|_| DecodeError::Malformed("transaction data"))?;
    if !header.list || header.payload_length as u64 > MAX_SPAN_BATCH_ELEMENTS {
        return Err(DecodeError::Malformed("transaction data"));
    }
    let list = rest.len() - payload.len() + header.payload_length;
    Ok((reader.bytes(prefix + list).map_err(malformed)?, kind))
}

/// Protection and y-parity of a signature's `v`.
fn read_v(kind: u8, item: &[u8], chain_id: u64) -> Result<(bool, bool), &'static str> {
    let v: u128 = exact(item).ok_or("malformed signature")?;
    match (kind, v) {
        (0, 27 | 28) => Ok((false, v == 28)),
        (0, _) => match v.checked_sub(35 + 2 * u128::from(chain_id)) {
            Some(parity @ (0 | 1)) => Ok((true, parity == 1)),
            _ => Err("transaction of another chain"),
        },
        (_, 0 | 1) => Ok((false, v == 1)),
        _ => Err("malformed signature"),
    }
}

/// The items of an RLP list that fills `bytes`.
fn items(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut payload = bytes;
    let header = Header::decode(&mut payload).ok().filter(|header| header.list)?;
    if payload.len() != header.payload_length {
        return None;
    }
    let mut items = Vec::new();
    while !payload.is_empty() {
        let mut rest = payload;
        let header = Header::decode(&mut rest).ok()?;
        let len = payload.len() - rest.len() + header.payload_length;
        let (item, tail) = payload.split_at_checked(len)?;
        items.push(item);
        payload = tail;
    }
    Some(items)
}

/// The payload of an RLP string that fills `item`.
fn string(item: &[u8]) -> Option<&[u8]> {
    let mut payload = item;
    let header = Header::decode(&mut payload).ok().filter(|header| !header.list)?;
    (payload.len() == header.payload_length).then_some(payload)
}

/// A value that fills `item`.
fn exact<T: Decodable>(mut item: &[u8]) -> Option<T> {
    let value = T::decode(&mut item).ok()?;
    item.is_empty().then_some(value)
}

fn put_list(items: &[&[u8]], out: &mut Vec<u8>) {
    let payload_length = items.iter().map(|item| item.len()).sum();
    Header { list: true, payload_length }.encode(out);
    items.iter().for_each(|item| out.extend_from_slice(item));
}
