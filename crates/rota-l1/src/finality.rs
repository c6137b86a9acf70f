//! What finalized L1 says of an origin, on the word of several endpoints.

use rota_types::BlockId;

/// Endpoints that must agree on a contradiction, whatever their number: one alone may lie, and what follows lasts.
const MIN_WITNESSES: usize = 2;

/// Finalized L1 on an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finality {
    /// Too few endpoints have finalized that far, or can be asked.
    Unknown,
    /// More than half of the endpoints have finalized it.
    Holds,
    /// More than half of the endpoints, and at least two, have finalized this other block in its place.
    Contradicted(BlockId),
    /// Some endpoint has finalized another block in its place, too few agree.
    Disputed(BlockId),
}

/// Judges an origin by what each configured endpoint has finalized at its number
/// ([`L1Provider::finalized_at`](crate::L1Provider::finalized_at)).
pub fn finality(origin: BlockId, answers: &[Option<BlockId>]) -> Finality {
    let agree = |block: BlockId| answers.iter().flatten().filter(|answer| **answer == block).count();
    let most = |count: usize| 2 * count > answers.len();
    if most(agree(origin)) {
        return Finality::Holds;
    }
    let others = answers.iter().flatten().copied().filter(|answer| *answer != origin);
    match others.max_by_key(|other| agree(*other)) {
        Some(other) if most(agree(other)) && agree(other) >= MIN_WITNESSES => Finality::Contradicted(other),
        Some(other) => Finality::Disputed(other),
        None => Finality::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;

    #[test]
    fn a_contradiction_takes_more_than_half_and_never_one_alone() {
        let block = |byte| BlockId { number: 7, hash: B256::repeat_byte(byte) };
        let (ours, other, third) = (block(1), block(2), block(3));
        for (answers, expected) in [
            (&[][..], Finality::Unknown),
            (&[None, None, None], Finality::Unknown),
            (&[Some(ours)], Finality::Holds),
            (&[Some(ours), None, None], Finality::Unknown),
            (&[Some(ours), Some(ours), Some(other)], Finality::Holds),
            (&[Some(other)], Finality::Disputed(other)),
            (&[Some(other), None], Finality::Disputed(other)),
            (&[Some(other), Some(ours)], Finality::Disputed(other)),
            (&[Some(other), Some(other), None, None], Finality::Disputed(other)),
            (&[Some(other), Some(other)], Finality::Contradicted(other)),
            (&[Some(ours), Some(other), Some(other)], Finality::Contradicted(other)),
            (&[Some(third), Some(other), None, Some(other), Some(other)], Finality::Contradicted(other)),
        ] {
            assert_eq!(finality(ours, answers), expected, "{answers:?}");
        }
    }
}
