// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Ascending} from "./Ascending.sol";
import {Attestation} from "./Attestation.sol";
import {BLS12381} from "./BLS12381.sol";
import {IAdmission} from "./IAdmission.sol";
import {IOperatorRegistry} from "./IOperatorRegistry.sol";
import {Operator, Status} from "./Operator.sol";

/// @title OperatorRegistry
/// @notice The operators of one chain. Candidate → (a third of the members attest readiness) → Member → (notice) → Left.
///         Immutable: what changes on a live chain is the admission policy, the schedule announced, and the governor.
/// @dev    Abuse considered:
///         - a stranger joins, or an admitted operator floods: the admission policy decides who joins; candidates have
///           places of their own, so that they can't take the members';
///         - a key that is not the operator's: the BLS key's possession is proven for this chain, registry, operator and
///           identity, so a proof seen in the mempool is worth nothing to others. The identity's proof is judged by nodes;
///           an *admitted* operator could thus name another's identity or posting address first. It gains nothing (its
///           entry is ignored, or batches of that address count for it), is seen, and the victim takes another key;
///         - a key used twice: identities and BLS keys are given out once and for all, also after the operator has left
///           (evidence and certificates name them); a posting address stays with its operator;
///         - somebody blocks an exit: {leave} and {finish} call nobody, need nobody's consent and run over at most
///           {MAX_MEMBERS} places. The policy can shorten a membership (jail), never prolong it;
///         - re-entrancy: the one call to foreign code is the policy's hook, made before anything is read; attestations
///           call this contract itself;
///         - sizes: every entry and every list is bounded, so every function is.
contract OperatorRegistry is IOperatorRegistry {
    using Ascending for bytes32[];

    /// Members, those leaving or jailed included.
    uint256 public constant MAX_MEMBERS = 96;
    /// Candidates; together with the members 128, what a node's peer sets hold.
    uint256 public constant MAX_CANDIDATES = 32;
    uint256 public constant MAX_ENDPOINT_BYTES = 255;
    /// So that no deployment can make leaving impossible.
    uint64 public constant MAX_NOTICE = 90 days;
    /// So that sums of weights stay far from overflow in every implementation of a schedule.
    uint64 public constant MAX_WEIGHT = type(uint32).max;

    uint256 private constant IDENTITY_PROOF_BYTES = 64;

    /// Seconds for which a leaving member stays a member.
    uint64 public immutable notice;

    /// @inheritdoc IOperatorRegistry
    address public governor;
    /// Becomes governor when it accepts.
    address public nextGovernor;
    /// Who may join.
    IAdmission public admission;
    /// Once true, only members' attestations make members.
    bool public opened;
    /// Operators that have joined and are not members yet.
    uint256 public candidateCount;

    mapping(address operator => Operator) private entries;
    mapping(bytes32 identity => address operator) private operatorOfIdentity;
    mapping(bytes32 keyHash => bool) private blsTaken;
    mapping(address posting => address operator) private postingTaken;

    /// Identities of members, leaving and jailed operators: the canonical order.
    bytes32[] private order;
    /// Operators whose status is `Leaving`, in no order.
    address[] private leavers;
    /// Operators whose status is `Member`.
    uint256 private standing;

    /// @notice Genesis is complete: from now on members make members.
    event Opened(uint256 members);
    event AdmissionChanged(address indexed admission);
    event GovernorProposed(address indexed nextGovernor);
    event GovernorChanged(address indexed governor);

    error NotGovernor();
    error NotNextGovernor();
    error NotAdmission();
    error NotAContract(address account);
    /// @notice Not possible for an operator that stands so.
    error WrongStatus(Status status);
    error AlreadyOpened();
    /// @notice A registry without members could never get any.
    error NoMembers();
    /// @notice No place is free.
    error Full();
    error NoticeTooLong();
    /// @notice The notice ends later.
    error NoticeRuns(uint64 leavesAt);
    error ZeroKey();
    error ZeroAddress();
    error ZeroKind();
    error IdentityTaken();
    error BlsKeyTaken();
    error PostingTaken();
    /// @notice An identity proof has 64 bytes.
    error InvalidIdentityProof();
    /// @notice Not a valid key with a valid proof of possession of it.
    error InvalidPossession();
    /// @notice An endpoint has 1 to 255 bytes.
    error InvalidEndpoint();
    /// @notice A weight is 1 to {MAX_WEIGHT}.
    error InvalidWeight();

    modifier onlyGovernor() {
        if (msg.sender != governor) revert NotGovernor();
        _;
    }

    modifier onlyAdmission() {
        if (msg.sender != address(admission)) revert NotAdmission();
        _;
    }

    /// @param firstGovernor Sets the admission policy and activates the genesis members.
    /// @param noticeSeconds At most {MAX_NOTICE}. At least two epochs, so that a committee that still counts on an operator
    ///                      is over when it may go.
    constructor(address firstGovernor, uint64 noticeSeconds) {
        if (firstGovernor == address(0)) revert ZeroAddress();
        if (noticeSeconds > MAX_NOTICE) revert NoticeTooLong();
        governor = firstGovernor;
        notice = noticeSeconds;
        emit GovernorChanged(firstGovernor);
    }

    // ------------------------------------------------------------------------------------------------ operators

    /// @notice Becomes a candidate, if the policy admits the caller. After having left: again, with new keys.
    /// @param identity      ed25519 p2p key.
    /// @param identityProof See {Operator}; 64 bytes.
    /// @param blsKey        G1 point, 128 bytes.
    /// @param possession    Signature (G2 point, 256 bytes) by that key over {possessionMessage}, under the tag of proofs of
    ///                      possession.
    function join(
        bytes32 identity,
        bytes calldata identityProof,
        bytes calldata blsKey,
        bytes calldata possession,
        address posting,
        address reward,
        string calldata endpoint
    ) external {
        (uint64 weight, bool reserve) = admission.onJoin(msg.sender);
        Operator storage entry = entries[msg.sender];
        if (entry.status != Status.None && entry.status != Status.Left) revert WrongStatus(entry.status);
        if (candidateCount == MAX_CANDIDATES) revert Full();
        delete entries[msg.sender];
        candidateCount++;
        entry.status = Status.Candidate;
        putWeight(entry, weight);
        entry.reserve = reserve;
        putKeys(entry, identity, identityProof, blsKey, possession);
        putPosting(entry, posting);
        putReward(entry, reward);
        putEndpoint(entry, endpoint);
        emit OperatorChanged(msg.sender, entry);
    }

    /// @notice Makes a candidate a member: by anybody with the attestations `Ready(operator, identity)` of more than a third
    ///         of the members; by the governor alone until the registry is opened.
    function activate(address operator, bytes[] calldata signatures) external {
        Operator storage entry = entries[operator];
        if (entry.status != Status.Candidate) revert WrongStatus(entry.status);
        if (opened) Attestation.requireMoreThanAThird(this, readyDigest(operator, entry.identity), signatures);
        else if (msg.sender != governor) revert NotGovernor();
        if (order.length == MAX_MEMBERS) revert Full();
        candidateCount--;
        standing++;
        entry.status = Status.Member;
        order.insert(entry.identity);
        emit OperatorChanged(operator, entry);
    }

    /// @notice Goes: a member after its notice, a candidate or a jailed operator at once.
    function leave() external {
        depart(msg.sender);
    }

    /// @notice Ends the membership of an operator whose notice is over. By anybody: it frees the place.
    function finish(address operator) external {
        Operator storage entry = entries[operator];
        if (entry.status != Status.Leaving) revert WrongStatus(entry.status);
        if (block.timestamp < entry.leavesAt) revert NoticeRuns(entry.leavesAt);
        end(operator, entry);
    }

    /// @notice Changes the p2p identity, the BLS key, or both (a key that stays is given again; the proofs are new). A
    ///         candidate that changes its identity needs new attestations.
    function rotateKeys(
        bytes32 identity,
        bytes calldata identityProof,
        bytes calldata blsKey,
        bytes calldata possession
    ) external {
        Operator storage entry = present(msg.sender);
        bool moves = entry.status != Status.Candidate && identity != entry.identity;
        if (moves) order.remove(entry.identity);
        putKeys(entry, identity, identityProof, blsKey, possession);
        if (moves) order.insert(identity);
        emit OperatorChanged(msg.sender, entry);
    }

    /// @notice Changes the posting address. It counts at once for attestations; in posting turns from the next rotation.
    function setPosting(address posting) external {
        Operator storage entry = present(msg.sender);
        putPosting(entry, posting);
        emit OperatorChanged(msg.sender, entry);
    }

    function setReward(address reward) external {
        Operator storage entry = present(msg.sender);
        putReward(entry, reward);
        emit OperatorChanged(msg.sender, entry);
    }

    function setEndpoint(string calldata endpoint) external {
        Operator storage entry = present(msg.sender);
        putEndpoint(entry, endpoint);
        emit OperatorChanged(msg.sender, entry);
    }

    // ------------------------------------------------------------------------------------------ admission policy

    /// @notice Suspends a member. One that is leaving has left with this: its notice only served the others.
    function jail(address operator) external onlyAdmission {
        Operator storage entry = entries[operator];
        if (entry.status == Status.Leaving) {
            end(operator, entry);
        } else if (entry.status == Status.Member) {
            standing--;
            entry.status = Status.Jailed;
            emit OperatorChanged(operator, entry);
        } else {
            revert WrongStatus(entry.status);
        }
    }

    /// @notice Makes a jailed operator a member again.
    function release(address operator) external onlyAdmission {
        Operator storage entry = entries[operator];
        if (entry.status != Status.Jailed) revert WrongStatus(entry.status);
        standing++;
        entry.status = Status.Member;
        emit OperatorChanged(operator, entry);
    }

    /// @notice As if the operator had called {leave}.
    function expel(address operator) external onlyAdmission {
        depart(operator);
    }

    function setWeight(address operator, uint64 weight) external onlyAdmission {
        Operator storage entry = present(operator);
        putWeight(entry, weight);
        emit OperatorChanged(operator, entry);
    }

    function setReserve(address operator, bool reserve) external onlyAdmission {
        Operator storage entry = present(operator);
        entry.reserve = reserve;
        emit OperatorChanged(operator, entry);
    }

    // -------------------------------------------------------------------------------------------------- governor

    /// @notice Ends genesis, once: from now on the governor can't make members.
    function open() external onlyGovernor {
        if (opened) revert AlreadyOpened();
        if (standing == 0) revert NoMembers();
        opened = true;
        emit Opened(standing);
    }

    /// @notice Announces the strategy of the epochs from `fromEpoch` on.
    function announceSchedule(bytes32 kind, uint64 fromEpoch) external onlyGovernor {
        if (kind == 0) revert ZeroKind();
        emit ScheduleAnnounced(kind, fromEpoch);
    }

    /// @notice Switches the admission policy; operators stay as they are.
    function setAdmission(IAdmission policy) external onlyGovernor {
        if (address(policy).code.length == 0) revert NotAContract(address(policy));
        admission = policy;
        emit AdmissionChanged(address(policy));
    }

    /// @notice Offers the office; zero takes the offer back.
    function proposeGovernor(address account) external onlyGovernor {
        nextGovernor = account;
        emit GovernorProposed(account);
    }

    /// @notice Takes the office that was offered to the caller.
    function acceptGovernor() external {
        if (msg.sender != nextGovernor) revert NotNextGovernor();
        governor = msg.sender;
        nextGovernor = address(0);
        emit GovernorChanged(msg.sender);
    }

    // ----------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IOperatorRegistry
    function memberCount() public view returns (uint256 count) {
        count = standing;
        for (uint256 i = 0; i < leavers.length; i++) {
            if (isMember(leavers[i])) count++;
        }
    }

    /// @inheritdoc IOperatorRegistry
    function isMember(address operator) public view returns (bool) {
        Operator storage entry = entries[operator];
        return entry.status == Status.Member || (entry.status == Status.Leaving && block.timestamp < entry.leavesAt);
    }

    /// @inheritdoc IOperatorRegistry
    function operatorOf(address operator) external view returns (Operator memory) {
        return entries[operator];
    }

    /// @inheritdoc IOperatorRegistry
    function operatorOfPosting(address posting) external view returns (address operator) {
        operator = postingTaken[posting];
        if (entries[operator].posting != posting) return address(0);
    }

    /// @inheritdoc IOperatorRegistry
    function committee() external view returns (address[] memory operators, Operator[] memory members) {
        uint256 count = memberCount();
        operators = new address[](count);
        members = new Operator[](count);
        uint256 next;
        for (uint256 i = 0; i < order.length; i++) {
            address operator = operatorOfIdentity[order[i]];
            if (!isMember(operator)) continue;
            operators[next] = operator;
            members[next++] = entries[operator];
        }
    }

    /// @inheritdoc IOperatorRegistry
    function nextAfter(bytes32 identity)
        external
        view
        returns (address operator, bytes32 nextIdentity, address posting)
    {
        uint256 first = order.placeAfter(identity);
        for (uint256 i = 0; i < order.length; i++) {
            nextIdentity = order[(first + i) % order.length];
            operator = operatorOfIdentity[nextIdentity];
            if (isMember(operator)) return (operator, nextIdentity, entries[operator].posting);
        }
        return (address(0), 0, address(0));
    }

    /// @notice What a BLS key signs to prove that its owner wants it here, for this operator and identity:
    ///         `LEB128(15) ‖ "rota_POSSESSION" ‖ uint256 chain id ‖ registry ‖ operator ‖ identity ‖ key`.
    function possessionMessage(address operator, bytes32 identity, bytes calldata blsKey)
        public
        view
        returns (bytes memory)
    {
        return abi.encodePacked(uint8(15), "rota_POSSESSION", block.chainid, address(this), operator, identity, blsKey);
    }

    /// @notice What a member's posting key signs to say that a candidate is ready.
    function readyDigest(address operator, bytes32 identity) public view returns (bytes32) {
        return Attestation.readyDigest(operator, identity);
    }

    // --------------------------------------------------------------------------------------------------- private

    /// @dev The entry of an operator that has joined and not left.
    function present(address operator) private view returns (Operator storage entry) {
        entry = entries[operator];
        if (entry.status == Status.None || entry.status == Status.Left) revert WrongStatus(entry.status);
    }

    function putKeys(
        Operator storage entry,
        bytes32 identity,
        bytes calldata identityProof,
        bytes calldata blsKey,
        bytes calldata possession
    ) private {
        if (identity == 0) revert ZeroKey();
        if (identityProof.length != IDENTITY_PROOF_BYTES) revert InvalidIdentityProof();
        if (identity != entry.identity) {
            if (operatorOfIdentity[identity] != address(0)) revert IdentityTaken();
            operatorOfIdentity[identity] = msg.sender;
            entry.identity = identity;
        }
        if (keccak256(blsKey) != keccak256(entry.blsKey)) {
            if (blsTaken[keccak256(blsKey)]) revert BlsKeyTaken();
            blsTaken[keccak256(blsKey)] = true;
            entry.blsKey = blsKey;
        }
        entry.identityProof = identityProof;
        bytes memory message = possessionMessage(msg.sender, identity, blsKey);
        if (!BLS12381.verify(blsKey, possession, message, BLS12381.POSSESSION_DST)) revert InvalidPossession();
    }

    function putPosting(Operator storage entry, address posting) private {
        if (posting == address(0)) revert ZeroAddress();
        address owner = postingTaken[posting];
        if (owner != address(0) && owner != msg.sender) revert PostingTaken();
        postingTaken[posting] = msg.sender;
        entry.posting = posting;
    }

    function putReward(Operator storage entry, address reward) private {
        if (reward == address(0)) revert ZeroAddress();
        entry.reward = reward;
    }

    function putEndpoint(Operator storage entry, string calldata endpoint) private {
        if (bytes(endpoint).length == 0 || bytes(endpoint).length > MAX_ENDPOINT_BYTES) revert InvalidEndpoint();
        entry.endpoint = endpoint;
    }

    function putWeight(Operator storage entry, uint64 weight) private {
        if (weight == 0 || weight > MAX_WEIGHT) revert InvalidWeight();
        entry.weight = weight;
    }

    /// @dev Starts the notice of a member; ends the entry of a candidate or a jailed operator.
    function depart(address operator) private {
        Operator storage entry = entries[operator];
        if (entry.status == Status.Member) {
            standing--;
            leavers.push(operator);
            entry.status = Status.Leaving;
            entry.leavesAt = uint64(block.timestamp) + notice;
            emit OperatorChanged(operator, entry);
        } else if (entry.status == Status.Candidate || entry.status == Status.Jailed) {
            end(operator, entry);
        } else {
            revert WrongStatus(entry.status);
        }
    }

    /// @dev Ends the entry of a candidate, a leaving or a jailed operator.
    function end(address operator, Operator storage entry) private {
        if (entry.status == Status.Candidate) candidateCount--;
        else order.remove(entry.identity);
        if (entry.status == Status.Leaving) forgetLeaver(operator);
        if (entry.leavesAt == 0 || entry.leavesAt > block.timestamp) entry.leavesAt = uint64(block.timestamp);
        entry.status = Status.Left;
        emit OperatorChanged(operator, entry);
    }

    function forgetLeaver(address operator) private {
        uint256 i;
        while (leavers[i] != operator) i++;
        leavers[i] = leavers[leavers.length - 1];
        leavers.pop();
    }
}
