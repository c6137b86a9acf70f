// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {EpochPlan} from "./ISchedule.sol";
import {Schedule} from "./Schedule.sol";

/// @title Weighted
/// @notice Turns in proportion to weight, in an order that the epoch's seed shuffles. An operator of weight w, of W in
///         all, has N·w/W turns in an epoch, rounded down or up, and exactly that many on average.
/// @dev    Systematic sampling: r = keccak256("rota_WEIGHTED" ‖ seed ‖ uint64 epoch) mod W; `table[k]` is the regular seat
///         whose cumulative range of weights holds ⌊(r + k·W) / N⌋, k = 0 … N − 1. Then Fisher–Yates: for i = N − 1 down
///         to 1, `table[i]` changes places with `table[j]`, j = keccak256("rota_SHUFFLE" ‖ seed ‖ uint64 epoch ‖ uint32 i)
///         mod (i + 1).
///
///         What bias remains. The seed is prev-randao of an L1 block that did not exist when it was decided which block it
///         would be, so nobody can choose an epoch, a weight or a key to fit it. L1's proposer whose reveal enters it can
///         withhold its block: one bit, at the price of that block; unlike a block hash, it can't be searched for. What
///         that wins is bounded by the sampling: which operators have their quota rounded up instead of down, so at most
///         one turn each, and the order of the turns in that epoch. In an epoch shorter than 16 L1 blocks the seed is of
///         the epoch's last origin, and the leader of its last turn can choose among the origins that are confirmed
///         then. Reducing 256 bits by a modulus of at most 2^39 favours no outcome by more than 2^-216.
contract Weighted is Schedule {
    /// @inheritdoc Schedule
    function kind() public pure override returns (bytes32) {
        return "weighted";
    }

    /// @inheritdoc Schedule
    function table(EpochPlan calldata plan, uint256[] memory regular)
        internal
        pure
        override
        returns (uint256[] memory seats)
    {
        (bytes32 seed, uint64 epoch) = (plan.seed, plan.epoch);
        uint256 n = plan.regularTurns;
        uint256 total;
        for (uint256 i = 0; i < regular.length; i++) {
            total += plan.seats[regular[i]].weight;
        }
        seats = new uint256[](n);
        uint256 point = uint256(keccak256(abi.encodePacked("rota_WEIGHTED", seed, epoch))) % total;
        uint256 next;
        uint256 below = plan.seats[regular[0]].weight;
        for (uint256 k = 0; k < n; k++) {
            while (point / n >= below) {
                below += plan.seats[regular[++next]].weight;
            }
            seats[k] = regular[next];
            point += total;
        }
        for (uint32 i = plan.regularTurns - 1; i > 0; i--) {
            uint256 j = uint256(keccak256(abi.encodePacked("rota_SHUFFLE", seed, epoch, i))) % (uint256(i) + 1);
            (seats[i], seats[j]) = (seats[j], seats[i]);
        }
    }
}
