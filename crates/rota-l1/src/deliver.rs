//! Getting transactions into L1: nonces, replacement of stuck ones, and waiting until all are included.

use crate::sender::{Fees, Inclusion, Kind, L1Sender, Payload, Prices, SendError, Submission};
use alloy_primitives::{Address, B256};
use commonware_runtime::Clock;
use std::time::{Duration, SystemTime};

/// Transactions of one account that wait at a time: geth's blob pool takes no more.
const MAX_WAITING: usize = 16;

/// When to look and when to offer more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendPolicy {
    /// Time between looks for inclusion.
    pub poll_interval: Duration,
    /// Time without inclusion after which a transaction is replaced by a better paid one.
    pub resubmission_timeout: Duration,
    /// No transaction offers more than this, wei per gas.
    pub max_fee_per_gas: u128,
    /// No transaction offers more than this for its blobs, wei per blob gas.
    pub max_fee_per_blob_gas: u128,
}

impl Default for SendPolicy {
    /// A look per second, four mainnet slots before paying more, at most 500 gwei: 2.4 ETH for 120 kB of call data, 0.4
    /// ETH for six blobs.
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(1),
            resubmission_timeout: Duration::from_secs(48),
            max_fee_per_gas: 500_000_000_000,
            max_fee_per_blob_gas: 500_000_000_000,
        }
    }
}

impl SendPolicy {
    fn capped(&self, fees: Fees) -> Fees {
        let max_fee_per_gas = fees.max_fee_per_gas.min(self.max_fee_per_gas);
        Fees {
            max_fee_per_gas,
            max_priority_fee_per_gas: fees.max_priority_fee_per_gas.min(max_fee_per_gas),
            max_fee_per_blob_gas: fees.max_fee_per_blob_gas.min(self.max_fee_per_blob_gas),
        }
    }
}

/// Sends `payloads` to `to` in consecutive transactions and waits until all are included; returns where, in order.
///
/// Transactions that stay out are replaced by better paid ones. Pools hold transactions of one [`Kind`] for an account:
/// payloads of another kind are sent when those before are included, and what waits from a life before a restart is
/// waited for, then cancelled. On an error some may have been sent: the caller finds out from L1 what is there before
/// it sends again.
pub async fn deliver<E: Clock>(
    context: &E,
    sender: &dyn L1Sender,
    policy: &SendPolicy,
    to: Address,
    payloads: &[Payload],
) -> Result<Vec<Inclusion>, SendError> {
    let courier = Courier { context, sender, policy };
    let mut inclusions = Vec::with_capacity(payloads.len());
    let runs = payloads.chunk_by(|one, next| one.kind() == next.kind());
    for run in runs.flat_map(|run| run.chunks(MAX_WAITING)) {
        inclusions.extend(courier.deliver(to, run).await?);
    }
    Ok(inclusions)
}

struct Courier<'a, E> {
    context: &'a E,
    sender: &'a dyn L1Sender,
    policy: &'a SendPolicy,
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

