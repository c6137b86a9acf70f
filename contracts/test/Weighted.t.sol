// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {EpochPlan} from "../src/ISchedule.sol";
import {Weighted} from "../src/Weighted.sol";
import {ScheduleTest} from "./ScheduleTest.sol";

contract WeightedTest is ScheduleTest {
    bytes32 private constant KIND = "weighted";

    function setUp() public {
        schedule = new Weighted();
    }

    function vectors() internal pure override returns (string memory) {
        return "weighted.json";
    }

    function test_kind() public view {
        require(schedule.kind() == KIND, "another kind");
    }

    function testFuzz_each_has_its_quota_rounded_down_or_up(
        uint64 epoch,
        bytes32 seed,
        uint32 n,
        uint32[7] calldata weights,
        uint8 reserves
    ) public view {
        EpochPlan memory plan = planOf(epoch, 1 + n % 64, 7);
        plan.seed = seed;
        uint256 total;
        for (uint256 i = 0; i < 7; i++) {
            plan.seats[i].weight = uint64(weights[i]) + 1;
            plan.seats[i].reserve = i < 6 && (reserves >> i) & 1 == 1;
            if (!plan.seats[i].reserve) total += plan.seats[i].weight;
        }
        for (uint256 i = 0; i < 7; i++) {
            uint256 turns = schedule.turns(plan, plan.seats[i].operator).length;
            if (plan.seats[i].reserve) {
                require(turns == 0, "a reserve has turns");
            } else {
                uint256 share = plan.seats[i].weight * uint256(plan.regularTurns);
                require(turns >= share / total && turns <= (share + total - 1) / total, "not its quota");
            }
        }
    }

    function test_shares_are_proportional_over_many_epochs() public view {
        uint8[4] memory weights = [1, 5, 30, 64];
        uint256[4] memory led;
        EpochPlan memory plan = planOf(0, 7, 4);
        for (uint256 i = 0; i < 4; i++) {
            plan.seats[i].weight = weights[i];
        }
        for (; plan.epoch < 500; plan.epoch++) {
            for (uint256 i = 0; i < 4; i++) {
                led[i] += schedule.turns(plan, plan.seats[i].operator).length;
            }
        }
        for (uint256 i = 0; i < 4; i++) {
            uint256 expected = 500 * 7 * uint256(weights[i]) / 100;
            require(led[i] + 35 > expected && led[i] < expected + 35, "not in proportion");
        }
    }
}
