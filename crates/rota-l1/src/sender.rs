//! Sending transactions to L1: nonces, fees, replacement of stuck ones, and waiting until all are included.

use alloy_primitives::{Address, B256, Bytes};
use async_trait::async_trait;
use commonware_runtime::Clock;
use rota_types::BlockId;
use std::time::{Duration, SystemTime};

/// Fee caps of a transaction, wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    /// EIP-1559 fee cap.
    pub max_fee_per_gas: u128,
    /// EIP-1559 tip cap.
    pub max_priority_fee_per_gas: u128,
}

impl Fees {
    /// Whether L1 pools accept this in place of `old`: 10 % more in both.
    pub const fn replaces(&self, old: &Self) -> bool {
        self.max_fee_per_gas * 10 >= old.max_fee_per_gas * 11
            && self.max_priority_fee_per_gas * 10 >= old.max_priority_fee_per_gas * 11
    }

    /// Fees that replace `self` and are not below `market`: a quarter more.
    fn bumped(&self, market: &Self) -> Self {
        let more = |fee: u128| fee + (fee / 4).max(1);
        Self {
            max_fee_per_gas: more(self.max_fee_per_gas).max(market.max_fee_per_gas),
            max_priority_fee_per_gas: more(self.max_priority_fee_per_gas).max(market.max_priority_fee_per_gas),
        }
    }
}

/// A transaction to be signed and sent; its gas limit is the sender's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Nonce.
    pub nonce: u64,
    /// Fee caps.
    pub fees: Fees,
    /// Recipient.
    pub to: Address,
    /// Call data.
    pub input: Bytes,
}

/// Where a transaction was included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inclusion {
    /// The L1 block.
    pub block: BlockId,
    /// Whether it succeeded.
    pub success: bool,
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

    /// Fees that get a transaction included soon.
    async fn fees(&self) -> Result<Fees, SendError>;

    /// Signs and sends; returns the hash.
    async fn submit(&self, submission: &Submission) -> Result<B256, SendError>;

    /// Where a transaction is included now; `None` if it isn't (any more).
    async fn inclusion(&self, hash: B256) -> Result<Option<Inclusion>, SendError>;
}

/// When to look and when to offer more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendPolicy {
    /// Time between looks for inclusion.
    pub poll_interval: Duration,
    /// Time without inclusion after which a transaction is replaced by a better paid one.
    pub resubmission_timeout: Duration,
    /// No transaction offers more than this, wei per gas.
    pub max_fee_per_gas: u128,
}

impl Default for SendPolicy {
    /// A look per second, four mainnet slots before paying more, at most 500 gwei.
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(1),
            resubmission_timeout: Duration::from_secs(48),
            max_fee_per_gas: 500_000_000_000,
        }
    }
}

/// One transaction on its way.
struct Delivery {
    submission: Submission,
    /// Every version that was sent: any of them may be included.
    hashes: Vec<B256>,
    sent_at: SystemTime,
    /// The nonce is used up: by one of the versions, which the next look will find, or by a stranger.
    overtaken: bool,
}

/// Sends `inputs` to `to` in consecutive transactions and waits until all are included; returns where, in order.
///
/// Transactions that stay out are replaced by better paid ones. On an error some may have been sent: the caller finds
/// out from L1 what is there before it sends again.
pub async fn deliver<E: Clock>(
    context: &E,
    sender: &dyn L1Sender,
    policy: &SendPolicy,
    to: Address,
    inputs: Vec<Bytes>,
) -> Result<Vec<Inclusion>, SendError> {
    let (first, fees) = futures::try_join!(sender.next_nonce(), sender.fees())?;
    let fees = capped(fees, policy);
    let mut deliveries = Vec::with_capacity(inputs.len());
    for (nonce, input) in (first..).zip(inputs) {
        let mut delivery = Delivery {
            submission: Submission { nonce, fees, to, input },
            hashes: Vec::new(),
            sent_at: context.current(),
            overtaken: false,
        };
        delivery.submit(sender, policy, fees).await?;
        deliveries.push(delivery);
    }
    loop {
        context.sleep(policy.poll_interval).await;
        let mut inclusions = Vec::with_capacity(deliveries.len());
        for delivery in &mut deliveries {
            match delivery.inclusion(sender).await? {
                Some(inclusion) => inclusions.push(inclusion),
                None if delivery.overtaken => return Err(SendError::NonceTooLow),
                None => delivery.push(context, sender, policy).await?,
            }
        }
        if inclusions.len() == deliveries.len() {
            return Ok(inclusions);
        }
    }
}

impl Delivery {
    /// Sends, and if an older transaction with this nonce (of a life before a restart) is in the way, pays more.
    async fn submit(&mut self, sender: &dyn L1Sender, policy: &SendPolicy, market: Fees) -> Result<(), SendError> {
        loop {
            match sender.submit(&self.submission).await {
                Ok(hash) => {
                    self.hashes.push(hash);
                    return Ok(());
                }
                Err(SendError::NonceTooLow) if !self.hashes.is_empty() => {
                    self.overtaken = true;
                    return Ok(());
                }
                Err(SendError::Underpriced) => {
                    let more = capped(self.submission.fees.bumped(&market), policy);
                    if !more.replaces(&self.submission.fees) {
                        return Err(SendError::Underpriced);
                    }
                    self.submission.fees = more;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn inclusion(&self, sender: &dyn L1Sender) -> Result<Option<Inclusion>, SendError> {
        for hash in self.hashes.iter().rev() {
            if let Some(inclusion) = sender.inclusion(*hash).await? {
                return Ok(Some(inclusion));
            }
        }
        Ok(None)
    }

    /// Replaces a transaction that has been out for too long, if the policy allows to pay more.
    async fn push<E: Clock>(
        &mut self,
        context: &E,
        sender: &dyn L1Sender,
        policy: &SendPolicy,
    ) -> Result<(), SendError> {
        let now = context.current();
        let waited = now.duration_since(self.sent_at).unwrap_or_default();
        if waited < policy.resubmission_timeout {
            return Ok(());
        }
        self.sent_at = now;
        let market = sender.fees().await?;
        let more = capped(self.submission.fees.bumped(&market), policy);
        if more.replaces(&self.submission.fees) {
            self.submission.fees = more;
        }
        tracing::warn!(
            nonce = self.submission.nonce,
            max_fee_per_gas = self.submission.fees.max_fee_per_gas,
            "L1 transaction not included, sending again"
        );
        match self.submit(sender, policy, market).await {
            // What waits is as good as what we may offer.
            Err(SendError::Underpriced) => Ok(()),
            result => result,
        }
    }
}

fn capped(fees: Fees, policy: &SendPolicy) -> Fees {
    let max_fee_per_gas = fees.max_fee_per_gas.min(policy.max_fee_per_gas);
    Fees { max_fee_per_gas, max_priority_fee_per_gas: fees.max_priority_fee_per_gas.min(max_fee_per_gas) }
}
