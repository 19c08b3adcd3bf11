// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FinalityLightClient} from "./FinalityLightClient.sol";
import {IHubs, IStatements} from "./IHubs.sol";
import {Inbox} from "./Inbox.sol";
import {NamespaceTable} from "./NamespaceTable.sol";
import {Poseidon2} from "./Poseidon2.sol";
import {Statements} from "./Statements.sol";
import {Transitions} from "./Transitions.sol";

/// @title One rollup's state on L1, and the ether that it holds.
/// @notice The state is a digest. It advances on a chain of proven statements of one program, each beginning where
/// the one before ended, if the last one consumed exactly what the committee ordered (its accumulator is in a
/// certified header's table) and exactly what stands in the inbox. No owner, no upgrade; the program, the hub or
/// gateway, and the light client are chosen once.
///
/// The accumulator in a statement is always that after a whole block: where the cursor stands inside a block, it
/// is the one after that block. The program knows the block's commitment before it has consumed its bytes. So
/// every statement can be the last of a chain: a block too full for one settlement takes several.
///
/// A frozen light client certifies nothing, so nothing new settles after a freeze; what was settled before can
/// still be withdrawn.
contract RollupSettlement is Inbox {
    using Transitions for bytes;

    /// @notice Where a statement stands that was proven, and its public values.
    struct Statement {
        bytes32 root;
        uint32 index;
        bytes32[] path;
        bytes publicValues;
    }

    /// @notice That the committee ordered what leads to an accumulator. Not read where a chain stays in the block
    /// that was settled last.
    /// @param headers from the block's own up to one that was posted, each the parent of the next
    /// @param post the number of the last one's post in the light client
    /// @param leaf the namespace's leaf in the first one's table, 84 bytes
    /// @param leafIndex its place in the table
    /// @param leafCount how many leaves the table has
    /// @param leafPath the hashes beside the way from the leaf to the table's root, bottom up
    struct Ordered {
        bytes[] headers;
        uint64 post;
        bytes leaf;
        uint64 leafIndex;
        uint64 leafCount;
        bytes32[] leafPath;
    }

    /// @notice How far the rollup has been settled.
    struct Progress {
        uint64 height;
        uint64 offset;
        uint64 inboxEntries;
        uint64 batches;
    }

    /// @notice A payment out of the rollup.
    /// @param batch the number of the statement with withdrawals that it is of
    /// @param root that batch's withdrawals root
    /// @param count how many withdrawals it has
    /// @param index this one's place among them
    struct Withdrawal {
        uint64 batch;
        bytes32 root;
        uint64 count;
        uint64 index;
        address recipient;
        uint96 value;
        bytes32[] path;
    }

    error EmptyChain();
    error GenesisNotCanonical(bytes32 state);
    error DomainMismatch(uint256 statement, bytes32 expected, bytes32 got);
    error StateMismatch(uint256 statement, bytes32 expected, bytes32 got);
    error NoProgress(uint256 statement);
    error WithdrawalsMismatch(uint256 statement, bytes32 root, uint64 count);
    error InboxMismatch(uint64 entries, bytes32 expected, bytes32 got);
    error InboxOverdue(uint64 index, uint40 deadline);
    error HeightMismatch(uint64 expected, uint64 got);
    error AccumulatorMismatch(bytes32 expected, bytes32 got);
    error BatchMismatch(uint64 batch, bytes32 expected, bytes32 got);
    error NotInBatch(bytes32 expected, bytes32 got);
    error AlreadyWithdrawn(uint64 batch, uint64 index);
    error NotTheRecipient(address expected, address got);
    error PaymentFailed(address to, uint256 value);

    /// @notice The state advanced over a chain of so many statements.
    event Advanced(bytes32 indexed state, uint64 height, uint64 offset, uint64 inboxEntries, uint256 statements);
    /// @notice Withdrawals came due.
    event WithdrawalsSettled(uint64 indexed batch, bytes32 root, uint64 count);
    /// @notice One was paid.
    event Withdrawn(uint64 indexed batch, uint64 indexed index, address indexed recipient, address to, uint256 value);

    uint256 private constant DOMAIN_TAG = 6;
    uint256 private constant ACCUMULATOR_TAG = 3;
    uint256 private constant WITHDRAWAL_TAG = 5;

    /// @notice A gateway, or the hub that this rollup is pinned to.
    IHubs public immutable hubs;
    /// @notice What tells which headers are certified.
    FinalityLightClient public immutable lightClient;
    /// @notice The program that every statement must be of.
    bytes32 public immutable programId;
    /// @notice The rollup's lane in the shared order.
    uint64 public immutable namespace;
    /// @notice What every statement must name: this contract on this chain, the order and the lane.
    bytes32 public immutable domain;

    /// @notice The settled state's digest.
    bytes32 public state;
    /// @notice The accumulator after the block in which the cursor stands.
    bytes32 public accumulator;
    /// @notice The cursor, how much of the inbox is consumed, and how many statements had withdrawals.
    Progress public progress;
    // keccak256(root ‖ count) of every statement with withdrawals.
    mapping(uint64 batch => bytes32) private _withdrawals;
    // 256 withdrawals' nullifiers a word.
    mapping(uint64 batch => mapping(uint64 word => uint256)) private _withdrawn;

    /// @param hubs_ a gateway, or a hub
    /// @param lightClient_ what tells which headers are certified
    /// @param programId_ the program that every statement must be of
    /// @param namespace_ the rollup's lane
    /// @param genesisState the digest of the state before anything was ordered for the namespace
    /// @param inboxDelay_ seconds in which an inbox entry must be consumed
    constructor(
        IHubs hubs_,
        FinalityLightClient lightClient_,
        bytes32 programId_,
        uint64 namespace_,
        bytes32 genesisState,
        uint40 inboxDelay_
    ) Inbox(inboxDelay_) {
        Statements.requireCanonical(genesisState);
        hubs = hubs_;
        lightClient = lightClient_;
        programId = programId_;
        namespace = namespace_;
        state = genesisState;
        (domain, accumulator) = _genesis(lightClient_.chainId(), namespace_);
        _startInbox(domain);
    }

    // ---------------------------------------------------------------- settling

    /// @notice Advances the state. Anybody may.
    /// @param selector which hub knows the statements
    /// @param chain statements, each beginning in the state in which the one before ended
    /// @param ordered that the last one's accumulator is the committee's
    function settle(bytes4 selector, Statement[] calldata chain, Ordered calldata ordered) external {
        if (chain.length == 0) revert EmptyChain();
        IStatements hub = hubs.hub(selector);
        Progress memory reached = progress;
        Transitions.Transition memory t;
        bytes32 current = state;
        uint64 settledHeight = reached.height;
        for (uint256 i = 0; i < chain.length; ++i) {
            Statement calldata s = chain[i];
            hub.checkStatement(s.root, programId, s.publicValues, s.index, s.path);
            t = s.publicValues.decode();
            if (t.domain != domain) revert DomainMismatch(i, domain, t.domain);
            if (t.stateBefore != current) revert StateMismatch(i, current, t.stateBefore);
            current = t.stateAfter;
            _advance(reached, t, i);
        }
        _requireInbox(t.inboxEntries, t.inboxRolling);
        if (t.accumulator != accumulator) {
            _requireOrdered(t.accumulator, t.height, ordered);
            accumulator = t.accumulator;
        } else if (t.height != settledHeight) {
            revert HeightMismatch(settledHeight, t.height);
        }
        state = current;
        progress = reached;
        emit Advanced(current, reached.height, reached.offset, reached.inboxEntries, chain.length);
    }

    /// @dev Neither cursor nor inbox go back, and one of them goes on: so no statement settles twice, whatever
    /// states its program may return to.
    function _advance(Progress memory reached, Transitions.Transition memory t, uint256 i) private {
        bool cursorOn = t.height > reached.height || (t.height == reached.height && t.offset > reached.offset);
        bool cursorStays = t.height == reached.height && t.offset == reached.offset;
        bool inboxOn = t.inboxEntries > reached.inboxEntries;
        bool inboxStays = t.inboxEntries == reached.inboxEntries;
        if (!((cursorOn && (inboxOn || inboxStays)) || (cursorStays && inboxOn))) revert NoProgress(i);
        (reached.height, reached.offset, reached.inboxEntries) = (t.height, t.offset, t.inboxEntries);
        if ((t.withdrawals == 0) != (t.withdrawalsRoot == 0)) revert WithdrawalsMismatch(i, t.withdrawalsRoot, t.withdrawals);
        if (t.withdrawals != 0) {
            uint64 batch = reached.batches++;
            _withdrawals[batch] = keccak256(abi.encode(t.withdrawalsRoot, t.withdrawals));
            emit WithdrawalsSettled(batch, t.withdrawalsRoot, t.withdrawals);
        }
    }

    /// @dev What was consumed is what stands there, and nothing that is overdue was left.
    function _requireInbox(uint64 entries, bytes32 rolling) private view {
        bytes32 expected = inboxHash(entries);
        // No hash is zero, and there is none for entries that have not come.
        if (rolling != expected || expected == 0) revert InboxMismatch(entries, expected, rolling);
        if (entries < inboxCount()) {
            uint40 deadline = inboxDeadline(entries);
            if (deadline < block.timestamp) revert InboxOverdue(entries, deadline);
        }
    }

    /// @dev The accumulator is this namespace's after the block at `height`, as a certified header has it.
    function _requireOrdered(bytes32 expected, uint64 height, Ordered calldata ordered) private view {
        (uint64 got, bytes32 root) = NamespaceTable.certifiedRoot(lightClient, ordered.headers, ordered.post);
        if (got != height) revert HeightMismatch(height, got);
        bytes32 leafAccumulator =
            NamespaceTable.accumulator(root, namespace, ordered.leaf, ordered.leafIndex, ordered.leafCount, ordered.leafPath);
        if (leafAccumulator != expected) revert AccumulatorMismatch(leafAccumulator, expected);
    }

    // ---------------------------------------------------------------- withdrawing

    /// @notice Pays a settled withdrawal, once. Anybody may have it paid to its recipient; the recipient alone may
    /// have it paid to somebody else, in case he cannot be paid.
    /// @param to who is paid
    function withdraw(Withdrawal calldata w, address payable to) external {
        if (to != w.recipient && msg.sender != w.recipient) revert NotTheRecipient(w.recipient, msg.sender);
        bytes32 batch = keccak256(abi.encode(w.root, w.count));
        if (_withdrawals[w.batch] != batch) revert BatchMismatch(w.batch, _withdrawals[w.batch], batch);
        bytes32 got = _withdrawalRoot(w);
        if (got != w.root) revert NotInBatch(w.root, got);

        // The nullifier first: whatever the recipient does when he is paid, he finds this withdrawal spent.
        uint256 bit = uint256(1) << (w.index & 0xff);
        uint256 word = _withdrawn[w.batch][w.index >> 8];
        if (word & bit != 0) revert AlreadyWithdrawn(w.batch, w.index);
        _withdrawn[w.batch][w.index >> 8] = word | bit;
        emit Withdrawn(w.batch, w.index, w.recipient, to, w.value);
        // No data comes back, so that nobody can make the caller pay for copying it.
        bool paid;
        uint256 value = w.value;
        assembly ("memory-safe") {
            paid := call(gas(), to, value, 0, 0, 0, 0)
        }
        if (!paid) revert PaymentFailed(to, value);
    }

    /// @notice Whether a withdrawal was paid.
    function withdrawn(uint64 batch, uint64 index) external view returns (bool) {
        return (_withdrawn[batch][index >> 8] >> (index & 0xff)) & 1 != 0;
    }

    /// @dev The root that a withdrawal leads to: one permutation for its leaf and one a level.
    function _withdrawalRoot(Withdrawal calldata w) private pure returns (bytes32 hash) {
        if (w.index >= w.count) revert Statements.IndexOutOfRange(w.count, w.index);
        // Recipient and value take eight elements and three; the tag stands behind them.
        bytes32 right = Poseidon2.pack(bytes24(bytes8(uint64(w.value)))) | bytes32(WITHDRAWAL_TAG << 128);
        hash = Poseidon2.compress(Poseidon2.pack(bytes24(abi.encodePacked(w.recipient, uint32(w.value >> 64)))), right);
        (uint256 position, uint256 last, uint256 used) = (w.index, w.count - 1, 0);
        for (; last != 0; last >>= 1) {
            bool isRight = position & 1 == 1;
            if (isRight || position < last) {
                if (used == w.path.length) revert Statements.PathLength(used + 1, w.path.length);
                bytes32 sibling = w.path[used++];
                Statements.requireCanonical(sibling);
                hash = isRight ? Poseidon2.compress(sibling, hash) : Poseidon2.compress(hash, sibling);
            }
            position >>= 1;
        }
        if (used != w.path.length) revert Statements.PathLength(used, w.path.length);
    }

    // ---------------------------------------------------------------- genesis

    /// @dev The domain, and the namespace's first accumulator (docs/protocol.md, section 5), where an integer's three
    /// elements are its bytes, little-endian, with a zero behind them. One loop: the sponge's code is long, and that
    /// of a creation has its bound too.
    function _genesis(uint64 chainId, uint64 namespace_) private view returns (bytes32 first, bytes32 second) {
        bytes memory elements = new bytes(18);
        for (uint256 i = 0; i < 8; ++i) {
            elements[i] = bytes1(uint8(chainId >> (8 * i)));
            elements[9 + i] = bytes1(uint8(namespace_ >> (8 * i)));
        }
        bytes memory names = abi.encodePacked(uint64(block.chainid), address(this), chainId, namespace_);
        for (uint256 i = 0; i < 2; ++i) {
            bool isDomain = i == 0;
            bytes32 digest =
                Poseidon2.sponge(isDomain ? DOMAIN_TAG : ACCUMULATOR_TAG, isDomain ? names.length : 6, isDomain ? names : elements);
            (first, second) = (second, digest);
        }
    }
}
