// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {EpochPlan, ISchedule, Seat} from "./ISchedule.sol";

/// @title Schedule
/// @notice What strategies share: which seats are regular, who leads after the regular turns, and which plans are
///         refused. A strategy adds the table of regular turns.
/// @dev    Regular are the seats without `reserve`, in canonical order; if every seat is reserve, all are regular. With
///         N = `regularTurns`, turn t belongs to `reserves[(epoch + t − N) mod R]` if t ≥ N and there are R > 0 reserves,
///         else to `table[t mod N]`. Nothing is stored and nothing is looked up: whoever calls brings the plan, and must
///         know from elsewhere that it is the plan of the epoch (a committee root that a certificate covers). Work and
///         memory are bounded by {MAX_SEATS} and {MAX_REGULAR_TURNS}, but a contract that calls on chain should choose
///         much less.
abstract contract Schedule is ISchedule {
    /// @notice The most seats of a plan.
    uint256 public constant MAX_SEATS = 128;

    /// @notice The most regular turns of a plan.
    uint256 public constant MAX_REGULAR_TURNS = 4096;

    /// @notice The largest weight of a seat.
    uint256 public constant MAX_WEIGHT = 1 << 32;

    /// @notice The plan is for another strategy.
    error WrongKind(bytes32 kind);
    /// @notice `regularTurns` is outside 1 to {MAX_REGULAR_TURNS}.
    error WrongRegularTurns(uint256 regularTurns);
    /// @notice The number of seats is outside 1 to {MAX_SEATS}.
    error WrongSeatCount(uint256 seats);
    /// @notice This seat's identity is not above that of the seat before: out of order, or twice.
    error WrongOrder(uint256 seat);
    /// @notice This seat's weight is outside 1 to {MAX_WEIGHT}.
    error WrongWeight(uint256 seat);

    /// @inheritdoc ISchedule
    function kind() public pure virtual returns (bytes32);

    /// @inheritdoc ISchedule
    function leader(EpochPlan calldata plan, uint64 turn) external pure returns (address operator) {
        (uint256[] memory regular, uint256[] memory reserves) = split(plan);
        uint256 n = plan.regularTurns;
        uint256 seat;
        if (turn >= n && reserves.length > 0) {
            seat = reserves[(uint256(plan.epoch) + turn - n) % reserves.length];
        } else {
            seat = table(plan, regular)[turn % n];
        }
        return plan.seats[seat].operator;
    }

    /// @inheritdoc ISchedule
    function turns(EpochPlan calldata plan, address operator) public pure returns (uint32[] memory found) {
        (uint256[] memory regular,) = split(plan);
        uint256[] memory seats = table(plan, regular);
        uint256 count;
        for (uint256 i = 0; i < seats.length; i++) {
            if (plan.seats[seats[i]].operator == operator) count++;
        }
        found = new uint32[](count);
        uint32 turn = plan.regularTurns;
        while (count > 0) {
            turn--;
            if (plan.seats[seats[turn]].operator == operator) found[--count] = turn;
        }
    }

    /// @inheritdoc ISchedule
    function standing(EpochPlan calldata plan, address operator) external pure returns (Standing) {
        if (turns(plan, operator).length > 0) return Standing.Scheduled;
        for (uint256 seat = 0; seat < plan.seats.length; seat++) {
            if (plan.seats[seat].operator == operator) return Standing.Unscheduled;
        }
        return Standing.Unknown;
    }

    /// @dev Seats (indices in the plan, the first of them regular) of the turns 0 to `regularTurns` − 1. The plan is
    ///      well-formed, `regular` not empty and ascending.
    function table(EpochPlan calldata plan, uint256[] memory regular) internal pure virtual returns (uint256[] memory);

    /// @dev Checks the plan and sorts its seats into regular ones and reserves (indices, ascending).
    function split(EpochPlan calldata plan) private pure returns (uint256[] memory regular, uint256[] memory reserves) {
        require(plan.kind == kind(), WrongKind(plan.kind));
        uint256 n = plan.regularTurns;
        require(n >= 1 && n <= MAX_REGULAR_TURNS, WrongRegularTurns(n));
        uint256 seats = plan.seats.length;
        require(seats >= 1 && seats <= MAX_SEATS, WrongSeatCount(seats));
        uint256 reserveCount;
        for (uint256 i = 0; i < seats; i++) {
            Seat calldata seat = plan.seats[i];
            require(i == 0 || plan.seats[i - 1].identity < seat.identity, WrongOrder(i));
            require(seat.weight >= 1 && seat.weight <= MAX_WEIGHT, WrongWeight(i));
            if (seat.reserve) reserveCount++;
        }
        bool allRegular = reserveCount == seats;
        if (allRegular) reserveCount = 0;
        regular = new uint256[](seats - reserveCount);
        reserves = new uint256[](reserveCount);
        uint256 r;
        for (uint256 i = 0; i < seats; i++) {
            if (!allRegular && plan.seats[i].reserve) reserves[r++] = i;
            else regular[i - r] = i;
        }
    }
}
