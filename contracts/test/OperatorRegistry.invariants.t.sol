// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IOperatorRegistry} from "../src/IOperatorRegistry.sol";
import {Operator, Status} from "../src/Operator.sol";
import {OperatorRegistry} from "../src/OperatorRegistry.sol";
import {RegistryTest} from "./RegistryTest.sol";
import {VM, Vm} from "./Vm.sol";

/// @notice Does everything that anybody may do, at random, and keeps a mirror of the registry that knows only its events.
///         Each action must succeed exactly when the mirror says that it may.
contract RegistryActions is RegistryTest {
    uint256 constant OPERATORS = 8;

    /// The mirror: the newest entry of each operator.
    mapping(address operator => Operator) private mirror;
    /// Newest generation of keys that each operator has tried.
    mapping(uint256 n => uint256) private generation;
    /// Generation of the posting key that each operator uses.
    mapping(uint256 n => uint256) private postingGeneration;
    /// Who was ever seen with a key.
    mapping(bytes32 key => address) private owner;

    constructor() {
        VM.recordLogs();
        deploy();
        genesis(4);
        fold();
    }

    // ------------------------------------------------------------------------------------------------------- actions

    function doJoin(uint256 n) external {
        n = entryOf(n % OPERATORS).status == Status.None ? n % OPERATORS : pick(n, Status.Left);
        Status status = entryOf(n).status;
        bool may = status == Status.None || status == Status.Left;
        uint256 next = ++generation[n];
        act(account(n), joinCall(n, next), may);
        if (may) postingGeneration[n] = next;
    }

    /// @dev With keys of somebody else, or used-up ones of its own: never.
    function doJoinWithTakenKeys(uint256 n, uint256 other) external {
        (n, other) = (n % OPERATORS, other % OPERATORS);
        Operator memory taken = entryOf(other);
        if (taken.status == Status.None) return;
        uint256 next = ++generation[n];
        bytes memory data = abi.encodeCall(
            OperatorRegistry.join,
            (
                taken.identity,
                proof(n, next),
                blsKey(n, next),
                possession(n, next, next),
                posting(n, next),
                account(n),
                endpoint(n)
            )
        );
        act(account(n), data, false);
    }

    function doActivate(uint256 n, uint256 signers) external {
        n = pick(n, Status.Candidate);
        uint256[] memory keys = memberKeys(signers % 7);
        bytes[] memory signatures = signAll(registry.readyDigest(account(n), entryOf(n).identity), keys);
        bool may = entryOf(n).status == Status.Candidate && 3 * keys.length > mirrorCount();
        act(STRANGER, abi.encodeCall(OperatorRegistry.activate, (account(n), signatures)), may);
    }

    function doLeave(uint256 n) external {
        n = pick(n, Status.Member);
        act(account(n), abi.encodeCall(OperatorRegistry.leave, ()), mayDepart(n));
    }

    function doFinish(uint256 n) external {
        n = pick(n, Status.Leaving);
        Operator memory entry = entryOf(n);
        bool may = entry.status == Status.Leaving && entry.leavesAt <= block.timestamp;
        act(STRANGER, abi.encodeCall(OperatorRegistry.finish, (account(n))), may);
    }

    function doRotate(uint256 n) external {
        n %= OPERATORS;
        act(account(n), rotateCall(n, ++generation[n]), isPresent(n));
    }

    function doSetPosting(uint256 n) external {
        n %= OPERATORS;
        uint256 next = ++generation[n];
        act(account(n), abi.encodeCall(OperatorRegistry.setPosting, (posting(n, next))), isPresent(n));
        if (isPresent(n)) postingGeneration[n] = next;
    }

    function doSetAnothersPosting(uint256 n, uint256 other) external {
        (n, other) = (n % OPERATORS, other % OPERATORS);
        address taken = entryOf(other).posting;
        if (n == other || taken == address(0)) return;
        act(account(n), abi.encodeCall(OperatorRegistry.setPosting, (taken)), false);
    }

    function doJail(uint256 n) external {
        n %= OPERATORS;
        Status status = entryOf(n).status;
        bool may = status == Status.Member || status == Status.Leaving;
        act(address(door), abi.encodeCall(OperatorRegistry.jail, (account(n))), may);
    }

    function doRelease(uint256 n) external {
        n = pick(n, Status.Jailed);
        bool may = entryOf(n).status == Status.Jailed;
        act(address(door), abi.encodeCall(OperatorRegistry.release, (account(n))), may);
    }

    function doExpel(uint256 n) external {
        n %= OPERATORS;
        act(address(door), abi.encodeCall(OperatorRegistry.expel, (account(n))), mayDepart(n));
    }

    function doWeigh(uint256 n, uint64 weight, bool reserve) external {
        n %= OPERATORS;
        bool valid = weight > 0 && weight <= registry.MAX_WEIGHT();
        act(address(door), abi.encodeCall(OperatorRegistry.setWeight, (account(n), weight)), valid && isPresent(n));
        act(address(door), abi.encodeCall(OperatorRegistry.setReserve, (account(n), reserve)), isPresent(n));
    }

    /// @dev A stranger, or an operator, does what only the policy or the governor may.
    function doTrespass(uint256 n, uint256 what) external {
        n %= OPERATORS;
        bytes[6] memory calls = [
            abi.encodeCall(OperatorRegistry.jail, (account(n))),
            abi.encodeCall(OperatorRegistry.release, (account(n))),
            abi.encodeCall(OperatorRegistry.expel, (account(n))),
            abi.encodeCall(OperatorRegistry.setWeight, (account(n), 5)),
            abi.encodeCall(OperatorRegistry.announceSchedule, ("mine", 0)),
            abi.encodeCall(OperatorRegistry.proposeGovernor, (account(n)))
        ];
        act(what % 2 == 0 ? STRANGER : account(what % OPERATORS), calls[what % calls.length], false);
    }

    function doWait(uint256 time) external {
        VM.warp(block.timestamp + time % (2 * NOTICE));
    }

    // ------------------------------------------------------------------------------------------------------ invariants

    /// @notice The committee that the view gives is the one that the events give, in canonical order.
    function checkCommittee() external view {
        checkViews();
        (address[] memory operators, Operator[] memory entries) = registry.committee();
        require(operators.length == mirrorCount(), "count");
        for (uint256 i = 0; i < operators.length; i++) {
            require(isMirrored(mirror[operators[i]]), "no member by the events");
            require(same(entries[i], mirror[operators[i]]), "another entry");
        }
        uint256 candidates;
        for (uint256 n = 0; n < OPERATORS; n++) {
            require(same(registry.operatorOf(account(n)), entryOf(n)), "entry");
            require(registry.isMember(account(n)) == isMirrored(entryOf(n)), "membership");
            if (entryOf(n).status == Status.Candidate) candidates++;
        }
        require(registry.candidateCount() == candidates, "candidates");
    }

    /// @notice From any state: everybody can go, though strangers and policy do nothing for it.
    function checkEverybodyCanGo() external {
        for (uint256 n = 0; n < OPERATORS; n++) {
            if (mayDepart(n)) must(account(n), abi.encodeCall(OperatorRegistry.leave, ()));
        }
        fold();
        VM.warp(block.timestamp + NOTICE);
        require(registry.memberCount() == 0, "a member against its will");
        for (uint256 n = 0; n < OPERATORS; n++) {
            if (entryOf(n).status == Status.Leaving) {
                must(STRANGER, abi.encodeCall(OperatorRegistry.finish, (account(n))));
            }
        }
        fold();
        for (uint256 n = 0; n < OPERATORS; n++) {
            require(!isPresent(n), "still there");
        }
        require(registry.candidateCount() == 0, "a candidate's place is lost");
        checkViews();
    }

    // --------------------------------------------------------------------------------------------------------- private

    /// @dev Makes a call, requires the predicted outcome, and folds the events.
    function act(address sender, bytes memory data, bool may) private {
        VM.prank(sender);
        (bool ok, bytes memory result) = address(registry).call{gas: 4_000_000}(data);
        require(ok == may, string.concat(may ? "refused: " : "allowed: ", VM.toString(ok ? data : result)));
        fold();
    }

    function fold() private {
        Vm.Log[] memory logs = VM.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; i++) {
            if (logs[i].emitter != address(registry)) continue;
            if (logs[i].topics[0] != IOperatorRegistry.OperatorChanged.selector) continue;
            address operator = address(uint160(uint256(logs[i].topics[1])));
            Operator memory entry = abi.decode(logs[i].data, (Operator));
            own(entry.identity, operator);
            own(keccak256(entry.blsKey), operator);
            own(bytes32(uint256(uint160(entry.posting))), operator);
            mirror[operator] = entry;
        }
    }

    /// @dev A key never has two owners, ever.
    function own(bytes32 key, address operator) private {
        require(owner[key] == address(0) || owner[key] == operator, "a key with two owners");
        owner[key] = operator;
    }

    function entryOf(uint256 n) private view returns (Operator memory) {
        return mirror[account(n)];
    }

    /// @dev The first operator from `n` on that stands so; `n` if none does. Most actions then do something.
    function pick(uint256 n, Status status) private view returns (uint256) {
        for (uint256 i = 0; i < OPERATORS; i++) {
            if (entryOf((n % OPERATORS + i) % OPERATORS).status == status) return (n % OPERATORS + i) % OPERATORS;
        }
        return n % OPERATORS;
    }

    function isPresent(uint256 n) private view returns (bool) {
        Status status = entryOf(n).status;
        return status != Status.None && status != Status.Left;
    }

    function mayDepart(uint256 n) private view returns (bool) {
        return isPresent(n) && entryOf(n).status != Status.Leaving;
    }

    function isMirrored(Operator memory entry) private view returns (bool) {
        return entry.status == Status.Member || (entry.status == Status.Leaving && block.timestamp < entry.leavesAt);
    }

    function mirrorCount() private view returns (uint256 count) {
        for (uint256 n = 0; n < OPERATORS; n++) {
            if (isMirrored(entryOf(n))) count++;
        }
    }

    /// @dev Posting keys of at most `most` members.
    function memberKeys(uint256 most) private view returns (uint256[] memory keys) {
        uint256[] memory found = new uint256[](OPERATORS);
        uint256 count;
        for (uint256 n = 0; n < OPERATORS && count < most; n++) {
            if (isMirrored(entryOf(n))) found[count++] = postingKey(n, postingGeneration[n]);
        }
        keys = new uint256[](count);
        for (uint256 i = 0; i < count; i++) {
            keys[i] = found[i];
        }
    }
}

contract OperatorRegistryInvariants {
    RegistryActions actions;

    function setUp() public {
        actions = new RegistryActions();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(actions);
    }

    function excludeSelectors() external view returns (FuzzSelector[] memory excluded) {
        excluded = new FuzzSelector[](1);
        excluded[0].addr = address(actions);
        excluded[0].selectors = new bytes4[](2);
        excluded[0].selectors[0] = RegistryActions.checkCommittee.selector;
        excluded[0].selectors[1] = RegistryActions.checkEverybodyCanGo.selector;
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function invariant_the_committee_is_its_event_history() public view {
        actions.checkCommittee();
    }

    function afterInvariant() public {
        actions.checkEverybodyCanGo();
    }
}
