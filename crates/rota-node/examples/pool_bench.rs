//! Prints what the pool costs at 20 000 transactions: inserts per second, and the leader's pick of 1 000.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use op_alloy_consensus::OpTxEnvelope;
use rayon::prelude::*;
use rota_node::mempool::{
    Best, PoolLimits,
    pool::{Certified, Pool, SenderState},
};
use rota_types::{Digest, Transaction};
use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

const TRANSACTIONS: u64 = 20_000;
const FLASHBLOCK: usize = 1_000;

fn transaction(key: u64, nonce: u64) -> Bytes {
    let signer = PrivateKeySigner::from_bytes(&B256::left_padding_from(&(key + 1).to_be_bytes())).expect("a key");
    let transaction = TxEip1559 {
        nonce,
        max_priority_fee_per_gas: u128::from(key * 7919 % 1000),
        max_fee_per_gas: 100_000,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(7)),
        ..Default::default()
    };
    let signature = signer.sign_hash_sync(&transaction.signature_hash()).expect("signs");
    OpTxEnvelope::Eip1559(transaction.into_signed(signature)).encoded_2718().into()
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for per_sender in [1, 100] {
        let raw: Vec<_> =
            (0..TRANSACTIONS).into_par_iter().map(|n| transaction(n / per_sender, n % per_sender)).collect();
        let start = Instant::now();
        let decoded: Vec<_> =
            raw.into_par_iter().map(|raw| Arc::new(Transaction::decode(raw).expect("well formed"))).collect();
        let recovered = start.elapsed();

        let limits =
            PoolLimits { transactions: 20_000, bytes: 64 << 20, per_sender: 256, queued: Duration::from_secs(60) };
        let mut pool = Pool::new(limits);
        let state = SenderState { nonce: 0, balance: U256::MAX };
        let start = Instant::now();
        for transaction in &decoded {
            pool.insert(transaction.clone(), U256::from(1), state).expect("room");
        }
        let inserted = start.elapsed();

        let start = Instant::now();
        pool.set_base_fee(1_000);
        let valued = start.elapsed();

        let start = Instant::now();
        let mut best = Best::default();
        let taken: Vec<_> = std::iter::from_fn(|| pool.next_best(&mut best)).take(FLASHBLOCK).collect();
        let picked = start.elapsed();

        use alloy_consensus::Transaction as _;
        let included: Vec<_> = taken.iter().map(|t| (t.sender(), t.envelope().nonce(), t.hash())).collect();
        let start = Instant::now();
        pool.proposed(Digest::repeat_byte(1), 1, included.clone());
        let proposed = start.elapsed();

        let changed: Vec<_> = included.iter().map(|(s, n, _)| (*s, SenderState { nonce: n + 1, ..state })).collect();
        let start = Instant::now();
        pool.certified(Certified { height: 1, included: &included, changed: &changed, crowding: None });
        let certified = start.elapsed();

        writeln!(out, "{TRANSACTIONS} transactions, {per_sender} of each sender:")?;
        writeln!(out, "  decode and recover  {:>9.0}/s", TRANSACTIONS as f64 / recovered.as_secs_f64())?;
        writeln!(out, "  insert              {:>9.0}/s", TRANSACTIONS as f64 / inserted.as_secs_f64())?;
        writeln!(out, "  new base fee        {valued:>11.2?}")?;
        writeln!(out, "  pick {FLASHBLOCK}           {picked:>11.2?}")?;
        writeln!(out, "  mark as proposed    {proposed:>11.2?}")?;
        writeln!(out, "  certify             {certified:>11.2?}")?;
    }
    Ok(())
}
