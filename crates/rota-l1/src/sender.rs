//! What an account on L1 sends, and what it pays for that.

use crate::carrier::{TRANSACTION_GAS, calldata_gas};
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_primitives::{Address, B256, Bytes, U256};
use async_trait::async_trait;
use rota_types::BlockId;

/// What L1 asks for now, wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prices {
    /// Base fee.
    pub base_fee: u128,
    /// Tip that gets a transaction included soon.
    pub tip: u128,
    /// Blob base fee.
    pub blob_base_fee: u128,
}

impl Prices {
    /// Caps for a transaction that is to be included soon: twice the base fees outlast six full blocks.
    pub const fn caps(&self) -> Fees {
        Fees {
            max_fee_per_gas: self.base_fee.saturating_mul(2).saturating_add(self.tip),
            max_priority_fee_per_gas: self.tip,
            max_fee_per_blob_gas: self.blob_base_fee.saturating_mul(2),
        }
    }
}

/// Fee caps of a transaction, wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    /// EIP-1559 fee cap.
    pub max_fee_per_gas: u128,
    /// EIP-1559 tip cap.
    pub max_priority_fee_per_gas: u128,
    /// EIP-4844 fee cap, which means nothing for call data.
    pub max_fee_per_blob_gas: u128,
}

impl Fees {
    /// Whether L1 pools accept this in place of `old` for a transaction of this kind: more in every fee, 10 % with call
    /// data, 100 % with blobs (geth, reth).
    pub const fn replaces(&self, old: &Self, kind: Kind) -> bool {
        let percent = match kind {
            Kind::Calldata => 110,
            Kind::Blobs => 200,
        };
        enough(self.max_fee_per_gas, old.max_fee_per_gas, percent)
            && enough(self.max_priority_fee_per_gas, old.max_priority_fee_per_gas, percent)
            && (matches!(kind, Kind::Calldata) || enough(self.max_fee_per_blob_gas, old.max_fee_per_blob_gas, percent))
    }

    /// Fees that replace `self` and are not below `market`: a quarter more, or twice as much with blobs.
    pub(crate) fn bumped(&self, market: &Self, kind: Kind) -> Self {
        let more = |fee: u128| match kind {
            Kind::Calldata => fee.saturating_add((fee / 4).max(1)),
            Kind::Blobs => fee.saturating_mul(2).max(1),
        };
        Self {
            max_fee_per_gas: more(self.max_fee_per_gas).max(market.max_fee_per_gas),
            max_priority_fee_per_gas: more(self.max_priority_fee_per_gas).max(market.max_priority_fee_per_gas),
            max_fee_per_blob_gas: more(self.max_fee_per_blob_gas).max(market.max_fee_per_blob_gas),
        }
    }
}

const fn enough(new: u128, old: u128, percent: u128) -> bool {
    new.saturating_mul(100) >= old.saturating_mul(percent)
}

/// How a transaction carries data. Pools hold transactions of only one kind for each account at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In its call data (EIP-1559).
    Calldata,
    /// In blobs (EIP-4844).
    Blobs,
}

/// The data of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Call data.
    Calldata(Bytes),
    /// The data of each blob, at most [`rota_batch::MAX_BLOB_DATA`]; at least one.
    Blobs(Vec<Bytes>),
    /// A call of a contract, which may take this much gas.
    Call {
        /// Selector and arguments.
        input: Bytes,
        /// Gas limit.
        gas: u64,
    },
}

impl Payload {
    /// How the data is carried.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Calldata(_) | Self::Call { .. } => Kind::Calldata,
            Self::Blobs(_) => Kind::Blobs,
        }
    }

    /// Bytes of data.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Calldata(input) | Self::Call { input, .. } => input.len(),
            Self::Blobs(data) => data.iter().map(|data| data.len()).sum(),
        }
    }

    /// Gas limit and blob gas. What carries data takes exactly this.
    pub fn gas(&self) -> (u64, u64) {
        match self {
            Self::Calldata(input) => (calldata_gas(input), 0),
            Self::Blobs(blobs) => (TRANSACTION_GAS, blobs.len() as u64 * DATA_GAS_PER_BLOB),
            Self::Call { gas, .. } => (*gas, 0),
        }
    }

    /// The cheapest payload of a kind.
    pub(crate) fn empty(kind: Kind) -> Self {
        match kind {
            Kind::Calldata => Self::Calldata(Bytes::new()),
            Kind::Blobs => Self::Blobs(vec![Bytes::new()]),
        }
    }
}

