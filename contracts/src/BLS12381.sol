// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @title BLS12381
/// @notice BLS signatures with keys on G1 and signatures on G2 (MinPk), verified with the precompiles of EIP-2537.
///         Points and field elements are in its encoding: big-endian, 64 bytes a field element, `c0 ‖ c1` in Fp2, `x ‖ y`.
/// @dev    Hash to curve: RFC 9380, suite BLS12381G2_XMD:SHA-256_SSWU_RO_.
///         A precompile that refuses its input burns the gas it was given (63/64 of what is left): callers pay for their
///         own bad input. No fixed gas is passed, because contracts don't change when prices do.
library BLS12381 {
    /// Domain separation tag of proofs of possession (IETF BLS signatures, proof-of-possession scheme).
    bytes internal constant POSSESSION_DST = "BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
    /// Domain separation tag of every other signature in that scheme.
    bytes internal constant SIGNATURE_DST = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

    uint256 internal constant G1_BYTES = 128;
    uint256 internal constant G2_BYTES = 256;

    address private constant MODEXP = address(0x05);
    address private constant G2_ADD = address(0x0d);
    address private constant PAIRING_CHECK = address(0x0f);
    address private constant MAP_FP2_TO_G2 = address(0x11);

    /// The prime of the base field, 64 bytes.
    bytes private constant P =
        hex"000000000000000000000000000000001a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
    /// The generator of G1, negated.
    bytes private constant MINUS_G1 = hex"0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
        hex"00000000000000000000000000000000114d1d6855d545a8aa7d76c8cf2e21f267816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca";

    /// @notice A precompile refused its input.
    error PrecompileFailed(address precompile);
    /// @notice A domain separation tag has 1 to 255 bytes.
    error InvalidTag();

    /// @notice Whether `signature` (256 bytes) is that of `key` (128 bytes) over `message` under the tag `dst`. False for
    ///         the point at infinity, for points not on the curve or not in its subgroup, and for other lengths.
    function verify(bytes memory key, bytes memory signature, bytes memory message, bytes memory dst)
        internal
        view
        returns (bool)
    {
        if (key.length != G1_BYTES || signature.length != G2_BYTES) return false;
        if (isInfinity(key) || isInfinity(signature)) return false;
        // e(key, H(message)) · e(−G1, signature) = 1. The precompile checks curve and subgroup of every point.
        (bool ok, bytes memory one) =
            PAIRING_CHECK.staticcall(bytes.concat(key, hashToG2(message, dst), MINUS_G1, signature));
        return ok && one.length == 32 && abi.decode(one, (uint256)) == 1;
    }

    /// @notice The point of G2 that stands for `message` (RFC 9380 `hash_to_curve`).
    function hashToG2(bytes memory message, bytes memory dst) internal view returns (bytes memory) {
        bytes32[8] memory uniform = expandMessage(message, dst);
        bytes memory u0 = bytes.concat(reduce(uniform[0], uniform[1]), reduce(uniform[2], uniform[3]));
        bytes memory u1 = bytes.concat(reduce(uniform[4], uniform[5]), reduce(uniform[6], uniform[7]));
        // The map clears the cofactor of each summand: the same as clearing that of the sum.
        return run(G2_ADD, bytes.concat(run(MAP_FP2_TO_G2, u0), run(MAP_FP2_TO_G2, u1)));
    }

    /// @notice RFC 9380 `expand_message_xmd` with SHA-256 and 256 bytes of output.
    function expandMessage(bytes memory message, bytes memory dst) internal pure returns (bytes32[8] memory uniform) {
        if (dst.length == 0 || dst.length > 255) revert InvalidTag();
        // forge-lint: disable-next-line(unsafe-typecast)
        bytes memory tag = bytes.concat(dst, bytes1(uint8(dst.length)));
        bytes32 first = sha256(bytes.concat(new bytes(64), message, bytes2(uint16(256)), bytes1(0), tag));
        for (uint8 i = 0; i < 8; i++) {
            bytes32 chained = i == 0 ? first : first ^ uniform[i - 1];
            uniform[i] = sha256(bytes.concat(chained, bytes1(i + 1), tag));
        }
    }

    /// @dev 512 bits modulo P, by the modexp precompile with exponent 1.
    function reduce(bytes32 high, bytes32 low) private view returns (bytes memory) {
        return run(MODEXP, bytes.concat(abi.encode(64, 1, 64, high, low), bytes1(0x01), P));
    }

    function isInfinity(bytes memory point) private pure returns (bool) {
        return keccak256(point) == keccak256(new bytes(point.length));
    }

    function run(address precompile, bytes memory input) private view returns (bytes memory) {
        (bool ok, bytes memory output) = precompile.staticcall(input);
        if (!ok || output.length == 0) revert PrecompileFailed(precompile);
        return output;
    }
}
