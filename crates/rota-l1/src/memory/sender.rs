//! Sending to an L1 in memory, by the rules of the pools of real clients.

use super::{Chain, MemoryL1, Transaction};
use crate::sender::{Inclusion, L1Sender, Prices, SendError, Submission};
use alloy_primitives::{Address, B256, U256};
use async_trait::async_trait;
use parking_lot::Mutex;

/// What an account holds unless it is told otherwise, wei: 1 000 ETH.
const BALANCE: u128 = 1_000 * 1_000_000_000_000_000_000;

/// Sends to a [`MemoryL1`] without keys.
#[derive(Debug)]
pub struct MemorySender {
    chain: MemoryL1,
    address: Address,
    balance: Mutex<u128>,
}

impl MemorySender {
    pub(super) const fn new(chain: MemoryL1, address: Address) -> Self {
        Self { chain, address, balance: Mutex::new(BALANCE) }
    }

    /// Sets the balance (wei), which stays whatever is spent: transactions that could cost more are refused.
    pub fn set_balance(&self, balance: u128) {
        *self.balance.lock() = balance;
    }

    /// Refuses transactions for lack of funds while `broke`.
    pub fn set_broke(&self, broke: bool) {
        self.set_balance(if broke { 0 } else { BALANCE });
    }
}

#[async_trait]
impl L1Sender for MemorySender {
    fn address(&self) -> Address {
        self.address
    }

    async fn next_nonce(&self) -> Result<u64, SendError> {
        Ok(self.chain.0.lock().nonces.get(&self.address).copied().unwrap_or_default())
    }

    async fn balance(&self) -> Result<U256, SendError> {
        Ok(U256::from(*self.balance.lock()))
    }

    async fn prices(&self) -> Result<Prices, SendError> {
        let chain = self.chain.0.lock();
        Ok(Prices { base_fee: chain.base_fee.into(), tip: 1, blob_base_fee: chain.blob_base_fee.into() })
    }

    async fn submit(&self, submission: &Submission) -> Result<B256, SendError> {
        let transaction = Transaction::new(self.address, submission);
        let transaction = transaction.ok_or_else(|| SendError::Refused("too much data for a blob".into()))?;
        let fees = &submission.fees;
        if cost(submission, fees.max_fee_per_gas, fees.max_fee_per_blob_gas) > *self.balance.lock() {
            return Err(SendError::InsufficientFunds("broke".into()));
        }
        let mut chain = self.chain.0.lock();
        let next = chain.nonces.get(&self.address).copied().unwrap_or_default();
        if submission.nonce < next {
            return Err(SendError::NonceTooLow);
        }
        let kind = submission.payload.kind();
        let waiting = &mut chain.queue.transactions;
        let mut ours = waiting.iter().filter(|sent| sent.from == self.address);
        if ours.any(|sent| sent.submission.payload.kind() != kind) {
            return Err(SendError::Reserved);
        }
        let same = |sent: &Transaction| sent.from == self.address && sent.submission.nonce == submission.nonce;
        if let Some(index) = waiting.iter().position(same) {
            if !fees.replaces(&waiting[index].submission.fees, kind) {
                return Err(SendError::Underpriced);
            }
            waiting.remove(index);
        }
        let hash = transaction.hash;
        waiting.push(transaction);
        Ok(hash)
    }

    async fn inclusion(&self, hash: B256) -> Result<Option<Inclusion>, SendError> {
        Ok(inclusion(&self.chain.0.lock(), hash))
    }
}

fn inclusion(chain: &Chain, hash: B256) -> Option<Inclusion> {
    chain.blocks.iter().rev().find_map(|mined| {
        let sent = mined.content.transactions.iter().find(|sent| sent.hash == hash)?;
        let (fees, base_fee) = (&sent.submission.fees, mined.block.base_fee.saturating_to::<u128>());
        let price = fees.max_fee_per_gas.min(base_fee.saturating_add(fees.max_priority_fee_per_gas));
        let cost = cost(&sent.submission, price, mined.block.blob_base_fee.saturating_to());
        Some(Inclusion { block: mined.block.id, success: sent.success, cost })
    })
}

/// What a transaction costs at these prices, wei.
fn cost(submission: &Submission, gas_price: u128, blob_gas_price: u128) -> u128 {
    let (gas, blob_gas) = submission.payload.gas();
    u128::from(gas).saturating_mul(gas_price).saturating_add(u128::from(blob_gas).saturating_mul(blob_gas_price))
}
