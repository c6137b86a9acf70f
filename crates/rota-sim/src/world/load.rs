//! Transactions sent to a world's operators.

use super::World;
use crate::wallet::Wallet;
use alloy_primitives::{B256, Bytes};
use rota_node::rpc::{Submit as _, SubmitError};
use std::time::Duration;

impl World {
    /// Hands a transaction to an operator and waits for its answer; a returned hash must be included.
    pub async fn submit(&self, operator: usize, raw: Bytes) -> Result<B256, SubmitError> {
        let hash = self.node(operator).mempool.submit(raw).await?;
        self.invariants.returned(operator, hash, self.now());
        Ok(hash)
    }

    /// Sends transfers at a steady rate, each to the next running operator, for as long as given. Every one must be
    /// answered.
    pub async fn transfers(&self, wallet: &mut Wallet, every: Duration, lasts: Duration) {
        let end = self.now() + lasts;
        let mut turn = 0;
        while self.now() < end {
            let running: Vec<_> = self.operators().filter(|operator| self.runs(*operator)).collect();
            let (_, raw) = wallet.transfer(wallet.address());
            self.submit(running[turn % running.len()], raw).await.expect("the transfer is admitted");
            turn += 1;
            self.sleep(every).await;
        }
    }
}
