// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IHubs, IStatements} from "./IHubs.sol";

/// @title Leads a proof's first four bytes to the hub that knows it.
/// @notice For rollups that want to follow new seal keys without changing an address. Hubs are only ever
/// added, and serve nobody before `delay` has passed since everybody could see them come. What the owner can do:
/// announce a hub; freeze one, at once and for good; hand his role over; give it up. What he cannot: change or
/// remove a hub, shorten the delay, thaw. After `renounce` nobody can do anything. A rollup that trusts no owner
/// pins a hub instead: a hub is a registry of itself.
contract SealGateway is IHubs {
    /// @notice A hub, from when on it serves, and whether it was frozen.
    struct Route {
        IStatements hub;
        uint64 activeFrom;
        bool frozen;
    }

    /// @notice The caller is not the owner.
    error NotOwner(address expected, address got);
    /// @notice The delay is too short for anybody to leave, or longer than anybody waits.
    error DelayOutOfRange(uint256 minimum, uint256 maximum, uint256 got);
    /// @notice There is no contract at the address.
    error NotAContract(address hub);
    /// @notice The selector leads somewhere already, or did before it was frozen.
    error SelectorTaken(bytes4 selector);
    /// @notice No hub was announced for this selector.
    error SelectorUnknown(bytes4 selector);
    /// @notice The hub does not serve yet.
    error SelectorPending(bytes4 selector, uint64 activeFrom);
    /// @notice The hub serves nobody any more.
    error SelectorFrozen(bytes4 selector);

    /// @notice A hub will serve from the given time (Unix seconds) on.
    event Announced(bytes4 indexed selector, IStatements hub, uint64 activeFrom);
    /// @notice A hub stopped serving for good.
    event Froze(bytes4 indexed selector);
    /// @notice The owner is another one, or nobody.
    event OwnerChanged(address from, address to);

    uint64 internal constant DELAY_MIN = 1 days;
    uint64 internal constant DELAY_MAX = 90 days;

    /// @notice Seconds between a hub's announcement and its service.
    uint64 public immutable delay;
    /// @notice Who may announce and freeze; zero after `renounce`.
    address public owner;
    mapping(bytes4 selector => Route) private _routes;

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotOwner(owner, msg.sender);
        _;
    }

    /// @param owner_ who may announce and freeze
    /// @param delay_ seconds between the two, from a day to ninety
    /// @param first a hub that serves at once: whoever uses the gateway saw it
    constructor(address owner_, uint64 delay_, IStatements first) {
        if (delay_ < DELAY_MIN || delay_ > DELAY_MAX) revert DelayOutOfRange(DELAY_MIN, DELAY_MAX, delay_);
        owner = owner_;
        delay = delay_;
        emit OwnerChanged(address(0), owner_);
        _add(first, uint64(block.timestamp));
    }

    /// @notice Announces a hub. Its selector is the first four bytes of its address.
    function announce(IStatements hub_) external onlyOwner {
        _add(hub_, uint64(block.timestamp) + delay);
    }

    /// @notice Stops a hub, announced or serving, for good.
    function freeze(bytes4 selector) external onlyOwner {
        Route storage route_ = _routes[selector];
        if (route_.activeFrom == 0) revert SelectorUnknown(selector);
        if (route_.frozen) revert SelectorFrozen(selector);
        route_.frozen = true;
        emit Froze(selector);
    }

    /// @notice Hands the role over.
    function transferOwnership(address to) external onlyOwner {
        // An owner that nobody is would be a `renounce` by mistake.
        if (to == address(0)) revert NotOwner(owner, to);
        _setOwner(to);
    }

    /// @notice Gives the role up: hubs that were announced come into service, and nothing changes after that.
    function renounce() external onlyOwner {
        _setOwner(address(0));
    }

    /// @inheritdoc IHubs
    function hub(bytes4 selector) external view returns (IStatements) {
        Route memory found = _routes[selector];
        if (found.activeFrom == 0) revert SelectorUnknown(selector);
        if (found.frozen) revert SelectorFrozen(selector);
        if (block.timestamp < found.activeFrom) revert SelectorPending(selector, found.activeFrom);
        return found.hub;
    }

    /// @notice What a selector leads to, served or not; all zero for none.
    function route(bytes4 selector) external view returns (Route memory) {
        return _routes[selector];
    }

    function _add(IStatements hub_, uint64 activeFrom) private {
        if (address(hub_).code.length == 0) revert NotAContract(address(hub_));
        bytes4 selector = bytes4(bytes20(address(hub_)));
        if (_routes[selector].activeFrom != 0) revert SelectorTaken(selector);
        _routes[selector] = Route({hub: hub_, activeFrom: activeFrom, frozen: false});
        emit Announced(selector, hub_, activeFrom);
    }

    function _setOwner(address to) private {
        emit OwnerChanged(owner, to);
        owner = to;
    }
}
