// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title FeeHolder
/// @notice Holds the fees that the chain's vaults withdraw to it. It sits behind an ERC-1967 proxy that the governor
///         may upgrade, because the vaults' recipient is immutable; it has no owner and no way to spend by itself.
contract FeeHolder {
    /// @notice Fees arrived.
    /// @param vault  The fee vault that paid, or whoever sent ether.
    /// @param amount Wei.
    event FeesReceived(address indexed vault, uint256 amount);

    /// @notice Takes fees.
    receive() external payable {
        emit FeesReceived(msg.sender, msg.value);
    }
}
