// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {BLS12381} from "../src/BLS12381.sol";

/// @notice BLS12-381 keys and signatures for tests, by the precompiles' scalar multiplication.
library BlsSigner {
    address private constant G1_MSM = address(0x0c);
    address private constant G2_MSM = address(0x0e);
    bytes private constant G1 = hex"0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
        hex"0000000000000000000000000000000008b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1";
    uint256 private constant ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001;

    /// @notice A secret key from any seed.
    function secret(uint256 seed) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("bls", seed))) % (ORDER - 1) + 1;
    }

    function publicKey(uint256 key) internal view returns (bytes memory) {
        return multiply(G1_MSM, G1, key);
    }

    function sign(uint256 key, bytes memory message, bytes memory dst) internal view returns (bytes memory) {
        return multiply(G2_MSM, BLS12381.hashToG2(message, dst), key);
    }

    function multiply(address precompile, bytes memory point, uint256 scalar) private view returns (bytes memory) {
        (bool ok, bytes memory output) = precompile.staticcall(bytes.concat(point, bytes32(scalar)));
        require(ok, "msm");
        return output;
    }
}
