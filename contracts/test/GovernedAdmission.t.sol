// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {GovernedAdmission} from "../src/GovernedAdmission.sol";
import {Operator, Status} from "../src/Operator.sol";
import {OperatorRegistry} from "../src/OperatorRegistry.sol";
import {RegistryTest} from "./RegistryTest.sol";
import {VM} from "./Vm.sol";

contract GovernedAdmissionTest is RegistryTest {
    uint64 constant DELAY = 2 days;

    GovernedAdmission policy;

    function setUp() public {
        deploy();
        policy = new GovernedAdmission(registry, DELAY);
        VM.prank(GOVERNOR);
        registry.setAdmission(policy);
    }

    function test_an_admitted_operator_joins_with_its_weight() public {
        admit(0, 7, true);
        join(0);
        Operator memory entry = registry.operatorOf(account(0));
        require(entry.weight == 7 && entry.reserve && entry.status == Status.Candidate, "entry");
    }

    function test_others_do_not_join() public {
        admit(0, 1, false);
        mustFail(account(1), joinCall(1, 0), abi.encodeWithSelector(GovernedAdmission.NotAdmitted.selector, account(1)));
    }

    function test_an_admission_is_used_once() public {
        admit(0, 1, false);
        join(0);
        must(account(0), abi.encodeCall(OperatorRegistry.leave, ()));
        mustFail(account(0), joinCall(0, 1), abi.encodeWithSelector(GovernedAdmission.NotAdmitted.selector, account(0)));
        admit(0, 1, false);
        must(account(0), joinCall(0, 1));
    }

    function test_a_failed_join_does_not_use_the_admission_up() public {
        admit(0, 1, false);
        bytes memory wrong = abi.encodeCall(
            OperatorRegistry.join,
            (identity(0, 0), proof(0, 0), blsKey(0, 0), new bytes(256), posting(0, 0), account(0), endpoint(0))
        );
        mustFail(account(0), wrong, OperatorRegistry.InvalidPossession.selector);
        join(0);
    }

    function test_only_the_registry_uses_admissions_up() public {
        admit(0, 1, false);
        VM.expectRevert(GovernedAdmission.NotRegistry.selector);
        policy.onJoin(account(0));
    }

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_nothing_is_executed_before_its_time(uint64 early) public {
        early = 1 + early % DELAY;
        VM.prank(GOVERNOR);
        uint256 id = policy.planAdmit(account(0), 1, false);
        uint64 readyAt = uint64(block.timestamp) + DELAY;
        VM.warp(readyAt - early);
        VM.prank(GOVERNOR);
        VM.expectRevert(abi.encodeWithSelector(GovernedAdmission.TooEarly.selector, readyAt));
        policy.execute(id);
        VM.warp(readyAt);
        VM.prank(GOVERNOR);
        policy.execute(id);
        join(0);
    }

    function test_a_plan_is_executed_once() public {
        uint256 id = admit(0, 1, false);
        join(0);
        VM.prank(GOVERNOR);
        VM.expectRevert(abi.encodeWithSelector(GovernedAdmission.NoSuchPlan.selector, id));
        policy.execute(id);
    }

    function test_a_cancelled_plan_is_gone() public {
        VM.prank(GOVERNOR);
        uint256 id = policy.planAdmit(account(0), 1, false);
        VM.prank(GOVERNOR);
        policy.cancel(id);
        VM.warp(block.timestamp + DELAY);
        bytes memory reason = abi.encodeWithSelector(GovernedAdmission.NoSuchPlan.selector, id);
        VM.prank(GOVERNOR);
        VM.expectRevert(reason);
        policy.execute(id);
        VM.prank(GOVERNOR);
        VM.expectRevert(reason);
        policy.cancel(id);
    }

    function test_removes_members_with_notice_and_admissions_at_once() public {
        admit(0, 1, false);
        admit(1, 1, false);
        join(0);
        VM.prank(GOVERNOR);
        registry.activate(account(0), new bytes[](0));
        execute(plan(abi.encodeCall(GovernedAdmission.planRemove, (account(0)))));
        require(statusOf(0) == Status.Leaving, "not leaving");
        // Who has not joined loses the admission; who is leaving already is left alone.
        execute(plan(abi.encodeCall(GovernedAdmission.planRemove, (account(1)))));
        mustFail(account(1), joinCall(1, 0), abi.encodeWithSelector(GovernedAdmission.NotAdmitted.selector, account(1)));
        VM.prank(GOVERNOR);
        uint256 again = policy.planRemove(account(0));
        execute(again);
    }

    function test_changes_weight_and_reserve() public {
        admit(0, 1, false);
        join(0);
        execute(plan(abi.encodeCall(GovernedAdmission.planSet, (account(0), 9, true))));
        Operator memory entry = registry.operatorOf(account(0));
        require(entry.weight == 9 && entry.reserve, "entry");
    }

    function test_weights_are_checked_when_planned() public {
        VM.startPrank(GOVERNOR);
        VM.expectRevert(GovernedAdmission.InvalidWeight.selector);
        policy.planAdmit(account(0), 0, false);
        uint64 tooMuch = registry.MAX_WEIGHT() + 1;
        VM.expectRevert(GovernedAdmission.InvalidWeight.selector);
        policy.planSet(account(0), tooMuch, false);
    }

    function test_jails_and_releases_at_once() public {
        admit(0, 1, false);
        join(0);
        VM.startPrank(GOVERNOR);
        registry.activate(account(0), new bytes[](0));
        policy.jail(account(0));
        require(statusOf(0) == Status.Jailed, "not jailed");
        policy.release(account(0));
        require(statusOf(0) == Status.Member, "not released");
    }

    function test_only_the_governor_decides() public {
        VM.prank(GOVERNOR);
        uint256 id = policy.planAdmit(account(0), 1, false);
        VM.warp(block.timestamp + DELAY);
        bytes[7] memory calls = [
            abi.encodeCall(GovernedAdmission.planAdmit, (STRANGER, 1, false)),
            abi.encodeCall(GovernedAdmission.planRemove, (account(0))),
            abi.encodeCall(GovernedAdmission.planSet, (account(0), 1, false)),
            abi.encodeCall(GovernedAdmission.execute, (id)),
            abi.encodeCall(GovernedAdmission.cancel, (id)),
            abi.encodeCall(GovernedAdmission.jail, (account(0))),
            abi.encodeCall(GovernedAdmission.release, (account(0)))
        ];
        bytes memory expected = abi.encodeWithSelector(GovernedAdmission.NotGovernor.selector);
        for (uint256 i = 0; i < calls.length; i++) {
            VM.prank(STRANGER);
            (bool ok, bytes memory reason) = address(policy).call(calls[i]);
            require(!ok && keccak256(reason) == keccak256(expected), VM.toString(i));
        }
    }

    function test_follows_the_registrys_governor() public {
        VM.prank(GOVERNOR);
        registry.proposeGovernor(STRANGER);
        VM.prank(STRANGER);
        registry.acceptGovernor();
        VM.prank(GOVERNOR);
        VM.expectRevert(GovernedAdmission.NotGovernor.selector);
        policy.planAdmit(account(0), 1, false);
        VM.prank(STRANGER);
        policy.planAdmit(account(0), 1, false);
    }

    function test_plans_die_with_the_policy() public {
        admit(0, 1, false);
        join(0);
        VM.prank(GOVERNOR);
        registry.activate(account(0), new bytes[](0));
        uint256 id = plan(abi.encodeCall(GovernedAdmission.planRemove, (account(0))));
        VM.prank(GOVERNOR);
        registry.setAdmission(door);
        VM.warp(block.timestamp + DELAY);
        VM.prank(GOVERNOR);
        VM.expectRevert(OperatorRegistry.NotAdmission.selector);
        policy.execute(id);
        require(statusOf(0) == Status.Member, "removed");
    }

    function test_a_deployment_has_a_delay_that_ends() public {
        uint64 longest = policy.MAX_DELAY();
        VM.expectRevert(GovernedAdmission.DelayTooLong.selector);
        new GovernedAdmission(registry, longest + 1);
    }

    function plan(bytes memory data) private returns (uint256) {
        VM.prank(GOVERNOR);
        (bool ok, bytes memory result) = address(policy).call(data);
        require(ok, VM.toString(result));
        return abi.decode(result, (uint256));
    }

    function execute(uint256 id) private {
        VM.warp(block.timestamp + DELAY);
        VM.prank(GOVERNOR);
        policy.execute(id);
    }

    function admit(uint256 n, uint64 weight, bool reserve) private returns (uint256 id) {
        id = plan(abi.encodeCall(GovernedAdmission.planAdmit, (account(n), weight, reserve)));
        execute(id);
    }
}
