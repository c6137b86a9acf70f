//! User deposits: from `TransactionDeposited` logs of the portal to L2 transactions (op-node `UnmarshalDepositLogEvent`).

use alloy_primitives::{Address, B256, Log, TxKind, U256, b256};
use op_alloy_consensus::{TxDeposit, UserDepositSource};

/// keccak256 of `TransactionDeposited(address,address,uint256,bytes)`.
pub const DEPOSIT_TOPIC: B256 = b256!("b3813568d9991fc951961fcb4c784893574240a28925604d09fc577c55bb7c32");

/// Bytes of version 0 opaque data before the call data: mint, value, gas limit, creation flag.
const OPAQUE_HEADER: usize = 32 + 32 + 8 + 1;

/// A log that claims to be a deposit and isn't: the portal never emits one, so derivation cannot go past it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed deposit log {index}: {reason}")]
pub struct DepositError {
    /// Index of the log in its block.
    pub index: u64,
    /// What is wrong.
    pub reason: &'static str,
}

/// Whether a log of the portal is to be read as a deposit.
pub fn is_deposit(log: &Log) -> bool {
    log.topics().first() == Some(&DEPOSIT_TOPIC)
}

/// Decodes a deposit log, the `index`-th log of L1 block `l1_hash`.
pub fn decode(l1_hash: B256, index: u64, log: &Log) -> Result<TxDeposit, DepositError> {
    let fail = |reason| DepositError { index, reason };
    let [_, from, to, version] = log.topics() else {
        return Err(fail("expected 4 topics"));
    };
    if !version.is_zero() {
        return Err(fail("unknown version"));
    }
    let opaque = opaque_data(&log.data.data).map_err(fail)?;
    let (header, input) = opaque.split_at_checked(OPAQUE_HEADER).ok_or_else(|| fail("opaque data too short"))?;
    let word = |at: usize| U256::from_be_slice(&header[at..at + 32]);
    let gas: [u8; 8] = header[64..72].try_into().expect("eight bytes");
    Ok(TxDeposit {
        source_hash: UserDepositSource::new(l1_hash, index).source_hash(),
        from: Address::from_word(*from),
        to: if header[72] == 0 { TxKind::Call(Address::from_word(*to)) } else { TxKind::Create },
        // More than all ether there is: the portal mints only what it was sent.
        mint: word(0).try_into().map_err(|_| fail("mint exceeds 128 bits"))?,
        value: word(32),
        gas_limit: u64::from_be_bytes(gas),
        is_system_transaction: false,
        input: input.to_vec().into(),
    })
}

/// The content of the log's only ABI-encoded `bytes`: offset 32, length, content with minimal padding.
fn opaque_data(data: &[u8]) -> Result<&[u8], &'static str> {
    if data.len() < 64 || !data.len().is_multiple_of(32) {
        return Err("log data is not whole words");
    }
    let (head, content) = data.split_at(64);
    if U256::from_be_slice(&head[..32]) != U256::from(32) {
        return Err("invalid offset of opaque data");
    }
    let length = usize::try_from(U256::from_be_slice(&head[32..])).map_err(|_| "invalid length of opaque data")?;
    if length > content.len() || length.saturating_add(32) <= content.len() {
        return Err("invalid length of opaque data");
    }
    Ok(&content[..length])
}

/// The log that the portal emits for a deposit: the inverse of [`decode`], for L1 chains in memory.
pub fn encode(portal: Address, deposit: &TxDeposit) -> Log {
    let to = deposit.to.to().copied().unwrap_or_default();
    let mut opaque = U256::from(deposit.mint).to_be_bytes_vec();
    opaque.extend_from_slice(&deposit.value.to_be_bytes::<32>());
    opaque.extend_from_slice(&deposit.gas_limit.to_be_bytes());
    opaque.push(u8::from(deposit.to.is_create()));
    opaque.extend_from_slice(&deposit.input);
    let mut data = U256::from(32).to_be_bytes_vec();
    data.extend_from_slice(&U256::from(opaque.len()).to_be_bytes::<32>());
    opaque.resize(opaque.len().next_multiple_of(32), 0);
    data.extend_from_slice(&opaque);
    Log::new_unchecked(portal, vec![DEPOSIT_TOPIC, deposit.from.into_word(), to.into_word(), B256::ZERO], data.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Bytes, keccak256};
    use proptest::prelude::*;

    fn deposit(input: Vec<u8>, create: bool) -> TxDeposit {
        TxDeposit {
            source_hash: UserDepositSource::new(B256::repeat_byte(7), 3).source_hash(),
            from: Address::repeat_byte(1),
            to: if create { TxKind::Create } else { TxKind::Call(Address::repeat_byte(2)) },
            mint: 5_000,
            value: U256::from(1_234),
            gas_limit: 100_000,
            is_system_transaction: false,
            input: input.into(),
        }
    }

    fn read(log: &Log) -> Result<TxDeposit, DepositError> {
        decode(B256::repeat_byte(7), 3, log)
    }

    #[test]
    fn topic_is_the_event_signature() {
        assert_eq!(DEPOSIT_TOPIC, keccak256("TransactionDeposited(address,address,uint256,bytes)"));
    }

    #[test]
    fn deviations_from_the_portal_are_refused() {
        let good = encode(Address::ZERO, &deposit(vec![1; 40], false));
        assert!(read(&good).is_ok());
        let with_data = |data: Vec<u8>| Log::new_unchecked(Address::ZERO, good.topics().to_vec(), data.into());
        let data = good.data.data.to_vec();
        let mut offset = data.clone();
        offset[31] = 64;
        let mut huge_length = data.clone();
        huge_length[32] = 0xff;
        let mut padded = data.clone();
        padded.extend([0; 32]);
        let mut short = data[..128].to_vec();
        short[63] = 64;
        for (data, reason) in [
            (offset, "invalid offset of opaque data"),
            (huge_length, "invalid length of opaque data"),
            (padded, "invalid length of opaque data"),
            (short, "opaque data too short"),
            (data[..65].to_vec(), "log data is not whole words"),
            (vec![], "log data is not whole words"),
        ] {
            assert_eq!(read(&with_data(data)).unwrap_err().reason, reason);
        }
        let mut topics = good.topics().to_vec();
        topics[3] = B256::with_last_byte(1);
        assert_eq!(
            read(&Log::new_unchecked(Address::ZERO, topics, good.data.data.clone())).unwrap_err().reason,
            "unknown version"
        );
    }

    proptest! {
        #[test]
        fn logs_round_trip(input in prop::collection::vec(any::<u8>(), 0..200), create: bool) {
            let deposit = deposit(input, create);
            prop_assert_eq!(read(&encode(Address::ZERO, &deposit)), Ok(deposit));
        }

        #[test]
        fn garbage_never_panics(data in prop::collection::vec(any::<u8>(), 0..400), topics in 0usize..4) {
            let topics = vec![DEPOSIT_TOPIC; topics];
            let _ = read(&Log::new_unchecked(Address::ZERO, topics, Bytes::from(data)));
        }
    }
}
