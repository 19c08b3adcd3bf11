// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FinalityLightClient} from "./FinalityLightClient.sol";
import {Headers} from "./Headers.sol";

/// @title What the committee must order, whoever would rather not.
/// @notice Anybody may append a transaction for any namespace; nobody can remove one, and there is no owner. A block whose L1 origin
/// advances opens with what was appended up to there, or no honest member votes for it (docs/protocol.md, "Forced inclusion").
/// Which namespaces are open is the order's business: what is for others is passed over.
/// @dev What an L1 block may append is bounded, so that whatever came in one block fits into a block of the order.
contract ForcedInbox {
    using Headers for bytes;

    /// @notice The payload is empty: a transaction without one says nothing.
    error PayloadEmpty();
    /// @notice The payload is longer than a forced transaction may be.
    error PayloadTooLong(uint256 maximum, uint256 got);
    /// @notice This L1 block has taken as much as it may: try again in the next one.
    error BlockFull(uint256 maximum, uint256 got);
    /// @notice Users' transactions are for namespaces from 1 on: the lane of namespace 0 is a contract's.
    error NamespaceReserved();
    /// @notice There are not so many entries.
    error EntryUnknown(uint64 entries, uint64 got);

    /// @notice A transaction was appended.
    /// @param index its number, from 0
    event Forced(uint64 indexed index, uint64 indexed namespace, address indexed sender, bytes payload);

    /// @notice Most bytes of a payload.
    uint256 public constant PAYLOAD_BYTES_MAX = 16_384;
    /// @notice What an entry counts for beside its payload: more than it takes in a block of the order.
    uint256 public constant ENTRY_BYTES = 64;
    /// @notice Most bytes that one L1 block appends.
    uint256 public constant BLOCK_BYTES_MAX = 65_536;
    /// @notice Seconds in which an entry has to be ordered: L1 finality takes 13 minutes of them.
    uint256 public constant DEADLINE = 30 minutes;

    // One word. An L1 block appends at most 1,024 entries, so the count does not overflow.
    struct Last {
        uint64 entries;
        // The L1 block of the last one, and how much that has taken.
        uint64 blockNumber;
        uint64 blockBytes;
    }

    /// @notice What tells which headers are certified.
    FinalityLightClient public immutable lightClient;

    Last private _last;
    // Unix seconds, six to a word. They never fall.
    mapping(uint256 word => uint256) private _arrivals;

    /// @param lightClient_ the order's
    constructor(FinalityLightClient lightClient_) {
        lightClient = lightClient_;
    }

    /// @notice Appends a transaction that the committee must order for a namespace.
    /// @param namespace whose, from 1 on
    /// @param payload what the namespace's rollup takes for a transaction
    /// @return index the entry's number
    function force(uint64 namespace, bytes calldata payload) external returns (uint64 index) {
        if (namespace == 0) revert NamespaceReserved();
        if (payload.length == 0) revert PayloadEmpty();
        if (payload.length > PAYLOAD_BYTES_MAX) revert PayloadTooLong(PAYLOAD_BYTES_MAX, payload.length);
        index = _number(payload.length);
        emit Forced(index, namespace, msg.sender, payload);
    }

    // The number of the next entry, with a payload of so many bytes. Whoever calls it emits `Forced` with that.
    function _number(uint256 payloadBytes) internal returns (uint64 index) {
        Last memory last = _last;
        if (last.blockNumber != block.number) (last.blockNumber, last.blockBytes) = (uint64(block.number), 0);
        last.blockBytes += uint64(payloadBytes + ENTRY_BYTES);
        if (last.blockBytes > BLOCK_BYTES_MAX) revert BlockFull(BLOCK_BYTES_MAX, last.blockBytes);
        index = last.entries++;
        _last = last;
        _arrivals[index / 6] |= uint256(uint40(block.timestamp)) << (40 * (index % 6));
    }

    /// @notice How many entries there are.
    function count() external view returns (uint64) {
        return _last.entries;
    }

    /// @notice When an entry came, in Unix seconds.
    function arrivedAt(uint64 index) public view returns (uint40) {
        if (index >= _last.entries) revert EntryUnknown(_last.entries, index);
        return uint40(_arrivals[index / 6] >> (40 * (index % 6)));
    }

    /// @notice Whether the committee has left an entry for longer than it may: it certified a header that is more than `DEADLINE` younger
    /// than an entry that it does not count, which stays true of that header; or so much time has passed since an entry came that the
    /// newest posted header does not count. So it is while nobody posts headers, and while the L1 finalizes nothing; and for good after a
    /// freeze. A rollup may let its users do without the committee where it is so.
    /// @param header a posted header; anything, if none was posted
    /// @param post the number of its post
    function overdue(bytes calldata header, uint64 post) external view returns (bool) {
        (,,, uint64 posts, bool frozen) = lightClient.head();
        if (frozen) return true;
        uint256 ordered = 0;
        uint256 saidAt = 0;
        if (posts != 0) {
            lightClient.certified(header, post);
            (ordered, saidAt) = (header.inboxCursor(), header.timestampMs() / 1000);
        }
        if (ordered >= _last.entries) return false;
        uint256 due = arrivedAt(uint64(ordered)) + DEADLINE;
        return saidAt > due || (post + 1 >= posts && block.timestamp > due);
    }
}
