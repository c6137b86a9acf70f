//! Engines on fresh stores and blocks of mixed content.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use alloy_primitives::{Address, Bytes, TxKind, U256};
use rota_execution::{
    BlockAttributes, EmbeddedEngine, MemoryStore, Store,
    testing::{
        Chain, Request,
        accounts::authorize,
        attributes::deposit,
        chain_spec,
        contracts::{COUNTER, FORWARDER, LOOP, REVERTER, SELF_DESTRUCT_INIT, forward, init_code},
        dev_account, dev_genesis,
    },
};
use rota_types::{ChainSpec, Transaction};
use std::sync::Arc;

/// The development chain.
pub fn spec() -> Arc<ChainSpec> {
    chain_spec(dev_genesis(), 0)
}

/// An engine on a store.
pub fn open(store: impl Store, spec: &Arc<ChainSpec>) -> Chain {
    let engine = EmbeddedEngine::open(Arc::new(store), spec.clone()).expect("the engine opens");
    Chain { engine: Arc::new(engine), spec: spec.clone() }
}

/// An engine on a store of its own.
pub fn fresh(spec: &Arc<ChainSpec>) -> Chain {
    open(MemoryStore::default(), spec)
}

/// A chain with the small contracts deployed by account 0 in its first block.
pub struct Contracts {
    pub counter: Address,
    pub reverter: Address,
    pub looping: Address,
    pub forwarder: Address,
}

/// The transactions that deploy [`Contracts`].
pub fn deployments() -> (Contracts, Vec<Arc<Transaction>>) {
    let deployer = dev_account(0);
    let codes = [COUNTER, REVERTER, LOOP, FORWARDER];
    let transactions =
        (0u64..).zip(codes).map(|(nonce, code)| Request::create(nonce, init_code(code)).sign(deployer)).collect();
    let [counter, reverter, looping, forwarder] = [0, 1, 2, 3].map(|nonce| deployer.address().create(nonce));
    (Contracts { counter, reverter, looping, forwarder }, transactions)
}

/// Block `index` (from 0) of a workload that touches most of what an EVM does.
pub fn mixed(chain: &Chain, index: u64) -> (BlockAttributes, Vec<Arc<Transaction>>) {
    let (contracts, deploy) = deployments();
    if index == 0 {
        return (chain.attributes(Vec::new()), deploy);
    }
    let nonce = |account: usize| chain.nonce(dev_account(account).address());
    let stranger = Address::left_padding_from(&(0xabcd_0000 + index).to_be_bytes());
    let (n0, n1, n2, n3, n4) = (nonce(0), nonce(1), nonce(2), nonce(3), nonce(4));
    let precompile = |address: u64, input: &[u8]| forward(Address::left_padding_from(&address.to_be_bytes()), input);
    let access_list = serde_json::from_value(serde_json::json!([
        { "address": contracts.counter, "storageKeys": [alloy_primitives::B256::ZERO] }
    ]))
    .expect("an access list");
    let mut transactions = vec![
        Request::transfer(n0, stranger, index).sign(dev_account(0)),
        Request::call(n0 + 1, contracts.counter, Bytes::new()).sign(dev_account(0)),
        Request { ty: 0, ..Request::transfer(n1, stranger, 1) }.sign(dev_account(1)),
        Request::call(n1 + 1, contracts.reverter, Bytes::new()).sign(dev_account(1)),
        Request { gas: 60_000, ..Request::call(n1 + 2, contracts.looping, Bytes::new()) }.sign(dev_account(1)),
        Request { ty: 1, access_list, ..Request::call(n2, contracts.counter, Bytes::new()) }.sign(dev_account(2)),
        Request::create(n2 + 1, SELF_DESTRUCT_INIT).sign(dev_account(2)),
        Request { value: U256::from(5), ..Request::create(n2 + 2, SELF_DESTRUCT_INIT) }.sign(dev_account(2)),
        Request::call(n3, contracts.forwarder, precompile(2, b"hash me")).sign(dev_account(3)),
        Request::call(n3 + 1, contracts.forwarder, precompile(8, &[])).sign(dev_account(3)),
        Request::call(n3 + 2, contracts.forwarder, precompile(0x100, &[0; 160])).sign(dev_account(3)),
        Request::create(n3 + 3, init_code(COUNTER)).sign(dev_account(3)),
    ];
    // An account becomes a counter, is called as one, and stops being one in the next block.
    let delegate = if index % 2 == 1 { contracts.counter } else { Address::ZERO };
    let authorizations = vec![authorize(dev_account(5), 901, delegate, nonce(5))];
    let delegation = Request { ty: 4, authorizations, ..Request::call(n4, stranger, Bytes::new()) };
    transactions.push(delegation.sign(dev_account(4)));
    transactions.push(Request::call(n4 + 1, dev_account(5).address(), Bytes::new()).sign(dev_account(4)));

    let depositor = Address::repeat_byte(0xd0);
    let call = |to| TxKind::Call(to);
    let deposits = vec![
        deposit(depositor, call(stranger), 1_000, 400, Bytes::new(), index * 8),
        // Fails for lack of balance; the mint stays.
        deposit(Address::repeat_byte(0xd1), call(stranger), 5, u128::MAX, Bytes::new(), index * 8 + 1),
        deposit(depositor, call(contracts.reverter), 7, 1, Bytes::new(), index * 8 + 2),
        deposit(depositor, call(contracts.looping), 0, 0, Bytes::new(), index * 8 + 3),
        deposit(depositor, TxKind::Create, 0, 0, init_code(COUNTER), index * 8 + 4),
    ];
    (chain.attributes(deposits), transactions)
}
