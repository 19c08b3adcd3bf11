// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Elements} from "./Elements.sol";
import {Lanes, LANES_2P, P} from "./Lanes.sol";

/// @title FRI: groups of a codeword's values folded into one, and the final polynomial.
/// @notice A group of 2^a neighbours at position i has the points s * w^rev(j), with s the point at which position
/// 2^a * i lies and w the root of unity of order 2^a. Points are carried as their inverses.
library SealFolds {
    /// @notice A value that is known from before is another in the group that calldata has.
    error MemberMismatch(uint256 fold, uint256 position);
    /// @notice The final polynomial has another value than the last fold.
    error FinalPolynomialMismatch(uint256 position);

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

    /// @notice The value at beta, in lanes below p, of the polynomial that has the 2^log values at `row` (20 bytes each, in
    /// memory) on the group whose point has the inverse `inverse`.
    /// @param betas 2^80 times beta, beta^2 and beta^4 in memory, a word each: over a point they are in Montgomery form
    /// @param table see `roots`
    /// @dev Halved `log` times: f(y) = e(y^2) + y * o(y^2), of the values at y and -y, and then y is replaced by beta
    /// (over s, so that y is a root of unity). The halves are left to the end. Memory behind the row, from 192 bytes
    /// after its start, is for eight elements.
    function fold(uint256 row, uint256 log, uint256 inverse, uint256 betas, uint256 table)
        internal
        pure
        returns (uint256 value)
    {
        unchecked {
            uint256 scratch = row + 192;
            for (uint256 i = 0; i < 1 << log; ++i) {
                value = Lanes.loadMemory(row + 20 * i);
                assembly ("memory-safe") {
                    mstore(add(scratch, mul(32, i)), value)
                }
            }
            uint256 pairs = 1 << log;
            while (pairs > 1) {
                pairs >>= 1;
                _halveAll(scratch, pairs, inverse, Elements.word(betas), table);
                inverse = mulmod(inverse, inverse, P);
                betas += 32;
            }
            return Lanes.canonical(Lanes.scale(Elements.word(scratch), _half(log)));
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
                // Lanes of values are below 2^31 + 3 * 2^24: of what calldata has below p, later those of a sum below
                // 2 * (2^31 + 3 * 2^24) + p + 2^27 < 2^33, reduced. With 2p more they are below 98562 * 2^16, and
                // (p + 2^23) * 98562 is below 2^47.6.
                uint256 a;
                uint256 b;
                assembly ("memory-safe") {
                    a := mload(add(scratch, mul(64, pair)))
                    b := mload(add(scratch, add(mul(64, pair), 32)))
                }
                uint256 sum = a + b + Lanes.mul(Lanes.scale(beta, by), a + LANES_2P - b);
                sum = Lanes.reduce(sum);
                assembly ("memory-safe") {
                    mstore(add(scratch, mul(32, pair)), sum)
                }
            }
        }
    }

    /// @dev 2^-log in Montgomery form for log of 1, 2, 3, which are all that programs have.
    function _half(uint256 log) private pure returns (uint256) {
        if (log == 3) return 0x3fffffc0;
        return log == 2 ? 0xffff7f : 0x1fffefe;
    }

    /// @notice Whether the polynomial has the value, whose lanes are below p, at the point with the inverse `inverse`.
    /// @param coefficients in memory, the two wide words of each, the constant first
    /// @dev The sum of c_i * x^i, over x^(n - 1), is that of c_i * inverse^(n - 1 - i).
    function matches(uint256 value, uint256 inverse, uint256 coefficients, uint256 count)
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
        return Lanes.narrow(u, v) == Lanes.canonical(Lanes.scale(value, mulmod(last, Lanes.ONE, P)));
    }
}
