// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {BLS12381} from "../src/BLS12381.sol";
import {ISystemConfig} from "../src/ISystemConfig.sol";
import {Operator} from "../src/Operator.sol";
import {OperatorRegistry} from "../src/OperatorRegistry.sol";
import {PostingTurns} from "../src/PostingTurns.sol";
import {BlsSigner} from "./BlsSigner.sol";
import {RegistryTest} from "./RegistryTest.sol";
import {VM, Vm} from "./Vm.sol";

/// @notice Posting turns of the real registry over the real `SystemConfig`: the recorded L1 genesis.
abstract contract PostingTurnsTest is RegistryTest {
    ISystemConfig constant CONFIG = ISystemConfig(0x0165878A594ca255338adfa4d48449f69242Eb8F);
    /// Owner of `SystemConfig` in the recorded genesis.
    address constant OWNER = 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266;
    bytes32 constant CONFIG_UPDATE = keccak256("ConfigUpdate(uint256,uint8,bytes)");
    uint64 constant WINDOW = 300;
    uint64 constant TENURE = 15;
    uint64 constant FIRST_BLOCK = 1000;

    PostingTurns turns;

    /// @dev Members `0..members`; the posting turns own `SystemConfig`, none has begun.
    function start(uint256 members) internal {
        deploy();
        genesis(members);
        startTurns();
    }

    function startTurns() internal {
        VM.loadAllocs("../vectors/l1-genesis.json");
        VM.roll(FIRST_BLOCK);
        turns = new PostingTurns(CONFIG, registry, WINDOW, TENURE);
        VM.prank(OWNER);
        CONFIG.transferOwnership(address(turns));
    }

    /// @dev By a stranger, as anybody may.
    function rotate() internal {
        VM.prank(STRANGER);
        turns.rotate();
    }

    /// @dev Rotates in the first block in which that is possible.
    function rotateInTime() internal {
        VM.roll(turns.current().endBlock);
        rotate();
    }

    /// @dev Skips the running turn with signatures by these keys.
    function skipBy(uint256[] memory keys) internal {
        uint64 number = turns.current().number;
        bytes[] memory signatures = signAll(turns.skipDigest(number), keys);
        VM.prank(STRANGER);
        turns.skip(number, signatures);
    }

    /// @dev A member that is not jailed changes its identity to one of its choice.
    function moveTo(uint256 n, bytes32 newIdentity) internal {
        bytes memory key = blsKey(n, 0);
        bytes memory message = registry.possessionMessage(account(n), newIdentity, key);
        bytes memory possessed = BlsSigner.sign(blsSecret(n, 0), message, BLS12381.POSSESSION_DST);
        must(account(n), abi.encodeCall(OperatorRegistry.rotateKeys, (newIdentity, proof(n, 0), key, possessed)));
    }

    /// @dev The members in canonical order.
    function inOrder() internal view returns (address[] memory operators) {
        (operators,) = registry.committee();
    }

    /// @dev The number of an operator.
    function numberOf(address operator) internal pure returns (uint256) {
        return uint256(uint160(operator)) - 0x10000;
    }

    function hashOf(address posting) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(posting)));
    }

    /// @dev An operator has the turn, and derivation and gossip go by its registered posting address.
    function requireTurnOf(address operator) internal view {
        PostingTurns.Turn memory turn = turns.current();
        Operator memory entry = registry.operatorOf(operator);
        require(turn.operator == operator, "another operator");
        require(turn.identity == entry.identity && turn.posting == entry.posting, "another entry");
        require(turn.startBlock == block.number && turn.endBlock == block.number + WINDOW, "another window");
        requirePoster(entry.posting);
    }

    function requirePoster(address posting) internal view {
        require(CONFIG.batcherHash() == hashOf(posting), "another batcher");
        require(CONFIG.unsafeBlockSigner() == posting, "another signer");
    }

    /// @dev The types of the `ConfigUpdate` events among the recorded logs, as a bit set.
    function updates(Vm.Log[] memory logs) internal pure returns (uint256 types) {
        for (uint256 i = 0; i < logs.length; i++) {
            if (logs[i].emitter != address(CONFIG)) continue;
            require(logs[i].topics[0] == CONFIG_UPDATE && logs[i].topics[1] == 0, "another event");
            types |= 2 ** uint256(logs[i].topics[2]);
        }
    }
}
