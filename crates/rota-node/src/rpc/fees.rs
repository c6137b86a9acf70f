//! `eth_`: what to pay.

use super::{RpcError, context::Rpc, context::Target, errors::invalid};
use crate::ledger::Block;
use alloy_consensus::{Header, Transaction as _};
use alloy_eips::{BlockNumberOrTag, eip1559::BaseFeeParams};
use alloy_primitives::U256;
use alloy_rpc_types_eth::FeeHistory;
use jsonrpsee::proc_macros::rpc;
use op_alloy_consensus::{decode_holocene_extra_data, decode_jovian_extra_data};
use serde::Deserialize;

/// Suggested tip while blocks have room, wei (as op-geth).
const MIN_PRIORITY_FEE: u128 = 1_000_000;
/// Blocks of one fee history, at most.
const MAX_HISTORY: u64 = 1_024;
/// With rewards, which need the blocks' transactions.
const MAX_HISTORY_WITH_REWARDS: u64 = 128;
/// Percentiles, at most.
const MAX_PERCENTILES: usize = 100;

/// A number that clients send as hex or as a plain number.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub(super) enum Count {
    /// A JSON number.
    Plain(u64),
    /// A hex quantity.
    Quantity(alloy_primitives::U64),
}

impl From<Count> for u64 {
    fn from(count: Count) -> Self {
        match count {
            Count::Plain(count) => count,
            Count::Quantity(count) => count.to(),
        }
    }
}

/// What to pay.
#[rpc(server, namespace = "eth")]
pub(super) trait Fees {
    /// A price for legacy transactions: next base fee and suggested tip, wei.
    #[method(name = "gasPrice")]
    async fn gas_price(&self) -> Result<U256, RpcError>;

    /// Suggested tip, wei.
    #[method(name = "maxPriorityFeePerGas")]
    async fn max_priority_fee(&self) -> Result<U256, RpcError>;

    /// Base fees, fullness, and tips of the last blocks.
    #[method(name = "feeHistory")]
    async fn fee_history(
        &self,
        count: Count,
        newest: BlockNumberOrTag,
        percentiles: Option<Vec<f64>>,
    ) -> Result<FeeHistory, RpcError>;
}

#[jsonrpsee::core::async_trait]
impl FeesServer for Rpc {
    async fn gas_price(&self) -> Result<U256, RpcError> {
        let head = self.ledger.head();
        let base_fee = self.next_base_fee(&head.sealed.header).unwrap_or_default();
        Ok(U256::from(suggested_tip(&head).saturating_add(base_fee.into())))
    }

    async fn max_priority_fee(&self) -> Result<U256, RpcError> {
        Ok(U256::from(suggested_tip(&self.ledger.head())))
    }

    async fn fee_history(
        &self,
        count: Count,
        newest: BlockNumberOrTag,
        percentiles: Option<Vec<f64>>,
    ) -> Result<FeeHistory, RpcError> {
        let percentiles = percentiles.filter(|p| !p.is_empty());
        if let Some(percentiles) = &percentiles {
            let valid = percentiles.iter().all(|p| (0.0..=100.0).contains(p)) && percentiles.is_sorted();
            if !valid || percentiles.len() > MAX_PERCENTILES {
                return Err(invalid("reward percentiles"));
            }
        }
        self.blocking(move |rpc| rpc.history(count.into(), newest, percentiles.as_deref())).await
    }
}

impl Rpc {
    /// Base fee of the block after `parent` (OP specs, Holocene and Jovian).
    pub(super) fn next_base_fee(&self, parent: &Header) -> Option<u64> {
        let (denominator, elasticity, minimum, metered) =
            if let Ok((elasticity, denominator, minimum)) = decode_jovian_extra_data(&parent.extra_data) {
                (denominator, elasticity, minimum, parent.gas_used.max(parent.blob_gas_used.unwrap_or_default()))
            } else if let Ok((elasticity, denominator)) = decode_holocene_extra_data(&parent.extra_data) {
                (denominator, elasticity, 0, parent.gas_used)
            } else {
                (0, 0, 0, parent.gas_used)
            };
        let config = &self.spec.rollup.chain_op_config;
        let parameters = if denominator == 0 {
            BaseFeeParams::new(config.eip1559_denominator_canyon.into(), config.eip1559_elasticity.into())
        } else {
            BaseFeeParams::new(denominator.into(), elasticity.into())
        };
        let base_fee = parent.base_fee_per_gas?;
        let next = alloy_eips::calc_next_block_base_fee(metered, parent.gas_limit, base_fee, parameters);
        Some(next.max(minimum))
    }

