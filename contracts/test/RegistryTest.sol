// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {BLS12381} from "../src/BLS12381.sol";
import {IAdmission} from "../src/IAdmission.sol";
import {Operator, Status} from "../src/Operator.sol";
import {OperatorRegistry} from "../src/OperatorRegistry.sol";
import {BlsSigner} from "./BlsSigner.sol";
import {VM} from "./Vm.sol";

/// @notice Admits everybody, and passes the governor's wishes on: the registry's rules alone are tested behind it.
contract OpenDoor is IAdmission {
    OperatorRegistry immutable registry;
    uint64 weight = 1;
    bool reserve;

    constructor(OperatorRegistry operators) {
        registry = operators;
    }

    function give(uint64 newWeight, bool newReserve) external {
        (weight, reserve) = (newWeight, newReserve);
    }

    function onJoin(address) external view returns (uint64, bool) {
        return (weight, reserve);
    }
}

/// @notice Operators by number, each with any number of keys ("generations"), on a registry with an open door.
abstract contract RegistryTest {
    address constant GOVERNOR = address(0x60BE);
    address constant STRANGER = address(0x5712);
    uint64 constant NOTICE = 1 days;

    OperatorRegistry registry;
    OpenDoor door;

    function deploy() internal {
        VM.warp(1_800_000_000);
        registry = new OperatorRegistry(GOVERNOR, NOTICE);
        door = new OpenDoor(registry);
        VM.prank(GOVERNOR);
        registry.setAdmission(door);
    }

    // ------------------------------------------------------------------------------------------------ who is who

    function account(uint256 n) internal pure returns (address) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return address(uint160(0x10000 + n));
    }

    function identity(uint256 n, uint256 generation) internal pure returns (bytes32) {
        return keccak256(abi.encode("identity", n, generation));
    }

    function postingKey(uint256 n, uint256 generation) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("posting", n, generation))) >> 1;
    }

    function posting(uint256 n, uint256 generation) internal pure returns (address) {
        return VM.addr(postingKey(n, generation));
    }

    function blsSecret(uint256 n, uint256 generation) internal pure returns (uint256) {
        return BlsSigner.secret(uint256(keccak256(abi.encode(n, generation))));
    }

    function blsKey(uint256 n, uint256 generation) internal view returns (bytes memory) {
        return BlsSigner.publicKey(blsSecret(n, generation));
    }

    function proof(uint256 n, uint256 generation) internal pure returns (bytes memory) {
        return abi.encode(identity(n, generation), keccak256("proof"));
    }

    /// @dev By the operator's key of one generation, for its identity of another.
    function possession(uint256 n, uint256 blsGeneration, uint256 identityGeneration)
        internal
        view
        returns (bytes memory)
    {
        bytes memory message =
            registry.possessionMessage(account(n), identity(n, identityGeneration), blsKey(n, blsGeneration));
        return BlsSigner.sign(blsSecret(n, blsGeneration), message, BLS12381.POSSESSION_DST);
    }

    function endpoint(uint256 n) internal pure returns (string memory) {
        return string.concat("operator-", VM.toString(n), ".example:30000");
    }

    // ------------------------------------------------------------------------------------------------ what they do

    /// @dev The call data of a valid join.
    function joinCall(uint256 n, uint256 generation) internal view returns (bytes memory) {
        return abi.encodeCall(
            OperatorRegistry.join,
            (
                identity(n, generation),
                proof(n, generation),
                blsKey(n, generation),
                possession(n, generation, generation),
                posting(n, generation),
                account(n),
                endpoint(n)
            )
        );
    }

    function rotateCall(uint256 n, uint256 generation) internal view returns (bytes memory) {
        return abi.encodeCall(
            OperatorRegistry.rotateKeys,
            (
                identity(n, generation),
                proof(n, generation),
                blsKey(n, generation),
                possession(n, generation, generation)
            )
        );
    }

    /// @dev Makes a call as somebody, and fails the test with its reason if it fails.
    function must(address sender, bytes memory data) internal {
        VM.prank(sender);
        (bool ok, bytes memory result) = address(registry).call(data);
        require(ok, VM.toString(result));
    }

    /// @dev Makes a call as somebody that has to fail for exactly this reason.
    function mustFail(address sender, bytes memory data, bytes memory reason) internal {
        VM.prank(sender);
        (bool ok, bytes memory result) = address(registry).call{gas: 4_000_000}(data);
        require(!ok, "did not fail");
        require(keccak256(result) == keccak256(reason), VM.toString(result));
    }

    function mustFail(address sender, bytes memory data, bytes4 reason) internal {
        mustFail(sender, data, abi.encodeWithSelector(reason));
    }

    function wrongStatus(Status status) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(OperatorRegistry.WrongStatus.selector, status);
    }

    function join(uint256 n) internal {
        must(account(n), joinCall(n, 0));
    }

    /// @dev Members `0..count` from genesis; the registry is open.
    function genesis(uint256 count) internal {
        for (uint256 n = 0; n < count; n++) {
            join(n);
            VM.prank(GOVERNOR);
            registry.activate(account(n), new bytes[](0));
        }
        VM.prank(GOVERNOR);
        registry.open();
    }

    /// @dev Signatures of a digest by posting keys, ascending by signer.
    function signAll(bytes32 digest, uint256[] memory keys) internal pure returns (bytes[] memory signatures) {
        for (uint256 i = 1; i < keys.length; i++) {
            for (uint256 j = i; j > 0 && VM.addr(keys[j]) < VM.addr(keys[j - 1]); j--) {
                (keys[j], keys[j - 1]) = (keys[j - 1], keys[j]);
            }
        }
        signatures = new bytes[](keys.length);
        for (uint256 i = 0; i < keys.length; i++) {
            signatures[i] = signature(keys[i], digest);
        }
    }

    function signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev First posting keys of the operators `first..first + count`.
    function postingKeys(uint256 first, uint256 count) internal pure returns (uint256[] memory keys) {
        keys = new uint256[](count);
        for (uint256 i = 0; i < count; i++) {
            keys[i] = postingKey(first + i, 0);
        }
    }

    /// @dev The operators `0..count` say that `n` is ready.
    function attest(uint256 n, uint256 count) internal view returns (bytes[] memory) {
        bytes32 digest = registry.readyDigest(account(n), registry.operatorOf(account(n)).identity);
        return signAll(digest, postingKeys(0, count));
    }

    function statusOf(uint256 n) internal view returns (Status) {
        return registry.operatorOf(account(n)).status;
    }

    // --------------------------------------------------------------------------------------------------- assertions

    /// @dev The views agree with each other; the committee is in canonical order.
    function checkViews() internal view {
        (address[] memory operators, Operator[] memory entries) = registry.committee();
        require(operators.length == entries.length && operators.length == registry.memberCount(), "count");
        require(operators.length <= registry.MAX_MEMBERS(), "too many");
        bytes32 cursor;
        for (uint256 i = 0; i < operators.length; i++) {
            require(registry.isMember(operators[i]), "no member");
            require(same(entries[i], registry.operatorOf(operators[i])), "entry");
            require(registry.operatorOfPosting(entries[i].posting) == operators[i], "posting");
            require(entries[i].identity > cursor, "order");
            (address next, bytes32 nextIdentity, address nextPosting) = registry.nextAfter(cursor);
            require(
                next == operators[i] && nextIdentity == entries[i].identity && nextPosting == entries[i].posting, "next"
            );
            cursor = nextIdentity;
        }
        (address wrapped,,) = registry.nextAfter(cursor);
        require(wrapped == (operators.length == 0 ? address(0) : operators[0]), "wrap");
    }

    function same(Operator memory one, Operator memory other) internal pure returns (bool) {
        return keccak256(abi.encode(one)) == keccak256(abi.encode(other));
    }
}
