// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Bls} from "./Bls.sol";
import {Headers} from "./Headers.sol";
import {ICertified} from "./ICertified.sol";
import {RegistryParameters} from "./RegistryParameters.sol";

/// @title Who may be drawn for a committee, with which keys, and what stands behind him.
/// @notice Anybody registers with stake, a BLS key that he proves to have, the key of his node and where it listens. Others
/// delegate. Stake leaves after a delay **and** after the light client has shown that the last committee with it is over, or
/// keys without stake could forge history; if the light client stands still, it leaves after a longer delay. Until it is
/// claimed, it can be slashed.
///
/// **Shares.** Who brings a wei gets a share of that registrant. A slash takes wei and no shares, and ends the registration,
/// and nobody joins a registration that ended: so a share is a wei until there is a slash, and `stake / shares` wei after
/// it. What is claimed is rounded down; the last one to claim gets what is left.
///
/// **Records.** Whatever a draw depends on is recorded: numbered, in one event each, and in a hash chain. `head` binds all
/// records and their order, so that somebody who knows one word of this contract's storage knows whether he was told all
/// of them, and somebody who has followed until some record goes on from there. Layout in docs/settlement.md and
/// `sinter_primitives::registry`.
///
/// No loop here depends on anybody else, and nobody is paid but by his own call.
contract CommitteeRegistry is RegistryParameters {
    using Headers for bytes;

    /// @notice A BLS key with what its owner proves by it.
    /// @param bls the key, 192 bytes
    /// @param possession its signature over itself: what makes it safe to add to others
    /// @param consent its signature over this registry and the owner's account: nobody registers another's key
    struct Keys {
        bytes bls;
        bytes32[3] possession;
        bytes32[3] consent;
    }

    /// @notice A registrant.
    /// @param owner who acts for him
    /// @param leftBlock the L1 block in which he left; zero while he has not
    /// @param leftAt that block's time
    /// @param stake wei behind all shares
    /// @param shares all that are not claimed
    /// @param activeShares those that are not leaving
    /// @param blsKeyHash the Keccak-256 of his BLS key
    /// @param nodeKey the ed25519 key of his node
    struct Member {
        address owner;
        uint48 leftBlock;
        uint40 leftAt;
        uint128 stake;
        uint128 shares;
        uint128 activeShares;
        bytes32 blsKeyHash;
        bytes32 nodeKey;
    }

    /// @notice Shares that leave.
    /// @param holder whose they are
    /// @param member the registrant
    /// @param shares how many
    /// @param since the L1 block from which on they are in no snapshot
    /// @param unlocksAt the earliest time
    /// @param escapesAt the time from which on the light client does not matter
    struct Ticket {
        address holder;
        uint64 member;
        uint128 shares;
        uint48 since;
        uint40 unlocksAt;
        uint40 escapesAt;
    }

    /// @notice A BLS key that was ever registered; it belongs to one registrant for ever.
    /// @param member whose
    /// @param since the L1 block in which another one took its place; zero while none has
    /// @param unlocksAt the earliest time at which nothing signed by it is slashed any more
    /// @param escapesAt the time from which on the light client does not matter for that
    /// @param released nothing signed by it is slashed any more
    struct Key {
        uint64 member;
        uint48 since;
        uint40 unlocksAt;
        uint40 escapesAt;
        bool released;
    }

    error LengthMismatch(uint256 expected, uint256 got);
    error AddressLength(uint256 maximum, uint256 got);
    error BelowMinimum(uint256 minimum, uint256 got);
    error RegistryFull(uint256 maximum);
    error BlsKeyTaken(bytes32 keyHash, uint64 member);
    error NodeKeyTaken(bytes32 nodeKey, uint64 member);
    error InvalidProofOfPossession();
    error InvalidConsent(address owner);
    error MemberUnknown(uint64 member);
    error MemberLeft(uint64 member);
    error NotTheOwner(address expected, address got);
    error NoShares();
    error InsufficientShares(uint256 held, uint256 got);
    error TicketUnknown(uint64 ticket);
    error NotTheHolder(address expected, address got);
    error Locked(uint256 unlocksAt);
    error EpochBeforeLeaving(uint64 epoch, uint256 expected, uint256 got);
    error EpochNotPassed(uint256 expected, uint256 got);
    error KeyUnknown(bytes32 keyHash);
    error KeyInUse(bytes32 keyHash);
    error KeyReleasedAlready(bytes32 keyHash);
    error NotEvidence(address expected, address got);
    error AlreadySlashed(uint64 member, uint64 epoch);
    error NothingOwed(address account);
    error PaymentFailed(address to, uint256 value);

    /// @notice Something changed that draws depend on: the record's number, its registrant, kind and data, and the hash chain's
    /// head after it.
    event Recorded(uint64 indexed sequence, uint64 indexed member, uint8 kind, bytes data, bytes32 head);
    /// @notice Shares came, a wei each.
    event Bonded(uint64 indexed member, address indexed holder, uint256 shares);
    /// @notice Shares leave.
    event TicketOpened(
        uint64 indexed ticket,
        uint64 indexed member,
        address indexed holder,
        uint256 shares,
        uint256 since,
        uint256 unlocksAt,
        uint256 escapesAt
    );
    /// @notice Shares left, for this many wei.
    event Claimed(uint64 indexed ticket, uint256 wei_, address to);
    /// @notice A key was replaced by another one of the same registrant.
    event KeyRetired(bytes32 indexed keyHash, uint256 since, uint256 unlocksAt, uint256 escapesAt);
    /// @notice Nothing signed by the key is slashed any more.
    event KeyReleased(bytes32 indexed keyHash);
    /// @notice A registrant misbehaved in an epoch and lost `penalty` wei, of which `reward` are the reporter's.
    event Slashed(uint64 indexed member, uint64 indexed epoch, bytes32 keyHash, uint256 penalty, address reporter, uint256 reward);
    /// @notice A reporter was paid.
    event RewardPaid(address indexed reporter, uint256 wei_, address to);
    /// @notice The committee of `epoch` certified a header with an L1 origin of this number.
    event Observed(uint64 indexed epoch, uint64 origin);

    /// @notice A record's kind: owner (20) ‖ stake (16) ‖ BLS key (192) ‖ proof of possession (96) ‖ node key (32) ‖ address.
    uint8 public constant REGISTERED = 1;
    /// @notice A record's kind: stake (16) that counts from now on.
    uint8 public constant STAKE_CHANGED = 2;
    /// @notice A record's kind: BLS key (192) ‖ proof of possession (96).
    uint8 public constant BLS_KEY_CHANGED = 3;
    /// @notice A record's kind: node key (32) ‖ address.
    uint8 public constant NODE_CHANGED = 4;
    /// @notice A record's kind: nothing; he is no candidate any more.
    uint8 public constant LEFT = 5;
    /// @notice Most bytes of an address: a name of 253, a colon and a port.
    uint256 public constant ADDRESS_BYTES_MAX = 259;

    /// @notice What tells which headers are certified.
    ICertified public immutable lightClient;
    /// @notice The hash over all records.
    bytes32 public head;
    /// @notice How many records there are.
    uint64 public records;
    /// @notice How many registrants there ever were; they are numbered from 1.
    uint64 public members;
    /// @notice How many tickets there ever were; they are numbered from 1.
    uint64 public tickets;
    /// @notice How many registrants have not left.
    uint32 public registrants;
    /// @notice The last epoch of which a certified header was shown.
    uint64 public newestEpoch;
    /// @notice Wei that were slashed and nobody gets.
    uint128 public burned;

    mapping(uint64 member => Member) private _members;
    mapping(uint64 member => mapping(address holder => uint128)) private _shares;
    mapping(uint64 ticket => Ticket) private _tickets;
    mapping(bytes32 keyHash => Key) private _keys;
    /// @notice The registrant to whom a node key belongs for ever; zero for nobody.
    mapping(bytes32 nodeKey => uint64 member) public nodeKeyMember;
    /// @notice The greatest L1 origin of an epoch's headers that were shown.
    mapping(uint64 epoch => uint64 origin) public originOf;
    /// @notice Whether a registrant was slashed for an epoch.
    mapping(uint64 member => mapping(uint64 epoch => bool)) public slashedIn;
    /// @notice Wei that a reporter can withdraw.
    mapping(address reporter => uint256) public owed;

    /// @param lightClient_ what tells which headers are certified
    /// @param governor_ who may propose parameters
    /// @param timelock_ seconds between a proposal and its enactment
    /// @param parameters_ the first parameters
    constructor(ICertified lightClient_, address governor_, uint256 timelock_, Parameters memory parameters_)
        RegistryParameters(governor_, timelock_, parameters_)
    {
        lightClient = lightClient_;
        head = keccak256(abi.encodePacked("SINTER_REGISTRY", uint64(block.chainid), address(this)));
    }

    // ---------------------------------------------------------------- reading

    /// @notice A registrant; all zero where there is none.
    function member(uint64 id) external view returns (Member memory) {
        return _members[id];
    }

    /// @notice A holder's shares of a registrant that are not leaving.
    function sharesOf(uint64 id, address holder) external view returns (uint256) {
        return _shares[id][holder];
    }

    /// @notice Shares that leave; all zero where there is no such ticket, or no more.
    function ticket(uint64 number) external view returns (Ticket memory) {
        return _tickets[number];
    }

    /// @notice What is known of a BLS key, by its Keccak-256. One with a member was proven to be possessed.
    function key(bytes32 keyHash) external view returns (Key memory) {
        return _keys[keyHash];
    }

    // ---------------------------------------------------------------- joining

    /// @notice Registers the caller with the ether that comes with the call. He may do so more than once, with other keys.
    /// @param keys the BLS key to vote with
    /// @param nodeKey the ed25519 key of his node. That he has it shows when others connect to it.
    /// @param nodeAddress where the node listens, as text: docs/protocol.md
    /// @return id his number
    function register(Keys calldata keys, bytes32 nodeKey, bytes calldata nodeAddress) external payable returns (uint64 id) {
        if (msg.value < _parameters.stakeMin) revert BelowMinimum(_parameters.stakeMin, msg.value);
        if (registrants >= _parameters.registrantsMax) revert RegistryFull(_parameters.registrantsMax);
        id = ++members;
        ++registrants;
        Member storage m = _members[id];
        m.owner = msg.sender;
        m.blsKeyHash = _admitBlsKey(id, msg.sender, keys);
        _admitNode(m, id, nodeKey, nodeAddress);
        uint128 shares = _bond(m, id);
        _record(
            id, REGISTERED, abi.encodePacked(msg.sender, shares, keys.bls, keys.possession, nodeKey, nodeAddress)
        );
    }

    /// @notice Puts the ether that comes with the call behind a registrant: his owner tops up, others delegate.
    function delegate(uint64 id) external payable {
        Member storage m = _requireMember(id);
        if (msg.value == 0) revert NoShares();
        _bond(m, id);
        _record(id, STAKE_CHANGED, abi.encodePacked(m.activeShares));
    }

    /// @notice Votes with another BLS key from the next snapshot on. What the old one signs can be slashed until `release`.
    function rotateBlsKey(uint64 id, Keys calldata keys) external {
        Member storage m = _requireOwner(id);
        bytes32 old = m.blsKeyHash;
        m.blsKeyHash = _admitBlsKey(id, msg.sender, keys);
        Key storage k = _keys[old];
        (k.since, k.unlocksAt, k.escapesAt) = _leaving(uint48(block.number), uint40(block.timestamp));
        emit KeyRetired(old, k.since, k.unlocksAt, k.escapesAt);
        _record(id, BLS_KEY_CHANGED, abi.encodePacked(keys.bls, keys.possession));
    }

    /// @notice Runs another node, or listens elsewhere, from the next snapshot on.
    function rotateNode(uint64 id, bytes32 nodeKey, bytes calldata nodeAddress) external {
        Member storage m = _requireOwner(id);
        _admitNode(m, id, nodeKey, nodeAddress);
        _record(id, NODE_CHANGED, abi.encodePacked(nodeKey, nodeAddress));
    }

    /// @dev A share for each wei that came with the call.
    function _bond(Member storage m, uint64 id) private returns (uint128 shares) {
        // There are fewer than 2^96 wei.
        shares = uint128(msg.value);
        m.stake += shares;
        m.shares += shares;
        m.activeShares += shares;
        _shares[id][msg.sender] += shares;
        emit Bonded(id, msg.sender, shares);
    }

    function _admitBlsKey(uint64 id, address owner, Keys calldata keys) private returns (bytes32 keyHash) {
        if (keys.bls.length != Bls.G2_BYTES) revert LengthMismatch(Bls.G2_BYTES, keys.bls.length);
        keyHash = keccak256(keys.bls);
        if (_keys[keyHash].member != 0) revert BlsKeyTaken(keyHash, _keys[keyHash].member);
        if (!Bls.possesses(keys.bls, keys.possession)) revert InvalidProofOfPossession();
        bytes memory message = abi.encodePacked(uint8(19), "SINTER_REGISTRATION", uint64(block.chainid), address(this), owner);
        if (!Bls.signed(keys.bls, message, Bls.MESSAGE_DST, keys.consent)) revert InvalidConsent(owner);
        _keys[keyHash].member = id;
    }

    /// @dev A node that only moves keeps its key.
    function _admitNode(Member storage m, uint64 id, bytes32 nodeKey, bytes calldata nodeAddress) private {
        uint256 length = nodeAddress.length;
        if (length == 0 || length > ADDRESS_BYTES_MAX) revert AddressLength(ADDRESS_BYTES_MAX, length);
        uint64 taken = nodeKeyMember[nodeKey];
        if (taken != 0 && (taken != id || m.nodeKey != nodeKey)) revert NodeKeyTaken(nodeKey, taken);
        nodeKeyMember[nodeKey] = id;
        m.nodeKey = nodeKey;
    }

    // ---------------------------------------------------------------- leaving

    /// @notice Ends a registration; all shares of its owner leave. Delegators take theirs by `undelegate`.
    function exit(uint64 id) external returns (uint64 number) {
        Member storage m = _requireOwner(id);
        _leave(m, id);
        return _open(m, id, _shares[id][msg.sender]);
    }

    /// @notice Has shares leave. The owner of a registration that goes on keeps the minimum.
    function undelegate(uint64 id, uint128 shares) external returns (uint64 number) {
        Member storage m = _members[id];
        if (m.owner == address(0)) revert MemberUnknown(id);
        if (shares == 0) revert NoShares();
        uint128 held = _shares[id][msg.sender];
        if (shares > held) revert InsufficientShares(held, shares);
        bool left = m.leftBlock != 0;
        if (!left && msg.sender == m.owner && held - shares < _parameters.stakeMin) {
            revert BelowMinimum(_parameters.stakeMin, held - shares);
        }
        number = _open(m, id, shares);
        if (!left) _record(id, STAKE_CHANGED, abi.encodePacked(m.activeShares));
    }

    /// @notice Shows a header that the light client has: that its epoch came, and how far the L1 was seen in it.
    function observe(bytes calldata header, uint64 index) external {
        lightClient.certified(header, index);
        (uint64 epoch, uint64 origin) = (header.epoch(), header.l1OriginNumber());
        if (origin > originOf[epoch]) {
            originOf[epoch] = origin;
            emit Observed(epoch, origin);
        }
        if (epoch > newestEpoch) newestEpoch = epoch;
    }

    /// @notice Pays a ticket out.
    /// @param number the ticket
    /// @param epoch one with a header, shown before, whose L1 origin is not before the leaving
    /// @param to who gets the ether
    function claim(uint64 number, uint64 epoch, address to) external {
        Ticket memory t = _tickets[number];
        if (t.holder == address(0)) revert TicketUnknown(number);
        if (msg.sender != t.holder) revert NotTheHolder(t.holder, msg.sender);
        _requirePassed(t.since, t.unlocksAt, t.escapesAt, epoch);
        Member storage m = _members[t.member];
        // The ticket and its shares first: whoever is paid finds them gone.
        delete _tickets[number];
        uint256 value = uint256(t.shares) * m.stake / m.shares;
        m.stake -= uint128(value);
        m.shares -= t.shares;
        emit Claimed(number, value, to);
        _pay(to, value);
    }

    /// @notice Declares that nothing signed by a replaced key is slashed any more.
    /// @param epoch as for `claim`
    function release(bytes32 keyHash, uint64 epoch) external {
        Key memory k = _keys[keyHash];
        if (k.member == 0) revert KeyUnknown(keyHash);
        if (k.since == 0) revert KeyInUse(keyHash);
        if (k.released) revert KeyReleasedAlready(keyHash);
        _requirePassed(k.since, k.unlocksAt, k.escapesAt, epoch);
        _keys[keyHash].released = true;
        emit KeyReleased(keyHash);
    }

    function _leave(Member storage m, uint64 id) private {
        m.leftBlock = uint48(block.number);
        m.leftAt = uint40(block.timestamp);
        --registrants;
        _record(id, LEFT, "");
    }

    /// @dev Shares that the caller has leave, since now, or since the registration ended.
    function _open(Member storage m, uint64 id, uint128 shares) private returns (uint64 number) {
        _shares[id][msg.sender] -= shares;
        m.activeShares -= shares;
        bool left = m.leftBlock != 0;
        (uint48 since, uint40 unlocksAt, uint40 escapesAt) =
            _leaving(left ? m.leftBlock : uint48(block.number), left ? m.leftAt : uint40(block.timestamp));
        number = ++tickets;
        _tickets[number] = Ticket(msg.sender, id, shares, since, unlocksAt, escapesAt);
        emit TicketOpened(number, id, msg.sender, shares, since, unlocksAt, escapesAt);
    }

    function _leaving(uint48 since, uint40 from) private view returns (uint48, uint40, uint40) {
        return (since, from + _parameters.exitDelay, from + _parameters.escapeDelay);
    }

    /// @dev Reverts unless what left in L1 block `since` is in no committee any more, as far as can be known.
    ///
    /// A header of `epoch` with an origin at or past `since` means that the snapshots of all later draws, which are taken at
    /// the origin of an epoch's last block, do not have it. Drawn by then are the committees up to two epochs on.
    function _requirePassed(uint48 since, uint40 unlocksAt, uint40 escapesAt, uint64 epoch) private view {
        if (block.timestamp >= escapesAt) return;
        if (block.timestamp < unlocksAt) revert Locked(unlocksAt);
        if (originOf[epoch] < since) revert EpochBeforeLeaving(epoch, since, originOf[epoch]);
        uint256 passed = uint256(epoch) + _parameters.epochsAhead;
        if (newestEpoch < passed) revert EpochNotPassed(passed, newestEpoch);
    }

    // ---------------------------------------------------------------- misconduct

    /// @notice Takes the penalty for an epoch from a registrant, once, and ends his registration. For the contract that has
    /// checked the evidence.
    /// @param keyHash of the BLS key that signed
    /// @param epoch in which
    /// @param reporter who gets the reward
    function slash(bytes32 keyHash, uint64 epoch, address reporter) external {
        if (msg.sender != _parameters.evidence) revert NotEvidence(_parameters.evidence, msg.sender);
        Key memory k = _keys[keyHash];
        if (k.member == 0) revert KeyUnknown(keyHash);
        if (k.released) revert KeyReleasedAlready(keyHash);
        if (slashedIn[k.member][epoch]) revert AlreadySlashed(k.member, epoch);
        slashedIn[k.member][epoch] = true;
        Member storage m = _members[k.member];
        if (m.leftBlock == 0) _leave(m, k.member);
        uint256 penalty = uint256(m.stake) * _parameters.slashBasisPoints / BASIS_POINTS;
        uint256 reward = penalty * _parameters.rewardBasisPoints / BASIS_POINTS;
        m.stake -= uint128(penalty);
        burned += uint128(penalty - reward);
        owed[reporter] += reward;
        emit Slashed(k.member, epoch, keyHash, penalty, reporter, reward);
    }

    /// @notice Pays the caller's rewards out.
    function withdrawReward(address to) external {
        uint256 value = owed[msg.sender];
        if (value == 0) revert NothingOwed(msg.sender);
        owed[msg.sender] = 0;
        emit RewardPaid(msg.sender, value, to);
        _pay(to, value);
    }

    // ---------------------------------------------------------------- inside

    function _requireMember(uint64 id) private view returns (Member storage m) {
        m = _members[id];
        if (m.owner == address(0)) revert MemberUnknown(id);
        if (m.leftBlock != 0) revert MemberLeft(id);
    }

    function _requireOwner(uint64 id) private view returns (Member storage m) {
        m = _requireMember(id);
        if (msg.sender != m.owner) revert NotTheOwner(m.owner, msg.sender);
    }

    function _record(uint64 id, uint8 kind, bytes memory data) private {
        uint64 sequence = records++;
        bytes32 next = keccak256(abi.encodePacked(head, sequence, id, kind, data));
        head = next;
        emit Recorded(sequence, id, kind, data, next);
    }

    function _pay(address to, uint256 value) private {
        // No data comes back, so that nobody can make the caller pay for copying it.
        bool paid;
        assembly ("memory-safe") {
            paid := call(gas(), to, value, 0, 0, 0, 0)
        }
        if (!paid) revert PaymentFailed(to, value);
    }
}
