// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {EpochPlan} from "./ISchedule.sol";
import {Schedule} from "./Schedule.sol";

/// @title RoundRobin
/// @notice One turn each, in canonical order, from a place that moves by one each epoch: `table[i] =
///         regular[(epoch + i) mod n]`. Weight and seed have no effect.
contract RoundRobin is Schedule {
    /// @inheritdoc Schedule
    function kind() public pure override returns (bytes32) {
        return "round-robin";
    }

    /// @inheritdoc Schedule
    function table(EpochPlan calldata plan, uint256[] memory regular)
        internal
        pure
        override
        returns (uint256[] memory seats)
    {
        seats = new uint256[](plan.regularTurns);
        for (uint256 i = 0; i < seats.length; i++) {
            seats[i] = regular[(plan.epoch + i) % regular.length];
        }
    }
}
