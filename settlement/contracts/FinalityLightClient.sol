// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Bls} from "./Bls.sol";
import {Headers} from "./Headers.sol";
import {Votes} from "./Votes.sol";

/// @title What the committee finalized, as far as somebody cared to post it.
/// @notice A header counts once a quorum of its epoch's committee signed it. Heights only grow. Two
/// finalizations that exclude each other freeze the contract for good: some third of the committee broke
/// the protocol, and nothing that it says may move money any more.
///
/// **Epochs.** The last header of epoch `e` names the committee of `e + 2`. Epochs are entered one after the other: `e + 1`
/// once the last header of `e` was posted, which ends `e`. So no epoch's committee is ever left unnamed, and a committee that is
/// over posts nothing any more. Epoch 1 has the genesis committee, like epoch 0.
///
/// **Trust.** A committee is believed for `trustingPeriod` seconds after the newest thing that is known of it: after the time of
/// its last header if its epoch is over, and after that of the newest header posted if not. What is said later may come from keys
/// behind which there is no stake any more: it is neither posted nor a conflict. If the newest epoch's committee is not believed
/// any more, nothing is ever posted again; what was posted stays certified. Where no stake is behind the keys that could leave
/// them, the period is 0, and a committee is believed for ever. The argument is in docs/settlement.md.
///
/// The committee is registered by opening its digest, page by page, with a proof of possession for every
/// key, verified here: a key chosen to cancel the others' never gets in. A page becomes the code of a data
/// contract, so that a certificate brings no keys in its calldata. The last page to come is taken only if
/// all keys add up to the aggregate in the digest, from which a certificate's key is computed: so the digest
/// is trusted to name the members, and for nothing else.
///
/// Storage is bounded: one word a post, in a ring of the last `RING` posts, which grows by no other way
/// than a valid certificate of a higher block. Whoever wants to push a header out pays for `RING` posts.
contract FinalityLightClient {
    using Headers for bytes;

    /// @notice Posts that stay readable.
    uint64 public constant RING = 4096;
    /// @notice Seats in a page of keys.
    uint256 public constant PAGE_SEATS = 64;
    /// @notice Most seats of a committee.
    uint256 public constant SEATS_MAX = 128;

    /// @notice A quorum's finalization of a header.
    /// @param viewNumber the finalized view: the header's, or a later one in which it was proposed again
    /// @param parentView the view that it builds on
    /// @param signers bit i, from the least significant, is set if seat i signed
    /// @param signature the sum of their signatures, a point of G1 as x ‖ y
    struct Certificate {
        uint64 viewNumber;
        uint64 parentView;
        uint256 signers;
        bytes32[3] signature;
    }

    /// @notice What a committee's digest commits to.
    /// @param seats how many
    /// @param aggregate the sum of all keys, 192 bytes
    /// @param roster what else members are, of which nothing is needed here
    /// @param pageHashes the Keccak-256 of every page's concatenated keys
    struct Opening {
        uint16 seats;
        bytes aggregate;
        bytes32 roster;
        bytes32[] pageHashes;
    }

    struct Committee {
        // Data contracts: one zero byte (so that nobody can run them), the aggregate (page 0 only), keys.
        address page0;
        uint16 seats;
        uint8 pagesRegistered;
        // The time of the epoch's last header; zero until that was posted.
        uint40 endedAt;
        address page1;
        // When the epoch's last header was posted, and how far it had seen the L1.
        uint40 endPostedAt;
        uint56 endOrigin;
    }

    // One word. A post is a transaction and enters one epoch at most, so neither counter overflows.
    struct Head {
        uint64 height;
        uint64 viewNumber;
        uint48 posts;
        // The newest header's time, or its post's if that is earlier.
        uint40 saidAt;
        uint32 epoch;
        bool frozen;
    }

    error Frozen();
    error StaleHeader(uint64 latest, uint64 got);
    error ViewBeforeHeader(uint64 header, uint64 certificate);
    /// @notice The epoch is over: its last header was posted.
    error EpochOver(uint64 epoch);
    /// @notice The epoch is not over, so that no later one has begun: post its last header, and then those after it.
    error EpochNotOver(uint64 epoch);
    /// @notice No header that was posted names the epoch's committee.
    error CommitteeUnknown(uint64 epoch);
    /// @notice The epoch's committee is named, and none of its keys is registered.
    error CommitteeNotOpened(uint64 epoch);
    /// @notice The epoch's committee is not believed since `until` (Unix seconds).
    error TrustOver(uint64 epoch, uint256 until);
    error TrustingPeriodOutOfRange(uint256 minimum, uint256 maximum, uint256 got);
    error CommitteeIncomplete(uint64 epoch, uint256 pagesExpected, uint256 pagesGot);
    error SignersOutOfRange(uint256 seats, uint256 signers);
    error BelowQuorum(uint256 expected, uint256 got);
    error InvalidSignature();
    error NotPosted(uint64 index, uint64 posts);
    error NotThePostedHeader(bytes32 expected, bytes32 got);
    error NoConflict();
    error BrokenPath(uint256 position);
    error SeatCount(uint256 maximum, uint256 got);
    error OpeningMismatch(bytes32 expected, bytes32 got);
    error PageUnknown(uint256 pages, uint256 got);
    error PageAlreadyRegistered(uint256 page);
    error PageMismatch(bytes32 expected, bytes32 got);
    error LengthMismatch(uint256 expected, uint256 got);
    error InvalidProofOfPossession(uint256 seat);
    error PageNotStored();
    error AggregateMismatch();

    /// @notice A header was accepted; it is the post numbered `index`.
    event HeaderPosted(uint64 indexed height, bytes32 digest, uint64 index);
    /// @notice An epoch's committee was named by the last header of the epoch two before.
    event CommitteeNamed(uint64 indexed epoch, bytes32 digest);
    /// @notice A page of a committee's keys was registered, with a proof of possession each.
    event PageRegistered(uint64 indexed epoch, uint256 page, address data);
    /// @notice Two finalizations exclude each other.
    event FrozenByConflict(uint64 indexed height, bytes32 posted, bytes32 conflicting);

    /// @notice The SHA-256 of `chain.toml`: the namespace that every vote is signed under.
    bytes32 public immutable chainHash;
    /// @notice The chain's id, as in every header.
    uint64 public immutable chainId;
    /// @notice Seconds for which a committee is believed after its last word; 0 for ever. A registry binds stake for longer.
    uint256 public immutable trustingPeriod;

    uint256 private constant TRUSTING_PERIOD_MIN = 1 hours;
    uint256 private constant TRUSTING_PERIOD_MAX = 365 days;

    Head private _head;
    /// @notice The digest of an epoch's committee.
    mapping(uint64 epoch => bytes32) public committeeDigest;
    mapping(uint64 epoch => Committee) private _committees;
    bytes32[RING] private _ring;

    /// @param chainHash_ the SHA-256 of `chain.toml`
    /// @param chainId_ its chain id
    /// @param genesisCommittee the digest of epoch 0's and epoch 1's committee
    /// @param trustingPeriod_ seconds for which a committee is believed after its last word: an hour to a year, or 0 for ever
    constructor(bytes32 chainHash_, uint64 chainId_, bytes32 genesisCommittee, uint256 trustingPeriod_) {
        if (trustingPeriod_ != 0 && (trustingPeriod_ < TRUSTING_PERIOD_MIN || trustingPeriod_ > TRUSTING_PERIOD_MAX)) {
            revert TrustingPeriodOutOfRange(TRUSTING_PERIOD_MIN, TRUSTING_PERIOD_MAX, trustingPeriod_);
        }
        chainHash = chainHash_;
        chainId = chainId_;
        trustingPeriod = trustingPeriod_;
        committeeDigest[0] = genesisCommittee;
        committeeDigest[1] = genesisCommittee;
        _head.saidAt = uint40(block.timestamp);
    }

    // ---------------------------------------------------------------- reading

    /// @notice The last header posted; all zero before the first. `posts - 1` is its index.
    function head() external view returns (uint64 height, uint64 viewNumber, bytes32 digest, uint64 posts, bool frozen) {
        Head memory h = _head;
        if (h.posts != 0) digest = _ring[(h.posts - 1) % RING];
        return (h.height, h.viewNumber, digest, h.posts, h.frozen);
    }

    /// @notice The newest epoch, and until when (Unix seconds) its committee is believed unless there is another post.
    function newestEpoch() external view returns (uint64 epoch, uint256 trustedUntil) {
        return (_head.epoch, _trustedUntil(_head.saidAt));
    }

    /// @notice The digest of the header posted as number `index`. Reverts where the ring has none (any more).
    function postedDigest(uint64 index) public view returns (bytes32) {
        uint64 posts = _head.posts;
        if (index >= posts || posts - index > RING) revert NotPosted(index, posts);
        return _ring[index % RING];
    }

    /// @notice The height and namespaces root of a posted header: what settlement builds on.
    /// Reverts unless exactly this header was posted as number `index`, and after a freeze.
    function certified(bytes calldata header, uint64 index) external view returns (uint64 height, bytes32 namespacesRoot) {
        if (_head.frozen) revert Frozen();
        _requirePosted(header, index);
        return (header.height(), header.namespacesRoot());
    }

    /// @notice When an epoch's last header was posted (Unix seconds; 0 before), and the L1 block that it names.
    function epochEnd(uint64 epoch) external view returns (uint40 postedAt, uint64 l1Origin) {
        Committee storage c = _committees[epoch];
        return (c.endPostedAt, c.endOrigin);
    }

    /// @notice How much of an epoch's committee is registered.
    function committee(uint64 epoch) external view returns (uint16 seats, uint8 pagesRegistered, address page0, address page1) {
        Committee storage c = _committees[epoch];
        return (c.seats, c.pagesRegistered, c.page0, c.page1);
    }

    // ---------------------------------------------------------------- headers

    /// @notice Accepts a header above the last one posted, of the newest epoch or, once that is over, of the one after it. A
    /// certified header that differs from the last one at its height is accepted as proof of a conflict: it freezes the contract.
    function post(bytes calldata header, Certificate calldata certificate) external {
        Head memory h = _head;
        if (h.frozen) revert Frozen();
        header.check(chainId);
        uint64 height = header.height();
        bytes32 digest = sha256(header);

        if (height <= h.height) {
            // Nothing was posted before the first post, and height 0 is genesis, which nobody signs.
            bytes32 latest = h.posts == 0 ? bytes32(0) : _ring[(h.posts - 1) % RING];
            if (height != h.height || digest == latest || h.posts == 0) revert StaleHeader(h.height, height);
            _verify(header, digest, certificate);
            _freeze(height, latest, digest);
            return;
        }
        uint64 epoch = header.epoch();
        _requireTurn(h.epoch, epoch);
        _verify(header, digest, certificate);
        _ring[h.posts % RING] = digest;
        emit HeaderPosted(height, digest, h.posts);
        h.height = height;
        h.viewNumber = certificate.viewNumber;
        h.posts += 1;
        uint256 time = header.timestampMs() / 1000;
        if (time > block.timestamp) time = block.timestamp;
        // Headers from before the deployment say nothing newer than that.
        if (time > h.saidAt) h.saidAt = uint40(time);
        h.epoch = uint32(epoch);
        _head = h;
        bytes32 named = header.nextCommittee();
        if (named != 0) {
            Committee storage ended = _committees[epoch];
            ended.endedAt = h.saidAt;
            uint64 origin = header.l1OriginNumber();
            (ended.endPostedAt, ended.endOrigin) =
                (uint40(block.timestamp), origin > type(uint56).max ? type(uint56).max : uint56(origin));
            committeeDigest[epoch + 2] = named;
            emit CommitteeNamed(epoch + 2, named);
        }
    }

    /// @dev Reverts unless `epoch` is the newest one, and not over, or the one after it, which then begins. A committee that
    /// goes on, as the genesis committee does, is not opened again.
    function _requireTurn(uint64 newest, uint64 epoch) private {
        Committee storage last = _committees[newest];
        uint40 endedAt = last.endedAt;
        if (epoch < newest || (epoch == newest && endedAt != 0)) revert EpochOver(epoch);
        if (epoch == newest) return;
        if (committeeDigest[epoch] == 0) revert CommitteeUnknown(epoch);
        if (endedAt == 0 || epoch != newest + 1) revert EpochNotOver(endedAt == 0 ? newest : newest + 1);
        Committee storage next = _committees[epoch];
        if (next.pagesRegistered != last.pagesRegistered && committeeDigest[epoch] == committeeDigest[newest]) {
            (next.page0, next.seats, next.pagesRegistered, next.page1) = (last.page0, last.seats, last.pagesRegistered, last.page1);
        }
    }

    /// @notice Freezes the contract if a committee that is believed finalized a chain that excludes a posted header, of
    /// whichever epoch that is.
    /// @param posted the header posted as number `index`
    /// @param path headers of the other chain, from the one at `posted`'s height up to a certified one, each
    /// the parent of the next
    /// @param certificate of the last header in `path`
    function proveConflict(bytes calldata posted, uint64 index, bytes[] calldata path, Certificate calldata certificate) external {
        if (_head.frozen) revert Frozen();
        bytes32 expected = _requirePosted(posted, index);
        if (path.length == 0) revert BrokenPath(0);
        bytes32 first;
        bytes32 last;
        for (uint256 i = 0; i < path.length; ++i) {
            path[i].check(chainId);
            if (i != 0 && path[i].parent() != last) revert BrokenPath(i);
            last = sha256(path[i]);
            if (i == 0) first = last;
        }
        uint64 height = posted.height();
        if (path[0].height() != height || first == expected) revert NoConflict();
        _verify(path[path.length - 1], last, certificate);
        _freeze(height, expected, first);
    }

    function _freeze(uint64 height, bytes32 posted, bytes32 conflicting) private {
        _head.frozen = true;
        emit FrozenByConflict(height, posted, conflicting);
    }

    function _requirePosted(bytes calldata header, uint64 index) private view returns (bytes32 digest) {
        header.check(chainId);
        digest = postedDigest(index);
        bytes32 got = sha256(header);
        if (got != digest) revert NotThePostedHeader(digest, got);
    }

    /// @dev Until when a committee is believed whose last word was then.
    function _trustedUntil(uint256 said) private view returns (uint256) {
        return trustingPeriod == 0 ? type(uint256).max : said + trustingPeriod;
    }

    /// @dev Reverts unless a quorum of the committee of the header's epoch signed.
    function _verify(bytes calldata header, bytes32 digest, Certificate calldata certificate) private view {
        uint64 epoch = header.epoch();
        if (certificate.viewNumber < header.view_()) revert ViewBeforeHeader(header.view_(), certificate.viewNumber);
        Committee storage c = _committees[epoch];
        (address page0, uint256 seats, uint256 registered, uint256 until) = (c.page0, c.seats, c.pagesRegistered, c.endedAt);
        if (seats == 0) {
            if (committeeDigest[epoch] == 0) revert CommitteeUnknown(epoch);
            revert CommitteeNotOpened(epoch);
        }
        until = _trustedUntil(until == 0 ? _head.saidAt : until);
        if (block.timestamp > until) revert TrustOver(epoch, until);
        uint256 pages = (seats + PAGE_SEATS - 1) / PAGE_SEATS;
        if (_count(registered) != pages) revert CommitteeIncomplete(epoch, pages, _count(registered));

        uint256 signers = certificate.signers;
        if (signers >> seats != 0) revert SignersOutOfRange(seats, signers);
        uint256 quorum = seats - (seats - 1) / 3;
        if (_count(signers) < quorum) revert BelowQuorum(quorum, _count(signers));

        // hash (128) ‖ key (256) ‖ signature (128) ‖ generator (256), the pairing's input
        uint256 input;
        assembly ("memory-safe") {
            input := mload(0x40)
            mstore(0x40, add(input, 768))
        }
        uint256 missing = ((uint256(1) << seats) - 1) ^ signers;
        _aggregate(page0, missing >> PAGE_SEATS == 0 ? address(0) : c.page1, missing, input + 128);
        Bls.loadG1(certificate.signature, input + 384);
        bytes memory message =
            Votes.proposal(chainHash, Votes.FINALIZE, epoch, certificate.viewNumber, certificate.parentView, digest);
        Bls.hashToG1(message, Bls.MESSAGE_DST, input);
        if (!Bls.verify(input)) revert InvalidSignature();
    }

    /// @dev Writes the sum of all keys less the missing seats' to `to`. A quorum misses fewer than half, so
    /// subtracting is always the shorter way.
    function _aggregate(address page0, address page1, uint256 missing, uint256 to) private view {
        // sum (256) ‖ next summand (256) ‖ unpadded key (192)
        uint256 sum;
        assembly ("memory-safe") {
            sum := mload(0x40)
        }
        uint256 key = sum + 512;
        bool any;
        while (missing != 0) {
            uint256 seat;
            assembly ("memory-safe") {
                seat := sub(255, clz(missing))
            }
            missing ^= uint256(1) << seat;
            _copySeat(page0, page1, seat, key);
            Bls.padG2(key, any ? sum + 256 : sum);
            if (any) Bls.addG2(sum);
            any = true;
        }
        _copyKey(page0, 1, key);
        if (!any) {
            Bls.padG2(key, to);
            return;
        }
        Bls.negateG2(sum);
        Bls.padG2(key, sum + 256);
        Bls.addG2(sum);
        if (Bls.isIdentityG2(sum)) revert Bls.IdentityPoint();
        assembly ("memory-safe") {
            mcopy(to, sum, 256)
        }
    }

    /// @dev A page is: zero byte, the aggregate (page 0 only), keys.
    function _copySeat(address page0, address page1, uint256 seat, uint256 to) private view {
        if (seat < PAGE_SEATS) _copyKey(page0, 1 + Bls.G2_BYTES + seat * Bls.G2_BYTES, to);
        else _copyKey(page1, 1 + (seat - PAGE_SEATS) * Bls.G2_BYTES, to);
    }

    function _copyKey(address page, uint256 position, uint256 to) private view {
        assembly ("memory-safe") {
            extcodecopy(page, to, position, 192)
        }
    }

    /// @dev Bits set in the lower 128 (signers have been checked to fit, pages are two).
    function _count(uint256 x) private pure returns (uint256) {
        unchecked {
            x -= (x >> 1) & 0x55555555555555555555555555555555;
            x = (x & 0x33333333333333333333333333333333) + ((x >> 2) & 0x33333333333333333333333333333333);
            x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
            // The sum of 16 bytes, at most 128, gathers in the topmost of them.
            return ((x * 0x01010101010101010101010101010101) >> 120) & 0xff;
        }
    }

    // ---------------------------------------------------------------- committees

    /// @notice Registers one page of a committee's keys. Pages come in any order; the last one is refused
    /// unless the keys of all pages add up to the opening's aggregate, and to more than the identity.
    /// @param epoch whose committee
    /// @param opening what its digest commits to
    /// @param page which page
    /// @param keys its keys, 192 bytes each, in seat order
    /// @param proofs a proof of possession for each, points of G1
    function registerPage(
        uint64 epoch,
        Opening calldata opening,
        uint256 page,
        bytes calldata keys,
        bytes32[3][] calldata proofs
    ) external {
        uint256 seats = _requireOpening(epoch, opening);
        uint256 pages = opening.pageHashes.length;
        if (page >= pages) revert PageUnknown(pages, page);
        Committee storage c = _committees[epoch];
        if ((c.pagesRegistered >> page) & 1 != 0) revert PageAlreadyRegistered(page);
        if (keccak256(keys) != opening.pageHashes[page]) revert PageMismatch(opening.pageHashes[page], keccak256(keys));
        uint256 first = page * PAGE_SEATS;
        uint256 count = seats - first < PAGE_SEATS ? seats - first : PAGE_SEATS;
        if (keys.length != count * Bls.G2_BYTES) revert LengthMismatch(count * Bls.G2_BYTES, keys.length);
        if (proofs.length != count) revert LengthMismatch(count, proofs.length);

        for (uint256 i = 0; i < count; ++i) {
            if (!Bls.possesses(keys[i * Bls.G2_BYTES:(i + 1) * Bls.G2_BYTES], proofs[i])) revert InvalidProofOfPossession(first + i);
        }

        address data = _store(page == 0 ? abi.encodePacked(opening.aggregate, keys) : bytes(keys));
        if (page == 0) c.page0 = data;
        else c.page1 = data;
        c.seats = uint16(seats);
        uint8 registered = c.pagesRegistered | uint8(1 << page);
        c.pagesRegistered = registered;
        if (_count(registered) == pages) _requireAggregate(c.page0, c.page1, seats);
        emit PageRegistered(epoch, page, data);
    }

    function _requireOpening(uint64 epoch, Opening calldata opening) private view returns (uint256 seats) {
        bytes32 expected = committeeDigest[epoch];
        if (expected == 0) revert CommitteeUnknown(epoch);
        seats = opening.seats;
        if (seats == 0 || seats > SEATS_MAX) revert SeatCount(SEATS_MAX, seats);
        if (opening.aggregate.length != Bls.G2_BYTES) revert LengthMismatch(Bls.G2_BYTES, opening.aggregate.length);
        uint256 pages = (seats + PAGE_SEATS - 1) / PAGE_SEATS;
        if (opening.pageHashes.length != pages) revert LengthMismatch(pages, opening.pageHashes.length);
        bytes32 got = keccak256(abi.encodePacked(opening.seats, opening.aggregate, opening.roster, opening.pageHashes));
        if (got != expected) revert OpeningMismatch(expected, got);
    }

    /// @dev Reverts unless all registered keys add up to the aggregate that stands before them.
    function _requireAggregate(address page0, address page1, uint256 seats) private view {
        // sum (256) ‖ next summand (256) ‖ unpadded key (192)
        uint256 sum;
        assembly ("memory-safe") {
            sum := mload(0x40)
        }
        uint256 key = sum + 512;
        _copySeat(page0, page1, 0, key);
        Bls.padG2(key, sum);
        for (uint256 seat = 1; seat < seats; ++seat) {
            _copySeat(page0, page1, seat, key);
            Bls.padG2(key, sum + 256);
            Bls.addG2(sum);
        }
        if (Bls.isIdentityG2(sum)) revert Bls.IdentityPoint();
        _copyKey(page0, 1, key);
        Bls.padG2(key, sum + 256);
        bool equal;
        assembly ("memory-safe") {
            equal := eq(keccak256(sum, 256), keccak256(add(sum, 256), 256))
        }
        if (!equal) revert AggregateMismatch();
    }

    /// @dev Makes `data`, behind one zero byte, the code of a new contract.
    function _store(bytes memory data) private returns (address page) {
        // PUSH2 size, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN: return everything after these ten bytes.
        bytes memory code = abi.encodePacked(hex"61", uint16(data.length + 1), hex"80600a5f395ff3", hex"00", data);
        assembly ("memory-safe") {
            page := create(0, add(code, 32), mload(code))
        }
        if (page == address(0)) revert PageNotStored();
    }
}
