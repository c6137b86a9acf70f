// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {GovernedAdmission} from "../src/GovernedAdmission.sol";
import {OperatorRegistry} from "../src/OperatorRegistry.sol";
import {RegistryTest} from "./RegistryTest.sol";
import {VM} from "./Vm.sol";

/// @notice What an operator pays: whole transactions (isolated: cold storage, calldata and base cost included), with seven
///         members and the governed policy. Recorded in `snapshots/OperatorRegistry.json`; another figure fails.
contract OperatorRegistryGasTest is RegistryTest {
    uint256 constant MEMBERS = 7;

    function setUp() public {
        deploy();
        genesis(MEMBERS);
        GovernedAdmission policy = new GovernedAdmission(registry, 0);
        VM.startPrank(GOVERNOR);
        registry.setAdmission(policy);
        policy.execute(policy.planAdmit(account(MEMBERS), 1, false));
        VM.stopPrank();
    }

    /// forge-config: default.isolate = true
    function test_gas_of_an_operators_life() public {
        paid("register", account(MEMBERS), joinCall(MEMBERS, 0));
        bytes[] memory attestations = attest(MEMBERS, 3);
        paid("activate", STRANGER, abi.encodeCall(OperatorRegistry.activate, (account(MEMBERS), attestations)));
        paid("rotate keys", account(MEMBERS), rotateCall(MEMBERS, 1));
        paid("set posting", account(MEMBERS), abi.encodeCall(OperatorRegistry.setPosting, (posting(MEMBERS, 1))));
        paid("leave", account(MEMBERS), abi.encodeCall(OperatorRegistry.leave, ()));
        VM.warp(block.timestamp + NOTICE);
        paid("finish", STRANGER, abi.encodeCall(OperatorRegistry.finish, (account(MEMBERS))));
    }

    function paid(string memory name, address sender, bytes memory data) private {
        must(sender, data);
        VM.snapshotGasLastCall("OperatorRegistry", name);
    }
}
