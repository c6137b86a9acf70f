//! What each peer may still make this node do: paid for before the work, in bytes. Pure: no clock, no I/O.

use crate::rpc::SubmitError;
use rota_types::Identity;
use std::{collections::BTreeMap, time::SystemTime};

/// What a transaction costs beside its bytes: memory while it waits, and the recovery of its sender.
pub(super) const TRANSACTION_BYTES: usize = 512;

/// Bytes that a peer earns in a second: ten times an operator's share (of four) at 5 000 transfers/s. As transfers, they
/// are half a second of recovery.
const BYTES_PER_SECOND: i64 = 8 << 20;

/// What a peer has after a quiet time.
const BURST_BYTES: i64 = 16 << 20;

/// What a transaction costs that no honest node would have sent on: 128 a second silence a peer.
const INVALID_BYTES: i64 = 64 << 10;

/// What a transaction costs that the sender's account refuses. An honest peer sends some: its state is a little older
/// or newer, and others' copies were faster.
const DECLINED_BYTES: i64 = 4 << 10;

/// Peers that are remembered at once.
const MAX_PEERS: usize = 1024;

/// Why a peer's transaction was refused, as far as the peer is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No honest node would have sent it on, whatever its state.
    Invalid,
    /// The account doesn't allow it, or another transaction has its place.
    Declined,
}

impl Fault {
    /// `None`: this node's own policy, or no fault at all.
    pub(super) const fn of(error: &SubmitError) -> Option<Self> {
        use SubmitError::{
            AlreadyKnown, ChainId, DaFootprint, GasLimit, InsufficientFunds, IntrinsicGas, Invalid, Malformed,
            NonceTooHigh, NonceTooLow, NotReplicated, Oversized, PoolFull, Refused, ReplacementUnderpriced,
            Unavailable, Underpriced,
        };
        match error {
            Malformed(_) | Oversized { .. } | ChainId { .. } | IntrinsicGas { .. } | GasLimit { .. } | Invalid(_) => {
                Some(Self::Invalid)
            }
            NonceTooLow { .. }
            | NonceTooHigh { .. }
            | InsufficientFunds { .. }
            | ReplacementUnderpriced
            | DaFootprint { .. }
            | Refused(_) => Some(Self::Declined),
            Underpriced(_) | AlreadyKnown | PoolFull | NotReplicated(_) | Unavailable(_) => None,
        }
    }

    const fn price(self) -> i64 {
        match self {
            Self::Invalid => INVALID_BYTES,
            Self::Declined => DECLINED_BYTES,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Budget {
    left: i64,
    since: SystemTime,
}

impl Budget {
    fn at(self, now: SystemTime) -> Self {
        let passed = now.duration_since(self.since).unwrap_or_default().as_millis();
        let earned = i64::try_from(passed).unwrap_or(i64::MAX).saturating_mul(BYTES_PER_SECOND / 1000);
        Self { left: self.left.saturating_add(earned).min(BURST_BYTES), since: now }
    }
}

/// How much each peer has left; below zero it is not heard.
#[derive(Debug, Default)]
pub(super) struct Budgets(BTreeMap<Identity, Budget>);

impl Budgets {
    /// A peer's budget now.
    fn of(&mut self, peer: Identity, now: SystemTime) -> &mut i64 {
        if self.0.len() >= MAX_PEERS && !self.0.contains_key(&peer) {
            // The one with the most left loses least by being forgotten.
            let richest = self.0.iter().max_by_key(|(_, budget)| budget.at(now).left).map(|(peer, _)| *peer);
            richest.and_then(|peer| self.0.remove(&peer));
        }
        let budget = self.0.entry(peer).or_insert(Budget { left: BURST_BYTES, since: now });
        *budget = budget.at(now);
        &mut budget.left
    }

    /// Takes bytes from a peer's budget; `false` if it hasn't got them.
    pub(super) fn spend(&mut self, peer: Identity, bytes: usize, now: SystemTime) -> bool {
        let (left, bytes) = (self.of(peer, now), i64::try_from(bytes).unwrap_or(i64::MAX));
        let enough = *left >= bytes;
        if enough {
            *left -= bytes;
        }
        enough
    }

    /// Makes a peer pay for a refused transaction, at most with two seconds of silence.
    pub(super) fn punish(&mut self, peer: Identity, fault: Fault, now: SystemTime) {
        let left = self.of(peer, now);
        *left = (*left - fault.price()).max(-BURST_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const PEER: Identity = Identity::repeat_byte(1);
    const START: SystemTime = SystemTime::UNIX_EPOCH;
    const BURST: usize = BURST_BYTES as usize;

    #[test]
    fn a_peer_may_send_its_budget_and_earns_it_back_with_time() {
        let mut budgets = Budgets::default();
        assert!(budgets.spend(PEER, BURST, START));
        assert!(!budgets.spend(PEER, 1, START));
        assert!(budgets.spend(Identity::repeat_byte(2), BURST, START), "another's budget is its own");
        let second = START + Duration::from_secs(1);
        assert!(budgets.spend(PEER, BYTES_PER_SECOND as usize / 1000 * 1000, second));
        assert!(!budgets.spend(PEER, 1, second));
        assert!(!budgets.spend(PEER, BURST + 1, START + Duration::from_secs(3600)), "no more than a burst");
    }

    #[test]
    fn refused_transactions_silence_a_peer_for_two_seconds_at_most() {
        let mut budgets = Budgets::default();
        (0..100_000).for_each(|_| budgets.punish(PEER, Fault::Invalid, START));
        assert!(!budgets.spend(PEER, 1, START + Duration::from_millis(1900)));
        assert!(budgets.spend(PEER, 1000, START + Duration::from_millis(2100)));
    }

    #[test]
    fn a_peer_that_is_declined_now_and_then_is_heard_and_one_that_always_is_is_not() {
        let mut budgets = Budgets::default();
        for second in 0..10 {
            let now = START + Duration::from_secs(second);
            (0..1000).for_each(|_| budgets.punish(PEER, Fault::Declined, now));
            assert!(budgets.spend(PEER, 1 << 20, now), "a thousand a second");
        }
        (0..5000).for_each(|_| budgets.punish(PEER, Fault::Declined, START + Duration::from_secs(10)));
        assert!(!budgets.spend(PEER, 1, START + Duration::from_secs(10)));
    }

    #[test]
    fn this_nodes_own_policy_is_nobodys_fault() {
        assert_eq!(Fault::of(&SubmitError::PoolFull), None);
        assert_eq!(Fault::of(&SubmitError::Underpriced(String::new())), None);
        assert_eq!(Fault::of(&SubmitError::NonceTooLow { next: 1, found: 0 }), Some(Fault::Declined));
        assert_eq!(Fault::of(&SubmitError::Invalid(String::new())), Some(Fault::Invalid));
    }

    #[test]
    fn budgets_take_bounded_memory_and_debts_are_not_forgotten_by_it() {
        let mut budgets = Budgets::default();
        (0..1000).for_each(|_| budgets.punish(PEER, Fault::Invalid, START));
        for n in 0..3 * MAX_PEERS as u64 {
            budgets.spend(Identity::left_padding_from(&n.to_be_bytes()), 1, START);
        }
        assert!(budgets.0.len() <= MAX_PEERS);
        assert!(!budgets.spend(PEER, 1, START));
    }
}
