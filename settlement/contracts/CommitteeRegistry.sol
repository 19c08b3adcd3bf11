// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Bls} from "./Bls.sol";
import {IEpochs} from "./IEpochs.sol";
import {RegistryParameters} from "./RegistryParameters.sol";

/// @title Who may be drawn for a committee, with which keys, and what stands behind him.
/// @notice Anybody registers with stake, a BLS key that he proves to have, the key of his node and where it listens. Others
/// delegate. Stake leaves once the light client has shown that the last committee with it is over **and** evidence has had its
/// time since, or keys without stake could forge history; if the light client stands still, it leaves after a longer delay. Until
/// then it can be slashed, and so can whoever has left, by all of his keys: none of them counts any more once he can claim.
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
    /// @notice A BLS key with what its owner proves by it.
    /// @param bls the key, 192 bytes
    /// @param possession its signature over itself: what makes it safe to add to others
    /// @param consent its signature over this registry and the owner's account: nobody registers another's key
    struct Keys {
        bytes bls;
        bytes32[3] possession;
        bytes32[3] consent;
    }

    /// @notice A node. What of it is sound, whoever draws decides: an ed25519 signature costs too much here.
    /// @param key its ed25519 key
    /// @param consent that key's signature over this registry and the owner's account
    /// @param listensAt its address, as text: docs/protocol.md
    struct Node {
        bytes32 key;
        bytes32[2] consent;
        bytes listensAt;
    }

    /// @notice A registrant.
    /// @param owner who acts for him
    /// @param leftBlock the L1 block in which he left; zero while he has not
    /// @param released he has left, and nothing signed by any of his keys is slashed any more
    /// @param stake wei behind all shares
    /// @param shares all that are not claimed
    /// @param activeShares those that are not leaving
    /// @param ownShares the owner's, leaving or not, that are not claimed
    /// @param blsKeyHash the Keccak-256 of his BLS key
    struct Member {
        address owner;
        uint48 leftBlock;
        bool released;
        uint128 stake;
        uint128 shares;
        uint128 activeShares;
        uint128 ownShares;
        bytes32 blsKeyHash;
    }

    /// @notice Shares that leave. The delays are those in force when they began to, whatever is enacted later.
    /// @param holder whose they are
    /// @param epochsAhead epochs that must pass
    /// @param member the registrant
    /// @param shares how many
    /// @param since the L1 block from which on they are in no snapshot
    /// @param exitDelay seconds for which they are bound after that
    /// @param escapesAt the time from which on the light client does not matter
    struct Ticket {
        address holder;
        uint16 epochsAhead;
        uint64 member;
        uint128 shares;
        uint48 since;
        uint40 exitDelay;
        uint40 escapesAt;
    }

    /// @notice A BLS key that was ever registered; it belongs to one registrant for ever.
    /// @param member whose
    /// @param since the L1 block in which it was retired, for another one or because its registrant left; zero while it is in use
    /// @param exitDelay as in a ticket
    /// @param escapesAt as in a ticket
    /// @param epochsAhead as in a ticket
    /// @param released nothing signed by it is slashed any more
    struct Key {
        uint64 member;
        uint48 since;
        uint40 exitDelay;
        uint40 escapesAt;
        uint16 epochsAhead;
        bool released;
    }

    error LengthMismatch(uint256 expected, uint256 got);
    error AddressLength(uint256 maximum, uint256 got);
    error BelowMinimum(uint256 minimum, uint256 got);
    error AmountTooLarge(uint256 maximum, uint256 got);
    error RegistryFull(uint256 maximum);
    error RegistryNotFull(uint256 maximum, uint256 got);
    error BlsKeyTaken(bytes32 keyHash, uint64 member);
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
    error EpochNotOver(uint256 epoch);
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
        uint256 escapesAt
    );
    /// @notice Shares left, for this many wei.
    event Claimed(uint64 indexed ticket, uint256 wei_, address to);
    /// @notice A key was replaced by another one of the same registrant, or he left.
    event KeyRetired(bytes32 indexed keyHash, uint256 since, uint256 escapesAt);
    /// @notice Nothing signed by the key is slashed any more.
    event KeyReleased(bytes32 indexed keyHash);
    /// @notice Nothing signed by any key of a registrant who has left is slashed any more.
    event MemberReleased(uint64 indexed member);
    /// @notice A registrant misbehaved in an epoch and lost `penalty` wei, of which `reward` are the reporter's.
    event Slashed(uint64 indexed member, uint64 indexed epoch, bytes32 keyHash, uint256 penalty, address reporter, uint256 reward);
    /// @notice A reporter was paid.
    event RewardPaid(address indexed reporter, uint256 wei_, address to);

    /// @notice A record's kind: owner (20) ‖ stake (16) ‖ BLS key (192) ‖ proof of possession (96) ‖ node key (32) ‖ its consent (64)
    /// ‖ address.
    uint8 public constant REGISTERED = 1;
    /// @notice A record's kind: stake (16) that counts from now on.
    uint8 public constant STAKE_CHANGED = 2;
    /// @notice A record's kind: BLS key (192) ‖ proof of possession (96).
    uint8 public constant BLS_KEY_CHANGED = 3;
    /// @notice A record's kind: node key (32) ‖ its consent (64) ‖ address.
    uint8 public constant NODE_CHANGED = 4;
    /// @notice A record's kind: nothing; he is no candidate any more.
    uint8 public constant LEFT = 5;
    /// @notice Most bytes of an address: a name of 253, a colon and a port.
    uint256 public constant ADDRESS_BYTES_MAX = 259;
    /// @notice Most wei that come at once: a million times what there is, so that no sum here overflows.
    uint256 public constant AMOUNT_MAX = type(uint96).max;
    /// @notice By how much a newcomer's stake exceeds that of whom he displaces, in 1/10,000.
    uint256 public constant DISPLACEMENT_BASIS_POINTS = 1_000;

    /// @notice What tells which headers are certified.
    IEpochs public immutable lightClient;
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
    /// @notice Wei that were slashed and nobody gets.
    uint128 public burned;

    mapping(uint64 member => Member) private _members;
    mapping(uint64 member => mapping(address holder => uint128)) private _shares;
    mapping(uint64 ticket => Ticket) private _tickets;
    mapping(bytes32 keyHash => Key) private _keys;
    /// @notice Whether a registrant was slashed for an epoch.
    mapping(uint64 member => mapping(uint64 epoch => bool)) public slashedIn;
    /// @notice Wei that a reporter can withdraw.
    mapping(address reporter => uint256) public owed;

    /// @param lightClient_ what tells which headers are certified
    /// @param governor_ who may propose parameters
    /// @param timelock_ seconds between a proposal and its enactment
    /// @param parameters_ the first parameters
    constructor(IEpochs lightClient_, address governor_, uint256 timelock_, Parameters memory parameters_)
        RegistryParameters(governor_, timelock_, lightClient_.trustingPeriod(), parameters_)
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
    /// @param node his node
    /// @return id his number
    function register(Keys calldata keys, Node calldata node) external payable returns (uint64 id) {
        if (registrants >= _parameters.registrantsMax) revert RegistryFull(_parameters.registrantsMax);
        return _register(keys, node);
    }

    /// @notice Registers the caller in the place of somebody with less stake, where all places are taken. Who is displaced leaves
    /// as by `exit`. Which one, the caller chooses: to find the least here would cost everybody who delegates.
    /// @param victim the registrant who leaves
    /// @param keys as for `register`
    /// @param node as for `register`
    /// @return id his number
    function displace(uint64 victim, Keys calldata keys, Node calldata node) external payable returns (uint64 id) {
        if (registrants < _parameters.registrantsMax) revert RegistryNotFull(_parameters.registrantsMax, registrants);
        Member storage m = _requireMember(victim);
        uint256 stake = m.activeShares;
        uint256 minimum = stake + stake * DISPLACEMENT_BASIS_POINTS / BASIS_POINTS + 1;
        if (msg.value < minimum) revert BelowMinimum(minimum, msg.value);
        _leave(m, victim);
        _open(m, victim, m.owner, _shares[victim][m.owner]);
        return _register(keys, node);
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
        _retire(old);
        _record(id, BLS_KEY_CHANGED, abi.encodePacked(keys.bls, keys.possession));
    }

    /// @notice Runs another node, or listens elsewhere, from the next snapshot on.
    function rotateNode(uint64 id, Node calldata node) external {
        _requireOwner(id);
        _record(id, NODE_CHANGED, _encode(node));
    }

    function _register(Keys calldata keys, Node calldata node) private returns (uint64 id) {
        if (msg.value < _parameters.stakeMin) revert BelowMinimum(_parameters.stakeMin, msg.value);
        id = ++members;
        ++registrants;
        Member storage m = _members[id];
        m.owner = msg.sender;
        m.blsKeyHash = _admitBlsKey(id, msg.sender, keys);
        uint128 shares = _bond(m, id);
        _record(id, REGISTERED, abi.encodePacked(msg.sender, shares, keys.bls, keys.possession, _encode(node)));
    }

    /// @dev A share for each wei that came with the call.
    function _bond(Member storage m, uint64 id) private returns (uint128 shares) {
        if (msg.value > AMOUNT_MAX) revert AmountTooLarge(AMOUNT_MAX, msg.value);
        shares = uint128(msg.value);
        m.stake += shares;
        m.shares += shares;
        m.activeShares += shares;
        if (msg.sender == m.owner) m.ownShares += shares;
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

    function _encode(Node calldata node) private pure returns (bytes memory) {
        uint256 length = node.listensAt.length;
        if (length == 0 || length > ADDRESS_BYTES_MAX) revert AddressLength(ADDRESS_BYTES_MAX, length);
        return abi.encodePacked(node.key, node.consent, node.listensAt);
    }

    // ---------------------------------------------------------------- leaving

    /// @notice Ends a registration; all shares of its owner leave. Delegators take theirs by `undelegate`.
    function exit(uint64 id) external returns (uint64 number) {
        Member storage m = _requireOwner(id);
        _leave(m, id);
        return _open(m, id, msg.sender, _shares[id][msg.sender]);
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
        number = _open(m, id, msg.sender, shares);
        if (!left) _record(id, STAKE_CHANGED, abi.encodePacked(m.activeShares));
    }

    /// @notice Pays a ticket out. The first one that is paid of what leaves with or after a registrant's end releases his keys.
    /// @param number the ticket
    /// @param epoch one that is over, whose last header's L1 origin is not before the leaving
    /// @param to who gets the ether
    function claim(uint64 number, uint64 epoch, address to) external {
        Ticket memory t = _tickets[number];
        if (t.holder == address(0)) revert TicketUnknown(number);
        if (msg.sender != t.holder) revert NotTheHolder(t.holder, msg.sender);
        _requirePassed(Terms(t.since, t.exitDelay, t.escapesAt, t.epochsAhead), epoch);
        Member storage m = _members[t.member];
        // The ticket and its shares first: whoever is paid finds them gone.
        delete _tickets[number];
        uint256 value = uint256(t.shares) * m.stake / m.shares;
        m.stake -= uint128(value);
        m.shares -= t.shares;
        if (t.holder == m.owner) m.ownShares -= t.shares;
        if (m.leftBlock != 0 && t.since >= m.leftBlock) _release(m, t.member);
        emit Claimed(number, value, to);
        _pay(to, value);
    }

    /// @notice Declares that nothing signed by a retired key is slashed any more: the last one of who has left releases all of
    /// his.
    /// @param epoch as for `claim`
    function release(bytes32 keyHash, uint64 epoch) external {
        Key memory k = _keys[keyHash];
        Member storage m = _requireLiable(keyHash, k);
        if (k.since == 0) revert KeyInUse(keyHash);
        _requirePassed(Terms(k.since, k.exitDelay, k.escapesAt, k.epochsAhead), epoch);
        if (keyHash == m.blsKeyHash) {
            _release(m, k.member);
        } else {
            _keys[keyHash].released = true;
            emit KeyReleased(keyHash);
        }
    }

    /// @dev All keys of who has left were retired by then, so none of them waits for longer than what left with him.
    function _release(Member storage m, uint64 id) private {
        if (m.released) return;
        m.released = true;
        emit MemberReleased(id);
    }

    function _leave(Member storage m, uint64 id) private {
        m.leftBlock = uint48(block.number);
        --registrants;
        _retire(m.blsKeyHash);
        _record(id, LEFT, "");
    }

    /// @dev The key leaves now, as shares do.
    function _retire(bytes32 keyHash) private {
        Key storage k = _keys[keyHash];
        Terms memory terms = _terms();
        (k.since, k.exitDelay, k.escapesAt, k.epochsAhead) = (terms.since, terms.exitDelay, terms.escapesAt, terms.epochsAhead);
        emit KeyRetired(keyHash, terms.since, terms.escapesAt);
    }

    /// @dev A holder's shares leave, now, or as if they had when the registration ended.
    function _open(Member storage m, uint64 id, address holder, uint128 shares) private returns (uint64 number) {
        _shares[id][holder] -= shares;
        m.activeShares -= shares;
        Terms memory terms;
        if (m.leftBlock == 0) {
            terms = _terms();
        } else {
            Key storage k = _keys[m.blsKeyHash];
            terms = Terms(k.since, k.exitDelay, k.escapesAt, k.epochsAhead);
        }
        number = ++tickets;
        _tickets[number] = Ticket(holder, terms.epochsAhead, id, shares, terms.since, terms.exitDelay, terms.escapesAt);
        emit TicketOpened(number, id, holder, shares, terms.since, terms.escapesAt);
    }

    /// @dev What waits from now on, and for how long.
    struct Terms {
        uint48 since;
        uint40 exitDelay;
        uint40 escapesAt;
        uint16 epochsAhead;
    }

    function _terms() private view returns (Terms memory) {
        Parameters storage p = _parameters;
        return Terms(uint48(block.number), p.exitDelay, uint40(block.timestamp) + p.escapeDelay, p.epochsAhead);
    }

    /// @dev Reverts unless what left is in no committee any more, as far as can be known, and evidence has had its time.
    ///
    /// The end of `epoch` with an origin at or past `since` means that the snapshots of all later draws, which are taken at
    /// the origin of an epoch's last block, do not have it. Drawn by then are the committees up to two epochs on: when those
    /// are over, the last duty is, and from when the light client knows it on, evidence has `exitDelay`.
    function _requirePassed(Terms memory terms, uint64 epoch) private view {
        if (block.timestamp >= terms.escapesAt) return;
        (, uint64 origin) = lightClient.epochEnd(epoch);
        if (origin < terms.since) revert EpochBeforeLeaving(epoch, terms.since, origin);
        uint256 last = uint256(epoch) + terms.epochsAhead - 1;
        uint256 overAt;
        // Above 2^64 there is none.
        if (last <= type(uint64).max) (overAt,) = lightClient.epochEnd(uint64(last));
        if (overAt == 0) revert EpochNotOver(last);
        uint256 unlocksAt = overAt + terms.exitDelay;
        if (block.timestamp < unlocksAt) revert Locked(unlocksAt);
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
        Member storage m = _requireLiable(keyHash, k);
        if (slashedIn[k.member][epoch]) revert AlreadySlashed(k.member, epoch);
        slashedIn[k.member][epoch] = true;
        if (m.leftBlock == 0) _leave(m, k.member);
        uint256 penalty = uint256(m.stake) * _parameters.slashBasisPoints / BASIS_POINTS;
        // Only of what the owner loses himself: who reports himself must not gain by what others lose. Who is liable has shares.
        uint256 reward = penalty * m.ownShares / m.shares * _parameters.rewardBasisPoints / BASIS_POINTS;
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

    function _requireLiable(bytes32 keyHash, Key memory k) private view returns (Member storage m) {
        if (k.member == 0) revert KeyUnknown(keyHash);
        m = _members[k.member];
        if (k.released || m.released) revert KeyReleasedAlready(keyHash);
    }

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