/// A transaction to be signed and sent; its gas limit and the form of its blobs are the sender's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Nonce.
    pub nonce: u64,
    /// Fee caps.
    pub fees: Fees,
    /// Recipient.
    pub to: Address,
    /// Data.
    pub payload: Payload,
}

/// Where a transaction was included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inclusion {
    /// The L1 block.
    pub block: BlockId,
    /// Whether it succeeded.
    pub success: bool,
    /// What it cost, wei, blobs included.
    pub cost: u128,
}

/// Why a transaction was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// L1 cannot be reached or gives no usable answer: try again.
    #[error("L1 unavailable: {0}")]
    Unavailable(String),
    /// The posting account cannot pay: somebody must fund it.
    #[error("insufficient funds: {0}")]
    InsufficientFunds(String),
    /// Another transaction with this nonce is already included.
    #[error("nonce too low")]
    NonceTooLow,
    /// A transaction with this nonce waits and offers nearly as much.
    #[error("replacement underpriced")]
    Underpriced,
    /// Transactions of the other [`Kind`] wait, and pools take no other until they are gone.
    #[error("transactions of the other kind are waiting")]
    Reserved,
    /// L1 refuses the transaction.
    #[error("refused: {0}")]
    Refused(String),
}

/// An account on L1 that can send.
#[async_trait]
pub trait L1Sender: std::fmt::Debug + Send + Sync + 'static {
    /// The account.
    fn address(&self) -> Address;

    /// The account's nonce after the newest L1 block.
    async fn next_nonce(&self) -> Result<u64, SendError>;

    /// The account's balance after the newest L1 block, wei.
    async fn balance(&self) -> Result<U256, SendError>;

    /// What L1 asks for in the next block.
    async fn prices(&self) -> Result<Prices, SendError>;

    /// Signs and sends; returns the hash.
    async fn submit(&self, submission: &Submission) -> Result<B256, SendError>;

    /// Where a transaction is included now; `None` if it isn't (any more).
    async fn inclusion(&self, hash: B256) -> Result<Option<Inclusion>, SendError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Fees = Fees { max_fee_per_gas: 1_000, max_priority_fee_per_gas: 10, max_fee_per_blob_gas: 100 };

    #[test]
    fn call_data_is_replaced_for_ten_percent_more() {
        let new = Fees { max_fee_per_gas: 1_100, max_priority_fee_per_gas: 11, max_fee_per_blob_gas: 0 };
        assert!(new.replaces(&OLD, Kind::Calldata));
        assert!(!Fees { max_fee_per_gas: 1_099, ..new }.replaces(&OLD, Kind::Calldata));
        assert!(!Fees { max_priority_fee_per_gas: 10, ..new }.replaces(&OLD, Kind::Calldata));
    }

    #[test]
    fn blobs_are_replaced_for_twice_every_fee() {
        let new = Fees { max_fee_per_gas: 2_000, max_priority_fee_per_gas: 20, max_fee_per_blob_gas: 200 };
        assert!(new.replaces(&OLD, Kind::Blobs));
        assert!(!Fees { max_fee_per_gas: 1_999, ..new }.replaces(&OLD, Kind::Blobs));
        assert!(!Fees { max_priority_fee_per_gas: 19, ..new }.replaces(&OLD, Kind::Blobs));
        assert!(!Fees { max_fee_per_blob_gas: 199, ..new }.replaces(&OLD, Kind::Blobs));
    }

    #[test]
    fn a_bump_replaces_and_follows_the_market() {
        let nothing = Fees { max_fee_per_gas: 0, max_priority_fee_per_gas: 0, max_fee_per_blob_gas: 0 };
        let market = Fees { max_fee_per_blob_gas: 5_000, ..nothing };
        for kind in [Kind::Calldata, Kind::Blobs] {
            for old in [OLD, nothing] {
                let bumped = old.bumped(&market, kind);
                assert!(bumped.replaces(&old, kind) && bumped != old, "{bumped:?}");
                assert_eq!(bumped.max_fee_per_blob_gas, 5_000);
            }
        }
    }
}
