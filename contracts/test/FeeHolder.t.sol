// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {FeeHolder} from "../src/FeeHolder.sol";
import {VM, Vm} from "./Vm.sol";

interface IFeeVault {
    function withdraw() external;
    function RECIPIENT() external view returns (address);
    function MIN_WITHDRAWAL_AMOUNT() external view returns (uint256);
}

interface IProxy {
    function upgradeTo(address implementation) external;
}

/// @notice Spends what the holder held: stands for whatever shares the fees later.
contract FeePayer {
    receive() external payable {}

    function pay(address payable to, uint256 amount) external {
        (bool ok,) = to.call{value: amount}("");
        require(ok);
    }
}

/// @notice The fee path on the recorded genesis: the real vaults, the proxy, the holder.
contract FeeHolderTest {
    address constant GOVERNOR = 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266;
    address payable constant RECIPIENT = payable(0x526F746100000000000000000000000000000001);
    address constant HOLDER = 0x526F746100000000000000000000000000000002;
    bytes32 constant IMPLEMENTATION_SLOT = 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;
    bytes32 constant ADMIN_SLOT = 0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103;

    address[3] vaults = [
        0x4200000000000000000000000000000000000011,
        0x4200000000000000000000000000000000000019,
        0x420000000000000000000000000000000000001A
    ];

    function setUp() public {
        string memory genesis = VM.readFile("../vectors/genesis-jovian.json");
        for (uint256 i = 0; i < vaults.length; i++) {
            loadProxy(genesis, vaults[i]);
        }
        require(loadProxy(genesis, RECIPIENT) == HOLDER, "recipient is not in front of the holder");
    }

    function test_genesis_holds_the_compiled_holder() public view {
        require(keccak256(HOLDER.code) == keccak256(type(FeeHolder).runtimeCode), "another holder");
    }

    function test_every_vault_withdraws_to_the_holder() public {
        uint256 expected;
        for (uint256 i = 0; i < vaults.length; i++) {
            IFeeVault vault = IFeeVault(vaults[i]);
            require(vault.RECIPIENT() == RECIPIENT, "wrong recipient");
            uint256 amount = vault.MIN_WITHDRAWAL_AMOUNT() + i;
            expected += amount;
            VM.deal(vaults[i], amount);
            VM.recordLogs();
            vault.withdraw();
            require(vaults[i].balance == 0 && RECIPIENT.balance == expected, "not withdrawn");
            requireReceived(vaults[i], amount);
        }
    }

    function test_holder_cannot_spend() public {
        VM.deal(RECIPIENT, 1 ether);
        (bool ok,) = RECIPIENT.call(abi.encodeCall(FeePayer.pay, (payable(GOVERNOR), 1)));
        require(!ok, "the holder spent");
    }

    function test_only_the_governor_upgrades_and_the_funds_stay() public {
        VM.deal(RECIPIENT, 1 ether);
        address payer = address(new FeePayer());
        (bool ok,) = RECIPIENT.call(abi.encodeCall(IProxy.upgradeTo, (payer)));
        require(!ok, "a stranger upgraded");

        VM.prank(GOVERNOR);
        IProxy(RECIPIENT).upgradeTo(payer);
        require(RECIPIENT.balance == 1 ether, "funds lost");
        FeePayer(RECIPIENT).pay(payable(address(0xBEEF)), 0.4 ether);
        require(address(0xBEEF).balance == 0.4 ether && RECIPIENT.balance == 0.6 ether, "not spent");
    }

    /// @dev Copies a proxy and its implementation from the genesis.
    function loadProxy(string memory genesis, address proxy) private returns (address implementation) {
        bytes32 target = VM.parseJsonBytes32(genesis, slot(proxy, IMPLEMENTATION_SLOT));
        implementation = address(uint160(uint256(target)));
        VM.etch(proxy, VM.parseJsonBytes(genesis, code(proxy)));
        VM.store(proxy, IMPLEMENTATION_SLOT, target);
        VM.store(proxy, ADMIN_SLOT, VM.parseJsonBytes32(genesis, slot(proxy, ADMIN_SLOT)));
        VM.etch(implementation, VM.parseJsonBytes(genesis, code(implementation)));
    }

    /// @dev Path of an account in the genesis, whose keys have no 0x.
    function account(address target) private pure returns (string memory) {
        return string.concat(".alloc['", VM.replace(VM.toLowercase(VM.toString(target)), "0x", ""), "']");
    }

    function code(address target) private pure returns (string memory) {
        return string.concat(account(target), ".code");
    }

    function slot(address target, bytes32 key) private pure returns (string memory) {
        return string.concat(account(target), ".storage['", VM.toString(key), "']");
    }

    function requireReceived(address vault, uint256 amount) private {
        Vm.Log[] memory logs = VM.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; i++) {
            if (logs[i].emitter == RECIPIENT) {
                require(logs[i].topics[0] == FeeHolder.FeesReceived.selector, "wrong event");
                require(logs[i].topics[1] == bytes32(uint256(uint160(vault))), "wrong vault");
                require(abi.decode(logs[i].data, (uint256)) == amount, "wrong amount");
                return;
            }
        }
        revert("no event");
    }
}
