// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Namespaces} from "./Namespaces.sol";

/// @title Sells the first place in a namespace's lane, term by term, for the namespace's own revenue.
/// @notice Whoever bids most for a term has his key sign what comes first in the lane during it, one bundle a block, behind what was
/// forced (docs/protocol.md, "Ordering revenue"). A term is bid for while the one before it runs. What is paid goes to the address that
/// the namespace names. Somebody has to begin each term: until then the last winner's key stays. A term that nobody bid for is
/// first-come once it was begun, and one that was is paid for from then on.
/// @dev It has to own the namespace: who opened it transfers it here, and gets it back when what was sold is over. Meanwhile it is his to
/// limit, so bidders trust him not to leave the lane dry; what is withdrawn is revenue. The winner's key counts from the block of the order
/// that goes on to the L1 block of `begin`, some 15 minutes after it, until the same of the next term.
contract ExpressAuction {
    /// @notice Only the owner may.
    error NotTheOwner(address expected, address got);
    /// @notice No bid of that is taken now.
    error TermClosed(uint64 expected, uint64 got);
    /// @notice A bid that is not enough.
    error BidTooLow(uint256 minimum, uint256 got);
    /// @notice No more terms are sold.
    error Closed();
    /// @notice What was sold is not over yet.
    error NotOver(uint64 last, uint64 current);
    /// @notice A key with which nothing could be signed.
    error KeyMissing();
    /// @notice The term that runs was begun before.
    error Begins(uint64 current);
    /// @notice The address refuses its ether.
    error Unpaid(address to, uint256 amount);
    /// @notice Terms, the least bid, the owner or the revenue's address are nothing.
    error ParameterMissing();
    /// @notice A term that is too long.
    error TermTooLong(uint64 maximum, uint64 got);

    /// @notice Somebody bids more than everybody before him.
    event Bid(uint64 indexed term, address indexed bidder, bytes32 key, uint256 amount);
    /// @notice A term has begun: `key` is the auction key, or zero where nobody bid; `amount` is revenue.
    event Begun(uint64 indexed term, address indexed bidder, bytes32 key, uint256 amount);
    /// @notice No term behind this one is sold.
    event Closing(uint64 last);

    struct Offer {
        address bidder;
        bytes32 key;
        uint256 amount;
    }

    // What the next bid has to be above the one before it: more than a sixteenth.
    uint256 private constant STEP = 16;
    /// @notice The longest term, in seconds: a bid waits for two at most.
    uint64 public constant TERM_SECONDS_MAX = 366 days;

    /// @notice Where the namespace was opened.
    Namespaces public immutable namespaces;
    /// @notice Whose first place is sold.
    uint64 public immutable namespace;
    /// @notice Who may limit the namespace, and take it back.
    address public immutable owner;
    /// @notice Who gets what is paid, and what is withdrawn from the namespace.
    address public immutable revenue;
    /// @notice How long a term is, in seconds.
    uint64 public immutable termSeconds;
    /// @notice The least that is bid, in wei.
    uint256 public immutable bidMin;

    /// @notice The last term that was begun.
    uint64 public begun;
    /// @notice The last term that is sold, once there is one.
    uint64 public last = type(uint64).max;
    /// @notice The highest bids for terms that were not begun.
    mapping(uint64 term => Offer) public offers;
    /// @notice What bidders have to get back.
    mapping(address bidder => uint256) public refunds;
    // What is the bidders': in refunds, and in bids for a term that has not begun.
    uint256 private held;

    /// @param namespaces_ where the namespace was opened
    /// @param namespace_ which is transferred to this contract afterwards
    /// @param owner_ who may limit it and take it back
    /// @param revenue_ who gets what is paid
    /// @param termSeconds_ how long a term is
    /// @param bidMin_ the least that is bid, in wei
    constructor(
        Namespaces namespaces_,
        uint64 namespace_,
        address owner_,
        address revenue_,
        uint64 termSeconds_,
        uint256 bidMin_
    ) {
        if (termSeconds_ == 0 || bidMin_ == 0 || owner_ == address(0) || revenue_ == address(0)) revert ParameterMissing();
        if (termSeconds_ > TERM_SECONDS_MAX) revert TermTooLong(TERM_SECONDS_MAX, termSeconds_);
        (namespaces, namespace, owner, revenue) = (namespaces_, namespace_, owner_, revenue_);
        (termSeconds, bidMin) = (termSeconds_, bidMin_);
        begun = _current();
    }

    // What is withdrawn from the namespace is paid to its owner, which this is.
    receive() external payable {}

    /// @notice Bids for the next term. It has to be more than a sixteenth above the highest bid, which its bidder gets back.
    /// @param term the one after the one that runs: a bid that is mined late is not for another
    /// @param key the ed25519 key that signs what comes first
    function bid(uint64 term, bytes32 key) external payable {
        uint64 next = _current() + 1;
        if (term != next) revert TermClosed(next, term);
        if (term > last || !_owns()) revert Closed();
        if (key == 0) revert KeyMissing();
        Offer storage offer = offers[term];
        uint256 highest = offer.amount;
        uint256 minimum = highest == 0 ? bidMin : highest + highest / STEP + 1;
        if (msg.value < minimum) revert BidTooLow(minimum, msg.value);
        if (highest != 0) refunds[offer.bidder] += highest;
        held += msg.value;
        (offer.bidder, offer.key, offer.amount) = (msg.sender, key, msg.value);
        emit Bid(term, msg.sender, key, msg.value);
    }

    /// @notice Begins the term that runs: its winner's key is the auction key from now on, and his bid is revenue, but for the part of the
    /// term that has passed: nobody gains by beginning it late, or by keeping others from it. Anybody may call it.
    function begin() external {
        uint64 term = _current();
        if (term == begun) revert Begins(term);
        begun = term;
        Offer memory won = offers[term];
        delete offers[term];
        uint256 passed = won.amount * (block.timestamp % termSeconds) / termSeconds;
        if (passed != 0) refunds[won.bidder] += passed;
        held -= won.amount - passed;
        emit Begun(term, won.bidder, won.key, won.amount - passed);
        if (won.amount == 0) namespaces.reorder(namespace, 0, 0);
        else namespaces.reorder(namespace, 1, won.key);
    }

    /// @notice Gives the bid for a term back to its bidder, where nobody began the term in its time.
    function lapse(uint64 term) external {
        uint64 now_ = _current();
        if (term >= now_ && _owns()) revert NotOver(term, now_);
        Offer memory late = offers[term];
        delete offers[term];
        refunds[late.bidder] += late.amount;
    }

    /// @notice Pays a bidder what is his.
    function refund(address bidder) external {
        uint256 amount = refunds[bidder];
        refunds[bidder] = 0;
        held -= amount;
        _pay(bidder, amount);
    }

    /// @notice Pays the revenue: all that is here and no bidder's. Anybody may call it.
    function collect() external {
        _pay(revenue, address(this).balance - held);
    }

    /// @notice Sets what the namespace may have in a block and spend in an epoch.
    function limit(uint32 blockBytesMax, uint128 epochWeiMax) external {
        _requireOwner();
        namespaces.limit(namespace, blockBytesMax, epochWeiMax);
    }

    /// @notice Takes back what the namespace has prepaid. It is revenue when it is paid.
    function withdraw(uint128 amount) external {
        _requireOwner();
        namespaces.withdraw(namespace, amount);
    }

    /// @notice Sells no term behind the next one, for which there may be bids.
    function close() external {
        _requireOwner();
        if (last != type(uint64).max) return;
        last = _current() + 1;
        emit Closing(last);
    }

    /// @notice Gives the namespace to somebody else, once what was sold is over. Its lane stays ordered as it is until he says otherwise.
    function handBack(address to) external {
        _requireOwner();
        uint64 now_ = _current();
        if (now_ <= last) revert NotOver(last, now_);
        namespaces.transfer(namespace, to);
    }

    /// @notice The term that runs.
    function current() external view returns (uint64) {
        return _current();
    }

    function _current() private view returns (uint64) {
        return uint64(block.timestamp) / termSeconds;
    }

    function _owns() private view returns (bool) {
        return namespaces.ownerOf(namespace) == address(this);
    }

    function _requireOwner() private view {
        if (msg.sender != owner) revert NotTheOwner(owner, msg.sender);
    }

    function _pay(address to, uint256 amount) private {
        (bool taken,) = to.call{value: amount}("");
        if (!taken) revert Unpaid(to, amount);
    }
}
