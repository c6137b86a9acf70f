// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// A contract that shows what wallets rely on: storage, events, reverts with a reason.
contract Probe {
    event Set(address indexed by, uint256 value);

    uint256 public value;

    function set(uint256 to) external {
        require(to != 13, "unlucky");
        value = to;
        emit Set(msg.sender, to);
    }
}
