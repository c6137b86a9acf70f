// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @notice Who may become an operator, and with what weight. The registry's governor can switch the policy at any time.
/// @dev    The registry calls the policy in one place, {onJoin}: nothing on the way out calls it, so no policy can hold
///         an operator back. A policy that keeps bonds takes them itself before the operator joins, and gives them back by
///         the registry's word: `operatorOf(operator)` says `Left` and `leavesAt`, to which it adds the time it needs to
///         see evidence. What a policy may do to operators: `jail`, `release`, `expel`, `setWeight`, `setReserve` of
///         {OperatorRegistry}.
interface IAdmission {
    /// @notice Called by the registry when `operator` joins; reverts if it is not admitted.
    /// @return weight  Share of turns, at least 1.
    /// @return reserve Whether it is a voting member without regular turns.
    function onJoin(address operator) external returns (uint64 weight, bool reserve);
}
