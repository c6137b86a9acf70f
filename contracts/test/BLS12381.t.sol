// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {BLS12381} from "../src/BLS12381.sol";
import {BlsSigner} from "./BlsSigner.sol";
import {VM} from "./Vm.sol";

/// @notice Against `vectors/registry/bls.json` (RFC 9380's messages, noble's signatures), and fuzzed.
contract BLS12381Test {
    uint256 constant KEY = 0x2fd6bbd5f1fb0cc5c6e1a3c5d1d0d41bb1e3a5c0b6b6b3cd8ea2a8f1c9b50f11;

    /// @dev Outermost, so that a precompile that burns its gas leaves the test some.
    function verify(bytes memory key, bytes memory signature, bytes memory message, bytes memory dst)
        external
        view
        returns (bool)
    {
        return BLS12381.verify(key, signature, message, dst);
    }

    function expand(bytes memory message, bytes memory dst) external pure returns (bytes32[8] memory) {
        return BLS12381.expandMessage(message, dst);
    }

    function test_hashes_to_the_points_of_rfc_9380_and_noble() public view {
        string memory vectors = VM.readFile("../vectors/registry/bls.json");
        uint256 count;
        for (; VM.keyExistsJson(vectors, at("hashes", count)); count++) {
            string memory path = at("hashes", count);
            bytes memory point = BLS12381.hashToG2(
                VM.parseJsonBytes(vectors, string.concat(path, ".message")),
                bytes(VM.parseJsonString(vectors, string.concat(path, ".dst")))
            );
            bytes memory expected = VM.parseJsonBytes(vectors, string.concat(path, ".point"));
            require(keccak256(point) == keccak256(expected), path);
        }
        require(count == 15, "vectors are missing");
    }

    function test_verifies_what_noble_signed_and_nothing_else() public view {
        string memory vectors = VM.readFile("../vectors/registry/bls.json");
        uint256 count;
        for (; VM.keyExistsJson(vectors, at("signatures", count)); count++) {
            string memory path = at("signatures", count);
            bool valid = this.verify{gas: 1_000_000}(
                VM.parseJsonBytes(vectors, string.concat(path, ".key")),
                VM.parseJsonBytes(vectors, string.concat(path, ".signature")),
                VM.parseJsonBytes(vectors, string.concat(path, ".message")),
                bytes(VM.parseJsonString(vectors, string.concat(path, ".dst")))
            );
            bool expected = VM.parseJsonBool(vectors, string.concat(path, ".valid"));
            require(valid == expected, VM.parseJsonString(vectors, string.concat(path, ".name")));
        }
        require(count == 20, "vectors are missing");
    }

    function test_gas_of_a_verification() public {
        bytes memory signature = BlsSigner.sign(KEY, "a message", BLS12381.SIGNATURE_DST);
        this.verify(BlsSigner.publicKey(KEY), signature, "a message", BLS12381.SIGNATURE_DST);
        VM.snapshotGasLastCall("BLS12381", "verify");
    }

    function testFuzz_signatures_verify(uint256 seed, bytes memory message) public view {
        uint256 key = BlsSigner.secret(seed);
        bytes memory signature = BlsSigner.sign(key, message, BLS12381.SIGNATURE_DST);
        bytes memory publicKey = BlsSigner.publicKey(key);
        require(BLS12381.verify(publicKey, signature, message, BLS12381.SIGNATURE_DST), "refused");
        bytes memory other = bytes.concat(message, "x");
        require(!BLS12381.verify(publicKey, signature, other, BLS12381.SIGNATURE_DST), "another message");
        require(!BLS12381.verify(publicKey, signature, message, BLS12381.POSSESSION_DST), "another tag");
    }

    function testFuzz_a_flipped_bit_is_refused(uint256 position, bool inKey) public view {
        bytes memory key = BlsSigner.publicKey(KEY);
        bytes memory signature = BlsSigner.sign(KEY, "a message", BLS12381.SIGNATURE_DST);
        flip(inKey ? key : signature, position);
        require(!this.verify{gas: 1_000_000}(key, signature, "a message", BLS12381.SIGNATURE_DST), "accepted");
    }

    function testFuzz_garbage_is_refused(bytes memory key, bytes memory signature, bytes memory message) public view {
        require(!this.verify{gas: 1_000_000}(key, signature, message, BLS12381.SIGNATURE_DST), "accepted");
    }

    function testFuzz_random_words_of_the_right_length_are_refused(bytes32[4] memory key, bytes32[8] memory signature)
        public
        view
    {
        bytes memory keyBytes = abi.encode(key);
        bytes memory signatureBytes = abi.encode(signature);
        require(!this.verify{gas: 1_000_000}(keyBytes, signatureBytes, "a message", BLS12381.SIGNATURE_DST), "accepted");
    }

    function test_a_chain_without_the_precompiles_verifies_nothing() public {
        bytes memory key = BlsSigner.publicKey(KEY);
        bytes memory signature = BlsSigner.sign(KEY, "a message", BLS12381.SIGNATURE_DST);
        // An account without code answers every call with nothing; the map is the first precompile that EIP-2537 brought.
        VM.mockCall(address(0x11), "", "");
        VM.expectRevert(abi.encodeWithSelector(BLS12381.PrecompileFailed.selector, address(0x11)));
        this.verify(key, signature, "a message", BLS12381.SIGNATURE_DST);
    }

    function test_tags_have_1_to_255_bytes() public {
        this.expand("", new bytes(1));
        this.expand("", new bytes(255));
        VM.expectRevert(BLS12381.InvalidTag.selector);
        this.expand("", "");
        VM.expectRevert(BLS12381.InvalidTag.selector);
        this.expand("", new bytes(256));
    }

    function at(string memory list, uint256 index) private pure returns (string memory) {
        return string.concat(".", list, "[", VM.toString(index), "]");
    }

    function flip(bytes memory data, uint256 position) private pure {
        uint256 bit = position % (data.length * 8);
        data[bit / 8] ^= bytes1(0x80) >> (bit % 8);
    }
}
