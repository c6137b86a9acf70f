// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Operator} from "./Operator.sol";

/// @notice What other contracts ask of the registry.
interface IOperatorRegistry {
    /// @notice An operator joined or changed; `entry` is the whole of it, so that the registry at any L1 block is a fold
    ///         of these events.
    event OperatorChanged(address indexed operator, Operator entry);

    /// @notice From `fromEpoch` on turns are given by the strategy `kind` (see {ISchedule}). The newest announcement that
    ///         an epoch's snapshot has seen, with `fromEpoch` at most that epoch, decides.
    event ScheduleAnnounced(bytes32 indexed kind, uint64 fromEpoch);

    /// @notice Owns the policies; may be replaced in two steps.
    function governor() external view returns (address);

    /// @notice Members now: `Member`, and `Leaving` whose time has not come.
    function memberCount() external view returns (uint256);

    /// @notice Whether an account is a member now.
    function isMember(address operator) external view returns (bool);

    /// @notice An operator's entry.
    function operatorOf(address operator) external view returns (Operator memory);

    /// @notice The operator whose posting key this is; zero if none.
    function operatorOfPosting(address posting) external view returns (address);

    /// @notice The members now, in canonical order.
    function committee() external view returns (address[] memory operators, Operator[] memory entries);

    /// @notice The member that follows `identity` in canonical order (wrapping); zeroes if there is no member.
    function nextAfter(bytes32 identity) external view returns (address operator, bytes32 nextIdentity, address posting);
}
