//! What a contract's refusal means, in one line.

use super::abi::Refusals::{self, RefusalsErrors};
use alloy_primitives::Bytes;
use alloy_sol_types::{Revert, SolError, SolInterface};

/// The reason that a reverted call gave; `None` if it gave none.
pub(crate) fn explain(data: &Bytes) -> Option<String> {
    if data.is_empty() {
        return None;
    }
    if let Ok(refusal) = RefusalsErrors::abi_decode(data) {
        return Some(in_words(&refusal));
    }
    Some(Revert::abi_decode(data).map_or_else(|_| format!("error {data}"), |revert| revert.reason))
}

fn in_words(refusal: &RefusalsErrors) -> String {
    use RefusalsErrors as Error;
    match refusal {
        Error::NotGovernor(_) => "only the registry's governor may do that".into(),
        Error::WrongStatus(Refusals::WrongStatus { status }) => {
            format!("not possible for an operator whose status is {}", status_name(*status))
        }
        Error::NotAdmitted(Refusals::NotAdmitted { operator }) => format!("{operator} is not admitted"),
        Error::Full(_) => "no place is free".into(),
        Error::NoticeRuns(Refusals::NoticeRuns { leavesAt }) => {
            format!("the notice runs until {leavesAt} (seconds since 1970)")
        }
        Error::IdentityTaken(_) => "this p2p identity was used before: make new keys".into(),
        Error::BlsKeyTaken(_) => "this BLS key was used before: make new keys".into(),
        Error::PostingTaken(_) => "this posting address belongs to another operator".into(),
        Error::InvalidPossession(_) | Error::PrecompileFailed(_) => {
            "the proof of possession of the BLS key is not valid".into()
        }
        Error::InvalidEndpoint(_) => "an endpoint has 1 to 255 bytes".into(),
        Error::NoSuchPlan(Refusals::NoSuchPlan { id }) => format!("there is no plan {id}"),
        Error::TooEarly(Refusals::TooEarly { from }) => format!("too early: possible from {from} on"),
        Error::NotOwner(Refusals::NotOwner { owner }) => format!("SystemConfig belongs to {owner}"),
        Error::TurnRuns(Refusals::TurnRuns { endBlock }) => format!("the turn runs until L1 block {endBlock}"),
        Error::WrongTurn(Refusals::WrongTurn { current }) => format!("the running turn is {current}"),
        Error::TooFewSignatures(Refusals::TooFewSignatures { signers, members }) => {
            format!("{signers} of {members} members have signed: more than a third must")
        }
        Error::SignersOutOfOrder(_) => "a member has signed twice".into(),
        other => {
            let told = format!("{other:?}");
            told.split('(').next().unwrap_or_default().to_owned()
        }
    }
}

/// A status for people; the numbers are the registry's.
pub(crate) fn status_name(status: u8) -> &'static str {
    ["none", "candidate", "member", "leaving", "jailed", "left"].get(usize::from(status)).copied().unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, U256};

    #[test]
    fn refusals_are_told_in_words() {
        let told = |error: &dyn Fn() -> Vec<u8>| explain(&error().into());
        let few = || Refusals::TooFewSignatures { signers: U256::from(1), members: U256::from(4) }.abi_encode();
        assert_eq!(told(&few).as_deref(), Some("1 of 4 members have signed: more than a third must"));
        let plain = || Refusals::ZeroKind {}.abi_encode();
        assert_eq!(told(&plain).as_deref(), Some("ZeroKind"));
        let status = || Refusals::WrongStatus { status: 2 }.abi_encode();
        assert_eq!(told(&status).as_deref(), Some("not possible for an operator whose status is member"));
        let reason = || Revert::from("Ownable: caller is not the owner").abi_encode();
        assert_eq!(told(&reason).as_deref(), Some("Ownable: caller is not the owner"));
        let unknown = || vec![1, 2, 3, 4];
        assert_eq!(told(&unknown).as_deref(), Some("error 0x01020304"));
        assert_eq!(explain(&Bytes::new()), None);
        let admitted = || Refusals::NotAdmitted { operator: Address::ZERO }.abi_encode();
        assert!(told(&admitted).is_some_and(|told| told.ends_with("is not admitted")));
    }
}
