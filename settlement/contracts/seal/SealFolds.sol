// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Elements} from "./Elements.sol";
import {Quintic} from "./Quintic.sol";

/// @title FRI: groups of a codeword's values folded into one, and the final polynomial.
/// @notice A group of 2^a neighbours at position i has the points s * w^rev(j), with s the point at which position
/// 2^a * i lies and w the root of unity of order 2^a. Points are carried as their inverses.
library SealFolds {
    /// @notice A value that is known from before is another in the group that calldata has.
    error MemberMismatch(uint256 fold, uint256 position);
    /// @notice The final polynomial has another value than the last fold.
    error FinalPolynomialMismatch(uint256 position);

    uint256 private constant P = 0x7f000001;
    // The root of unity of order 2^24, all of whose powers of two the others are, and its inverse.
    uint256 private constant ROOT = 0x6ac49f88;
    uint256 private constant ROOT_INVERSE = 0x6b1073c7;

    /// @notice Writes the roots of unity of order 2, 4, 8, .. 2^24, a word each, and behind them their inverses.
    function roots(uint256 to) internal pure {
        assembly ("memory-safe") {
            let root := ROOT
            let inverse := ROOT_INVERSE
            for { let at := add(to, 768) } gt(at, to) {} {
                at := sub(at, 32)
                mstore(at, root)
                mstore(add(at, 768), inverse)
                root := mulmod(root, root, P)
                inverse := mulmod(inverse, inverse, P)
            }
        }
    }

    /// @notice The point of a position and its inverse: the product of the roots at its bits.
    function point(uint256 position, uint256 table) internal pure returns (uint256 x, uint256 inverse) {
        assembly ("memory-safe") {
            x := 1
            inverse := 1
            for {} position { position := shr(1, position) } {
                if and(position, 1) {
                    x := mulmod(x, mload(table), P)
                    inverse := mulmod(inverse, mload(add(table, 768)), P)
                }
                table := add(table, 32)
            }
        }
    }

    /// @notice The inverse of the point of a group from that of its member at `within`.
    function start(uint256 inverse, uint256 within, uint256 table) internal pure returns (uint256) {
        assembly ("memory-safe") {
            for {} within { within := shr(1, within) } {
                if and(within, 1) { inverse := mulmod(inverse, mload(table), P) }
                table := add(table, 32)
            }
        }
        return inverse;
    }

    /// @notice The value at beta of the polynomial that has the 2^log values at `row` (20 bytes each, in memory) on the
    /// group whose point has the inverse `inverse`.
    /// @param betas beta, beta^2 and beta^4 in memory, 64 bytes each
    /// @param table see `roots`
    /// @dev Halved `log` times: f(y) = e(y^2) + y * o(y^2), of the values at y and -y, and then y is replaced by beta
    /// (over s, so that y is a root of unity). The halves are left to the end. Memory behind the row, from 192 bytes
    /// after its start, is for eight elements.
    function fold(uint256 row, uint256 log, uint256 inverse, uint256 betas, uint256 table)
        internal
        pure
        returns (uint256 lo, uint256 hi)
    {
        unchecked {
            uint256 scratch = row + 192;
            for (uint256 i = 0; i < 1 << log; ++i) {
                (lo, hi) = Quintic.loadMemory(row + 20 * i);
                Elements.store(scratch + 64 * i, lo, hi);
            }
            uint256 pairs = 1 << log;
            while (pairs > 1) {
                pairs >>= 1;
                _halveAll(scratch, pairs, inverse, betas, table);
                inverse = mulmod(inverse, inverse, P);
                betas += 64;
            }
            (lo, hi) = Elements.load(scratch);
            return Quintic.scale(lo, hi, _half(log));
        }
    }

    /// @dev One halving: `pairs` pairs of values at `scratch` become as many values.
    function _halveAll(uint256 scratch, uint256 pairs, uint256 inverse, uint256 beta, uint256 table) private pure {
        unchecked {
            for (uint256 pair = 0; pair < pairs; ++pair) {
                // beta over s and over y: y is the product of the roots of order 4 and 8 at the pair's bits.
                uint256 by = inverse;
                if (pair & 1 != 0) by = mulmod(by, Elements.word(table + 800), P);
                if (pair & 2 != 0) by = mulmod(by, Elements.word(table + 832), P);
                _halve(scratch + 128 * pair, scratch + 64 * pair, beta, by);
            }
        }
    }

    function _halve(uint256 from, uint256 to, uint256 beta, uint256 by) private pure {
        unchecked {
            (uint256 a, uint256 ah) = Elements.load(from);
            (uint256 b, uint256 bh) = Elements.load(from + 64);
            (uint256 c, uint256 ch) = Elements.load(beta);
            (c, ch) = Quintic.scale(c, ch, by);
            (uint256 d, uint256 dh) = Quintic.sub(a, ah, b, bh);
            (c, ch) = Quintic.mul(c, ch, d, dh);
            (a, ah) = Quintic.add(a, ah, b, bh);
            (a, ah) = Quintic.add(a, ah, c, ch);
            Elements.store(to, a, ah);
        }
    }

    /// @dev 2^-log for log of 1, 2, 3.
    function _half(uint256 log) private pure returns (uint256) {
        if (log == 3) return 0x6f200001;
        return log == 2 ? 0x5f400001 : 0x3f800001;
    }

    /// @notice Whether the polynomial has the value at the point with the inverse `inverse`.
    /// @param coefficients in memory, the two wide words of each, the constant first
    /// @dev The sum of c_i * x^i, over x^(n - 1), is that of c_i * inverse^(n - 1 - i).
    function matches(uint256 lo, uint256 hi, uint256 inverse, uint256 coefficients, uint256 count)
        internal
        pure
        returns (bool)
    {
        uint256 u;
        uint256 v;
        uint256 last;
        assembly ("memory-safe") {
            let power := 1
            for { let at := add(coefficients, mul(64, count)) } gt(at, coefficients) {} {
                at := sub(at, 64)
                u := add(u, mul(power, mload(at)))
                v := add(v, mul(power, mload(add(at, 32))))
                last := power
                power := mulmod(power, inverse, P)
            }
        }
        (u, v) = Quintic.narrow(u, v);
        (lo, hi) = Quintic.scale(lo, hi, last);
        return u == lo && v == hi;
    }
}
