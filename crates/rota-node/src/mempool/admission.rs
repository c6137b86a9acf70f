//! From bytes to the pool: known ones are passed over, the rest is decoded, recovered and checked in parallel, once,
//! and pooled in the order of arrival.

use super::{
    Shared,
    pool::{Changes, SenderState},
    rules::{self, Environment, FEE_SLOT, L1_BLOCK, OperatorFee},
};
use crate::rpc::SubmitError;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use rayon::prelude::*;
use rota_execution::{AccountState, At, EngineError, ExecutionEngine};
use rota_types::Transaction;
use std::sync::Arc;

/// Transactions that a thread takes at once: three milliseconds of recovery. Fewer are not worth waking another one.
const PARALLEL: usize = 64;

/// How often a read is tried again because the certified state moved on under it.
const RETRIES: usize = 8;

/// The state that a transaction was checked against, and what it may cost there.
struct Checked {
    transaction: Arc<Transaction>,
    cost: U256,
    state: SenderState,
}

impl Shared {
    /// Admits transactions in order. Each result comes with the transaction's hash.
    pub(super) fn admit(&self, raw: &[Bytes]) -> Vec<(B256, Result<Changes, SubmitError>)> {
        let hashes: Vec<_> = raw.iter().map(keccak256).collect();
        let (generation, hashes) = {
            let pool = self.pool.lock();
            let hashes: Vec<_> = hashes.into_iter().map(|hash| (hash, pool.check_new(&hash))).collect();
            (pool.generation(), hashes)
        };
        let environment = self.environment();
        let check = |(bytes, (hash, new)): (&Bytes, &(B256, Result<(), SubmitError>))| {
            let checked = match (new, &environment) {
                (Ok(()), Ok(environment)) => self.check(bytes.clone(), environment),
                (Err(error), _) | (Ok(()), Err(error)) => Err(error.clone()),
            };
            (*hash, checked)
        };
        let checked: Vec<_> = if hashes.iter().filter(|(_, new)| new.is_ok()).count() <= PARALLEL {
            raw.iter().zip(&hashes).map(check).collect()
        } else {
            raw.par_iter().zip(&hashes).with_min_len(PARALLEL).map(check).collect()
        };
        let insert = |(hash, checked): (B256, Result<Checked, SubmitError>)| {
            (hash, checked.and_then(|checked| self.insert(checked, generation)))
        };
        checked.into_iter().map(insert).collect()
    }

    fn check(&self, bytes: Bytes, environment: &Environment) -> Result<Checked, SubmitError> {
        rules::check_size(bytes.len())?;
        let transaction = Arc::new(Transaction::decode(bytes)?);
        rules::check(&transaction, environment)?;
        let state = self.read(|engine, at| sender_state(engine, at, transaction.sender()))??;
        Ok(Checked { cost: rules::cost(&transaction, environment), state, transaction })
    }

    fn insert(&self, mut checked: Checked, generation: u64) -> Result<Changes, SubmitError> {
        let mut pool = self.pool.lock();
        let sender = checked.transaction.sender();
        if pool.generation() != generation && !pool.holds(&sender) {
            // A flashblock was certified since the account was read.
            checked.state = self.read(|engine, at| sender_state(engine, at, sender))??;
        }
        pool.insert(checked.transaction, checked.cost, checked.state)
    }

    /// Reads the newest certified state.
    fn read<T>(&self, read: impl Fn(&dyn ExecutionEngine, At) -> Result<T, EngineError>) -> Result<T, SubmitError> {
        let mut tries = 0;
        loop {
            match read(self.engine.as_ref(), At::Flashblock(self.engine.certified().digest)) {
                Ok(value) => return Ok(value),
                Err(EngineError::UnknownFlashblock(_)) if tries < RETRIES => tries += 1,
                Err(error) => return Err(SubmitError::Unavailable(format!("state not available: {error}"))),
            }
        }
    }

    /// What transactions are checked against; read once per block.
    fn environment(&self) -> Result<Environment, SubmitError> {
        let head = self.engine.head();
        let mut cached = self.environment.lock();
        if let Some((number, environment)) = *cached
            && number == head.number
        {
            return Ok(environment);
        }
        let jovian = self.spec.rollup.jovian_time.is_some_and(|time| head.timestamp >= time);
        let (slot, l1_fees) =
            self.read(|engine, at| Ok((engine.storage(at, L1_BLOCK, FEE_SLOT)?, engine.l1_fees(at)?)))?;
        let environment = Environment {
            chain_id: self.spec.chain_id(),
            block_gas_limit: head.gas_limit,
            min_base_fee: min_base_fee(&head.extra_data),
            min_tip: self.min_tip,
            operator_fee: OperatorFee::from_slot(slot, jovian),
            l1_fees,
            da_footprint_scalar: if jovian { rules::da_footprint_scalar(slot) } else { 0 },
        };
        *cached = Some((head.number, environment));
        Ok(environment)
    }
}

/// A sender's account; accounts with code may not send (EIP-3607), unless the code is a delegation (EIP-7702).
fn sender_state(
    engine: &dyn ExecutionEngine,
    at: At,
    sender: Address,
) -> Result<Result<SenderState, SubmitError>, EngineError> {
    let account = engine.account(at, sender)?.unwrap_or_default();
    if account.code_hash != KECCAK256_EMPTY && !account.code_hash.is_zero() {
        let code = engine.code(at, sender)?;
        let delegated = code.len() == 23 && code.starts_with(&[0xef, 0x01, 0x00]);
        if !(code.is_empty() || delegated) {
            return Ok(Err(SubmitError::Invalid(format!(
                "sender not an eoa: address {sender}, len(code): {}",
                code.len()
            ))));
        }
    }
    Ok(Ok((&account).into()))
}

impl From<&AccountState> for SenderState {
    fn from(account: &AccountState) -> Self {
        Self { nonce: account.nonce, balance: account.balance }
    }
}

/// The minimum base fee in Jovian's extra data: `0x01 ‖ denominator ‖ elasticity ‖ minimum base fee`.
fn min_base_fee(extra_data: &[u8]) -> u64 {
    match extra_data {
        [1, rest @ ..] if rest.len() == 16 => rest[8..].iter().fold(0, |fee, byte| fee << 8 | u64::from(*byte)),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimum_base_fee_is_read_from_jovian_extra_data_only() {
        let mut jovian = vec![1, 0, 0, 0, 250, 0, 0, 0, 6];
        jovian.extend_from_slice(&1_000_000u64.to_be_bytes());
        assert_eq!(min_base_fee(&jovian), 1_000_000);
        assert_eq!(min_base_fee(&[0, 0, 0, 0, 250, 0, 0, 0, 6]), 0);
        assert_eq!(min_base_fee(&jovian[..16]), 0);
        assert_eq!(min_base_fee(&[]), 0);
    }
}
