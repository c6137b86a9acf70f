// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Attestation} from "../src/Attestation.sol";
import {IOperatorRegistry} from "../src/IOperatorRegistry.sol";
import {OperatorRegistry} from "../src/OperatorRegistry.sol";
import {RegistryTest} from "./RegistryTest.sol";
import {VM} from "./Vm.sol";

/// @notice A contract that asks the members.
contract Asker {
    function ready(address operator, bytes32 identity) external view returns (bytes32) {
        return Attestation.readyDigest(operator, identity);
    }

    function skip(uint64 turn) external view returns (bytes32) {
        return Attestation.skipDigest(turn);
    }

    function requireMoreThanAThird(IOperatorRegistry registry, bytes32 digest, bytes[] calldata signatures)
        external
        view
    {
        Attestation.requireMoreThanAThird(registry, digest, signatures);
    }
}

contract AttestationTest is RegistryTest {
    uint256 constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 constant MEMBERS = 7;

    Asker asker;
    bytes32 digest;

    function setUp() public {
        deploy();
        genesis(MEMBERS);
        asker = new Asker();
        digest = asker.skip(3);
    }

    function test_digests_and_signatures_of_the_vectors() public {
        string memory vectors = VM.readFile("../vectors/registry/attestation.json");
        VM.chainId(VM.parseJsonUint(vectors, ".chainId"));
        address at = VM.parseJsonAddress(vectors, ".contract");
        VM.etch(at, address(asker).code);
        bytes32 ready = Asker(at)
            .ready(
                VM.parseJsonAddress(vectors, ".ready.message.operator"),
                VM.parseJsonBytes32(vectors, ".ready.message.identity")
            );
        bytes32 skip = Asker(at).skip(uint64(VM.parseJsonUint(vectors, ".skip.message.turn")));
        require(ready == VM.parseJsonBytes32(vectors, ".ready.digest"), "ready");
        require(skip == VM.parseJsonBytes32(vectors, ".skip.digest"), "skip");
        uint256 key = VM.parseJsonUint(vectors, ".signerSecret");
        require(
            keccak256(signature(key, ready)) == keccak256(VM.parseJsonBytes(vectors, ".ready.signature")),
            "signed ready"
        );
        require(
            keccak256(signature(key, skip)) == keccak256(VM.parseJsonBytes(vectors, ".skip.signature")), "signed skip"
        );
    }

    function testFuzz_a_digest_binds_chain_contract_and_subject(uint64 turn, uint64 other, uint32 chain) public {
        VM.assume(turn != other && chain != block.chainid && chain != 0);
        bytes32 here = asker.skip(turn);
        require(here != asker.skip(other), "turn");
        require(here != new Asker().skip(turn), "contract");
        VM.chainId(chain);
        require(here != asker.skip(turn), "chain");
    }

    function test_more_than_a_third_is_enough_and_a_third_is_not() public {
        deploy();
        for (uint256 members = 1; members <= 10; members++) {
            join(members - 1);
            VM.prank(GOVERNOR);
            registry.activate(account(members - 1), new bytes[](0));
            uint256 third = members / 3;
            bytes[] memory tooFew = signAll(digest, postingKeys(0, third));
            fails(tooFew, abi.encodeWithSelector(Attestation.TooFewSignatures.selector, third, members));
            asker.requireMoreThanAThird(registry, digest, signAll(digest, postingKeys(0, third + 1)));
            asker.requireMoreThanAThird(registry, digest, signAll(digest, postingKeys(0, members)));
        }
    }

    function test_nobody_counts_twice() public {
        bytes[] memory signatures = signAll(digest, postingKeys(0, 3));
        signatures[1] = signatures[0];
        fails(signatures, abi.encodeWithSelector(Attestation.SignersOutOfOrder.selector, 1));
    }

    function test_signers_ascend() public {
        bytes[] memory signatures = signAll(digest, postingKeys(0, 3));
        (signatures[0], signatures[2]) = (signatures[2], signatures[0]);
        fails(signatures, abi.encodeWithSelector(Attestation.SignersOutOfOrder.selector, 1));
    }

    function test_high_s_is_refused() public {
        bytes[] memory signatures = signAll(digest, postingKeys(0, 3));
        (bytes32 r, bytes32 s) = (word(signatures[2], 0), word(signatures[2], 32));
        uint8 v = uint8(signatures[2][64]) == 27 ? 28 : 27;
        signatures[2] = abi.encodePacked(r, bytes32(ORDER - uint256(s)), v);
        fails(signatures, abi.encodeWithSelector(Attestation.InvalidSignature.selector, 2));
    }

    function test_odd_lengths_and_recovery_ids_are_refused() public {
        bytes[] memory signatures = signAll(digest, postingKeys(0, 3));
        bytes memory reason = abi.encodeWithSelector(Attestation.InvalidSignature.selector, 0);
        bytes memory good = signatures[0];
        signatures[0] = bytes.concat(good, hex"00");
        fails(signatures, reason);
        signatures[0] = "";
        fails(signatures, reason);
        signatures[0] = abi.encodePacked(word(good, 0), word(good, 32), uint8(0));
        fails(signatures, reason);
        signatures[0] = abi.encodePacked(bytes32(0), bytes32(0), uint8(27));
        fails(signatures, reason);
    }

    function test_strangers_and_former_members_do_not_count() public {
        uint256[] memory keys = postingKeys(0, 3);
        keys[1] = 0xBAD;
        bytes memory reason = abi.encodeWithSelector(Attestation.TooFewSignatures.selector, 2, MEMBERS);
        fails(signAll(digest, keys), reason);

        bytes[] memory signatures = signAll(digest, postingKeys(0, 3));
        asker.requireMoreThanAThird(registry, digest, signatures);
        // Jailed: two of six are no more than a third.
        must(address(door), abi.encodeCall(OperatorRegistry.jail, (account(1))));
        fails(signatures, abi.encodeWithSelector(Attestation.TooFewSignatures.selector, 2, MEMBERS - 1));
        must(address(door), abi.encodeCall(OperatorRegistry.release, (account(1))));
        // With a key it has retired.
        must(account(1), abi.encodeCall(OperatorRegistry.setPosting, (posting(1, 1))));
        fails(signatures, reason);
        must(account(1), abi.encodeCall(OperatorRegistry.setPosting, (posting(1, 0))));
        // While it leaves it counts; after that no more, also if nobody has taken note of it.
        must(account(1), abi.encodeCall(OperatorRegistry.leave, ()));
        asker.requireMoreThanAThird(registry, digest, signatures);
        VM.warp(block.timestamp + NOTICE);
        reason = abi.encodeWithSelector(Attestation.TooFewSignatures.selector, 2, MEMBERS - 1);
        fails(signatures, reason);
        registry.finish(account(1));
        fails(signatures, reason);
    }

    function test_candidates_do_not_count() public {
        join(MEMBERS);
        bytes[] memory signatures = signAll(digest, postingKeys(MEMBERS - 2, 3));
        fails(signatures, abi.encodeWithSelector(Attestation.TooFewSignatures.selector, 2, MEMBERS));
    }

    function test_a_signer_that_changes_its_key_in_time_cannot_make_the_call_fail() public {
        bytes[] memory signatures = signAll(digest, postingKeys(0, 4));
        must(account(1), abi.encodeCall(OperatorRegistry.setPosting, (posting(1, 1))));
        asker.requireMoreThanAThird(registry, digest, signatures);
    }

    function testFuzz_a_damaged_signature_fails(uint256 which, uint256 position, bytes1 damage) public {
        VM.assume(damage != 0);
        bytes[] memory signatures = signAll(digest, postingKeys(0, 3));
        which = which % 3;
        signatures[which][position % 65] ^= damage;
        (bool ok,) = address(asker).call(abi.encodeCall(Asker.requireMoreThanAThird, (registry, digest, signatures)));
        require(!ok, "counted");
    }

    function test_no_members_no_attestation() public {
        deploy();
        bytes[] memory none = new bytes[](0);
        fails(none, abi.encodeWithSelector(Attestation.TooFewSignatures.selector, 0, 0));
    }

    function fails(bytes[] memory signatures, bytes memory reason) private {
        VM.expectRevert(reason);
        asker.requireMoreThanAThird(registry, digest, signatures);
    }

    function word(bytes memory data, uint256 offset) private pure returns (bytes32 result) {
        for (uint256 i = 0; i < 32; i++) {
            result |= bytes32(data[offset + i]) >> (8 * i);
        }
    }
}
