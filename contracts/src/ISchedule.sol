// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @notice A seat in an epoch's committee; seats are in canonical order (ascending identity).
struct Seat {
    bytes32 identity;
    address operator;
    uint64 weight;
    bool reserve;
}

/// @notice What an epoch's turns are computed from. All of it is certified by the epoch before.
struct EpochPlan {
    uint64 epoch;
    /// The strategy: {ISchedule-kind}.
    bytes32 kind;
    /// Randomness of the strategies that need it.
    bytes32 seed;
    /// Turns that belong to regular operators: ⌈heights ÷ turn length⌉ and a third more, for turns that get lost. Turns
    /// after these exist only when more than that was lost, and belong to the reserve; without a reserve the table of
    /// regular turns starts again.
    uint32 regularTurns;
    Seat[] seats;
}

/// @notice Who leads which turn. Pure: the node (Rust) and observers compute the same from the same plan; the shared
///         vectors are in `vectors/schedule/`.
interface ISchedule {
    /// @dev scheduled: has a regular turn in this epoch. unscheduled: none. unknown: no seat in this plan.
    enum Standing {
        Unknown,
        Unscheduled,
        Scheduled
    }

    /// @notice Name of the strategy: ASCII, left-aligned, zero-padded ("round-robin", "weighted").
    function kind() external pure returns (bytes32);

    /// @notice Leader of a turn (turns count from 0 in each epoch).
    function leader(EpochPlan calldata plan, uint64 turn) external pure returns (address operator);

    /// @notice The regular turns of an operator, ascending.
    function turns(EpochPlan calldata plan, address operator) external pure returns (uint32[] memory);

    /// @notice Where an operator stands in a plan.
    function standing(EpochPlan calldata plan, address operator) external pure returns (Standing);
}
