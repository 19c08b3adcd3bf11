// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title KoalaBear and its extension of degree five, F[X]/(X^5 + X^2 - 1).
/// @notice An element of the extension is two words: `lo` holds the coefficients of 1, X, X^2, X^3 in lanes of 64
/// bits, the lowest first, `hi` that of X^4. Every function takes and returns coefficients below p.
/// @dev Why 64 bits: three lanes times two lanes are four lanes, 256 bits, so that one MUL makes six of the 25
/// products of a multiplication, and a lane has room for the sum of four products of coefficients, 4p^2 < 2^64.
/// Where many products are added up before they are reduced, lanes are 85 bits wide, three in a word (`wide`).
library Quintic {
    /// @notice A denominator is zero, which an honest proof meets with probability 2^-150.
    error ZeroDenominator();

    uint256 internal constant P = 0x7f000001;
    uint256 private constant LANE = 0xffffffffffffffff;
    uint256 private constant LANES_2 = 0xffffffffffffffffffffffffffffffff;
    uint256 private constant LANES_3 = 0xffffffffffffffffffffffffffffffffffffffffffffffff;
    uint256 private constant ONES = 0x0000000000000001000000000000000100000000000000010000000000000001;
    // Every lane: p, and 2^63 - p.
    uint256 private constant MODULI = 0x000000007f000001000000007f000001000000007f000001000000007f000001;
    uint256 private constant BIASES = 0x7fffffff80ffffff7fffffff80ffffff7fffffff80ffffff7fffffff80ffffff;
    // p * 2^33, at least 4p^2.
    uint256 private constant MULTIPLE = 0xfe00000200000000;
    uint256 internal constant WIDE = 0x1fffffffffffffffffffff;

    /// @notice The element whose coefficients are the 20 bytes at `from` in calldata, big-endian.
    function load(uint256 from) internal pure returns (uint256 lo, uint256 hi) {
        assembly ("memory-safe") {
            let word := shr(96, calldataload(from))
            lo := or(
                or(shr(128, word), and(shr(32, word), 0xffffffff0000000000000000)),
                or(
                    and(shl(64, word), 0xffffffff00000000000000000000000000000000),
                    and(shl(160, word), 0xffffffff000000000000000000000000000000000000000000000000)
                )
            )
            hi := and(word, 0xffffffff)
        }
    }

    /// @notice The same from memory.
    function loadMemory(uint256 from) internal pure returns (uint256 lo, uint256 hi) {
        assembly ("memory-safe") {
            let word := shr(96, mload(from))
            lo := or(
                or(shr(128, word), and(shr(32, word), 0xffffffff0000000000000000)),
                or(
                    and(shl(64, word), 0xffffffff00000000000000000000000000000000),
                    and(shl(160, word), 0xffffffff000000000000000000000000000000000000000000000000)
                )
            )
            hi := and(word, 0xffffffff)
        }
    }

    /// @notice The 20 bytes of an element, big-endian, left-aligned.
    function bytesOf(uint256 lo, uint256 hi) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := or(
                or(shl(224, lo), and(shl(128, lo), 0xffffffff000000000000000000000000000000000000000000000000)),
                or(
                    or(
                        and(shl(32, lo), 0xffffffff0000000000000000000000000000000000000000),
                        and(shr(64, lo), 0xffffffff00000000000000000000000000000000)
                    ),
                    shl(96, hi)
                )
            )
        }
    }

    function add(uint256 a, uint256 ah, uint256 b, uint256 bh) internal pure returns (uint256 lo, uint256 hi) {
        assembly ("memory-safe") {
            lo := add(a, b)
            // The top bit of a lane of lo + BIASES says that it is at least p.
            lo := sub(lo, mul(and(shr(63, add(lo, BIASES)), ONES), P))
            hi := addmod(ah, bh, P)
        }
    }

    function sub(uint256 a, uint256 ah, uint256 b, uint256 bh) internal pure returns (uint256 lo, uint256 hi) {
        assembly ("memory-safe") {
            lo := sub(add(a, MODULI), b)
            lo := sub(lo, mul(and(shr(63, add(lo, BIASES)), ONES), P))
            hi := addmod(ah, sub(P, bh), P)
        }
    }

    function mul(uint256 a, uint256 ah, uint256 b, uint256 bh) internal pure returns (uint256 lo, uint256 hi) {
        assembly ("memory-safe") {
            // d0..d8 are the coefficients of the product of the polynomials. Of each word's lanes:
            // x: d2 d3 d4 d5, y: d4 d5 d6, z: d3 d4 d5. Every sum is of at most four products, but for d4's five.
            let x := mul(and(a, LANES_3), shr(128, b))
            let y := mul(and(a, LANES_3), bh)
            let a34 := or(shr(192, a), shl(64, ah))
            let z := mul(a34, and(b, LANES_2))
            // d0 d1 d2 d3 and d5 d6 d7 d8
            let w := add(add(mul(and(a, LANES_3), and(b, LANES_2)), shl(128, x)), shl(192, z))
            let v := add(
                add(shr(192, x), shr(64, y)),
                add(shr(128, z), add(mul(a34, shr(128, b)), shl(128, mul(a34, bh))))
            )
            hi := add(add(and(shr(128, x), LANE), and(y, LANE)), and(shr(64, z), LANE))
            // X^5 = 1 - X^2, X^6 = X - X^3, X^7 = X^2 - X^4, X^8 = X^3 + X^2 - 1
            let d6 := and(shr(64, v), LANE)
            let d7 := and(shr(128, v), LANE)
            let d8 := shr(192, v)
            v := and(v, LANE)
            hi := mod(sub(add(hi, MULTIPLE), d7), P)
            lo := mod(add(and(w, LANE), sub(add(v, MULTIPLE), d8)), P)
            lo := or(lo, shl(64, mod(add(and(shr(64, w), LANE), d6), P)))
            lo := or(lo, shl(128, mod(add(and(shr(128, w), LANE), sub(add(add(d7, d8), MULTIPLE), v)), P)))
            lo := or(lo, shl(192, mod(add(shr(192, w), sub(add(d8, MULTIPLE), d6)), P)))
        }
    }

    /// @notice The product with an element of the base field.
    function scale(uint256 a, uint256 ah, uint256 by) internal pure returns (uint256 lo, uint256 hi) {
        assembly ("memory-safe") {
            a := mul(a, by)
            lo := or(
                or(mod(and(a, LANE), P), shl(64, mod(and(shr(64, a), LANE), P))),
                or(shl(128, mod(and(shr(128, a), LANE), P)), shl(192, mod(shr(192, a), P)))
            )
            hi := mulmod(ah, by, P)
        }
    }

    /// @notice The product with X.
    function mulX(uint256 a, uint256 ah) internal pure returns (uint256 lo, uint256 hi) {
        assembly ("memory-safe") {
            // X^4 becomes 1 - X^2.
            lo := sub(add(or(ah, shl(64, a)), MODULI), shl(128, ah))
            lo := sub(lo, mul(and(shr(63, add(lo, BIASES)), ONES), P))
            hi := shr(192, a)
        }
    }

    /// @notice The element of two wide words: lanes of 85 bits, three in `u`, two in `v`, of any size.
    function narrow(uint256 u, uint256 v) internal pure returns (uint256 lo, uint256 hi) {
        assembly ("memory-safe") {
            lo := or(
                or(mod(and(u, WIDE), P), shl(64, mod(and(shr(85, u), WIDE), P))),
                or(shl(128, mod(and(shr(170, u), WIDE), P)), shl(192, mod(and(v, WIDE), P)))
            )
            hi := mod(shr(85, v), P)
        }
    }

    /// @notice The two wide words of an element.
    function wide(uint256 a, uint256 ah) internal pure returns (uint256 u, uint256 v) {
        assembly ("memory-safe") {
            u := or(
                and(a, LANE),
                or(shl(85, and(shr(64, a), LANE)), shl(170, and(shr(128, a), LANE)))
            )
            v := or(shr(192, a), shl(85, ah))
        }
    }

    /// @notice The p-th power: linear, so the sum of the coefficients times the p-th powers of X^i.
    function frobenius(uint256 a, uint256 ah) internal pure returns (uint256 lo, uint256 hi) {
        uint256 u;
        uint256 v;
        assembly ("memory-safe") {
            let c := and(shr(64, a), LANE)
            u := add(and(a, LANE), mul(c, 0x175c285e400000000000008bd9874000000000000005df5feeb))
            v := mul(c, 0x4a19e4000000000000047ef5387)
            c := and(shr(128, a), LANE)
            u := add(u, mul(c, 0x92af1d600000000000000002a2cc4000000000000064280990))
            v := add(v, mul(c, 0x2337dd2000000000000005242ba9a))
            c := shr(192, a)
            u := add(u, mul(c, 0xa814f6b8000000000000026850c5c00000000000001a4ca5a4))
            v := add(v, mul(c, 0x3c05c2880000000000000562a6968))
            u := add(u, mul(ah, 0x1ded7fcbc00000000000008876a94c00000000000005153c3c1))
            v := add(v, mul(ah, 0x7a7a17420000000000000088b9b96))
        }
        return narrow(u, v);
    }

    /// @notice The inverse: the product r of the other conjugates, over the norm a * r, which is in the base field.
    function inverse(uint256 a, uint256 ah) internal pure returns (uint256 lo, uint256 hi) {
        // a^p, then (a * a^p)^p = a^p * a^(p^2), then that times its own p^2-th power.
        (uint256 b, uint256 bh) = frobenius(a, ah);
        (b, bh) = mul(a, ah, b, bh);
        (b, bh) = frobenius(b, bh);
        (lo, hi) = frobenius(b, bh);
        (lo, hi) = frobenius(lo, hi);
        (b, bh) = mul(b, bh, lo, hi);
        (lo, hi) = mul(a, ah, b, bh);
        if (lo == 0) revert ZeroDenominator();
        return scale(b, bh, inverseBase(lo));
    }

    /// @notice The inverse in the base field, zero of zero: the (p - 2)-th power.
    function inverseBase(uint256 a) internal pure returns (uint256 inverted) {
        assembly ("memory-safe") {
            inverted := 1
            for { let bits := sub(P, 2) } bits { bits := shr(1, bits) } {
                if and(bits, 1) { inverted := mulmod(inverted, a, P) }
                a := mulmod(a, a, P)
            }
        }
    }
}
