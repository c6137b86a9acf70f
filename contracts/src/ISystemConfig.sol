// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @notice What posting turns need of the OP Stack's `SystemConfig` (specs: protocol/system-config).
interface ISystemConfig {
    function owner() external view returns (address);
    function transferOwnership(address newOwner) external;

    /// @notice Version 0: the address whose transactions to the inbox are batches, left-padded.
    function batcherHash() external view returns (bytes32);
    function setBatcherHash(bytes32 hash) external;

    /// @notice Whose signature on p2p-gossiped blocks followers accept.
    function unsafeBlockSigner() external view returns (address);
    function setUnsafeBlockSigner(address signer) external;
}
