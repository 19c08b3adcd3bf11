// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Elements} from "./Elements.sol";
import {LANES_P, Lanes, P} from "./Lanes.sol";
import {SealConstraints} from "./SealConstraints.sol";
import {SealFolds} from "./SealFolds.sol";
import {SealMerkle} from "./SealMerkle.sol";
import {SealOpenings} from "./SealOpenings.sol";
import {SealProgram} from "./SealProgram.sol";
import {SealTranscript} from "./SealTranscript.sol";

/// @title The check of seals: proofs of one AIR of one table, by FRI over KoalaBear with Keccak (docs/seal.md).
/// @notice It accepts what unmodified Plonky3 accepts. What it is told about the AIR is the code of another contract,
/// `program`, whose hash is fixed; that names those that evaluate the constraints, by the hashes of their code. Whoever
/// wants to know whether they are the right ones generates the program from the AIR and compares.
/// @dev Memory is taken by `_allocate`, and never given back. Calldata is read where it lies. Arithmetic is unchecked: it
/// is on addresses, and on sizes that the program bounds far below 2^32.
abstract contract SealCheck {
    /// @notice The seal has another length than its AIR and its query positions imply.
    error SealLength(uint256 expected, uint256 got);
    /// @notice An element is at or above p: of the head (0), of an opened row (1) or of a group of FRI (2).
    error NotCanonical(uint256 part);
    /// @notice The constraints do not hold at the out-of-domain point.
    error ConstraintsNotMet();
    /// @notice A Merkle path ends in another root: main (0), quotient (1), preprocessed (2), permutation (3), folds (4 ..).
    error RootMismatch(uint256 tree);
    /// @notice The program's contract holds no program.
    error NoProgram(address program);
    /// @notice The program has another number of parts, or more than there is room for.
    error WrongParts(uint256 expected, uint256 got);
    /// @notice The program's code is not that which the verifier was made with.
    error WrongProgram(bytes32 expected, bytes32 got);

    /// @dev What is known of the seal that is being checked.
    struct Run {
        // In memory: the program's data, the transcript, the roots of unity; the challenges of the lookups, and that which
        // folds the constraints. All challenges are in Montgomery form.
        uint256 data;
        uint256 place;
        uint256 table;
        uint256 challenges;
        // The out-of-domain point, and the challenge that batches.
        uint256 zeta;
        uint256 alpha;
        // In calldata: the start of the seal, its claimed values, the roots of its folds, what is read next, the end.
        uint256 seal;
        uint256 claimed;
        uint256 folds;
        uint256 cursor;
        uint256 end;
        // In memory: the challenges of the folds (96 bytes each: with square and fourth power), the coefficients of the
        // final polynomial; position and leaf of every query.
        uint256 betas;
        uint256 coefficients;
        uint256 queries;
        uint256 queriesEnd;
        // For whoever measures.
        uint256 marks;
    }

    /// @dev Where one round of folding stands.
    struct Round {
        // The round, log2 of its arity, log2 of the groups in it.
        uint256 fold;
        uint256 log;
        uint256 height;
        // In memory: the next value to fold, their end, where the next round's value and the group's leaf go, the row.
        uint256 value;
        uint256 end;
        uint256 to;
        uint256 leaf;
        uint256 row;
    }

    uint256 private constant GENERATOR = 3;
    uint256 private constant ROOT_BYTES = 26;
    // The head: claim, then roots and witnesses, then claimed values.
    uint256 private constant MAIN_AT = 36;
    uint256 private constant LOOKUP_WITNESS_AT = 62;
    uint256 private constant PERMUTATION_AT = 66;
    uint256 private constant QUOTIENT_AT = 92;
    uint256 private constant OOD_WITNESS_AT = 118;
    uint256 private constant CLAIMED_AT = 122;

    uint256 internal constant TRANSCRIPT = 0;
    uint256 internal constant CONSTRAINTS = 1;
    uint256 internal constant OPENINGS = 2;
    uint256 internal constant MERKLE = 3;
    uint256 internal constant FOLDS = 4;

    /// @notice The contract whose code is what is known of the AIR, but for its constraints.
    address public immutable program;
    bytes32 internal immutable _sealKey;
    bytes32 private immutable _programHash;
    address private immutable _part0;
    address private immutable _part1;
    address private immutable _part2;
    address private immutable _part3;

    /// @param program_ the contract whose code is the data that `sinter_seal::evm` wrote
    /// @param parts_ the contracts whose code are the parts that it wrote with it
    constructor(address program_, address[] memory parts_) {
        bytes memory code = program_.code;
        if (code.length <= SealProgram.PARTS_AT || uint8(code[0]) != 0) revert NoProgram(program_);
        bytes32 key;
        uint256 data;
        assembly ("memory-safe") {
            data := add(code, 32)
            key := mload(add(data, 1))
        }
        program = program_;
        _programHash = keccak256(code);
        _sealKey = key;
        uint256 count = SealProgram.field(data, SealProgram.PARTS);
        if (parts_.length != count || count > 4) revert WrongParts(count, parts_.length);
        for (uint256 i = 0; i < count; ++i) {
            bytes32 hash = SealProgram.part(data, i);
            if (parts_[i].codehash != hash) revert SealConstraints.WrongPart(parts_[i], hash, parts_[i].codehash);
        }
        if (count > 0) _part0 = parts_[0];
        if (count > 1) _part1 = parts_[1];
        if (count > 2) _part2 = parts_[2];
        if (count > 3) _part3 = parts_[3];
    }

    /// @notice The contract that is a part of the constraints, or none.
    function constraints(uint256 index) public view returns (address) {
        if (index < 2) return index == 0 ? _part0 : _part1;
        return index == 2 ? _part2 : index == 3 ? _part3 : address(0);
    }

    /// @dev A test contract measures the gas between two marks.
    function _mark(Run memory run, uint256 part) internal view virtual {}

    function _check(bytes calldata seal, uint256 marks) internal view {
        unchecked {
            Run memory run = _begin(seal, marks);
            _replay(run);
            _mark(run, TRANSCRIPT);
            _checkConstraints(run);
            _mark(run, CONSTRAINTS);
            uint256 values = _checkOpenings(run);
            _checkFolds(run, values);
            if (run.cursor != run.end) revert SealLength(run.cursor - run.seal, run.end - run.seal);
        }
    }

    /// @dev Loads the program and checks the head's length and elements.
    function _begin(bytes calldata seal, uint256 marks) private view returns (Run memory run) {
        unchecked {
            address from = program;
            uint256 size = from.code.length;
            uint256 data = _allocate(size);
            bytes32 hash;
            assembly ("memory-safe") {
                extcodecopy(from, data, 0, size)
                hash := keccak256(data, size)
            }
            if (hash != _programHash) revert WrongProgram(_programHash, hash);
            run.data = data;
            run.marks = marks;
            uint256 start;
            assembly ("memory-safe") {
                start := seal.offset
            }
            run.seal = start;
            run.end = start + seal.length;
            uint256 claimed = SealProgram.field(data, SealProgram.CLAIMED);
            uint256 coefficients = 1 << SealProgram.field(data, SealProgram.LOG_FINAL);
            run.claimed = run.seal + CLAIMED_AT;
            run.folds = run.claimed + 20 * claimed + 4;
            run.coefficients = run.folds + ROOT_BYTES * SealProgram.field(data, SealProgram.FOLDS);
            run.cursor = run.coefficients + 20 * coefficients + 4;
            if (run.cursor > run.end) revert SealLength(run.cursor - run.seal, seal.length);
            _requireCanonical(run.claimed, 20 * claimed + 4, 0);
            _requireCanonical(run.coefficients, 20 * coefficients + 4, 0);
            _requireCanonical(run.seal + 32, 4, 0);
            _requireCanonical(run.seal + LOOKUP_WITNESS_AT, 4, 0);
            _requireCanonical(run.seal + OOD_WITNESS_AT, 4, 0);
            run.table = _allocate(2 * 768);
            SealFolds.roots(run.table);
            _mark(run, TRANSCRIPT);
        }
    }

    /// @dev Replays the transcript: checks the grinding, draws the challenges and the positions.
    function _replay(Run memory run) private pure {
        unchecked {
            uint256 data = run.data;
            uint256 claimed = 20 * SealProgram.field(data, SealProgram.CLAIMED);
            uint256 place;
            {
                uint256 seeds = SealProgram.field(data, SealProgram.SEEDS) + SealProgram.field(data, SealProgram.SEEDS + 1)
                    + SealProgram.field(data, SealProgram.SEEDS + 2);
                uint256 polynomial = 20 << SealProgram.field(data, SealProgram.LOG_FINAL);
                place = _allocate(512 + seeds + claimed + polynomial);
            }
            run.place = place;
            uint256 seal = run.seal;
            uint256 seed = SealProgram.seeds(data);
            uint256 length = SealProgram.field(data, SealProgram.SEEDS);
            run.challenges = _allocate(96);

            // Key, constants, main root, public values, preprocessed root: lookup challenges.
            assembly ("memory-safe") {
                mstore(place, mload(add(data, 1)))
                mcopy(add(place, 32), seed, length)
                let to := add(add(place, 32), length)
                calldatacopy(to, add(seal, MAIN_AT), ROOT_BYTES)
                to := add(to, ROOT_BYTES)
                for { let limb := 0 } lt(limb, 32) { limb := add(limb, 2) } {
                    mstore(to, shl(224, shr(240, calldataload(add(seal, limb)))))
                    to := add(to, 4)
                }
                calldatacopy(to, add(seal, 32), 4)
                mcopy(add(to, 4), add(data, 33), ROOT_BYTES)
            }
            uint256 bits = SealProgram.field(data, SealProgram.LOOKUP_BITS);
            SealTranscript.grind(place, length + 120, seal + LOOKUP_WITNESS_AT, bits, 0);
            Elements.put(run.challenges, SealTranscript.draw(place, 0));
            Elements.put(run.challenges + 32, SealTranscript.draw(place, 0));
            // Permutation root and terminal, which is zero: the challenge that folds the constraints.
            _absorb(place, seal + PERMUTATION_AT, ROOT_BYTES, 0);
            assembly ("memory-safe") {
                mstore(add(place, 58), 0)
            }
            Elements.put(run.challenges + 64, SealTranscript.draw(place, ROOT_BYTES + 20));
            // Quotient root: the out-of-domain point.
            _absorb(place, seal + QUOTIENT_AT, ROOT_BYTES, 0);
            bits = SealProgram.field(data, SealProgram.OOD_BITS);
            SealTranscript.grind(place, ROOT_BYTES, seal + OOD_WITNESS_AT, bits, 1);
            run.zeta = SealTranscript.draw(place, 0);
            // Constants and claimed values: the challenge that batches.
            seed += length;
            length = SealProgram.field(data, SealProgram.SEEDS + 1);
            assembly ("memory-safe") {
                mcopy(add(place, 32), seed, length)
            }
            _absorb(place, run.claimed, claimed, length);
            bits = SealProgram.field(data, SealProgram.BATCH_BITS);
            SealTranscript.grind(place, length + claimed, run.claimed + claimed, bits, 2);
            run.alpha = SealTranscript.draw(place, 0);
            // Constants and the root of every fold: its challenge.
            seed += length;
            length = SealProgram.field(data, SealProgram.SEEDS + 2);
            assembly ("memory-safe") {
                mcopy(add(place, 32), seed, length)
            }
            _replayFolds(run, length);
        }
    }

    /// @dev The part of the transcript that is FRI's; `length` bytes of constants are absorbed.
    function _replayFolds(Run memory run, uint256 length) private pure {
        unchecked {
            uint256 data = run.data;
            uint256 place = run.place;
            uint256 folds = SealProgram.field(data, SealProgram.FOLDS);
            run.betas = _allocate(96 * folds);
            for (uint256 fold = 0; fold < folds; ++fold) {
                _absorb(place, run.folds + ROOT_BYTES * fold, ROOT_BYTES, length);
                uint256 betas = run.betas + 96 * fold;
                uint256 beta = SealTranscript.draw(place, length + ROOT_BYTES);
                // What is stored is 2^40 times its Montgomery form.
                for (uint256 to = betas; to < betas + 96; to += 32) {
                    Elements.put(to, Lanes.montgomery(beta));
                    beta = Lanes.mul(beta, beta);
                }
                length = 0;
            }
            // Final polynomial: positions.
            uint256 count = 1 << SealProgram.field(data, SealProgram.LOG_FINAL);
            _absorb(place, run.coefficients, 20 * count, 0);
            uint256 bits = SealProgram.field(data, SealProgram.QUERY_BITS);
            SealTranscript.grind(place, 20 * count, run.coefficients + 20 * count, bits, 3);
            bits = SealProgram.field(data, SealProgram.INDEX_BITS);
            uint256 queries = SealProgram.field(data, SealProgram.QUERIES);
            run.queries = _allocate(64 * queries + 64);
            run.queriesEnd = SealTranscript.positions(place, queries, bits, run.queries);
            uint256 coefficients = _allocate(64 * count);
            for (uint256 i = 0; i < count; ++i) {
                (uint256 lo, uint256 hi) = Lanes.widen(Lanes.load(run.coefficients + 20 * i));
                Elements.store(coefficients + 64 * i, lo, hi);
            }
            run.coefficients = coefficients;
        }
    }

    /// @dev Writes the parts' inputs, calls them one after the other, and compares. How much memory they take is known, and
    /// taken, in the end.
    function _checkConstraints(Run memory run) private view {
        unchecked {
            uint256 data = run.data;
            uint256 start;
            assembly ("memory-safe") {
                start := mload(0x40)
            }
            uint256 to = start;
            uint256 from = run.claimed;
            for (; from < run.folds - 4; from += 20) {
                to = _fill(to, Lanes.montgomery(Lanes.load(from)));
            }
            for (from = run.seal; from < run.seal + 32; from += 2) {
                uint256 limb;
                assembly ("memory-safe") {
                    limb := shr(240, calldataload(from))
                }
                to = _fill(to, Lanes.montgomery(limb));
            }
            uint256 count;
            assembly ("memory-safe") {
                count := shr(224, calldataload(from))
            }
            to = _fill(to, Lanes.montgomery(count));
            for (from = run.challenges; from < run.challenges + 96; from += 32) {
                to = _fill(to, Elements.word(from));
            }
            // Of the out-of-domain point only the selectors are inputs.
            uint256 last = mulmod(SealProgram.field(data, SealProgram.LAST_POINT), Lanes.ONE, P);
            SealConstraints.selectors(to, run.zeta, SealProgram.field(data, SealProgram.LOG_HEIGHT), last);
            to += 128;
            uint256 end = to;
            uint256 highest = to;
            count = SealProgram.field(data, SealProgram.PARTS);
            for (uint256 i = 0; i < count; ++i) {
                end = SealConstraints.call(constraints(i), SealProgram.part(data, i), start, to, end);
                if (end > highest) highest = end;
            }
            if (end != to + 64) revert SealConstraints.PartFailed(constraints(count - 1));
            _allocate(highest - start);
            if (Lanes.exact(Elements.word(to)) != Lanes.exact(Elements.word(to + 32))) revert ConstraintsNotMet();
        }
    }

    /// @return next where the next word goes
    function _fill(uint256 to, uint256 value) private pure returns (uint256 next) {
        assembly ("memory-safe") {
            mstore(to, value)
            next := add(to, 32)
        }
    }

    /// @dev Checks the opened rows against their roots, and combines them with the claimed values.
    /// @return values what FRI starts from: of every query its position, its value in lanes below p, a word of nothing, its point's inverse
    function _checkOpenings(Run memory run) private view returns (uint256 values) {
        unchecked {
            uint256 data = run.data;
            uint256 count = (run.queriesEnd - run.queries) / 64;
            // Of every query: the sums of its rows at the two points.
            uint256 sums = _allocate(64 * count);
            values = _allocate(128 * count);
            uint256 widest;
            for (uint256 tree = 0; tree < 4; ++tree) {
                uint256 width = SealProgram.field(data, SealProgram.WIDTHS + tree);
                if (width > widest) widest = width;
            }
            uint256 plain = _allocate(32 * widest + 32);
            uint256 blocks = _allocate(SealOpenings.BLOCK * (widest / 3 + 1));
            SealOpenings.powers(run.alpha, widest, plain, blocks);
            uint256 weights = _allocate(8 * 32 + 64);
            _combineClaimed(run, plain, weights);
            _mark(run, OPENINGS);
            uint256 leaf = _allocate(4 * widest);
            uint256 stack = _allocate(64 * count);
            for (uint256 tree = 0; tree < 4; ++tree) {
                uint256 width = SealProgram.field(data, SealProgram.WIDTHS + tree);
                uint256 rows = _take(run, 4 * width * count);
                _requireCanonical(rows, 4 * width * count, 1);
                _mark(run, OPENINGS);
                uint256 row = rows;
                for (uint256 query = run.queries; query < run.queriesEnd; query += 64) {
                    assembly ("memory-safe") {
                        calldatacopy(leaf, row, mul(4, width))
                        mstore(add(query, 32), keccak256(leaf, mul(4, width)))
                    }
                    row += 4 * width;
                }
                _requireRoot(run, run.queries, run.queriesEnd, SealProgram.field(data, SealProgram.INDEX_BITS), tree, stack);
                _mark(run, MERKLE);
                bool next = (SealProgram.field(data, SealProgram.NEXTS) >> tree) & 1 != 0;
                for (uint256 query = 0; query < count; ++query) {
                    uint256 a = SealOpenings.combine(rows, width, blocks);
                    rows += 4 * width;
                    Elements.accumulate(a, weights + 64 * tree, sums + 64 * query);
                    if (next) Elements.accumulate(a, weights + 64 * tree + 32, sums + 64 * query + 32);
                }
                _mark(run, OPENINGS);
            }
            _divide(run, weights + 256, sums, values);
            _mark(run, OPENINGS);
        }
    }

    /// @dev Writes to `weights` the power of alpha at which every tree's columns begin at either point (4 times 64 bytes,
    /// in Montgomery form) and, behind, the combined claimed values at either point: sums of at most four products.
    function _combineClaimed(Run memory run, uint256 plain, uint256 weights) private pure {
        unchecked {
            uint256 from = run.claimed;
            uint256 weight = 1;
            for (uint256 opening = 0; opening < 8; ++opening) {
                uint256 nexts = SealProgram.field(run.data, SealProgram.NEXTS);
                if (opening & 1 != 0 && (nexts >> (opening >> 1)) & 1 == 0) continue;
                uint256 width = SealProgram.field(run.data, SealProgram.WIDTHS + (opening >> 1));
                weight = Lanes.montgomery(weight);
                Elements.put(weights + 32 * opening, weight);
                uint256 a = SealOpenings.combineExtension(from, width, run.alpha);
                Elements.accumulate(a, weights + 32 * opening, weights + 256 + 32 * (opening & 1));
                weight = Lanes.mul(weight, Elements.word(plain + 32 * width));
                from += 20 * width;
            }
        }
    }

    /// @dev Of every query: (claimed - sum) / (zeta - x), at both points added up. One inversion serves all queries.
    /// Denominators and what is made of them are in Montgomery form, numerators and values are not.
    function _divide(Run memory run, uint256 claimed, uint256 sums, uint256 values) private pure {
        unchecked {
            uint256 count = (run.queriesEnd - run.queries) / 64;
            // Of every query: the product of its denominators, and that of all before.
            uint256 products = _allocate(64 * count);
            // 2^40 * generator
            uint256 next = mulmod(SealProgram.field(run.data, SealProgram.TRACE_GENERATOR), Lanes.ONE, P);
            next = Lanes.scale(run.zeta, next);
            uint256 all = Lanes.ONE;
            for (uint256 i = 0; i < count; ++i) {
                uint256 x = mulmod(_position(run, i, values + 128 * i), Lanes.ONE, P);
                // Only the constant coefficient can be below x: lanes up to 2p + 2^27, reduced below 2^31 + 2^25.
                uint256 first = Lanes.reduce(run.zeta + P - x);
                uint256 second = Lanes.reduce(next + P - x);
                Elements.put(values + 128 * i + 32, _numerator(first, second, claimed, sums + 64 * i));
                first = Lanes.mul(first, second);
                Elements.store(products + 64 * i, first, all);
                all = Lanes.mul(all, first);
            }
            all = Lanes.inverse(all);
            for (uint256 i = count; i-- > 0;) {
                (uint256 product, uint256 before) = Elements.load(products + 64 * i);
                uint256 value = values + 128 * i + 32;
                // The numerator has lanes below 2^32.
                Elements.put(value, Lanes.canonical(Lanes.mul(Lanes.mul(before, all), Elements.word(value))));
                all = Lanes.mul(all, product);
            }
        }
    }

    /// @dev Writes a query's position and the inverse of its point to `value`.
    /// @return x the point, on the coset that columns are opened on
    function _position(Run memory run, uint256 query, uint256 value) private pure returns (uint256 x) {
        unchecked {
            uint256 position = Elements.word(run.queries + 64 * query);
            uint256 inverse;
            (x, inverse) = SealFolds.point(position, run.table);
            Elements.put(value, position);
            Elements.put(value + 96, inverse);
            return mulmod(x, GENERATOR, P);
        }
    }

    /// @dev (claimed - sum) at zeta times the second denominator, and at the next point times the first, in lanes below
    /// 2^31 + 2^26. Claimed values and sums are of at most four products: below 4 * (p + 2^27) < 5p.
    function _numerator(uint256 first, uint256 second, uint256 claimed, uint256 sums) private pure returns (uint256) {
        unchecked {
            uint256 a = Lanes.reduce(Elements.word(claimed) + 5 * LANES_P - Elements.word(sums));
            uint256 b = Lanes.reduce(Elements.word(claimed + 32) + 5 * LANES_P - Elements.word(sums + 32));
            return Lanes.reduce(Lanes.mul(second, a) + Lanes.mul(first, b));
        }
    }

    /// @dev Checks every fold, and the final polynomial.
    function _checkFolds(Run memory run, uint256 values) private view {
        unchecked {
            Round memory round;
            round.end = values + 2 * (run.queriesEnd - run.queries);
            round.row = _allocate(192 + 256);
            round.height = SealProgram.field(run.data, SealProgram.INDEX_BITS);
            uint256 stack = _allocate(run.queriesEnd - run.queries);
            uint256 folds = SealProgram.field(run.data, SealProgram.FOLDS);
            for (; round.fold < folds; ++round.fold) {
                _foldAll(run, round, values);
                _mark(run, FOLDS);
                _requireRoot(run, run.queries, round.leaf, round.height, 4 + round.fold, stack);
                _mark(run, MERKLE);
            }
            uint256 count = 1 << SealProgram.field(run.data, SealProgram.LOG_FINAL);
            for (; values < round.end; values += 128) {
                if (!SealFolds.matches(Elements.word(values + 32), Elements.word(values + 96), run.coefficients, count)) {
                    revert SealFolds.FinalPolynomialMismatch(Elements.word(values));
                }
            }
            _mark(run, FOLDS);
        }
    }

    /// @dev Folds the groups of one round: the values are replaced by those of the next, their leaves are written to
    /// `run.queries`.
    function _foldAll(Run memory run, Round memory round, uint256 values) private pure {
        unchecked {
            round.log = (SealProgram.field(run.data, SealProgram.ARITIES) >> (4 * round.fold)) & 15;
            round.height -= round.log;
            round.leaf = run.queries;
            round.value = values;
            round.to = values;
            uint256 groups = run.cursor;
            while (round.value < round.end) {
                _foldNext(run, round);
            }
            round.end = round.to;
            _requireCanonical(groups, run.cursor - groups, 2);
        }
    }

    /// @dev Folds one group: its leaf, and its position, value and inverse of its point for the next round.
    function _foldNext(Run memory run, Round memory round) private pure {
        unchecked {
            uint256 inverse;
            {
                (uint256 log, uint256 row) = (round.log, round.row);
                (uint256 position, uint256 leaf) = (Elements.word(round.value), round.leaf);
                inverse = SealFolds.start(Elements.word(round.value + 96), position & ((1 << log) - 1), run.table);
                _gather(run, round);
                uint256 digest;
                assembly ("memory-safe") {
                    digest := keccak256(row, shl(log, 20))
                }
                Elements.store(leaf, position >> log, digest);
                round.leaf = leaf + 64;
                Elements.put(round.to, position >> log);
            }
            uint256 to = round.to;
            round.to = to + 128;
            uint256 value =
                SealFolds.fold(round.row, round.log, inverse, run.betas + 96 * round.fold, run.table);
            for (uint256 i = round.log; i > 0; --i) {
                inverse = mulmod(inverse, inverse, P);
            }
            Elements.put(to + 32, value);
            Elements.put(to + 96, inverse);
        }
    }

    /// @dev Writes the row of the group that the next value is in: that value among what calldata has of the group, or,
    /// if several of its members are known, all from calldata. Goes on to the first value of another group.
    function _gather(Run memory run, Round memory round) private pure {
        unchecked {
            uint256 value = round.value;
            uint256 log = round.log;
            uint256 row = round.row;
            uint256 width = 20 << log;
            uint256 position = Elements.word(value);
            if (value + 128 == round.end || (Elements.word(value + 128) ^ position) >> log != 0) {
                uint256 before = 20 * (position & ((1 << log) - 1));
                uint256 from = _take(run, width - 20);
                uint256 word = Lanes.bytesOf(Elements.word(value + 32));
                assembly ("memory-safe") {
                    calldatacopy(row, from, before)
                    mstore(add(row, before), word)
                    calldatacopy(add(add(row, before), 20), add(from, before), sub(sub(width, before), 20))
                }
                round.value = value + 128;
                return;
            }
            {
                uint256 from = _take(run, width);
                assembly ("memory-safe") {
                    calldatacopy(row, from, width)
                }
            }
            for (; value < round.end && (Elements.word(value) ^ position) >> log == 0; value += 128) {
                uint256 member = row + 20 * (Elements.word(value) & ((1 << log) - 1));
                if ((Elements.word(member) ^ Lanes.bytesOf(Elements.word(value + 32))) >> 96 != 0) {
                    revert SealFolds.MemberMismatch(round.fold, Elements.word(value));
                }
            }
            round.value = value;
        }
    }

    /// @dev Checks the paths of some leaves, which calldata has next, against a root.
    function _requireRoot(Run memory run, uint256 leaves, uint256 end, uint256 height, uint256 tree, uint256 stack)
        private
        pure
    {
        unchecked {
            uint256 seal = run.seal;
            uint256 data = run.data;
            uint256 folds = run.folds;
            uint256 expected;
            assembly ("memory-safe") {
                switch tree
                case 0 { expected := calldataload(add(seal, MAIN_AT)) }
                case 1 { expected := calldataload(add(seal, QUOTIENT_AT)) }
                case 2 { expected := mload(add(data, 33)) }
                case 3 { expected := calldataload(add(seal, PERMUTATION_AT)) }
                default { expected := calldataload(add(folds, mul(ROOT_BYTES, sub(tree, 4)))) }
            }
            (uint256 got, uint256 next) = SealMerkle.root(leaves, end, height, run.cursor, stack);
            if (next > run.end) revert SealLength(next - run.seal, run.end - run.seal);
            run.cursor = next;
            if ((expected ^ got) >> 48 != 0) revert RootMismatch(tree);
        }
    }

    /// @dev Takes the next bytes of the seal.
    function _take(Run memory run, uint256 length) private pure returns (uint256 from) {
        unchecked {
            from = run.cursor;
            uint256 next = from + length;
            if (next > run.end) revert SealLength(next - run.seal, run.end - run.seal);
            run.cursor = next;
        }
    }

    /// @dev Checks that the elements in calldata are below p, eight at a time: with 2^31 - p added, none has its top
    /// bit set, nor without.
    function _requireCanonical(uint256 from, uint256 length, uint256 section) private pure {
        uint256 bits;
        assembly ("memory-safe") {
            let lanes := 0x00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff
            let end := add(from, and(length, not(31)))
            for {} lt(from, end) { from := add(from, 32) } {
                let word := calldataload(from)
                bits := or(bits, or(word, add(word, lanes)))
            }
            // What is behind the last elements is shifted out.
            let rest := mul(8, sub(32, and(length, 31)))
            let word := shl(rest, shr(rest, calldataload(from)))
            bits := or(bits, or(word, add(word, lanes)))
            bits := and(bits, 0x8000000080000000800000008000000080000000800000008000000080000000)
        }
        if (bits != 0) revert NotCanonical(section);
    }

    /// @dev Puts bytes of calldata behind the `before` bytes that are absorbed.
    function _absorb(uint256 place, uint256 from, uint256 length, uint256 before) private pure {
        assembly ("memory-safe") {
            calldatacopy(add(add(place, 32), before), from, length)
        }
    }

    /// @dev Memory that nobody has written to.
    function _allocate(uint256 length) private pure returns (uint256 start) {
        assembly ("memory-safe") {
            start := mload(0x40)
            mstore(0x40, add(start, and(add(length, 63), not(31))))
        }
    }
}
