//! Contracts of the workload, assembled by hand, beside those of the engine's own tests.

use alloy_primitives::{Address, Bytes, U256, address, hex};

/// WETH9, an ERC-20 that every OP chain has.
pub(crate) const WETH: Address = address!("4200000000000000000000000000000000000006");
/// The message passer: its storage root is the header's withdrawals root.
pub(crate) const MESSAGE_PASSER: Address = address!("4200000000000000000000000000000000000016");
/// The vault that collects priority fees.
pub(crate) const SEQUENCER_FEE_VAULT: Address = address!("4200000000000000000000000000000000000011");
/// The deterministic deployment proxy: salt ‖ init code.
pub(crate) const CREATE2: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
/// EIP-4788 and EIP-2935.
pub(crate) const BEACON_ROOTS: Address = address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02");
pub(crate) const HISTORY: Address = address!("0000F90827F1C53a10cb7A02335B175320002935");

/// Sends its balance to the caller and ends.
pub(crate) const SELF_DESTRUCT: &[u8] = &hex!("33ff");

/// Stores what the environment says: number, timestamp, coinbase, randao, gas limit, chain id, base fee, blob base fee,
/// hash of the block before, origin, gas price, own balance, blob hash 0.
pub(crate) fn environment() -> Vec<u8> {
    let reads: [&[u8]; 13] = [
        &[0x43],
        &[0x42],
        &[0x41],
        &[0x44],
        &[0x45],
        &[0x46],
        &[0x48],
        &[0x4a],
        &[0x60, 0x01, 0x43, 0x03, 0x40],
        &[0x32],
        &[0x3a],
        &[0x47],
        &[0x60, 0x00, 0x49],
    ];
    let mut code = Vec::new();
    for (slot, read) in (0u8..).zip(reads) {
        code.extend_from_slice(read);
        code.extend_from_slice(&[0x60, slot, 0x55]);
    }
    code.push(0x00);
    code
}

/// Sets slot 0 to one and back to zero, and moves a word through transient storage and `MCOPY`: refunds.
pub(crate) const REFUND: &[u8] =
    &hex!("60016000556000600055602a60015d60015c6000526020600060205e602051600255600060025500");

/// Creates an empty contract with `CREATE` and one with `CREATE2`, and keeps their addresses.
pub(crate) const FACTORY: &[u8] = &hex!("600060006000f060005543600060006000f560015500");

/// Calls itself until the gas is gone, counting in slot 0.
pub(crate) const RECURSION: &[u8] = &hex!("60005460010160005560006000600060006000305af100");

/// Input of a Solidity function: selector and words.
pub(crate) fn abi(selector: [u8; 4], words: &[U256]) -> Bytes {
    let words = words.iter().flat_map(|word| word.to_be_bytes::<32>());
    selector.into_iter().chain(words).collect::<Vec<_>>().into()
}

/// An address as a word.
pub(crate) fn word(address: Address) -> U256 {
    address.into_word().into()
}

/// Init code of random instructions, that mostly end well enough to leave something in the state.
pub(crate) fn random_code(next: &mut impl FnMut() -> u64) -> Vec<u8> {
    const OPERATIONS: &[u8] = &hex!(
        "0102030405060708090a0b101112131415161718191a1b1c1d20303132333435363738393a3b3c3d3e3f404142434445464748494a"
        "50515253545556585a5b5c5d5e5f808182838485868788898f909192939fa0a1a2f0f1f2f4f5fafd"
    );
    let mut code = Vec::new();
    for _ in 0..40 + next() % 60 {
        let random = next();
        // Operands are mostly small: offsets, slots and precompiles.
        for _ in 0..random % 4 {
            let operand = next();
            match operand % 8 {
                0 => {
                    code.push(0x7f);
                    code.extend_from_slice(&U256::from(operand).wrapping_mul(U256::MAX >> 9).to_be_bytes::<32>());
                }
                1 => code.extend_from_slice(&[0x61, (operand >> 8) as u8 & 0x07, (operand >> 16) as u8]),
                _ => code.extend_from_slice(&[0x60, (operand >> 8) as u8 & 0x3f]),
            }
        }
        code.push(OPERATIONS[(random >> 8) as usize % OPERATIONS.len()]);
        if random.is_multiple_of(5) {
            // Keep what is on the stack, if anything.
            code.extend_from_slice(&[0x60, (random >> 40) as u8 & 0x0f, 0x55]);
        }
    }
    code
}