    fn history(
        &self,
        count: u64,
        newest: BlockNumberOrTag,
        percentiles: Option<&[f64]>,
    ) -> Result<FeeHistory, RpcError> {
        let newest = match self.target(newest.into())?.ok_or(RpcError::UnknownBlock)? {
            Target::Sealed(number) => number,
            Target::Pending => self.ledger.head().number(),
        };
        let limit = if percentiles.is_some() { MAX_HISTORY_WITH_REWARDS } else { MAX_HISTORY };
        let genesis = self.spec.rollup.genesis.l2.number;
        let count = count.min(limit).min(newest - genesis + 1);
        if count == 0 {
            return Ok(FeeHistory::default());
        }
        let mut history = FeeHistory { oldest_block: newest + 1 - count, ..Default::default() };
        let mut rewards = Vec::new();
        let mut last = None;
        for number in history.oldest_block..=newest {
            let header = match percentiles {
                None => self.ledger.header(number)?,
                Some(percentiles) => self.ledger.block(number)?.map(|block| {
                    rewards.push(block_rewards(&block, percentiles));
                    block.sealed.header.clone()
                }),
            };
            let header = header.ok_or_else(|| RpcError::Call("block pruned".into()))?;
            history.base_fee_per_gas.push(header.base_fee_per_gas.unwrap_or_default().into());
            history.gas_used_ratio.push(header.gas_used as f64 / header.gas_limit.max(1) as f64);
            last = Some(header);
        }
        let next = last.and_then(|header| self.next_base_fee(&header)).unwrap_or_default();
        history.base_fee_per_gas.push(next.into());
        history.reward = percentiles.map(|_| rewards);
        Ok(history)
    }
}

/// As op-geth: a small fixed tip while blocks have room, else 10 % above the median of the last block.
fn suggested_tip(head: &Block) -> u128 {
    let header = &head.sealed.header;
    let transactions = &head.sealed.transactions;
    let largest = transactions.iter().map(|executed| executed.gas_used).max().unwrap_or_default();
    if transactions.is_empty() || header.gas_used.saturating_add(largest) <= header.gas_limit {
        return MIN_PRIORITY_FEE;
    }
    let base_fee = header.base_fee_per_gas.unwrap_or_default();
    let tip = |index: usize| transactions[index].transaction.envelope().effective_tip_per_gas(base_fee);
    let mut tips: Vec<u128> = (0..transactions.len()).map(|index| tip(index).unwrap_or_default()).collect();
    tips.sort_unstable();
    let median = tips[tips.len() / 2];
    MIN_PRIORITY_FEE.max(median.saturating_add(median / 10))
}

/// Tips at percentiles of the block's gas.
fn block_rewards(block: &Block, percentiles: &[f64]) -> Vec<u128> {
    let base_fee = block.sealed.header.base_fee_per_gas.unwrap_or_default();
    let mut tips: Vec<(u128, u64)> = block
        .sealed
        .transactions
        .iter()
        .filter(|executed| !executed.transaction.envelope().is_deposit())
        .map(|e| (e.transaction.envelope().effective_tip_per_gas(base_fee).unwrap_or_default(), e.gas_used))
        .collect();
    tips.sort_unstable();
    let total: u64 = tips.iter().map(|(_, gas)| gas).sum();
    let at = |percentile: &f64| {
        let threshold = (total as f64 * percentile / 100.0) as u64;
        let mut sum = 0;
        let reached = tips.iter().find(|(_, gas)| {
            sum += gas;
            sum >= threshold
        });
        reached.map_or(0, |(tip, _)| *tip)
    };
    percentiles.iter().map(at).collect()
}
