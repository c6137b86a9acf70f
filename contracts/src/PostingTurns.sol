// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Attestation} from "./Attestation.sol";
import {IOperatorRegistry} from "./IOperatorRegistry.sol";
import {ISystemConfig} from "./ISystemConfig.sol";
import {Operator} from "./Operator.sol";

/// @title PostingTurns
/// @notice Owns the chain's `SystemConfig` and gives the right to post batches to one operator after the other: a window
///         of L1 blocks each. Stock derivation follows the `ConfigUpdate` events of `SystemConfig`, so no client is forked.
/// @dev    **Taking over and giving back.** `SystemConfig.transferOwnership(this)` by its owner, then {rotate} by anybody.
///         The governor is the registry's, read at each call: there is one place where the office is handed over. It may
///         take the ownership back at any time ({giveBack}) and make any other call to `SystemConfig` ({execute}); neither
///         depends on members, turns or blocks. There is no upgrade: another PostingTurns is deployed and given the
///         ownership.
///
///         **What a rotation means.** A batch counts if its sender is the batcher after *all* events of its L1 block: a
///         rotation holds for the whole block that contains it, whatever the order in it. From `endBlock` on anybody may
///         rotate, so a poster stops sending early enough that its transactions land before `endBlock`, and a successor
///         posts from the block of its `Rotated` on. What the old poster sends later is ignored by derivation, and the
///         successor posts it again. Nobody is forced to rotate: until somebody does, the poster remains the poster, and
///         the chain lives.
///
///         **Choosing the window.** Stock followers learn `unsafeBlockSigner` from storage only every 10 minutes by default
///         (`--l1.runtime-config-reload-interval`), not from the event: until then they refuse blocks gossiped by the new
///         signer and follow L1 alone. An hour (300 blocks of 12 s) makes that a sixth of the window at worst; followers
///         that want gossip without the gap set a shorter interval. `minTenure` leaves the poster time to see its turn at
///         its confirmation depth and to land a batch at a rising fee: 15 blocks (3 minutes). A third of the members can be
///         silent one after the other: (n / 3) · `minTenure` must stay far below the sequencing window (3 600 blocks), or
///         L1 overrules the chain; 32 silent ones of 96 cost 480 blocks.
///
///         **Order.** Ascending identity, wrapping; each wrap starts a round, in which an operator has one turn. The round
///         matters because members can change their identity: without it two colluding ones could move behind each other
///         for ever, and nobody else would post. So a member whose identity stays has its next turn after at most one turn
///         of each other such member and two of each that moves.
///
///         **Abuse considered:**
///         - {rotate} called early, twice or in a storm: refused for a few thousand gas. Called late: the window starts
///           when it is called, so no operator is passed over;
///         - {rotate} censored on L1: the poster stays, see above; censoring it for hours costs more than it gives;
///         - {skip} replayed: the turn's number is signed, and never comes again. Signatures can be collected before
///           `minTenure` and kept until the turn ends, even if the poster wakes: members sign only when they mean it;
///         - {skip} front-run by the poster: a batch changes nothing; {rotate}, where already possible, moves the turn on
///           itself; a signer that changes its posting key is not counted, and one more signature makes up for it. Less
///           than a third, all of them faulty, can't skip anybody;
///         - a posting address that is a contract or nobody's: it is never called. It posts nothing and is skipped;
///         - a posting address changed within the turn, again and again: nothing changes until the operator itself calls
///           {refresh}, in its own turn only, for its own registered address, without gaining a block;
///         - a member that is jailed or leaves within its turn: anybody may rotate at once, without signatures;
///         - the governor's {execute} sets another batcher: it stands until the next rotation, skip or refresh. To stop the
///           turns, the governor takes the ownership back;
///         - re-entrancy: only `SystemConfig` and the registry are called. Whoever can replace `SystemConfig`'s code has the
///           chain anyway; the registry calls nobody from its views. State is written before the calls;
///         - unbounded work: a rotation asks the registry for a next member once, and once more for each member that has
///           had its turn and moved ahead of the poster in this round (each move costs that member a proof on L1).
contract PostingTurns {
    /// @notice A posting turn; the first has number 1. All zero before it.
    struct Turn {
        /// Never comes again; an attestation that skips names it.
        uint64 number;
        /// L1 block of the rotation: the first in which `posting` posts.
        uint64 startBlock;
        /// First L1 block in which anybody may rotate.
        uint64 endBlock;
        /// Passes through the canonical order, from 1.
        uint64 round;
        address operator;
        /// The operator's identity when its turn began: the place in the order.
        bytes32 identity;
        /// Whose batches count.
        address posting;
    }

    /// @notice What a node asks for, at one block.
    struct Overview {
        Turn turn;
        /// First L1 block in which the turn can be skipped.
        uint64 skippableFrom;
        /// Whether {rotate} would succeed.
        bool rotatable;
        /// Whether this contract owns `SystemConfig`; nothing moves otherwise.
        bool owned;
        /// What derivation goes by: `turn.posting`, unless the governor or another owner set something else.
        bytes32 batcherHash;
        address unsafeBlockSigner;
        /// Who has the next turn, if nothing changes in the registry; zero if there is no member.
        address nextOperator;
        address nextPosting;
    }

    ISystemConfig public immutable systemConfig;
    IOperatorRegistry public immutable registry;
    /// L1 blocks of a turn.
    uint64 public immutable windowLength;
    /// L1 blocks before a turn can be skipped.
    uint64 public immutable minTenure;

    Turn private turn;
    /// The last round in which an operator had a turn.
    mapping(address operator => uint64 round) private served;

    /// @notice From this L1 block on (all of it) batches of `posting` count.
    event Rotated(uint64 indexed turn, address indexed operator, address posting, uint64 startBlock, uint64 endBlock);
    /// @notice More than a third of the members ended this turn early; its successor's `Rotated` follows.
    event Skipped(uint64 indexed turn, address indexed operator);
    /// @notice The operator whose turn it is posts from another address, for the whole L1 block of this event.
    event Refreshed(uint64 indexed turn, address indexed operator, address posting);
    /// @notice The governor made this call to `SystemConfig`.
    event Executed(bytes call);
    /// @notice The governor gave `SystemConfig` to another owner.
    event GivenBack(address indexed newOwner);

    error NotGovernor();
    error NotAContract(address account);
    /// @notice A turn needs at least one block, and more than the tenure.
    error InvalidWindow();
    /// @notice `SystemConfig` belongs to somebody else: its owner must transfer it to this contract first.
    error NotOwner(address owner);
    /// @notice The turn runs until this block.
    error TurnRuns(uint64 endBlock);
    /// @notice Another turn is running; 0 if none has begun.
    error WrongTurn(uint64 current);
    /// @notice The turn can't be skipped before this block.
    error TooEarly(uint64 skippableFrom);
    /// @notice The registry has no members.
    error NoMembers();
    /// @notice Only the operator whose turn it is, while it lasts.
    error NotYourTurn();

    modifier onlyGovernor() {
        if (msg.sender != registry.governor()) revert NotGovernor();
        _;
    }

    modifier onlyOwning() {
        address owner = systemConfig.owner();
        if (owner != address(this)) revert NotOwner(owner);
        _;
    }

    constructor(ISystemConfig config, IOperatorRegistry operators, uint64 windowBlocks, uint64 tenureBlocks) {
        if (address(config).code.length == 0) revert NotAContract(address(config));
        if (address(operators).code.length == 0) revert NotAContract(address(operators));
        if (windowBlocks == 0 || windowBlocks <= tenureBlocks) revert InvalidWindow();
        systemConfig = config;
        registry = operators;
        windowLength = windowBlocks;
        minTenure = tenureBlocks;
    }

    // -------------------------------------------------------------------------------------------------- turns

    /// @notice Starts the next turn: by anybody, when the turn is over or its operator is no member any more.
    function rotate() external onlyOwning {
        if (!over()) revert TurnRuns(turn.endBlock);
        advance();
    }

    /// @notice Ends a turn early, because its poster is silent: by anybody with the attestations `Skip(number)` of more
    ///         than a third of the members.
    /// @param number     The running turn.
    /// @param signatures 65 bytes each, ascending strictly by signer; see {Attestation}.
    function skip(uint64 number, bytes[] calldata signatures) external onlyOwning {
        if (number == 0 || number != turn.number) revert WrongTurn(turn.number);
        if (block.number < skippableFrom()) revert TooEarly(skippableFrom());
        Attestation.requireMoreThanAThird(registry, skipDigest(number), signatures);
        emit Skipped(number, turn.operator);
        advance();
    }

    /// @notice Installs the caller's registered posting address in its own turn, after it has changed it, or after the
    ///         governor has set another batcher. The window stays.
    function refresh() external onlyOwning {
        if (msg.sender != turn.operator || over()) revert NotYourTurn();
        address posting = registry.operatorOf(msg.sender).posting;
        turn.posting = posting;
        emit Refreshed(turn.number, msg.sender, posting);
        install(posting);
    }

    // ----------------------------------------------------------------------------------------------- governor

    /// @notice Makes any call to `SystemConfig`, as its owner.
    /// @return result What it returned; if it reverts, so does this, for the same reason.
    function execute(bytes calldata call) external onlyGovernor returns (bytes memory result) {
        emit Executed(call);
        bool success;
        (success, result) = address(systemConfig).call(call);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(result, 32), mload(result))
            }
        }
    }

    /// @notice Makes somebody else the owner of `SystemConfig`. The turns stand still until this contract has it again.
    function giveBack(address newOwner) external onlyGovernor {
        emit GivenBack(newOwner);
        systemConfig.transferOwnership(newOwner);
    }

    // -------------------------------------------------------------------------------------------------- views

    /// @notice The running turn.
    function current() external view returns (Turn memory) {
        return turn;
    }

    /// @notice L1 blocks of the running turn: [startBlock, endBlock).
    function window() external view returns (uint64 startBlock, uint64 endBlock) {
        return (turn.startBlock, turn.endBlock);
    }

    /// @notice The members by identity, from the one after the poster (which comes last, or has left). They have their
    ///         turns in this order, but for those that have moved ahead after their turn in this round.
    function order() external view returns (address[] memory operators, address[] memory postings) {
        (address[] memory members, Operator[] memory entries) = registry.committee();
        uint256 first;
        while (first < members.length && entries[first].identity <= turn.identity) first++;
        operators = new address[](members.length);
        postings = new address[](members.length);
        for (uint256 i = 0; i < members.length; i++) {
            uint256 member = (first + i) % members.length;
            operators[i] = members[member];
            postings[i] = entries[member].posting;
        }
    }

    /// @notice All that a node needs to know whether to post, to rotate or to ask for a skip.
    function overview() external view returns (Overview memory) {
        Turn memory following = next();
        bool owned = systemConfig.owner() == address(this);
        return Overview({
            turn: turn,
            skippableFrom: skippableFrom(),
            rotatable: owned && over() && following.operator != address(0),
            owned: owned,
            batcherHash: systemConfig.batcherHash(),
            unsafeBlockSigner: systemConfig.unsafeBlockSigner(),
            nextOperator: following.operator,
            nextPosting: following.posting
        });
    }

    /// @notice What a member's posting key signs to say that the poster of this turn is silent.
    function skipDigest(uint64 number) public view returns (bytes32) {
        return Attestation.skipDigest(number);
    }

    // ------------------------------------------------------------------------------------------------ private

    /// @dev Whether anybody may start the next turn.
    function over() private view returns (bool) {
        return block.number >= turn.endBlock || !registry.isMember(turn.operator);
    }

    function skippableFrom() private view returns (uint64) {
        return turn.startBlock + minTenure;
    }

    /// @dev The turn that would follow now; its operator is zero if there is no member.
    function next() private view returns (Turn memory following) {
        following.number = turn.number + 1;
        following.startBlock = uint64(block.number);
        following.endBlock = following.startBlock + windowLength;
        following.round = turn.round;
        bytes32 place = turn.identity;
        // Identities ascend until the round ends, and then nobody has been served: at most one step for each member.
        do {
            (following.operator, following.identity, following.posting) = registry.nextAfter(place);
            if (following.identity <= place || turn.round == 0) following.round = turn.round + 1;
            place = following.identity;
        } while (served[following.operator] == following.round && following.operator != address(0));
    }

    function advance() private {
        Turn memory following = next();
        if (following.operator == address(0)) revert NoMembers();
        turn = following;
        served[following.operator] = following.round;
        emit Rotated(following.number, following.operator, following.posting, following.startBlock, following.endBlock);
        install(following.posting);
    }

    /// @dev Writes to `SystemConfig` only what is not there: one member alone just gets a new window.
    function install(address posting) private {
        bytes32 hash = bytes32(uint256(uint160(posting)));
        if (systemConfig.batcherHash() != hash) systemConfig.setBatcherHash(hash);
        if (systemConfig.unsafeBlockSigner() != posting) systemConfig.setUnsafeBlockSigner(posting);
    }
}
