//! The genesis block: state and header out of a standard `genesis.json`, as op-geth makes them.

use crate::{
    environment, seal,
    state::{Changes, Fields, State},
};
use alloy_consensus::Header;
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_genesis::Genesis;
use alloy_primitives::{B64, B256, KECCAK256_EMPTY, U256, keccak256};
use revm::bytecode::Bytecode;

/// The header of the genesis block of a chain with Isthmus active at genesis.
pub fn genesis_header(genesis: &Genesis) -> Header {
    let mut state = State::default();
    state.apply(&changes(genesis));
    header(genesis, &state)
}

/// The genesis state, as changes to nothing.
pub(crate) fn changes(genesis: &Genesis) -> Changes {
    let mut changes = Changes::default();
    for (address, account) in &genesis.alloc {
        let code = account.code.clone().filter(|code| !code.is_empty());
        let code_hash = code.as_ref().map_or(KECCAK256_EMPTY, keccak256);
        if let Some(code) = code {
            changes.code.insert(code_hash, Bytecode::new_legacy(code));
        }
        let fields = Fields { nonce: account.nonce.unwrap_or_default(), balance: account.balance, code_hash };
        changes.accounts.insert(*address, Some(fields));
        let slots = account.storage.iter().flatten().filter(|(_, value)| !value.is_zero());
        let slots: Vec<_> = slots.map(|(slot, value)| (U256::from_be_bytes(slot.0), (*value).into())).collect();
        if !slots.is_empty() {
            changes.storage.entry(*address).or_default().extend(slots);
        }
    }
    changes
}

/// The header that goes with the genesis state.
pub(crate) fn header(genesis: &Genesis, state: &State) -> Header {
    Header {
        parent_hash: genesis.parent_hash.unwrap_or_default(),
        beneficiary: genesis.coinbase,
        state_root: state.root(),
        difficulty: genesis.difficulty,
        number: genesis.number.unwrap_or_default(),
        gas_limit: genesis.gas_limit,
        timestamp: genesis.timestamp,
        extra_data: genesis.extra_data.clone(),
        mix_hash: genesis.mix_hash,
        nonce: B64::from(genesis.nonce),
        base_fee_per_gas: Some(genesis.base_fee_per_gas.map_or(environment::INITIAL_BASE_FEE, |fee| fee as u64)),
        withdrawals_root: Some(state.storage_root(seal::MESSAGE_PASSER)),
        blob_gas_used: Some(genesis.blob_gas_used.unwrap_or_default()),
        excess_blob_gas: Some(genesis.excess_blob_gas.unwrap_or_default()),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector's hash is op-geth's: `make genesis` computes it in op-geth's own code.
    #[test]
    fn genesis_hash_is_op_geths() {
        let genesis = include_str!("../../../vectors/genesis-jovian.json");
        let expected = include_str!("../../../vectors/genesis-jovian.meta.json");
        let genesis: Genesis = serde_json::from_str(genesis).expect("the vector parses");
        let expected: serde_json::Value = serde_json::from_str(expected).expect("the vector parses");
        let header = genesis_header(&genesis);
        assert_eq!(header.hash_slow().to_string(), expected["hash"]);
        assert_eq!(header.state_root.to_string(), expected["state_root"]);
        assert_eq!(header.withdrawals_root.expect("Isthmus").to_string(), expected["withdrawals_root"]);
    }
}
