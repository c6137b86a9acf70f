// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {GovernedAdmission} from "../src/GovernedAdmission.sol";
import {Status} from "../src/Operator.sol";
import {OperatorRegistry} from "../src/OperatorRegistry.sol";
import {PostingTurns} from "../src/PostingTurns.sol";
import {PostingTurnsTest} from "./PostingTurnsTest.sol";
import {VM} from "./Vm.sol";

/// @notice All contracts together, as on a live chain: governed admission with a delay, the registry, posting turns, and the
///         real `SystemConfig`.
contract LifecycleTest is PostingTurnsTest {
    uint64 constant DELAY = 2 days;

    GovernedAdmission policy;

    function setUp() public {
        deploy();
        policy = new GovernedAdmission(registry, DELAY);
        VM.prank(GOVERNOR);
        registry.setAdmission(policy);
        startTurns();
    }

    function test_four_operators_from_genesis_to_the_end() public {
        // Three are there at genesis; the turns begin with them.
        for (uint256 n = 0; n < 3; n++) {
            admit(n);
            join(n);
            VM.prank(GOVERNOR);
            registry.activate(account(n), new bytes[](0));
        }
        VM.prank(GOVERNOR);
        registry.open();
        rotate();

        // The fourth is admitted, joins, and has a turn once a third of the members says that it is ready.
        admit(3);
        join(3);
        require(!registry.isMember(account(3)), "a member unasked");
        registry.activate(account(3), attest(3, 2));
        rotateThroughAll(4);

        // Its poster is silent.
        address[] memory members = inOrder();
        uint256 at = indexOf(members, turns.current().operator);
        VM.roll(block.number + TENURE);
        skipBy(postingKeys(1, 2));
        requireTurnOf(members[(at + 1) % 4]);

        // One leaves: it serves its notice, turns included, and then has none.
        address leaver = members[(at + 2) % 4];
        must(leaver, abi.encodeCall(OperatorRegistry.leave, ()));
        rotateInTime();
        requireTurnOf(leaver);
        VM.warp(block.timestamp + NOTICE);
        registry.finish(leaver);
        rotate();
        requireTurnOf(members[(at + 3) % 4]);
        rotateThroughAll(3);

        // One is removed in the middle of its turn, and jailed, so that it doesn't even serve its notice.
        address removed = turns.current().operator;
        address old = turns.current().posting;
        (address next,,) = registry.nextAfter(turns.current().identity);
        VM.prank(GOVERNOR);
        uint256 plan = policy.planRemove(removed);
        VM.warp(block.timestamp + DELAY);
        VM.prank(GOVERNOR);
        policy.execute(plan);
        require(registry.operatorOf(removed).status == Status.Leaving, "not expelled");
        VM.expectRevert(abi.encodeWithSelector(PostingTurns.TurnRuns.selector, turns.current().endBlock));
        turns.rotate();
        VM.prank(GOVERNOR);
        policy.jail(removed);
        require(registry.operatorOf(removed).status == Status.Left, "still there");
        requirePoster(old);
        rotate();
        requireTurnOf(next);
        rotateThroughAll(2);

        // The chain's owner takes it back.
        VM.prank(GOVERNOR);
        turns.giveBack(OWNER);
        VM.prank(OWNER);
        CONFIG.setBatcherHash(hashOf(OWNER));
    }

    function admit(uint256 n) private {
        VM.prank(GOVERNOR);
        uint256 plan = policy.planAdmit(account(n), 1, false);
        VM.warp(block.timestamp + DELAY);
        VM.prank(GOVERNOR);
        policy.execute(plan);
    }

    /// @dev In canonical order, twice, whoever begins.
    function rotateThroughAll(uint256 count) private {
        address[] memory members = inOrder();
        require(members.length == count, "another number of members");
        uint256 at = indexOf(members, turns.current().operator);
        for (uint256 i = 1; i <= 2 * count; i++) {
            rotateInTime();
            requireTurnOf(members[(at + i) % count]);
        }
    }

    function indexOf(address[] memory members, address operator) private pure returns (uint256 i) {
        while (members[i] != operator) i++;
    }
}
