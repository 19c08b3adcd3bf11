// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Poseidon2} from "./Poseidon2.sol";

/// @title What a rollup must take from the L1: deposits, messages, and transactions that its committee will not
/// order.
/// @notice Anybody may append, nobody can remove. Every entry has a deadline, `inboxDelay` seconds after it came;
/// a rollup that has not consumed it by then settles nothing before it does. The rolling hash is Poseidon2's,
/// because a circuit opens every entry: see docs/settlement.md for what that costs on either side, and
/// `sinter_primitives::inbox` for the layout.
/// @dev Storage is one word an entry and a sixth of one, paid by whoever appends. A ring would be cheaper, but
/// whoever fills a lap of it between a proof and its settlement could keep a rollup from settling.
abstract contract Inbox {
    /// @notice The payload is longer than an entry may carry.
    error PayloadTooLong(uint256 maximum, uint256 got);
    /// @notice The payload is empty: an entry without one says nothing.
    error PayloadEmpty();
    /// @notice The delay would be too short for a prover, or too long for anybody forced to wait.
    error InboxDelayOutOfRange(uint256 minimum, uint256 maximum, uint256 got);

    /// @notice An entry was appended: everything that its hash binds.
    /// @param index its number, from 0
    /// @param rolling the hash over all entries up to and with this one
    event InboxEntry(
        uint64 indexed index, uint8 kind, address indexed sender, uint96 value, uint40 deadline, bytes payload, bytes32 rolling
    );

    /// @notice Most bytes of a payload.
    uint256 public constant PAYLOAD_BYTES_MAX = 4096;
    /// @notice An entry's kind: ether, a message, or both.
    uint8 public constant DEPOSIT = 1;
    /// @notice An entry's kind: a transaction that the rollup must take.
    uint8 public constant FORCED = 2;

    uint256 private constant TAG = 4;
    uint40 internal constant INBOX_DELAY_MIN = 1 hours;
    uint40 internal constant INBOX_DELAY_MAX = 30 days;

    /// @notice Seconds from an entry's arrival to its deadline.
    uint40 public immutable inboxDelay;
    // The hash over the first n entries. That of none is the domain.
    mapping(uint64 entries => bytes32) private _rolling;
    // Deadlines, six to a word. They never fall.
    uint40[] private _deadlines;

    constructor(uint40 inboxDelay_) {
        if (inboxDelay_ < INBOX_DELAY_MIN || inboxDelay_ > INBOX_DELAY_MAX) {
            revert InboxDelayOutOfRange(INBOX_DELAY_MIN, INBOX_DELAY_MAX, inboxDelay_);
        }
        inboxDelay = inboxDelay_;
    }

    /// @dev The hash over no entry; the constructor of the whole contract calls it once.
    function _startInbox(bytes32 domain) internal {
        _rolling[0] = domain;
    }

    /// @notice Appends ether for the rollup, a message to it, or both. Ether stays here until it is withdrawn.
    /// @param payload whom the rollup credits, in its own terms
    /// @return index the entry's number
    function deposit(bytes calldata payload) external payable returns (uint64 index) {
        return _append(DEPOSIT, payload);
    }

    /// @notice Appends a transaction that the rollup must take before its deadline.
    /// @return index the entry's number
    function force(bytes calldata transaction) external returns (uint64 index) {
        return _append(FORCED, transaction);
    }

    /// @notice How many entries there are.
    function inboxCount() public view returns (uint64) {
        return uint64(_deadlines.length);
    }

    /// @notice The rolling hash over the first `entries`; zero where there are not so many.
    function inboxHash(uint64 entries) public view returns (bytes32) {
        return _rolling[entries];
    }

    /// @notice When entry `index` must have been consumed, in Unix seconds.
    function inboxDeadline(uint64 index) public view returns (uint40) {
        return _deadlines[index];
    }

    function _append(uint8 kind, bytes calldata payload) private returns (uint64 index) {
        if (payload.length == 0) revert PayloadEmpty();
        if (payload.length > PAYLOAD_BYTES_MAX) revert PayloadTooLong(PAYLOAD_BYTES_MAX, payload.length);
        index = inboxCount();
        uint40 deadline = uint40(block.timestamp) + inboxDelay;
        // There are fewer than 2^96 wei.
        uint96 value = uint96(msg.value);
        bytes memory entry = abi.encodePacked(kind, msg.sender, value, deadline, uint16(payload.length), payload);
        bytes32 rolling = Poseidon2.compress(_rolling[index], Poseidon2.sponge(TAG, entry.length, entry));
        _rolling[index + 1] = rolling;
        _deadlines.push(deadline);
        emit InboxEntry(index, kind, msg.sender, value, deadline, payload, rolling);
    }
}
