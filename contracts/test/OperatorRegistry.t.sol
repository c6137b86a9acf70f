// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Attestation} from "../src/Attestation.sol";
import {BLS12381} from "../src/BLS12381.sol";
import {IAdmission} from "../src/IAdmission.sol";
import {IOperatorRegistry} from "../src/IOperatorRegistry.sol";
import {Operator, Status} from "../src/Operator.sol";
import {OperatorRegistry} from "../src/OperatorRegistry.sol";
import {BlsSigner} from "./BlsSigner.sol";
import {RegistryTest} from "./RegistryTest.sol";
import {VM, Vm} from "./Vm.sol";

/// @notice Refuses everybody.
contract ClosedDoor is IAdmission {
    error Closed();

    function onJoin(address) external pure returns (uint64, bool) {
        revert Closed();
    }
}

/// @notice Tries to act on the registry while an operator joins.
contract ReenteringDoor is IAdmission {
    OperatorRegistry immutable registry;
    bytes call;

    constructor(OperatorRegistry operators) {
        registry = operators;
    }

    function dial(bytes calldata data) external {
        call = data;
    }

    function onJoin(address) external returns (uint64, bool) {
        (bool ok,) = address(registry).call(call);
        require(ok, "refused");
        return (1, false);
    }
}

contract OperatorRegistryTest is RegistryTest {
    function setUp() public {
        deploy();
    }

    // ------------------------------------------------------------------------------------------------------- joining

    function test_joins_as_a_candidate_and_the_event_is_the_entry() public {
        door.give(5, true);
        bytes memory call = joinCall(0, 0);
        VM.recordLogs();
        must(account(0), call);
        Operator memory expected = Operator({
            identity: identity(0, 0),
            identityProof: proof(0, 0),
            blsKey: blsKey(0, 0),
            posting: posting(0, 0),
            reward: account(0),
            endpoint: endpoint(0),
            weight: 5,
            reserve: true,
            status: Status.Candidate,
            leavesAt: 0
        });
        require(same(registry.operatorOf(account(0)), expected), "entry");
        Vm.Log[] memory logs = VM.getRecordedLogs();
        require(logs.length == 1 && logs[0].topics[0] == IOperatorRegistry.OperatorChanged.selector, "event");
        require(logs[0].topics[1] == bytes32(uint256(uint160(account(0)))), "operator");
        require(same(abi.decode(logs[0].data, (Operator)), expected), "event's entry");
        require(registry.memberCount() == 0 && registry.candidateCount() == 1, "a candidate is no member");
    }

    function test_proof_of_possession_and_identity_proof_of_the_vectors() public {
        string memory keys = VM.readFile("../vectors/registry/keys.json");
        VM.chainId(VM.parseJsonUint(keys, ".chainId"));
        VM.startPrank(VM.parseJsonAddress(keys, ".deployer"));
        registry = new OperatorRegistry(GOVERNOR, NOTICE);
        VM.stopPrank();
        require(address(registry) == VM.parseJsonAddress(keys, ".registry"), "another address");
        VM.prank(GOVERNOR);
        registry.setAdmission(door);

        address operator = VM.parseJsonAddress(keys, ".operator");
        bytes32 p2p = VM.parseJsonBytes32(keys, ".identity");
        bytes memory key = VM.parseJsonBytes(keys, ".blsKey");
        bytes memory message = registry.possessionMessage(operator, p2p, key);
        require(keccak256(message) == keccak256(VM.parseJsonBytes(keys, ".possessionMessage")), "message");
        require(
            keccak256(BLS12381.POSSESSION_DST) == keccak256(bytes(VM.parseJsonString(keys, ".possessionDst"))), "tag"
        );
        bytes memory data = abi.encodeCall(
            OperatorRegistry.join,
            (
                p2p,
                VM.parseJsonBytes(keys, ".identityProof"),
                key,
                VM.parseJsonBytes(keys, ".possession"),
                posting(0, 0),
                operator,
                endpoint(0)
            )
        );
        must(operator, data);
        // On a chain that split off, the same signature is worth nothing.
        VM.chainId(901);
        mustFail(account(1), data, OperatorRegistry.IdentityTaken.selector);
        require(keccak256(registry.possessionMessage(operator, p2p, key)) != keccak256(message), "chain not bound");
    }

    function test_only_the_admitted_join() public {
        ClosedDoor closed = new ClosedDoor();
        VM.prank(GOVERNOR);
        registry.setAdmission(closed);
        mustFail(account(0), joinCall(0, 0), ClosedDoor.Closed.selector);
    }

    function test_nobody_joins_before_a_policy_is_set() public {
        registry = new OperatorRegistry(GOVERNOR, NOTICE);
        mustFail(account(0), joinCall(0, 0), new bytes(0));
    }

    function test_joins_once() public {
        join(0);
        mustFail(account(0), joinCall(0, 1), wrongStatus(Status.Candidate));
        VM.prank(GOVERNOR);
        registry.activate(account(0), new bytes[](0));
        mustFail(account(0), joinCall(0, 1), wrongStatus(Status.Member));
    }

    function test_a_possession_cannot_be_copied() public {
        // Another operator sees the transaction and sends it first.
        mustFail(account(1), joinCall(0, 0), OperatorRegistry.InvalidPossession.selector);
        // With its own identity it is no better.
        bytes memory mixed = abi.encodeCall(
            OperatorRegistry.join,
            (identity(1, 0), proof(1, 0), blsKey(0, 0), possession(0, 0, 0), posting(1, 0), account(1), endpoint(1))
        );
        mustFail(account(1), mixed, OperatorRegistry.InvalidPossession.selector);
        join(0);
    }

    function test_a_possession_for_another_registry_is_refused() public {
        OperatorRegistry first = registry;
        OperatorRegistry second = new OperatorRegistry(GOVERNOR, NOTICE);
        registry = second;
        bytes memory elsewhere = joinCall(0, 0);
        registry = first;
        mustFail(account(0), elsewhere, OperatorRegistry.InvalidPossession.selector);
    }

    function test_a_signature_of_another_kind_is_no_possession() public {
        bytes memory message = registry.possessionMessage(account(0), identity(0, 0), blsKey(0, 0));
        bytes memory signed = BlsSigner.sign(blsSecret(0, 0), message, BLS12381.SIGNATURE_DST);
        mustFail(
            account(0),
            abi.encodeCall(
                OperatorRegistry.join,
                (identity(0, 0), proof(0, 0), blsKey(0, 0), signed, posting(0, 0), account(0), endpoint(0))
            ),
            OperatorRegistry.InvalidPossession.selector
        );
    }

    function test_refuses_entries_out_of_bounds() public {
        bytes memory key = blsKey(0, 0);
        bytes memory pop = possession(0, 0, 0);
        address post = posting(0, 0);
        refuse(0, proof(0, 0), key, pop, post, account(0), "a:1", OperatorRegistry.ZeroKey.selector);
        bytes32 id = identity(0, 0);
        refuse(id, new bytes(63), key, pop, post, account(0), "a:1", OperatorRegistry.InvalidIdentityProof.selector);
        refuse(id, new bytes(65), key, pop, post, account(0), "a:1", OperatorRegistry.InvalidIdentityProof.selector);
        refuse(id, proof(0, 0), "", pop, post, account(0), "a:1", OperatorRegistry.InvalidPossession.selector);
        refuse(
            id, proof(0, 0), new bytes(128), pop, post, account(0), "a:1", OperatorRegistry.InvalidPossession.selector
        );
        refuse(id, proof(0, 0), key, "", post, account(0), "a:1", OperatorRegistry.InvalidPossession.selector);
        refuse(
            id, proof(0, 0), key, new bytes(256), post, account(0), "a:1", OperatorRegistry.InvalidPossession.selector
        );
        refuse(id, proof(0, 0), key, pop, address(0), account(0), "a:1", OperatorRegistry.ZeroAddress.selector);
        refuse(id, proof(0, 0), key, pop, post, address(0), "a:1", OperatorRegistry.ZeroAddress.selector);
        refuse(id, proof(0, 0), key, pop, post, account(0), "", OperatorRegistry.InvalidEndpoint.selector);
        string memory long = string(new bytes(256));
        refuse(id, proof(0, 0), key, pop, post, account(0), long, OperatorRegistry.InvalidEndpoint.selector);
        door.give(0, false);
        refuse(id, proof(0, 0), key, pop, post, account(0), "a:1", OperatorRegistry.InvalidWeight.selector);
        door.give(uint64(type(uint32).max) + 1, false);
        refuse(id, proof(0, 0), key, pop, post, account(0), "a:1", OperatorRegistry.InvalidWeight.selector);
        door.give(type(uint32).max, false);
        join(0);
    }

    function refuse(
        bytes32 id,
        bytes memory idProof,
        bytes memory key,
        bytes memory pop,
        address post,
        address reward,
        string memory host,
        bytes4 reason
    ) private {
        bytes memory data = abi.encodeCall(OperatorRegistry.join, (id, idProof, key, pop, post, reward, host));
        mustFail(account(0), data, reason);
    }

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_a_damaged_possession_is_refused(uint256 position, bytes1 damage) public {
        VM.assume(damage != 0);
        bytes memory pop = possession(0, 0, 0);
        pop[position % pop.length] ^= damage;
        mustFail(
            account(0),
            abi.encodeCall(
                OperatorRegistry.join,
                (identity(0, 0), proof(0, 0), blsKey(0, 0), pop, posting(0, 0), account(0), endpoint(0))
            ),
            OperatorRegistry.InvalidPossession.selector
        );
    }

    function test_keys_are_unique() public {
        join(0);
        bytes memory key = blsKey(1, 0);
        bytes memory pop = possession(1, 0, 0);
        mustFail(
            account(1),
            abi.encodeCall(
                OperatorRegistry.join, (identity(0, 0), proof(0, 0), key, pop, posting(1, 0), account(1), endpoint(1))
            ),
            OperatorRegistry.IdentityTaken.selector
        );
        mustFail(
            account(1),
            abi.encodeCall(
                OperatorRegistry.join,
                (identity(1, 0), proof(1, 0), blsKey(0, 0), pop, posting(1, 0), account(1), endpoint(1))
            ),
            OperatorRegistry.BlsKeyTaken.selector
        );
        mustFail(
            account(1),
            abi.encodeCall(
                OperatorRegistry.join, (identity(1, 0), proof(1, 0), key, pop, posting(0, 0), account(1), endpoint(1))
            ),
            OperatorRegistry.PostingTaken.selector
        );
    }

    function test_keys_stay_taken_after_leaving() public {
        join(0);
        must(account(0), abi.encodeCall(OperatorRegistry.leave, ()));
        require(statusOf(0) == Status.Left, "not left");
        // Neither for itself ...
        mustFail(account(0), joinCall(0, 0), OperatorRegistry.IdentityTaken.selector);
        mustFail(
            account(0),
            abi.encodeCall(
                OperatorRegistry.join,
                (identity(0, 1), proof(0, 1), blsKey(0, 0), possession(0, 0, 1), posting(0, 1), account(0), endpoint(0))
            ),
            OperatorRegistry.BlsKeyTaken.selector
        );
        // ... nor for others.
        bytes memory pop = possession(1, 0, 0);
        mustFail(
            account(1),
            abi.encodeCall(
                OperatorRegistry.join,
                (identity(1, 0), proof(1, 0), blsKey(1, 0), pop, posting(0, 0), account(1), endpoint(1))
            ),
            OperatorRegistry.PostingTaken.selector
        );
        must(account(0), joinCall(0, 1));
        require(statusOf(0) == Status.Candidate, "did not join again");
        require(registry.operatorOf(account(0)).leavesAt == 0, "a candidate that leaves");
    }

    function test_candidates_cannot_take_the_members_places_and_both_are_bounded() public {
        uint256 candidates = registry.MAX_CANDIDATES();
        uint256 members = registry.MAX_MEMBERS();
        require(candidates + members == 128, "more than the peer sets hold");
        uint256 n;
        for (; n < members; n++) {
            join(n);
            VM.prank(GOVERNOR);
            registry.activate(account(n), new bytes[](0));
        }
        for (; n < members + candidates; n++) {
            join(n);
        }
        mustFail(account(n), joinCall(n, 0), OperatorRegistry.Full.selector);
        mustFail(
            GOVERNOR,
            abi.encodeCall(OperatorRegistry.activate, (account(members), new bytes[](0))),
            OperatorRegistry.Full.selector
        );
        checkViews();
        require(registry.memberCount() == members && registry.candidateCount() == candidates, "counts");

        // The costliest exit of all, from cold storage, fits into a small part of a block.
        must(account(0), abi.encodeCall(OperatorRegistry.leave, ()));
        VM.warp(block.timestamp + NOTICE);
        VM.cool(address(registry));
        uint256 before = gasleft();
        registry.finish(account(0));
        require(before - gasleft() < 1_000_000, "an exit costs too much");
        checkViews();
        VM.prank(GOVERNOR);
        registry.activate(account(members), new bytes[](0));
        checkViews();
    }

    function test_a_policy_that_re_enters_gains_nothing() public {
        ReenteringDoor evil = new ReenteringDoor(registry);
        genesis(1);
        VM.prank(GOVERNOR);
        registry.setAdmission(evil);
        // What it may do anyway, it may do now: the joining operator's entry is not touched by then.
        evil.dial(abi.encodeCall(OperatorRegistry.jail, (account(0))));
        join(1);
        require(statusOf(0) == Status.Jailed && statusOf(1) == Status.Candidate, "states");
        // What it may not do, it may not do now.
        evil.dial(abi.encodeCall(OperatorRegistry.release, (account(2))));
        mustFail(account(2), joinCall(2, 0), abi.encodeWithSignature("Error(string)", "refused"));
        checkViews();
    }

    // ------------------------------------------------------------------------------------------------------ activation

    function test_the_governor_activates_until_the_registry_is_opened() public {
        join(0);
        join(1);
        bytes memory first = abi.encodeCall(OperatorRegistry.activate, (account(0), new bytes[](0)));
        bytes memory second = abi.encodeCall(OperatorRegistry.activate, (account(1), new bytes[](0)));
        mustFail(STRANGER, first, OperatorRegistry.NotGovernor.selector);
        mustFail(GOVERNOR, abi.encodeCall(OperatorRegistry.open, ()), OperatorRegistry.NoMembers.selector);
        must(GOVERNOR, first);
        mustFail(STRANGER, abi.encodeCall(OperatorRegistry.open, ()), OperatorRegistry.NotGovernor.selector);
        must(GOVERNOR, abi.encodeCall(OperatorRegistry.open, ()));
        mustFail(GOVERNOR, abi.encodeCall(OperatorRegistry.open, ()), OperatorRegistry.AlreadyOpened.selector);
        mustFail(GOVERNOR, second, abi.encodeWithSelector(Attestation.TooFewSignatures.selector, 0, 1));
    }

    function test_more_than_a_third_makes_a_member() public {
        genesis(6);
        join(6);
        bytes[] memory two = attest(6, 2);
        bytes[] memory three = attest(6, 3);
        mustFail(
            STRANGER,
            abi.encodeCall(OperatorRegistry.activate, (account(6), two)),
            abi.encodeWithSelector(Attestation.TooFewSignatures.selector, 2, 6)
        );
        must(STRANGER, abi.encodeCall(OperatorRegistry.activate, (account(6), three)));
        require(registry.isMember(account(6)) && registry.candidateCount() == 0, "no member");
        checkViews();
    }

    function test_only_candidates_are_activated() public {
        genesis(1);
        bytes memory call = abi.encodeCall(OperatorRegistry.activate, (account(0), attest(0, 1)));
        mustFail(STRANGER, call, wrongStatus(Status.Member));
        must(account(0), abi.encodeCall(OperatorRegistry.leave, ()));
        mustFail(STRANGER, call, wrongStatus(Status.Leaving));
        call = abi.encodeCall(OperatorRegistry.activate, (STRANGER, attest(0, 1)));
        mustFail(STRANGER, call, wrongStatus(Status.None));
    }

    function test_old_attestations_do_not_count_for_a_new_identity() public {
        genesis(1);
        join(1);
        bytes memory old = abi.encodeCall(OperatorRegistry.activate, (account(1), attest(1, 1)));
        must(account(1), abi.encodeCall(OperatorRegistry.leave, ()));
        must(account(1), joinCall(1, 1));
        VM.prank(STRANGER);
        (bool ok,) = address(registry).call(old);
        require(!ok, "replayed");
        must(STRANGER, abi.encodeCall(OperatorRegistry.activate, (account(1), attest(1, 1))));
    }

    // --------------------------------------------------------------------------------------------------------- leaving

    function test_a_member_leaves_after_its_notice() public {
        genesis(3);
        must(account(1), abi.encodeCall(OperatorRegistry.leave, ()));
        uint64 leavesAt = uint64(block.timestamp) + NOTICE;
        require(statusOf(1) == Status.Leaving && registry.operatorOf(account(1)).leavesAt == leavesAt, "notice");
        require(registry.isMember(account(1)) && registry.memberCount() == 3, "a member until then");
        mustFail(account(1), abi.encodeCall(OperatorRegistry.leave, ()), wrongStatus(Status.Leaving));
        bytes memory finish = abi.encodeCall(OperatorRegistry.finish, (account(1)));
        VM.warp(leavesAt - 1);
        mustFail(STRANGER, finish, abi.encodeWithSelector(OperatorRegistry.NoticeRuns.selector, leavesAt));
        checkViews();
        // Its time ends its membership, whoever takes note of it.
        VM.warp(leavesAt);
        require(!registry.isMember(account(1)) && registry.memberCount() == 2, "still a member");
        checkViews();
        VM.warp(leavesAt + 30 days);
        must(STRANGER, finish);
        require(statusOf(1) == Status.Left && registry.operatorOf(account(1)).leavesAt == leavesAt, "left");
        mustFail(STRANGER, finish, wrongStatus(Status.Left));
        mustFail(account(1), abi.encodeCall(OperatorRegistry.leave, ()), wrongStatus(Status.Left));
        checkViews();
    }

    function test_candidates_and_jailed_operators_leave_at_once() public {
        genesis(2);
        join(2);
        must(account(2), abi.encodeCall(OperatorRegistry.leave, ()));
        require(statusOf(2) == Status.Left && registry.candidateCount() == 0, "candidate");
        must(address(door), abi.encodeCall(OperatorRegistry.jail, (account(1))));
        must(account(1), abi.encodeCall(OperatorRegistry.leave, ()));
        require(statusOf(1) == Status.Left, "jailed");
        require(registry.operatorOf(account(1)).leavesAt == block.timestamp, "when");
        checkViews();
    }

    function test_jailing_a_leaving_operator_cannot_hold_it() public {
        genesis(2);
        must(account(1), abi.encodeCall(OperatorRegistry.leave, ()));
        VM.warp(block.timestamp + 60);
        must(address(door), abi.encodeCall(OperatorRegistry.jail, (account(1))));
        require(statusOf(1) == Status.Left && registry.operatorOf(account(1)).leavesAt == block.timestamp, "held");
        checkViews();
    }

    function test_a_broken_policy_cannot_hold_an_operator() public {
        genesis(2);
        VM.etch(address(door), hex"fe");
        must(account(1), abi.encodeCall(OperatorRegistry.leave, ()));
        VM.warp(block.timestamp + NOTICE);
        must(STRANGER, abi.encodeCall(OperatorRegistry.finish, (account(1))));
        require(statusOf(1) == Status.Left, "held");
    }

    function test_comes_and_goes_again_and_again() public {
        genesis(2);
        for (uint256 generation = 1; generation < 4; generation++) {
            must(account(1), abi.encodeCall(OperatorRegistry.leave, ()));
            VM.warp(block.timestamp + NOTICE);
            registry.finish(account(1));
            must(account(1), joinCall(1, generation));
            registry.activate(account(1), attest(1, 1));
            require(registry.memberCount() == 2 && registry.candidateCount() == 0, "counts");
            checkViews();
        }
    }

    function test_the_last_member_may_go() public {
        genesis(1);
        must(account(0), abi.encodeCall(OperatorRegistry.leave, ()));
        VM.warp(block.timestamp + NOTICE);
        registry.finish(account(0));
        require(registry.memberCount() == 0, "still there");
        checkViews();
    }

    function test_strangers_cannot_leave() public {
        mustFail(STRANGER, abi.encodeCall(OperatorRegistry.leave, ()), wrongStatus(Status.None));
    }

    // ------------------------------------------------------------------------------------------------- changing oneself

    function test_rotates_both_keys_and_moves_in_the_order() public {
        genesis(5);
        for (uint256 generation = 1; generation < 4; generation++) {
            must(account(2), rotateCall(2, generation));
            Operator memory entry = registry.operatorOf(account(2));
            require(entry.identity == identity(2, generation) && entry.status == Status.Member, "identity");
            require(keccak256(entry.blsKey) == keccak256(blsKey(2, generation)), "key");
            require(keccak256(entry.identityProof) == keccak256(proof(2, generation)), "proof");
            checkViews();
        }
        mustFail(account(2), rotateCall(2, 1), OperatorRegistry.IdentityTaken.selector);
        mustFail(account(1), rotateCall(2, 2), OperatorRegistry.IdentityTaken.selector);
    }

    function test_rotates_one_key_and_keeps_the_other() public {
        genesis(2);
        must(
            account(0),
            abi.encodeCall(
                OperatorRegistry.rotateKeys, (identity(0, 0), proof(0, 0), blsKey(0, 1), possession(0, 1, 0))
            )
        );
        must(
            account(0),
            abi.encodeCall(
                OperatorRegistry.rotateKeys, (identity(0, 1), proof(0, 1), blsKey(0, 1), possession(0, 1, 1))
            )
        );
        // The old BLS key is used up, also for its owner.
        mustFail(
            account(0),
            abi.encodeCall(
                OperatorRegistry.rotateKeys, (identity(0, 1), proof(0, 1), blsKey(0, 0), possession(0, 0, 1))
            ),
            OperatorRegistry.BlsKeyTaken.selector
        );
        // A wrong identity proof is mended with the same keys.
        bytes memory mended = abi.encode(1, 2);
        must(
            account(0),
            abi.encodeCall(OperatorRegistry.rotateKeys, (identity(0, 1), mended, blsKey(0, 1), possession(0, 1, 1)))
        );
        require(keccak256(registry.operatorOf(account(0)).identityProof) == keccak256(mended), "proof");
        checkViews();
    }

    function test_a_rotation_proves_possession_too() public {
        genesis(1);
        mustFail(
            account(0),
            abi.encodeCall(
                OperatorRegistry.rotateKeys, (identity(0, 1), proof(0, 1), blsKey(0, 1), possession(0, 1, 0))
            ),
            OperatorRegistry.InvalidPossession.selector
        );
        checkViews();
    }

    function test_every_present_operator_may_rotate_and_no_other() public {
        join(0);
        must(account(0), rotateCall(0, 1));
        VM.prank(GOVERNOR);
        registry.activate(account(0), new bytes[](0));
        must(address(door), abi.encodeCall(OperatorRegistry.jail, (account(0))));
        must(account(0), rotateCall(0, 2));
        must(address(door), abi.encodeCall(OperatorRegistry.release, (account(0))));
        must(account(0), abi.encodeCall(OperatorRegistry.leave, ()));
        must(account(0), rotateCall(0, 3));
        checkViews();
        VM.warp(block.timestamp + NOTICE);
        registry.finish(account(0));
        mustFail(account(0), rotateCall(0, 4), wrongStatus(Status.Left));
        mustFail(STRANGER, rotateCall(0, 4), wrongStatus(Status.None));
        checkViews();
    }

    function test_sets_posting_reward_and_endpoint() public {
        genesis(2);
        must(account(0), abi.encodeCall(OperatorRegistry.setPosting, (posting(0, 1))));
        require(registry.operatorOfPosting(posting(0, 1)) == account(0), "new key");
        require(registry.operatorOfPosting(posting(0, 0)) == address(0), "old key");
        mustFail(
            account(1),
            abi.encodeCall(OperatorRegistry.setPosting, (posting(0, 0))),
            OperatorRegistry.PostingTaken.selector
        );
        must(account(0), abi.encodeCall(OperatorRegistry.setPosting, (posting(0, 0))));
        require(registry.operatorOfPosting(posting(0, 0)) == account(0), "back again");
        must(account(0), abi.encodeCall(OperatorRegistry.setReward, (STRANGER)));
        must(account(0), abi.encodeCall(OperatorRegistry.setEndpoint, ("elsewhere:1")));
        Operator memory entry = registry.operatorOf(account(0));
        require(entry.reward == STRANGER && keccak256(bytes(entry.endpoint)) == keccak256("elsewhere:1"), "entry");

        bytes4 zero = OperatorRegistry.ZeroAddress.selector;
        mustFail(account(0), abi.encodeCall(OperatorRegistry.setPosting, (address(0))), zero);
        mustFail(account(0), abi.encodeCall(OperatorRegistry.setReward, (address(0))), zero);
        mustFail(
            account(0), abi.encodeCall(OperatorRegistry.setEndpoint, ("")), OperatorRegistry.InvalidEndpoint.selector
        );
        mustFail(STRANGER, abi.encodeCall(OperatorRegistry.setPosting, (STRANGER)), wrongStatus(Status.None));
        mustFail(STRANGER, abi.encodeCall(OperatorRegistry.setReward, (STRANGER)), wrongStatus(Status.None));
        mustFail(STRANGER, abi.encodeCall(OperatorRegistry.setEndpoint, ("a:1")), wrongStatus(Status.None));
        require(registry.operatorOfPosting(address(0)) == address(0), "nobody's key");
    }

    // ------------------------------------------------------------------------------------------------ policy, governor

    function test_the_policy_jails_releases_expels_and_weighs() public {
        genesis(3);
        must(address(door), abi.encodeCall(OperatorRegistry.jail, (account(0))));
        require(!registry.isMember(account(0)) && registry.memberCount() == 2, "jailed");
        checkViews();
        mustFail(address(door), abi.encodeCall(OperatorRegistry.jail, (account(0))), wrongStatus(Status.Jailed));
        must(address(door), abi.encodeCall(OperatorRegistry.release, (account(0))));
        mustFail(address(door), abi.encodeCall(OperatorRegistry.release, (account(0))), wrongStatus(Status.Member));
        checkViews();
        must(address(door), abi.encodeCall(OperatorRegistry.setWeight, (account(0), 9)));
        must(address(door), abi.encodeCall(OperatorRegistry.setReserve, (account(0), true)));
        require(registry.operatorOf(account(0)).weight == 9 && registry.operatorOf(account(0)).reserve, "weighed");
        mustFail(
            address(door),
            abi.encodeCall(OperatorRegistry.setWeight, (account(0), 0)),
            OperatorRegistry.InvalidWeight.selector
        );
        must(address(door), abi.encodeCall(OperatorRegistry.expel, (account(0))));
        require(statusOf(0) == Status.Leaving, "expelled with notice");
        mustFail(address(door), abi.encodeCall(OperatorRegistry.expel, (account(0))), wrongStatus(Status.Leaving));
        mustFail(address(door), abi.encodeCall(OperatorRegistry.expel, (STRANGER)), wrongStatus(Status.None));
        mustFail(address(door), abi.encodeCall(OperatorRegistry.setWeight, (STRANGER, 1)), wrongStatus(Status.None));
        mustFail(address(door), abi.encodeCall(OperatorRegistry.setReserve, (STRANGER, true)), wrongStatus(Status.None));
        checkViews();
    }

    function test_only_the_policy_does_so() public {
        genesis(2);
        bytes4 reason = OperatorRegistry.NotAdmission.selector;
        address[3] memory others = [GOVERNOR, STRANGER, account(1)];
        for (uint256 i = 0; i < others.length; i++) {
            mustFail(others[i], abi.encodeCall(OperatorRegistry.jail, (account(0))), reason);
            mustFail(others[i], abi.encodeCall(OperatorRegistry.release, (account(0))), reason);
            mustFail(others[i], abi.encodeCall(OperatorRegistry.expel, (account(0))), reason);
            mustFail(others[i], abi.encodeCall(OperatorRegistry.setWeight, (account(0), 1)), reason);
            mustFail(others[i], abi.encodeCall(OperatorRegistry.setReserve, (account(0), true)), reason);
        }
    }

    function test_the_policy_is_switched_live() public {
        genesis(2);
        ClosedDoor closed = new ClosedDoor();
        bytes memory call = abi.encodeCall(OperatorRegistry.setAdmission, (closed));
        mustFail(STRANGER, call, OperatorRegistry.NotGovernor.selector);
        must(GOVERNOR, call);
        require(address(registry.admission()) == address(closed) && registry.memberCount() == 2, "members stay");
        mustFail(
            address(door), abi.encodeCall(OperatorRegistry.jail, (account(0))), OperatorRegistry.NotAdmission.selector
        );
        mustFail(
            GOVERNOR,
            abi.encodeCall(OperatorRegistry.setAdmission, (IAdmission(STRANGER))),
            abi.encodeWithSelector(OperatorRegistry.NotAContract.selector, STRANGER)
        );
    }

    function test_announces_schedules() public {
        bytes memory call = abi.encodeCall(OperatorRegistry.announceSchedule, ("weighted", 12));
        mustFail(STRANGER, call, OperatorRegistry.NotGovernor.selector);
        VM.recordLogs();
        must(GOVERNOR, call);
        Vm.Log[] memory logs = VM.getRecordedLogs();
        require(logs.length == 1 && logs[0].topics[0] == IOperatorRegistry.ScheduleAnnounced.selector, "event");
        require(logs[0].topics[1] == "weighted" && abi.decode(logs[0].data, (uint64)) == 12, "fields");
        mustFail(
            GOVERNOR, abi.encodeCall(OperatorRegistry.announceSchedule, (0, 12)), OperatorRegistry.ZeroKind.selector
        );
    }

    function test_the_governor_is_handed_over_in_two_steps() public {
        bytes memory propose = abi.encodeCall(OperatorRegistry.proposeGovernor, (STRANGER));
        bytes memory accept = abi.encodeCall(OperatorRegistry.acceptGovernor, ());
        mustFail(STRANGER, propose, OperatorRegistry.NotGovernor.selector);
        mustFail(STRANGER, accept, OperatorRegistry.NotNextGovernor.selector);
        must(GOVERNOR, propose);
        require(registry.governor() == GOVERNOR, "too early");
        // Taken back, and offered again.
        must(GOVERNOR, abi.encodeCall(OperatorRegistry.proposeGovernor, (address(0))));
        mustFail(STRANGER, accept, OperatorRegistry.NotNextGovernor.selector);
        must(GOVERNOR, propose);
        must(STRANGER, accept);
        require(registry.governor() == STRANGER && registry.nextGovernor() == address(0), "not handed over");
        mustFail(GOVERNOR, propose, OperatorRegistry.NotGovernor.selector);
        mustFail(STRANGER, accept, OperatorRegistry.NotNextGovernor.selector);
    }

    function test_a_deployment_has_a_governor_and_a_notice_that_ends() public {
        uint64 longest = registry.MAX_NOTICE();
        VM.expectRevert(OperatorRegistry.ZeroAddress.selector);
        new OperatorRegistry(address(0), NOTICE);
        VM.expectRevert(OperatorRegistry.NoticeTooLong.selector);
        new OperatorRegistry(GOVERNOR, longest + 1);
        require(new OperatorRegistry(GOVERNOR, longest).notice() == longest, "notice");
    }

    function test_nobody_follows_in_an_empty_registry() public view {
        (address operator, bytes32 next, address post) = registry.nextAfter(identity(0, 0));
        require(operator == address(0) && next == 0 && post == address(0), "somebody");
        checkViews();
    }

    /// forge-config: default.fuzz.runs = 32
    function testFuzz_next_after_any_identity_is_the_next_member(bytes32 cursor) public {
        genesis(4);
        must(address(door), abi.encodeCall(OperatorRegistry.jail, (account(1))));
        (, Operator[] memory entries) = registry.committee();
        bytes32 expected = entries[0].identity;
        for (uint256 i = entries.length; i > 0; i--) {
            if (entries[i - 1].identity > cursor) expected = entries[i - 1].identity;
        }
        (, bytes32 next,) = registry.nextAfter(cursor);
        require(next == expected, "another");
    }
}
