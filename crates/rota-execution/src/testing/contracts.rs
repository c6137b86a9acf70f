//! Small contracts, assembled by hand.

use alloy_primitives::{Address, Bytes, hex};

/// Adds one to slot 0 and logs twice without data: `LOG0`, then `LOG1` with the new value as topic.
pub const COUNTER: &[u8] = &hex!("6000546001018060005560006000a060006000a100");

/// Reverts with 32 bytes of zero.
pub const REVERTER: &[u8] = &hex!("60206000fd");

/// Runs out of gas.
pub const LOOP: &[u8] = &hex!("5b600056");

/// Calls the address in the first word of its input with the rest of it.
pub const FORWARDER: &[u8] = &hex!("602036036020600037600060006020360360006000355afa00");

/// Init code that destroys the contract that it creates.
pub const SELF_DESTRUCT_INIT: &[u8] = &hex!("33ff");

/// Init code for `runtime` (at most 255 bytes).
pub fn init_code(runtime: &[u8]) -> Bytes {
    let length = u8::try_from(runtime.len()).expect("small contracts only");
    [&[0x60, length], &hex!("80600b6000396000f3")[..], runtime].concat().into()
}

/// Input that makes [`FORWARDER`] call `to`.
pub fn forward(to: Address, input: &[u8]) -> Bytes {
    [to.into_word().as_slice(), input].concat().into()
}
