//! `eth_getLogs`.

use super::{RpcError, context::Rpc, context::Target, types};
use alloy_eips::BlockNumberOrTag;
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use jsonrpsee::proc_macros::rpc;

/// Addresses and topics in one filter, at most.
const MAX_FILTER_TERMS: usize = 1_000;

/// Logs.
#[rpc(server, namespace = "eth")]
pub(super) trait Logs {
    /// Logs of sealed blocks that match a filter.
    #[method(name = "getLogs")]
    async fn logs(&self, filter: Filter) -> Result<Vec<Log>, RpcError>;
}

#[jsonrpsee::core::async_trait]
impl LogsServer for Rpc {
    async fn logs(&self, filter: Filter) -> Result<Vec<Log>, RpcError> {
        check_filter(&filter)?;
        self.blocking(move |rpc| {
            let (from, to) = match filter.block_option {
                FilterBlockOption::AtBlockHash(hash) => {
                    let number = rpc.ledger.block_number(&hash)?;
                    let number = number.ok_or_else(|| RpcError::Call("unknown block".into()))?;
                    (number, number)
                }
                FilterBlockOption::Range { from_block, to_block } => {
                    (rpc.bound(from_block, u64::MAX)?, rpc.bound(to_block, u64::MAX)?)
                }
            };
            let head = rpc.ledger.head().number();
            // Beyond the head there is nothing to search; `latest` and what is not sealed yet mean the head.
            let (from, to) = (if from == u64::MAX { head } else { from }, to.min(head));
            if from > to && from <= head {
                return Err(RpcError::InvalidParams("invalid block range params".into()));
            }
            let found = if from > to { Vec::new() } else { rpc.ledger.logs(&filter, from..=to, &rpc.limits.logs)? };
            Ok(found.into_iter().map(types::log).collect())
        })
        .await
    }
}

impl Rpc {
    /// A bound of a range; `open` stands for the head or later.
    fn bound(&self, bound: Option<BlockNumberOrTag>, open: u64) -> Result<u64, RpcError> {
        match bound {
            None => Ok(open),
            Some(BlockNumberOrTag::Number(number)) => Ok(number),
            Some(BlockNumberOrTag::Latest | BlockNumberOrTag::Pending) => Ok(open),
            Some(tag) => match self.target(tag.into())? {
                Some(Target::Sealed(number)) => Ok(number),
                Some(Target::Pending) | None => Ok(open),
            },
        }
    }
}

/// Refuses filters that are costly to match.
pub(super) fn check_filter(filter: &Filter) -> Result<(), RpcError> {
    let terms = filter.address.len() + filter.topics.iter().map(|topic| topic.len()).sum::<usize>();
    if terms > MAX_FILTER_TERMS {
        return Err(RpcError::Limit(format!("more than {MAX_FILTER_TERMS} addresses and topics in a filter")));
    }
    Ok(())
}
