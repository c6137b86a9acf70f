// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IOperatorRegistry} from "./IOperatorRegistry.sol";

/// @title Attestation
/// @notice What more than a third of the members say together: with less than a third faulty, at least one honest member
///         says it. Members sign with their posting keys (EIP-712; domain "Rota", "1", chain id, the contract that asks).
/// @dev    Abuse considered:
///         - replay on another chain, contract or subject: all of them are in the digest. A subject that can come up
///           twice must carry something that can't (a turn's number, an identity that is never given out again);
///         - one member counted twice: signers must ascend strictly, and a posting key has one operator;
///         - a second signature for the same digest: high-s values are refused (EIP-2);
///         - a signer that leaves, is jailed or changes its posting key just before the call, to make it fail: signatures of
///           accounts that are not members' posting keys now are not counted, and no more;
///         - many signatures: whoever hands them over pays for them.
library Attestation {
    bytes32 internal constant DOMAIN_TYPE =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant READY_TYPE = keccak256("Ready(address operator,bytes32 identity)");
    bytes32 internal constant SKIP_TYPE = keccak256("Skip(uint64 turn)");

    /// Half of secp256k1's order: the largest `s` that EIP-2 allows.
    uint256 internal constant LARGEST_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @notice Too few members have signed: more than a third is needed.
    error TooFewSignatures(uint256 signers, uint256 members);
    /// @notice Not 65 bytes `r ‖ s ‖ v` with `s` in the lower half and `v` 27 or 28, or nobody's signature.
    error InvalidSignature(uint256 index);
    /// @notice Signers must ascend strictly by address.
    error SignersOutOfOrder(uint256 index);

    /// @notice Digest of `Ready(operator, identity)`: a candidate has been seen in sync, with this p2p identity.
    function readyDigest(address operator, bytes32 identity) internal view returns (bytes32) {
        return digest(keccak256(abi.encode(READY_TYPE, operator, identity)));
    }

    /// @notice Digest of `Skip(turn)`: the poster of this turn is silent.
    function skipDigest(uint64 turn) internal view returns (bytes32) {
        return digest(keccak256(abi.encode(SKIP_TYPE, turn)));
    }

    /// @notice EIP-712 digest of a struct, in the domain of the calling contract.
    function digest(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked("\x19\x01", domainSeparator(), structHash));
    }

    /// @notice EIP-712 domain of the calling contract. Computed at each call: the chain id changes if the chain splits.
    function domainSeparator() internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPE, keccak256("Rota"), keccak256("1"), block.chainid, address(this)));
    }

    /// @notice Returns only if more than a third of the registry's current members have signed `signedDigest`.
    /// @param signatures 65 bytes each, ascending strictly by signer; those of others than members are not counted.
    function requireMoreThanAThird(IOperatorRegistry registry, bytes32 signedDigest, bytes[] calldata signatures)
        internal
        view
    {
        uint256 signers;
        address previous;
        for (uint256 i = 0; i < signatures.length; i++) {
            address signer = recover(signedDigest, signatures[i], i);
            if (signer <= previous) revert SignersOutOfOrder(i);
            if (registry.isMember(registry.operatorOfPosting(signer))) signers++;
            previous = signer;
        }
        uint256 members = registry.memberCount();
        if (3 * signers <= members) revert TooFewSignatures(signers, members);
    }

    /// @dev Who signed; never zero.
    function recover(bytes32 signedDigest, bytes calldata signature, uint256 index)
        private
        pure
        returns (address signer)
    {
        if (signature.length != 65) revert InvalidSignature(index);
        uint8 v = uint8(signature[64]);
        if (uint256(bytes32(signature[32:64])) > LARGEST_S || (v != 27 && v != 28)) revert InvalidSignature(index);
        signer = ecrecover(signedDigest, v, bytes32(signature[:32]), bytes32(signature[32:64]));
        if (signer == address(0)) revert InvalidSignature(index);
    }
}
