// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {EpochPlan, ISchedule, Seat} from "../src/ISchedule.sol";
import {Schedule} from "../src/Schedule.sol";
import {VM} from "./Vm.sol";

/// @notice What every strategy must do: name the leaders of the shared vectors, and refuse malformed plans.
abstract contract ScheduleTest {
    string private constant SEAT = "Seat(bytes32 identity,address operator,uint64 weight,bool reserve)";

    bytes32 private constant OTHER = "another";

    Schedule internal schedule;

    /// @dev File in `vectors/schedule/`.
    function vectors() internal pure virtual returns (string memory);

    function test_vectors() public view {
        string memory json = VM.readFile(string.concat("../vectors/schedule/", vectors()));
        require(VM.parseJsonBytes32(json, ".kind") == schedule.kind(), "another kind");
        uint256 longest;
        uint256 cases;
        while (VM.keyExistsJson(json, at(".cases", cases))) {
            uint256 turns = requireCase(json, at(".cases", cases++));
            if (turns > longest) longest = turns;
        }
        require(cases > 10 && longest == 1000, "too few vectors");
    }

    function test_malformed_plans_are_refused() public {
        EpochPlan memory plan = planOf(3, 8, 4);
        schedule.leader(plan, 0);

        plan.kind = OTHER;
        refused(plan, abi.encodeWithSelector(Schedule.WrongKind.selector, OTHER));
        plan = planOf(3, 0, 4);
        refused(plan, abi.encodeWithSelector(Schedule.WrongRegularTurns.selector, 0));
        plan = planOf(3, 4097, 4);
        refused(plan, abi.encodeWithSelector(Schedule.WrongRegularTurns.selector, 4097));
        plan = planOf(3, 8, 0);
        refused(plan, abi.encodeWithSelector(Schedule.WrongSeatCount.selector, 0));
        plan = planOf(3, 8, 129);
        refused(plan, abi.encodeWithSelector(Schedule.WrongSeatCount.selector, 129));
        plan = planOf(3, 8, 4);
        (plan.seats[0], plan.seats[1]) = (plan.seats[1], plan.seats[0]);
        refused(plan, abi.encodeWithSelector(Schedule.WrongOrder.selector, 1));
        plan = planOf(3, 8, 4);
        plan.seats[2].identity = plan.seats[1].identity;
        refused(plan, abi.encodeWithSelector(Schedule.WrongOrder.selector, 2));
        plan = planOf(3, 8, 4);
        plan.seats[0].weight = 0;
        refused(plan, abi.encodeWithSelector(Schedule.WrongWeight.selector, 0));
        plan = planOf(3, 8, 4);
        plan.seats[3].weight = 2 ** 32 + 1;
        refused(plan, abi.encodeWithSelector(Schedule.WrongWeight.selector, 3));
    }

    function test_the_largest_plan_is_computed() public view {
        EpochPlan memory plan = planOf(type(uint64).max, 4096, 128);
        for (uint256 i = 0; i < 128; i++) {
            plan.seats[i].weight = 2 ** 32;
        }
        // 4096 turns of 128 equal seats: 32 each, under either strategy.
        require(schedule.turns(plan, plan.seats[127].operator).length == 32, "not its quota");
        plan.seats[5].reserve = true;
        require(schedule.leader(plan, type(uint64).max) == plan.seats[5].operator, "not the reserve");
        require(schedule.standing(plan, plan.seats[5].operator) == ISchedule.Standing.Unscheduled, "scheduled");
        require(schedule.standing(plan, plan.seats[6].operator) == ISchedule.Standing.Scheduled, "unscheduled");
        require(schedule.standing(plan, address(1)) == ISchedule.Standing.Unknown, "known");
    }

    /// Reserves lead when the regular turns are over and never before; without a reserve the table wraps.
    function testFuzz_late_turns_belong_to_the_reserve(uint64 epoch, uint32 n, uint64 turn, uint8 reserves)
        public
        view
    {
        EpochPlan memory plan = planOf(epoch, 1 + n % 16, 5);
        uint64 regularTurns = plan.regularTurns;
        uint64 reserveCount;
        for (uint256 i = 0; i < 5; i++) {
            plan.seats[i].reserve = (reserves >> i) & 1 == 1;
            if (plan.seats[i].reserve) reserveCount++;
        }
        address leader = schedule.leader(plan, turn);
        if (reserveCount == 0 || reserveCount == 5 || turn < regularTurns) {
            require(leader == schedule.leader(plan, turn % regularTurns), "does not wrap");
            require(schedule.standing(plan, leader) == ISchedule.Standing.Scheduled, "leads without a turn");
        } else {
            require(schedule.standing(plan, leader) == ISchedule.Standing.Unscheduled, "not a reserve");
            if (turn <= type(uint64).max - reserveCount) {
                require(leader == schedule.leader(plan, turn + reserveCount), "reserves don't alternate");
            }
        }
    }

    /// @dev Memory that a function of values uses is free again afterwards: a thousand plans in one call cost too much.
    modifier forgets() {
        uint256 free;
        assembly ("memory-safe") {
            free := mload(0x40)
        }
        _;
        assembly ("memory-safe") {
            mstore(0x40, free)
        }
    }

    /// @return longest The most turns that an epoch of the case names.
    function requireCase(string memory json, string memory path) private view forgets returns (uint256 longest) {
        EpochPlan memory plan;
        plan.kind = schedule.kind();
        plan.seats = abi.decode(VM.parseJsonTypeArray(json, string.concat(path, ".seats"), SEAT), (Seat[]));
        plan.regularTurns = uint32(VM.parseJsonUint(json, string.concat(path, ".regularTurns")));
        for (uint256 i = 0; VM.keyExistsJson(json, at(string.concat(path, ".epochs"), i)); i++) {
            string memory epoch = at(string.concat(path, ".epochs"), i);
            plan.epoch = uint64(VM.parseJsonUint(json, string.concat(epoch, ".epoch")));
            plan.seed = VM.parseJsonBytes32(json, string.concat(epoch, ".seed"));
            bytes memory leaders = VM.parseJsonBytes(json, string.concat(epoch, ".leaders"));
            for (uint64 turn = 0; turn < leaders.length; turn++) {
                requireLeader(plan, turn, plan.seats[uint8(leaders[turn])].operator);
            }
            uint256 regularTurns;
            for (uint256 seat = 0; seat < plan.seats.length; seat++) {
                regularTurns += requireTurns(plan, leaders, seat);
            }
            require(regularTurns == plan.regularTurns, "turns of nobody");
            if (leaders.length > longest) longest = leaders.length;
        }
    }

    function requireLeader(EpochPlan memory plan, uint64 turn, address leader) private view forgets {
        require(schedule.leader(plan, turn) == leader, "another leader");
    }

    /// @dev The listed turns of a seat are those that it leads; its standing agrees.
    function requireTurns(EpochPlan memory plan, bytes memory leaders, uint256 seat)
        private
        view
        forgets
        returns (uint256 count)
    {
        address operator = plan.seats[seat].operator;
        uint32[] memory turns = schedule.turns(plan, operator);
        count = turns.length;
        for (uint256 i = 0; i < count; i++) {
            require(i == 0 || turns[i - 1] < turns[i], "not ascending");
            require(turns[i] < plan.regularTurns && uint8(leaders[turns[i]]) == seat, "not its turn");
        }
        ISchedule.Standing expected = count > 0 ? ISchedule.Standing.Scheduled : ISchedule.Standing.Unscheduled;
        require(schedule.standing(plan, operator) == expected, "another standing");
    }

    /// @dev A plan with `count` regular seats of weight 1.
    function planOf(uint64 epoch, uint32 regularTurns, uint160 count) internal view returns (EpochPlan memory plan) {
        plan = EpochPlan(epoch, schedule.kind(), keccak256("seed"), regularTurns, new Seat[](count));
        for (uint160 i = 0; i < count; i++) {
            plan.seats[i] = Seat(bytes32(uint256(i + 1)), address(0x1000 + i), 1, false);
        }
    }

    function refused(EpochPlan memory plan, bytes memory reason) private {
        VM.expectRevert(reason);
        schedule.leader(plan, 0);
        VM.expectRevert(reason);
        schedule.turns(plan, address(0x1000));
        VM.expectRevert(reason);
        schedule.standing(plan, address(0x1000));
    }

    function at(string memory path, uint256 index) private pure returns (string memory) {
        return string.concat(path, "[", VM.toString(index), "]");
    }
}