impl<E: Clock> Courier<'_, E> {
    /// Delivers payloads of one kind, after what waits of the other kind is gone.
    async fn deliver(&self, to: Address, payloads: &[Payload]) -> Result<Vec<Inclusion>, SendError> {
        let mut obstacle = None;
        loop {
            match self.send(to, payloads).await {
                Ok(deliveries) => return self.wait(deliveries).await,
                Err(SendError::Reserved) => {}
                Err(error) => return Err(error),
            }
            let kind = match payloads.first().map(Payload::kind) {
                Some(Kind::Blobs) => Kind::Calldata,
                _ => Kind::Blobs,
            };
            self.clear(&mut obstacle, kind).await?;
            self.context.sleep(self.policy.poll_interval).await;
        }
    }

    async fn send(&self, to: Address, payloads: &[Payload]) -> Result<Vec<Delivery>, SendError> {
        let (first, prices) = futures::try_join!(self.sender.next_nonce(), self.sender.prices())?;
        let mut deliveries = Vec::with_capacity(payloads.len());
        for (nonce, payload) in (first..).zip(payloads) {
            let mut delivery = self.prepare(nonce, &prices, to, payload.clone());
            self.submit(&mut delivery, &prices).await?;
            deliveries.push(delivery);
        }
        Ok(deliveries)
    }

    async fn wait(&self, mut deliveries: Vec<Delivery>) -> Result<Vec<Inclusion>, SendError> {
        loop {
            self.context.sleep(self.policy.poll_interval).await;
            let mut inclusions = Vec::with_capacity(deliveries.len());
            for delivery in &mut deliveries {
                match self.inclusion(delivery).await? {
                    Some(inclusion) => inclusions.push(inclusion),
                    None if delivery.overtaken => return Err(SendError::NonceTooLow),
                    None => self.push(delivery).await?,
                }
            }
            if inclusions.len() == deliveries.len() {
                return Ok(inclusions);
            }
        }
    }

    /// Gives what waits at the next nonce, of this kind, the time of a transaction of our own; then replaces it by an
    /// empty transaction of the same kind, which is all that pools accept.
    async fn clear(&self, obstacle: &mut Option<Delivery>, kind: Kind) -> Result<(), SendError> {
        let nonce = self.sender.next_nonce().await?;
        let mut cancel = match obstacle.take() {
            Some(cancel) if cancel.submission.nonce == nonce => cancel,
            _ => {
                tracing::warn!(nonce, ?kind, "transactions of another kind are in the way");
                self.prepare(nonce, &self.sender.prices().await?, self.sender.address(), Payload::empty(kind))
            }
        };
        match self.push(&mut cancel).await {
            Ok(()) | Err(SendError::NonceTooLow) => {
                *obstacle = Some(cancel);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn prepare(&self, nonce: u64, prices: &Prices, to: Address, payload: Payload) -> Delivery {
        let fees = self.policy.capped(prices.caps());
        Delivery {
            submission: Submission { nonce, fees, to, payload },
            hashes: Vec::new(),
            sent_at: self.context.current(),
            overtaken: false,
        }
    }

    /// Sends, and if an older transaction with this nonce (of a life before a restart) is in the way, pays more.
    async fn submit(&self, delivery: &mut Delivery, prices: &Prices) -> Result<(), SendError> {
        loop {
            match self.sender.submit(&delivery.submission).await {
                Ok(hash) => {
                    delivery.hashes.push(hash);
                    return Ok(());
                }
                Err(SendError::NonceTooLow) if !delivery.hashes.is_empty() => {
                    delivery.overtaken = true;
                    return Ok(());
                }
                Err(SendError::Underpriced) => {
                    if !self.bump(delivery, prices) {
                        return Err(SendError::Underpriced);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Offers more, if the policy allows enough for a replacement.
    fn bump(&self, delivery: &mut Delivery, prices: &Prices) -> bool {
        let submission = &mut delivery.submission;
        let kind = submission.payload.kind();
        let more = self.policy.capped(submission.fees.bumped(&prices.caps(), kind));
        let enough = more.replaces(&submission.fees, kind);
        if enough {
            submission.fees = more;
        }
        enough
    }

    async fn inclusion(&self, delivery: &Delivery) -> Result<Option<Inclusion>, SendError> {
        for hash in delivery.hashes.iter().rev() {
            if let Some(inclusion) = self.sender.inclusion(*hash).await? {
                return Ok(Some(inclusion));
            }
        }
        Ok(None)
    }

    /// Replaces a transaction that has been out for too long, if the policy allows to pay more.
    async fn push(&self, delivery: &mut Delivery) -> Result<(), SendError> {
        let now = self.context.current();
        let waited = now.duration_since(delivery.sent_at).unwrap_or_default();
        if waited < self.policy.resubmission_timeout {
            return Ok(());
        }
        delivery.sent_at = now;
        let prices = self.sender.prices().await?;
        self.bump(delivery, &prices);
        tracing::warn!(
            nonce = delivery.submission.nonce,
            fees = ?delivery.submission.fees,
            "L1 transaction not included, sending again"
        );
        match self.submit(delivery, &prices).await {
            // What waits is as good as what we may offer.
            Err(SendError::Underpriced) => Ok(()),
            result => result,
        }
    }
}
