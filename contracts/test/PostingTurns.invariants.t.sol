// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Operator, Status} from "../src/Operator.sol";
import {OperatorRegistry} from "../src/OperatorRegistry.sol";
import {PostingTurns} from "../src/PostingTurns.sol";
import {PostingTurnsTest} from "./PostingTurnsTest.sol";
import {VM} from "./Vm.sol";

/// @notice Turns, skips and everything in the registry that may touch them, at random. Each action predicts whether it may
///         succeed, and no action but those of the turns may change who posts.
contract PostingTurnsActions is PostingTurnsTest {
    uint256 constant OPERATORS = 7;

    uint256 private blockNumber;
    uint256 private generation;
    /// Posting key that each operator uses.
    mapping(uint256 n => uint256 key) private key;
    /// The last round in which an operator had a turn.
    mapping(address operator => uint64 round) private served;
    /// The turn after the last action.
    PostingTurns.Turn private last;

    constructor() {
        start(OPERATORS);
        blockNumber = FIRST_BLOCK;
        for (uint256 n = 0; n < OPERATORS; n++) {
            key[n] = postingKey(n, 0);
        }
        rotate();
        last = turns.current();
        served[last.operator] = last.round;
    }

    // -------------------------------------------------------------------------------------------------- actions

    function doRotate(uint64 blocks) external {
        pass(blocks % (2 * WINDOW));
        bool may = registry.memberCount() > 0 && (blockNumber >= last.endBlock || !registry.isMember(last.operator));
        require(turns.overview().rotatable == may, "another forecast");
        act(STRANGER, abi.encodeCall(PostingTurns.rotate, ()), may);
        if (may) checkFreshTurn();
    }

    function doSkip(uint64 blocks, uint256 signers, bool stale) external {
        pass(blocks % (2 * TENURE));
        uint256[] memory keys = memberKeys(signers % OPERATORS);
        uint64 number = stale ? last.number - 1 : last.number;
        bytes[] memory signatures = signAll(turns.skipDigest(number), keys);
        bool may = !stale && blockNumber >= last.startBlock + TENURE && 3 * keys.length > registry.memberCount();
        act(STRANGER, abi.encodeCall(PostingTurns.skip, (number, signatures)), may && registry.memberCount() > 0);
        if (may && registry.memberCount() > 0) checkFreshTurn();
    }

    function doRefresh(uint256 n, uint64 blocks) external {
        pass(blocks % TENURE);
        n %= OPERATORS;
        bool may = account(n) == last.operator && blockNumber < last.endBlock && registry.isMember(last.operator);
        act(account(n), abi.encodeCall(PostingTurns.refresh, ()), may);
        if (may) {
            last.posting = registry.operatorOf(account(n)).posting;
            checkUnchanged();
        }
    }

    function doSetPosting(uint256 n) external {
        n %= OPERATORS;
        if (!isPresent(n)) return;
        key[n] = postingKey(n, ++generation);
        must(account(n), abi.encodeCall(OperatorRegistry.setPosting, (VM.addr(key[n]))));
        checkUnchanged();
    }

    /// @dev Anywhere, or just behind the poster.
    function doMove(uint256 n, bytes32 to, bool behind) external {
        n %= OPERATORS;
        if (!isPresent(n) || to == 0) return;
        // Identities are given out once: the last 8 bytes count the moves.
        uint256 place = behind ? (uint256(last.identity) >> 64) + 1 : uint256(to) >> 64;
        moveTo(n, bytes32(place << 64 | ++generation));
        checkUnchanged();
    }

    function doJail(uint256 n) external {
        if (!registry.isMember(account(n % OPERATORS))) return;
        VM.prank(address(door));
        registry.jail(account(n % OPERATORS));
        checkUnchanged();
    }

    function doRelease(uint256 n) external {
        if (registry.operatorOf(account(n % OPERATORS)).status != Status.Jailed) return;
        VM.prank(address(door));
        registry.release(account(n % OPERATORS));
        checkUnchanged();
    }

    /// @dev Three may go, so that mostly somebody is there.
    function doLeave(uint256 n) external {
        if (registry.operatorOf(account(n % 3)).status != Status.Member) return;
        must(account(n % 3), abi.encodeCall(OperatorRegistry.leave, ()));
        checkUnchanged();
    }

    function doWait(uint64 time) external {
        VM.warp(block.timestamp + time % NOTICE);
        checkUnchanged();
    }

    /// @dev Only the governor gives away what only the owner has.
    function doTrespass(uint256 n, bool give) external {
        bytes memory data = give
            ? abi.encodeCall(PostingTurns.giveBack, (account(n % OPERATORS)))
            : abi.encodeCall(PostingTurns.execute, (abi.encodeCall(CONFIG.transferOwnership, (account(n % OPERATORS)))));
        act(account(n % OPERATORS), data, false);
    }

    // ----------------------------------------------------------------------------------------------- invariants

    /// @notice Exactly one poster at a time, and only turns change it: derivation and gossip go by the running turn.
    function checkUnchanged() public view {
        require(keccak256(abi.encode(turns.current())) == keccak256(abi.encode(last)), "another turn");
        requirePoster(last.posting);
        require(CONFIG.owner() == address(turns), "the ownership is lost");
    }

    /// @notice From any state: once nobody moves any more, every member has one turn in each round.
    function checkEverybodyHasTurns() external {
        uint256 count = registry.memberCount();
        // Until the round in which somebody may have moved is over.
        for (uint256 i = 0; i < 2 * count; i++) {
            rotateInTime();
        }
        for (uint256 i = 0; i < count; i++) {
            bytes32 before = turns.current().identity;
            (address expected,,) = registry.nextAfter(before);
            rotateInTime();
            requireTurnOf(expected);
        }
    }

    /// @notice From any state: the governor takes the ownership back.
    function checkOwnershipIsRecoverable() external {
        VM.prank(GOVERNOR);
        turns.giveBack(OWNER);
        require(CONFIG.owner() == OWNER, "not recovered");
    }

    // -------------------------------------------------------------------------------------------------- private

    function pass(uint64 blocks) private {
        blockNumber += blocks;
        VM.roll(blockNumber);
    }

    function act(address sender, bytes memory data, bool may) private {
        VM.prank(sender);
        (bool ok, bytes memory result) = address(turns).call(data);
        require(ok == may, string.concat(may ? "refused: " : "allowed: ", VM.toString(ok ? data : result)));
        if (!may) checkUnchanged();
    }

    /// @dev A new turn: of a member, of the next number, with a window of its own.
    function checkFreshTurn() private {
        PostingTurns.Turn memory turn = turns.current();
        require(turn.number == last.number + 1, "another number");
        require(turn.round == last.round || turn.round == last.round + 1, "another round");
        require(turn.round > last.round || turn.identity > last.identity, "out of order");
        require(turn.round > served[turn.operator], "twice in a round");
        (address[] memory operators, Operator[] memory entries) = registry.committee();
        for (uint256 i = 0; i < operators.length; i++) {
            bool passed =
                entries[i].identity > last.identity && (turn.round > last.round || entries[i].identity < turn.identity);
            require(!passed || served[operators[i]] == last.round, "passed over");
        }
        served[turn.operator] = turn.round;
        require(registry.isMember(turn.operator), "no member");
        requireTurnOf(turn.operator);
        last = turn;
        checkUnchanged();
    }

    function isPresent(uint256 n) private view returns (bool) {
        Status status = registry.operatorOf(account(n)).status;
        return status == Status.Member || status == Status.Jailed || status == Status.Leaving;
    }

    /// @dev Posting keys of at most `most` members.
    function memberKeys(uint256 most) private view returns (uint256[] memory keys) {
        (address[] memory operators,) = registry.committee();
        keys = new uint256[](most < operators.length ? most : operators.length);
        for (uint256 i = 0; i < keys.length; i++) {
            keys[i] = key[numberOf(operators[i])];
        }
    }
}

contract PostingTurnsInvariants {
    PostingTurnsActions actions;

    function setUp() public {
        actions = new PostingTurnsActions();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(actions);
    }

    function excludeSelectors() external view returns (FuzzSelector[] memory excluded) {
        excluded = new FuzzSelector[](1);
        excluded[0].addr = address(actions);
        excluded[0].selectors = new bytes4[](3);
        excluded[0].selectors[0] = PostingTurnsActions.checkUnchanged.selector;
        excluded[0].selectors[1] = PostingTurnsActions.checkEverybodyHasTurns.selector;
        excluded[0].selectors[2] = PostingTurnsActions.checkOwnershipIsRecoverable.selector;
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    /// forge-config: default.invariant.shrink-run-limit = 32
    function invariant_one_poster_at_a_time() public view {
        actions.checkUnchanged();
    }

    function afterInvariant() public {
        actions.checkEverybodyHasTurns();
        actions.checkOwnershipIsRecoverable();
    }
}
