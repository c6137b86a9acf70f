// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Attestation} from "../src/Attestation.sol";
import {IOperatorRegistry} from "../src/IOperatorRegistry.sol";
import {ISystemConfig} from "../src/ISystemConfig.sol";
import {OperatorRegistry} from "../src/OperatorRegistry.sol";
import {PostingTurns} from "../src/PostingTurns.sol";
import {PostingTurnsTest} from "./PostingTurnsTest.sol";
import {VM, Vm} from "./Vm.sol";

/// @notice Calls of `SystemConfig` that the turns themselves don't make.
interface IOtherConfig {
    function setGasLimit(uint64 gasLimit) external;
    function gasLimit() external view returns (uint64);
}

contract PostingTurnsUnitTest is PostingTurnsTest {
    uint256 constant MEMBERS = 4;

    function setUp() public {
        start(MEMBERS);
    }

    // ------------------------------------------------------------------------------------------------- rotation

    function test_the_first_rotation_starts_the_turns() public {
        require(turns.current().number == 0 && turns.overview().rotatable, "a turn before the first");
        VM.recordLogs();
        rotate();
        Vm.Log[] memory logs = VM.getRecordedLogs();
        // Types 0 (batcher) and 3 (unsafe block signer), which stock nodes read.
        require(updates(logs) == 1 << 0 | 1 << 3, "not announced to derivation");
        address first = inOrder()[0];
        requireTurnOf(first);
        require(turns.current().number == 1, "another number");
        require(logs[0].emitter == address(turns) && logs[0].topics[0] == PostingTurns.Rotated.selector, "not logged");
        require(uint256(logs[0].topics[1]) == 1 && logs[0].topics[2] == hashOf(first), "another topic");
        bytes memory data = abi.encode(registry.operatorOf(first).posting, FIRST_BLOCK, FIRST_BLOCK + WINDOW);
        require(keccak256(logs[0].data) == keccak256(data), "other data");
    }

    function test_members_follow_in_canonical_order_and_wrap() public {
        address[] memory members = inOrder();
        rotate();
        for (uint256 i = 0; i < 3 * MEMBERS; i++) {
            requireTurnOf(members[i % MEMBERS]);
            require(turns.current().number == i + 1 && turns.current().round == i / MEMBERS + 1, "another number");
            rotateInTime();
        }
    }

    function test_nobody_rotates_before_the_end() public {
        rotate();
        uint64 end = turns.current().endBlock;
        for (uint64 early = 0; early < 2; early++) {
            VM.roll(early == 0 ? FIRST_BLOCK : end - 1);
            require(!turns.overview().rotatable, "rotatable");
            VM.expectRevert(abi.encodeWithSelector(PostingTurns.TurnRuns.selector, end));
            rotate();
        }
        VM.roll(end);
        require(turns.overview().rotatable, "not rotatable");
        rotate();
    }

    function test_a_late_rotation_gives_a_whole_window() public {
        rotate();
        VM.roll(turns.current().endBlock + 12_345);
        rotate();
        requireTurnOf(inOrder()[1]);
    }

    function test_a_poster_that_is_no_member_any_more_is_replaced_at_once() public {
        rotate();
        address[] memory members = inOrder();
        VM.prank(address(door));
        registry.jail(members[0]);
        rotate();
        requireTurnOf(members[1]);
        must(members[1], abi.encodeCall(OperatorRegistry.leave, ()));
        require(!turns.overview().rotatable, "a leaving member is a member");
        VM.warp(block.timestamp + NOTICE);
        require(turns.overview().rotatable, "a turn of nobody");
        rotate();
        requireTurnOf(members[2]);
    }

    function test_members_that_come_and_go_are_seen_at_the_next_rotation() public {
        rotate();
        address[] memory members = inOrder();
        VM.prank(address(door));
        registry.jail(members[1]);
        rotateInTime();
        requireTurnOf(members[2]);
        VM.prank(address(door));
        registry.release(members[1]);
        rotateInTime();
        rotateInTime();
        rotateInTime();
        requireTurnOf(members[1]);
    }

    function test_a_member_alone_starts_a_new_window() public {
        address[] memory members = inOrder();
        for (uint256 i = 1; i < MEMBERS; i++) {
            VM.prank(address(door));
            registry.jail(members[i]);
        }
        rotate();
        VM.roll(turns.current().endBlock);
        VM.recordLogs();
        rotate();
        require(updates(VM.getRecordedLogs()) == 0, "an update without a change");
        requireTurnOf(members[0]);
        require(turns.current().number == 2, "the same turn");
    }

    function test_without_members_the_last_poster_stays() public {
        rotate();
        address last = turns.current().posting;
        address[] memory members = inOrder();
        for (uint256 i = 0; i < MEMBERS; i++) {
            VM.prank(address(door));
            registry.jail(members[i]);
        }
        PostingTurns.Overview memory overview = turns.overview();
        require(!overview.rotatable && overview.nextOperator == address(0), "rotatable");
        VM.expectRevert(PostingTurns.NoMembers.selector);
        rotate();
        requirePoster(last);
    }

    /// Two members that move behind each other can't keep the turns among themselves.
    function test_moving_in_the_order_gains_no_turn() public {
        rotate();
        address[] memory honest = inOrder();
        (uint256 one, uint256 other) = (numberOf(honest[0]), numberOf(honest[1]));
        uint256 lastTurnOfHonest;
        for (uint256 i = 0; i < 12; i++) {
            // Whichever colluder is not the poster takes the place just behind it.
            uint256 mover = turns.current().operator == honest[0] ? other : one;
            moveTo(mover, bytes32(uint256(turns.current().identity) + i + 1));
            rotateInTime();
            address poster = turns.current().operator;
            if (poster == honest[2] || poster == honest[3]) lastTurnOfHonest = i;
            // Two turns at most of each of them between turns of others.
            require(i - lastTurnOfHonest <= 4, "the honest are starved");
        }
    }

    function testFuzz_every_member_has_one_turn_in_each_round(uint8 jailed, uint16[12] calldata delays) public {
        address[] memory all = inOrder();
        for (uint256 i = 0; i < MEMBERS - 1; i++) {
            if ((jailed >> i) & 1 == 1) {
                VM.prank(address(door));
                registry.jail(all[i]);
            }
        }
        address[] memory members = inOrder();
        for (uint256 i = 0; i < delays.length; i++) {
            VM.roll(turns.current().endBlock + FIRST_BLOCK + delays[i]);
            rotate();
            requireTurnOf(members[i % members.length]);
        }
    }

    // ----------------------------------------------------------------------------------------------------- skip

    function test_more_than_a_third_skips_a_silent_poster() public {
        rotate();
        VM.roll(FIRST_BLOCK + TENURE);
        VM.recordLogs();
        skipBy(postingKeys(0, 2));
        Vm.Log[] memory logs = VM.getRecordedLogs();
        address[] memory members = inOrder();
        require(logs[0].topics[0] == PostingTurns.Skipped.selector, "not logged");
        require(uint256(logs[0].topics[1]) == 1 && logs[0].topics[2] == hashOf(members[0]), "another topic");
        require(logs[1].topics[0] == PostingTurns.Rotated.selector, "not rotated");
        requireTurnOf(members[1]);
    }

    function test_a_third_is_not_enough_to_skip() public {
        VM.prank(address(door));
        registry.jail(account(3));
        rotate();
        VM.roll(FIRST_BLOCK + TENURE);
        bytes[] memory signatures = signAll(turns.skipDigest(1), postingKeys(0, 1));
        VM.expectRevert(abi.encodeWithSelector(Attestation.TooFewSignatures.selector, 1, 3));
        turns.skip(1, signatures);
        // Who is jailed has no say.
        uint256[] memory keys = postingKeys(2, 2);
        signatures = signAll(turns.skipDigest(1), keys);
        VM.expectRevert(abi.encodeWithSelector(Attestation.TooFewSignatures.selector, 1, 3));
        turns.skip(1, signatures);
        skipBy(postingKeys(0, 2));
    }

    function test_nobody_is_skipped_before_its_tenure() public {
        rotate();
        VM.roll(FIRST_BLOCK + TENURE - 1);
        require(turns.overview().skippableFrom == FIRST_BLOCK + TENURE, "another block");
        bytes[] memory signatures = signAll(turns.skipDigest(1), postingKeys(0, 4));
        VM.expectRevert(abi.encodeWithSelector(PostingTurns.TooEarly.selector, FIRST_BLOCK + TENURE));
        turns.skip(1, signatures);
    }

    function test_only_the_running_turn_is_skipped_and_only_once() public {
        bytes[] memory signatures = signAll(turns.skipDigest(0), postingKeys(0, 4));
        VM.expectRevert(abi.encodeWithSelector(PostingTurns.WrongTurn.selector, 0));
        turns.skip(0, signatures);
        rotate();
        VM.roll(FIRST_BLOCK + TENURE);
        signatures = signAll(turns.skipDigest(1), postingKeys(0, 4));
        turns.skip(1, signatures);
        VM.roll(FIRST_BLOCK + 2 * TENURE);
        VM.expectRevert(abi.encodeWithSelector(PostingTurns.WrongTurn.selector, 2));
        turns.skip(1, signatures);
        signatures = sortedFor(2, signatures);
        VM.expectRevert(abi.encodeWithSelector(Attestation.TooFewSignatures.selector, 0, 4));
        turns.skip(2, signatures);
    }

    function test_signatures_for_another_contract_or_chain_don_t_skip() public {
        PostingTurns twin = new PostingTurns(CONFIG, registry, WINDOW, TENURE);
        rotate();
        VM.roll(FIRST_BLOCK + TENURE);
        uint256 chain = block.chainid;
        VM.chainId(chain + 1);
        bytes32 elsewhere = turns.skipDigest(1);
        VM.chainId(chain);
        bytes32[2] memory digests = [twin.skipDigest(1), elsewhere];
        for (uint256 i = 0; i < 2; i++) {
            bytes[] memory signatures = sortedFor(1, signAll(digests[i], postingKeys(0, 4)));
            VM.expectRevert(abi.encodeWithSelector(Attestation.TooFewSignatures.selector, 0, 4));
            turns.skip(1, signatures);
        }
        skipBy(postingKeys(0, 4));
    }

    // -------------------------------------------------------------------------------------------------- refresh

    function test_a_new_posting_address_counts_from_the_next_rotation() public {
        rotate();
        address first = inOrder()[0];
        address old = turns.current().posting;
        must(first, abi.encodeCall(OperatorRegistry.setPosting, (address(0xABCD))));
        requirePoster(old);
        for (uint256 i = 0; i < MEMBERS; i++) {
            rotateInTime();
        }
        requirePoster(address(0xABCD));
    }

    function test_the_operator_refreshes_its_own_turn_without_gaining_a_block() public {
        rotate();
        address[] memory members = inOrder();
        PostingTurns.Turn memory before = turns.current();
        must(members[0], abi.encodeCall(OperatorRegistry.setPosting, (address(0xABCD))));
        VM.roll(FIRST_BLOCK + 7);
        VM.expectRevert(PostingTurns.NotYourTurn.selector);
        turns.refresh();
        VM.prank(members[1]);
        VM.expectRevert(PostingTurns.NotYourTurn.selector);
        turns.refresh();
        VM.prank(members[0]);
        turns.refresh();
        requirePoster(address(0xABCD));
        before.posting = address(0xABCD);
        require(keccak256(abi.encode(before)) == keccak256(abi.encode(turns.current())), "more than the address");

        VM.roll(before.endBlock);
        VM.prank(members[0]);
        VM.expectRevert(PostingTurns.NotYourTurn.selector);
        turns.refresh();
    }

    // ------------------------------------------------------------------------------------------------- governor

    function test_the_governor_calls_system_config() public {
        bytes memory call = abi.encodeCall(IOtherConfig.setGasLimit, (40_000_000));
        VM.expectRevert(PostingTurns.NotGovernor.selector);
        turns.execute(call);
        VM.prank(GOVERNOR);
        turns.execute(call);
        require(IOtherConfig(address(CONFIG)).gasLimit() == 40_000_000, "not set");
        VM.prank(GOVERNOR);
        bytes memory result = turns.execute(abi.encodeCall(IOtherConfig.gasLimit, ()));
        require(abi.decode(result, (uint64)) == 40_000_000, "another result");
        VM.prank(GOVERNOR);
        VM.expectRevert("SystemConfig: gas limit too low");
        turns.execute(abi.encodeCall(IOtherConfig.setGasLimit, (1)));
    }

    function test_another_batcher_of_the_governor_stands_until_the_turn_is_renewed() public {
        rotate();
        VM.prank(GOVERNOR);
        turns.execute(abi.encodeCall(ISystemConfig.setBatcherHash, (hashOf(address(0xBAD)))));
        PostingTurns.Overview memory overview = turns.overview();
        require(overview.batcherHash == hashOf(address(0xBAD)), "not set");
        require(overview.unsafeBlockSigner == overview.turn.posting, "another signer");
        VM.prank(overview.turn.operator);
        turns.refresh();
        requirePoster(overview.turn.posting);
    }

    function test_the_governor_takes_the_ownership_back_and_may_give_it_again() public {
        rotate();
        VM.expectRevert(PostingTurns.NotGovernor.selector);
        turns.giveBack(address(this));
        VM.prank(GOVERNOR);
        turns.giveBack(OWNER);
        require(CONFIG.owner() == OWNER, "not given back");

        VM.roll(FIRST_BLOCK + WINDOW);
        PostingTurns.Overview memory overview = turns.overview();
        require(!overview.owned && !overview.rotatable, "still rotatable");
        bytes memory notOwner = abi.encodeWithSelector(PostingTurns.NotOwner.selector, OWNER);
        bytes[] memory signatures = signAll(turns.skipDigest(1), postingKeys(0, 4));
        VM.expectRevert(notOwner);
        turns.rotate();
        VM.expectRevert(notOwner);
        turns.skip(1, signatures);
        VM.prank(overview.turn.operator);
        VM.expectRevert(notOwner);
        turns.refresh();

        VM.prank(OWNER);
        CONFIG.transferOwnership(address(turns));
        rotate();
        requireTurnOf(inOrder()[1]);
    }

    function test_the_office_is_the_registry_s() public {
        VM.prank(GOVERNOR);
        registry.proposeGovernor(address(this));
        registry.acceptGovernor();
        VM.prank(GOVERNOR);
        VM.expectRevert(PostingTurns.NotGovernor.selector);
        turns.giveBack(GOVERNOR);
        turns.giveBack(OWNER);
        require(CONFIG.owner() == OWNER, "not given back");
    }

    // ------------------------------------------------------------------------------------------------- the rest

    function test_the_overview_names_what_comes() public {
        PostingTurns.Overview memory overview = turns.overview();
        address[] memory members = inOrder();
        for (uint256 i = 0; i < 2 * MEMBERS; i++) {
            require(overview.owned, "not owned");
            require(overview.nextOperator == members[i % MEMBERS], "another next operator");
            require(overview.nextPosting == registry.operatorOf(members[i % MEMBERS]).posting, "another next poster");
            (address[] memory operators, address[] memory postings) = turns.order();
            for (uint256 k = 0; k < MEMBERS; k++) {
                require(operators[k] == members[(i + k) % MEMBERS], "another order");
                require(postings[k] == registry.operatorOf(operators[k]).posting, "another posting address");
            }
            rotateInTime();
            (uint64 startBlock, uint64 endBlock) = turns.window();
            overview = turns.overview();
            require(overview.turn.startBlock == startBlock && overview.turn.endBlock == endBlock, "another window");
            require(endBlock == startBlock + WINDOW && !overview.rotatable, "another window");
            require(overview.batcherHash == hashOf(overview.turn.posting), "another batcher");
        }
    }

    function test_impossible_turns_are_not_deployed() public {
        VM.expectRevert(PostingTurns.InvalidWindow.selector);
        new PostingTurns(CONFIG, registry, 0, 0);
        VM.expectRevert(PostingTurns.InvalidWindow.selector);
        new PostingTurns(CONFIG, registry, 15, 15);
        VM.expectRevert(abi.encodeWithSelector(PostingTurns.NotAContract.selector, STRANGER));
        new PostingTurns(ISystemConfig(STRANGER), registry, 300, 15);
        VM.expectRevert(abi.encodeWithSelector(PostingTurns.NotAContract.selector, STRANGER));
        new PostingTurns(CONFIG, IOperatorRegistry(STRANGER), 300, 15);
    }

    /// @dev The same signatures in the order of the strangers that they are of, as signatures for another turn.
    function sortedFor(uint64 number, bytes[] memory signatures) private view returns (bytes[] memory) {
        bytes32 digest = turns.skipDigest(number);
        for (uint256 i = 1; i < signatures.length; i++) {
            for (uint256 j = i; j > 0 && signer(digest, signatures[j]) < signer(digest, signatures[j - 1]); j--) {
                (signatures[j], signatures[j - 1]) = (signatures[j - 1], signatures[j]);
            }
        }
        return signatures;
    }

    function signer(bytes32 digest, bytes memory signature) private pure returns (address) {
        bytes32 r;
        bytes32 s;
        assembly ("memory-safe") {
            r := mload(add(signature, 32))
            s := mload(add(signature, 64))
        }
        return ecrecover(digest, uint8(signature[64]), r, s);
    }
}
