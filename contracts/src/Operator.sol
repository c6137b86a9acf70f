// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// @notice Where an operator stands.
/// @dev    None: never joined. Candidate: joined, syncs as a follower. Member: votes and has turns, from the first epoch
///         whose snapshot sees it. Leaving: a member until `leavesAt`. Jailed: no member until released. Left: gone; its
///         keys stay taken.
enum Status {
    None,
    Candidate,
    Member,
    Leaving,
    Jailed,
    Left
}

/// @notice One operator, as the registry's events publish it.
struct Operator {
    /// p2p identity: ed25519 public key. The canonical order of operators is ascending by it.
    bytes32 identity;
    /// Signature (64 bytes) by that key over `LEB128(13) ‖ "rota_IDENTITY" ‖ uint256 chain id ‖ registry ‖ operator`.
    /// Not verified here (no ed25519 on L1): nodes ignore an entry whose signature is wrong, all alike.
    bytes identityProof;
    /// BLS12-381 consensus key: a G1 point in the encoding of EIP-2537 (128 bytes), its possession proven.
    bytes blsKey;
    /// Posts batches in this operator's posting turns, and signs attestations.
    address posting;
    /// Is paid.
    address reward;
    /// Where the operator's p2p listens, `host:port`.
    string endpoint;
    /// Share of turns (not of votes); at least 1.
    uint64 weight;
    /// A voting member without regular turns.
    bool reserve;
    Status status;
    /// Seconds since 1970 at which a leaving operator's membership ends; 0 unless leaving or left.
    uint64 leavesAt;
}
