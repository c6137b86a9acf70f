// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {EpochPlan} from "../src/ISchedule.sol";
import {RoundRobin} from "../src/RoundRobin.sol";
import {ScheduleTest} from "./ScheduleTest.sol";

contract RoundRobinTest is ScheduleTest {
    bytes32 private constant KIND = "round-robin";

    function setUp() public {
        schedule = new RoundRobin();
    }

    function vectors() internal pure override returns (string memory) {
        return "round-robin.json";
    }

    function test_kind() public view {
        require(schedule.kind() == KIND, "another kind");
    }

    function testFuzz_everybody_leads_in_canonical_order(uint64 epoch, uint8 n, uint8 count, uint64 turn) public view {
        uint160 seats = 1 + count % 12;
        EpochPlan memory plan = planOf(epoch, 1 + uint32(n), seats);
        turn %= plan.regularTurns;
        uint256 expected = (uint256(epoch) + turn) % seats;
        require(schedule.leader(plan, turn) == plan.seats[expected].operator, "another leader");
    }
}
