//! What is called of the contracts (`contracts/src/`, and `SystemConfig` of the OP Stack).

#![allow(unreachable_pub, missing_docs, reason = "generated; the contracts' NatSpec describes it")]

use alloy_sol_types::sol;

sol! {
    #[derive(Debug)]
    struct Operator {
        bytes32 identity;
        bytes identityProof;
        bytes blsKey;
        address posting;
        address reward;
        string endpoint;
        uint64 weight;
        bool reserve;
        uint8 status;
        uint64 leavesAt;
    }

    #[derive(Debug)]
    struct Ready {
        address operator;
        bytes32 identity;
    }

    contract OperatorRegistry {
        constructor(address firstGovernor, uint64 noticeSeconds);
        function governor() external view returns (address);
        function admission() external view returns (address);
        function operatorOf(address operator) external view returns (Operator memory);
        function operatorOfPosting(address posting) external view returns (address operator);
        function join(
            bytes32 identity,
            bytes identityProof,
            bytes blsKey,
            bytes possession,
            address posting,
            address reward,
            string endpoint
        ) external;
        function activate(address operator, bytes[] signatures) external;
        function leave() external;
        function finish(address operator) external;
        function rotateKeys(bytes32 identity, bytes identityProof, bytes blsKey, bytes possession) external;
        function setEndpoint(string endpoint) external;
        function open() external;
        function announceSchedule(bytes32 kind, uint64 fromEpoch) external;
        function setAdmission(address policy) external;
    }

    contract GovernedAdmission {
        #[derive(Debug)]
        struct Plan {
            uint8 action;
            address operator;
            uint64 weight;
            bool reserve;
            uint64 readyAt;
        }

        event Planned(uint256 indexed id, Plan plan);

        constructor(address operators, uint64 delaySeconds);
        function planAdmit(address operator, uint64 weight, bool reserve) external returns (uint256 id);
        function planRemove(address operator) external returns (uint256 id);
        function execute(uint256 id) external;
    }

    contract PostingTurns {
        #[derive(Debug)]
        struct Turn {
            uint64 number;
            uint64 startBlock;
            uint64 endBlock;
            uint64 round;
            address operator;
            bytes32 identity;
            address posting;
        }

        constructor(address config, address operators, uint64 windowBlocks, uint64 tenureBlocks);
        function current() external view returns (Turn memory);
        function rotate() external;
        function skip(uint64 number, bytes[] signatures) external;
        function giveBack(address newOwner) external;
    }

    contract SystemConfig {
        function owner() external view returns (address);
        function transferOwnership(address newOwner) external;
    }

    /// Every refusal of these contracts.
    #[derive(Debug)]
    contract Refusals {
        error NotGovernor();
        error NotNextGovernor();
        error NotAdmission();
        error NotRegistry();
        error NotAContract(address account);
        error WrongStatus(uint8 status);
        error AlreadyOpened();
        error NoMembers();
        error Full();
        error NoticeTooLong();
        error NoticeRuns(uint64 leavesAt);
        error ZeroKey();
        error ZeroAddress();
        error ZeroKind();
        error IdentityTaken();
        error BlsKeyTaken();
        error PostingTaken();
        error InvalidIdentityProof();
        error InvalidPossession();
        error InvalidEndpoint();
        error InvalidWeight();
        error NotAdmitted(address operator);
        error NoSuchPlan(uint256 id);
        error TooEarly(uint64 from);
        error DelayTooLong();
        error InvalidWindow();
        error NotOwner(address owner);
        error TurnRuns(uint64 endBlock);
        error WrongTurn(uint64 current);
        error NotYourTurn();
        error TooFewSignatures(uint256 signers, uint256 members);
        error InvalidSignature(uint256 index);
        error SignersOutOfOrder(uint256 index);
        error PrecompileFailed(address precompile);
    }
}
