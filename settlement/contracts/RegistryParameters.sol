// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What may change about a registry, and how slowly.
/// @notice A governor proposes; after `timelock` seconds anybody enacts. Stake that begins to leave within `MARGIN` of a proposal
/// is out before it comes into force, by the slowest way there is: so who does not agree, whoever may slash or by how much,
/// leaves. The governor may hand his role over or give it up; after `renounce` nothing changes any more, but for what was
/// proposed by then.
///
/// **Delays.** Stake is bound for `exitDelay` after its last duty was seen to be over, which is the time that evidence has, and
/// never for less than the light client believes a committee: who could still be believed can still be slashed. Where the light
/// client stands still, its committee is believed for its trusting period and then has `exitDelay` to answer for it, with `MARGIN`
/// for the epochs and L1 blocks between a draw and the committee's last word.
abstract contract RegistryParameters {
    /// @param stakeMin wei that an owner himself must have behind his registration
    /// @param registrantsMax most registrants at a time
    /// @param epochsAhead epochs that must pass before stake unlocks, counted from one with a header whose L1 origin is
    /// past the leaving: the committees of two epochs are fixed by then, and repeat where the L1 does not finalize in time
    /// @param slashBasisPoints of a registrant's stake that one epoch's misconduct costs, in 1/10,000
    /// @param rewardBasisPoints of that for whoever proved it, in 1/10,000; the rest is burned
    /// @param exitDelay seconds for which stake is bound after its last duty was seen to be over
    /// @param escapeDelay seconds after which it unlocks even if the light client stands still
    /// @param evidence who may slash: the contract that checks evidence; zero for nobody
    struct Parameters {
        uint128 stakeMin;
        uint32 registrantsMax;
        uint16 epochsAhead;
        uint16 slashBasisPoints;
        uint16 rewardBasisPoints;
        uint40 exitDelay;
        uint40 escapeDelay;
        address evidence;
    }

    /// @notice The caller is not the governor.
    error NotGovernor(address expected, address got);
    /// @notice A parameter is outside its bounds.
    error ParameterOutOfRange(bytes32 parameter, uint256 minimum, uint256 maximum, uint256 got);
    /// @notice Nothing is proposed.
    error NothingProposed();
    /// @notice The proposal cannot be enacted yet.
    error ProposalPending(uint256 readyAt);

    /// @notice These parameters may be enacted from the given time (Unix seconds) on. They replace an earlier proposal.
    event ParametersProposed(Parameters parameters, uint256 readyAt);
    /// @notice The proposal was taken back.
    event ProposalWithdrawn();
    /// @notice These parameters are in force.
    event ParametersChanged(Parameters parameters);
    /// @notice The governor is another one, or nobody.
    event GovernorChanged(address from, address to);

    /// @notice Most registrants that any parameters allow: what a node must be able to draw from.
    uint256 public constant REGISTRANTS_MAX = 16_384;
    uint256 internal constant BASIS_POINTS = 10_000;
    uint256 private constant EPOCHS_AHEAD_MIN = 3;
    uint256 private constant EPOCHS_AHEAD_MAX = 64;
    uint256 private constant REWARD_MAX = 1_000;
    uint256 private constant EXIT_DELAY_MIN = 1 hours;
    uint256 private constant TIMELOCK_MAX = 365 days;
    /// @notice Seconds between the slowest exit and a proposal's enactment, and between a committee's draw and the light client's
    /// last word of it.
    uint256 public constant MARGIN = 7 days;

    /// @notice Seconds between a proposal and its enactment.
    uint256 public immutable timelock;
    /// @notice Seconds for which the light client believes a committee after its last word.
    uint256 public immutable trustingPeriod;
    /// @notice Who may propose; zero after `renounce`.
    address public governor;
    uint64 private _readyAt;
    Parameters internal _parameters;
    Parameters private _proposed;

    modifier onlyGovernor() {
        if (msg.sender != governor) revert NotGovernor(governor, msg.sender);
        _;
    }

    constructor(address governor_, uint256 timelock_, uint256 trustingPeriod_, Parameters memory parameters_) {
        _requireRange("timelock", MARGIN, TIMELOCK_MAX, timelock_);
        // Of a light client that believes for ever, no delay would be enough.
        _requireRange("trustingPeriod", 1, type(uint256).max, trustingPeriod_);
        timelock = timelock_;
        trustingPeriod = trustingPeriod_;
        governor = governor_;
        emit GovernorChanged(address(0), governor_);
        _check(parameters_, timelock_, trustingPeriod_);
        _parameters = parameters_;
        emit ParametersChanged(parameters_);
    }

    /// @notice The parameters in force.
    function parameters() external view returns (Parameters memory) {
        return _parameters;
    }

    /// @notice What is proposed, and from when on it can be enacted; zero for nothing.
    function proposal() external view returns (Parameters memory proposed, uint256 readyAt) {
        return (_proposed, _readyAt);
    }

    /// @notice Proposes parameters; an earlier proposal is gone.
    function propose(Parameters calldata parameters_) external onlyGovernor {
        _check(parameters_, timelock, trustingPeriod);
        _proposed = parameters_;
        _readyAt = uint64(block.timestamp + timelock);
        emit ParametersProposed(parameters_, _readyAt);
    }

    /// @notice Takes the proposal back.
    function withdrawProposal() external onlyGovernor {
        if (_readyAt == 0) revert NothingProposed();
        _readyAt = 0;
        delete _proposed;
        emit ProposalWithdrawn();
    }

    /// @notice Puts the proposal in force, by anybody, so that no governor keeps one in reserve.
    function enact() external {
        uint256 readyAt = _readyAt;
        if (readyAt == 0) revert NothingProposed();
        if (block.timestamp < readyAt) revert ProposalPending(readyAt);
        _readyAt = 0;
        _parameters = _proposed;
        delete _proposed;
        emit ParametersChanged(_parameters);
    }

    /// @notice Hands the role over.
    function transferGovernance(address to) external onlyGovernor {
        // A governor that nobody is would be a `renounce` by mistake.
        if (to == address(0)) revert NotGovernor(governor, to);
        _setGovernor(to);
    }

    /// @notice Gives the role up.
    function renounce() external onlyGovernor {
        _setGovernor(address(0));
    }

    function _setGovernor(address to) private {
        emit GovernorChanged(governor, to);
        governor = to;
    }

    function _check(Parameters memory p, uint256 timelock_, uint256 trustingPeriod_) private pure {
        _requireRange("stakeMin", 1, type(uint96).max, p.stakeMin);
        _requireRange("registrantsMax", 1, REGISTRANTS_MAX, p.registrantsMax);
        _requireRange("epochsAhead", EPOCHS_AHEAD_MIN, EPOCHS_AHEAD_MAX, p.epochsAhead);
        _requireRange("slashBasisPoints", 1, BASIS_POINTS, p.slashBasisPoints);
        _requireRange("rewardBasisPoints", 0, REWARD_MAX, p.rewardBasisPoints);
        uint256 exitDelayMin = trustingPeriod_ < EXIT_DELAY_MIN ? EXIT_DELAY_MIN : trustingPeriod_;
        _requireRange("exitDelay", exitDelayMin, timelock_, p.exitDelay);
        _requireRange("escapeDelay", p.exitDelay + trustingPeriod_ + MARGIN, timelock_ - MARGIN, p.escapeDelay);
    }

    function _requireRange(bytes32 parameter, uint256 minimum, uint256 maximum, uint256 got) private pure {
        if (got < minimum || got > maximum) revert ParameterOutOfRange(parameter, minimum, maximum, got);
    }
}
