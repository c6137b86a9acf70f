// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAdmission} from "./IAdmission.sol";
import {OperatorRegistry} from "./OperatorRegistry.sol";
import {Status} from "./Operator.sol";

/// @title GovernedAdmission
/// @notice The registry's governor decides who operates. What changes the set or its weights is announced and waits for
///         `delay` seconds; suspending a member is for emergencies and works at once, and so does letting it back.
/// @dev    Abuse considered:
///         - the governor is the registry's, read at each call: there is one place where the office is handed over;
///         - an admission is used up by joining, so a removed operator can't come back by it;
///         - this policy binds the governor's *habits*. A governor can switch to another policy without delay: operators
///           that don't want to trust it for that make it a contract with a delay of its own;
///         - if the registry has another policy by then, its refusal reverts {execute}: old plans die with the policy.
contract GovernedAdmission is IAdmission {
    /// @dev Admit: may join. Remove: loses its admission, and leaves if it has joined. Set: new weight and reserve flag.
    enum Action {
        Admit,
        Remove,
        Set
    }

    /// @param readyAt Seconds since 1970 from which it can be executed; 0 if there is no such plan.
    struct Plan {
        Action action;
        address operator;
        uint64 weight;
        bool reserve;
        uint64 readyAt;
    }

    /// @param weight 0 if not admitted.
    struct Admitted {
        uint64 weight;
        bool reserve;
    }

    /// So that a mistaken deployment can't lock the set for ever.
    uint64 public constant MAX_DELAY = 90 days;

    OperatorRegistry public immutable registry;
    /// Seconds between a plan and its execution.
    uint64 public immutable delay;

    /// Plans that were neither executed nor cancelled, by number.
    mapping(uint256 id => Plan) public plans;
    /// Number of the next plan.
    uint256 public nextPlan;
    /// Who may join now.
    mapping(address operator => Admitted) public admitted;

    event Planned(uint256 indexed id, Plan plan);
    event Executed(uint256 indexed id);
    event Cancelled(uint256 indexed id);

    error NotGovernor();
    error NotRegistry();
    error NotAdmitted(address operator);
    error NoSuchPlan(uint256 id);
    error TooEarly(uint64 readyAt);
    error DelayTooLong();
    /// @notice A weight is 1 to the registry's `MAX_WEIGHT`.
    error InvalidWeight();

    modifier onlyGovernor() {
        if (msg.sender != registry.governor()) revert NotGovernor();
        _;
    }

    constructor(OperatorRegistry operators, uint64 delaySeconds) {
        if (delaySeconds > MAX_DELAY) revert DelayTooLong();
        registry = operators;
        delay = delaySeconds;
    }

    /// @notice Plans to let an operator join, once.
    function planAdmit(address operator, uint64 weight, bool reserve) external returns (uint256 id) {
        return plan(Action.Admit, operator, weight, reserve);
    }

    /// @notice Plans to withdraw an operator's admission and, if it has joined, to make it leave.
    function planRemove(address operator) external returns (uint256 id) {
        return plan(Action.Remove, operator, 1, false);
    }

    /// @notice Plans a new weight and reserve flag.
    function planSet(address operator, uint64 weight, bool reserve) external returns (uint256 id) {
        return plan(Action.Set, operator, weight, reserve);
    }

    /// @notice Takes a plan back.
    function cancel(uint256 id) external onlyGovernor {
        if (plans[id].readyAt == 0) revert NoSuchPlan(id);
        delete plans[id];
        emit Cancelled(id);
    }

    /// @notice Executes a plan whose time has come.
    function execute(uint256 id) external onlyGovernor {
        Plan memory due = plans[id];
        if (due.readyAt == 0) revert NoSuchPlan(id);
        if (block.timestamp < due.readyAt) revert TooEarly(due.readyAt);
        delete plans[id];
        emit Executed(id);
        if (due.action == Action.Admit) {
            admitted[due.operator] = Admitted(due.weight, due.reserve);
        } else if (due.action == Action.Remove) {
            delete admitted[due.operator];
            Status status = registry.operatorOf(due.operator).status;
            if (status == Status.Candidate || status == Status.Member || status == Status.Jailed) {
                registry.expel(due.operator);
            }
        } else {
            registry.setWeight(due.operator, due.weight);
            registry.setReserve(due.operator, due.reserve);
        }
    }

    /// @notice Suspends a member at once.
    function jail(address operator) external onlyGovernor {
        registry.jail(operator);
    }

    /// @notice Lets a suspended member back at once.
    function release(address operator) external onlyGovernor {
        registry.release(operator);
    }

    /// @inheritdoc IAdmission
    function onJoin(address operator) external returns (uint64 weight, bool reserve) {
        if (msg.sender != address(registry)) revert NotRegistry();
        Admitted memory admission = admitted[operator];
        if (admission.weight == 0) revert NotAdmitted(operator);
        delete admitted[operator];
        return (admission.weight, admission.reserve);
    }

    function plan(Action action, address operator, uint64 weight, bool reserve)
        private
        onlyGovernor
        returns (uint256 id)
    {
        if (weight == 0 || weight > registry.MAX_WEIGHT()) revert InvalidWeight();
        id = nextPlan++;
        plans[id] = Plan(action, operator, weight, reserve, uint64(block.timestamp) + delay);
        emit Planned(id, plans[id]);
    }
}
