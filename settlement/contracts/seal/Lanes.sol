// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

// p, and the constants of `Lanes`: LANES_* hold their value in every lane.
uint256 constant P = 0x7f000001;
// B^5 + B^2 - 1 with B = 2^51.
uint256 constant MODULUS = 0x800000000000000000000000000000000000003fffffffffffffffffffffffff;
uint256 constant LANES_P = 0x7f00000100000fe00000200001fc00000400003f800000800007f000001;
uint256 constant LANES_2P = 0xfe00000200001fc00000400003f800000800007f00000100000fe000002;
// 0x61c52 * p, of 50 bits.
uint256 constant LANES_BIAS = 0x3080cae061c52610195c0c38a4c2032b8187149840657030e293080cae061c52;
// 2^50 - p, and 1.
uint256 constant LANES_TOP = 0x3ffff80ffffff7ffff01fffffeffffe03fffffdffffc07fffffbffff80ffffff;
uint256 constant LANES_1 = 0x1000000000000200000000000040000000000008000000000001;
// 2^k - 1
uint256 constant LANES_16 = 0xffff000000001fffe000000003fffc000000007fff800000000ffff;
uint256 constant LANES_20 = 0xfffff00000001ffffe00000003ffffc00000007ffff80000000fffff;
uint256 constant LANES_24 = 0xffffff0000001fffffe0000003fffffc0000007fffff8000000ffffff;
uint256 constant LANES_27 = 0x7ffffff000000ffffffe000001ffffffc000003ffffff8000007ffffff;
uint256 constant LANES_31 = 0x7fffffff00000fffffffe00001fffffffc00003fffffff800007fffffff;
uint256 constant LANES_35 = 0x7ffffffff0000ffffffffe0001ffffffffc0003ffffffff80007ffffffff;

/// @title Elements of the extension in one word: five lanes of 51 bits, the constant coefficient lowest.
/// @notice A lane is any number that is congruent to the coefficient: sums are ADDs, differences ADDs of a multiple of p
/// and SUBs. How large lanes may be is said at each function, and is for the caller to know.
/// @dev With B = 2^51 a word is the polynomial's value at B, and MULMOD by B^5 + B^2 - 1 multiplies polynomials modulo
/// X^5 + X^2 - 1. Lanes would overflow, so b goes in two digits of 16 bits and more. A coefficient of the product of
/// reduced polynomials has at most six products added and four subtracted: with lanes of a at most A and digits of b at
/// most D, and A * D at most 2^47.6, it is above -2^49.6, and with LANES_BIAS it lies in its lane: the word is below
/// B^5, so that what ADDMOD returns is it, and no other representative.
///
/// Reductions are Montgomery's, where p = 127 * 2^24 + 1 is convenient. For k of 16 or 24: with m the low k bits of x,
/// x - m * p is divisible by 2^k, and the quotient is (x >> k) - m * (p - 1) / 2^k, at least 1 - p.
/// A product is divided by 2^16 before the second digit is added, by 2^24 after, so by 2^40 in all. An element of which
/// 2^40-fold lanes are held is in Montgomery form; its product with another in that form is too, and with one in plain
/// form is plain.
library Lanes {
    /// @notice A denominator is zero, which an honest proof meets with probability 2^-150.
    error ZeroDenominator();

    /// 2^40 modulo p: one in Montgomery form.
    uint256 internal constant ONE = 0x3fffdfc;
    uint256 private constant LANE = 0x7ffffffffffff;
    // Lanes of 85 bits, in which sums of products fit.
    uint256 private constant WIDE = 0x1fffffffffffffffffffff;
    // 2^80 modulo p in digits of 16 bits.
    uint256 private constant SQUARE_LOW = 0xcfb0;
    uint256 private constant SQUARE_HIGH = 0x3fe3;
    uint256 private constant SQUARE = 0x3fe3cfb0;

    /// @notice The element whose coefficients are the 20 bytes at `from` in calldata, big-endian.
    function load(uint256 from) internal pure returns (uint256 a) {
        assembly ("memory-safe") {
            let word := shr(96, calldataload(from))
            a := or(
                or(shr(128, word), and(shr(45, word), 0x7fffffff8000000000000)),
                or(
                    and(shl(38, word), 0x3fffffffc0000000000000000000000000),
                    or(and(shl(121, word), 0x1fffffffe00000000000000000000000000000000000000), shl(204, and(word, 0xffffffff)))
                )
            )
        }
    }

    /// @notice The element in lanes below p, from any lanes.
    function exact(uint256 a) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            c := or(
                or(mod(and(a, LANE), P), shl(51, mod(and(shr(51, a), LANE), P))),
                or(
                    shl(102, mod(and(shr(102, a), LANE), P)),
                    or(shl(153, mod(and(shr(153, a), LANE), P)), shl(204, mod(and(shr(204, a), LANE), P)))
                )
            )
        }
    }

    /// @notice Two words of lanes of 85 bits: three coefficients in the first, two in the second.
    function widen(uint256 a) internal pure returns (uint256 u, uint256 v) {
        assembly ("memory-safe") {
            u := or(and(a, LANE), or(shl(85, and(shr(51, a), LANE)), shl(170, and(shr(102, a), LANE))))
            v := or(and(shr(153, a), LANE), shl(85, shr(204, a)))
        }
    }

    /// @notice The element of two words of lanes of 85 bits, in lanes below p.
    function narrow(uint256 u, uint256 v) internal pure returns (uint256 a) {
        assembly ("memory-safe") {
            a := or(
                or(mod(and(u, WIDE), P), shl(51, mod(and(shr(85, u), WIDE), P))),
                or(
                    shl(102, mod(shr(170, u), P)),
                    or(shl(153, mod(and(v, WIDE), P)), shl(204, mod(shr(85, v), P)))
                )
            )
        }
    }

    /// @notice 2^-40 times the product. Lanes of `a` at most A, of `b` at most 2^16 * D, where D >= 2^16 and A * D is at
    /// most 2^47.6: such as 2^31.6 and 2^32. Lanes of the result are below p + 2^27.
    function mul(uint256 a, uint256 b) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            c := addmod(mulmod(a, and(b, LANES_16), MODULUS), LANES_BIAS, MODULUS)
            // Lanes from BIAS - p to BIAS + 2^35, and BIAS is above 2^49.6 + p.
            c := sub(add(and(shr(16, c), LANES_35), LANES_BIAS), mul(and(c, LANES_16), 32512))
            c := addmod(mulmod(a, and(shr(16, b), LANES_35), MODULUS), c, MODULUS)
            c := sub(add(and(shr(24, c), LANES_27), LANES_P), mul(and(c, LANES_24), 127))
        }
    }

    /// @notice The Montgomery form of an element with lanes below 2^32. Lanes of the result are below p + 2^27.
    function montgomery(uint256 a) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            c := mul(a, SQUARE_LOW)
            c := sub(add(and(shr(16, c), LANES_35), LANES_P), mul(and(c, LANES_16), 32512))
            c := add(c, mul(a, SQUARE_HIGH))
            c := sub(add(and(shr(24, c), LANES_27), LANES_P), mul(and(c, LANES_24), 127))
        }
    }

    /// @notice The same element. 2^31 is 2^24 - 1 modulo p: lanes at most x become at most 2^31 - 1 + (x >> 31) * (2^24 - 1).
    function reduce(uint256 a) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            c := add(and(a, LANES_31), mul(and(shr(31, a), LANES_20), 0xffffff))
        }
    }

    /// @notice 2^-40 times the product with an element of the base field. Lanes of `a` are below 2^32, `by` is below p.
    /// Lanes of the result are below p + 2^23.
    function scale(uint256 a, uint256 by) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            c := mul(a, and(by, 0xffff))
            c := sub(add(and(shr(16, c), LANES_35), LANES_P), mul(and(c, LANES_16), 32512))
            // by >> 16 is at most 32512, so this is at most 2^32 * 32512 + 2^37, and its quotient below 2^23.
            c := add(c, mul(a, shr(16, by)))
            c := sub(add(and(shr(24, c), LANES_27), LANES_P), mul(and(c, LANES_24), 127))
        }
    }

    /// @notice The element in lanes below p, from lanes below 2p.
    function canonical(uint256 a) internal pure returns (uint256 c) {
        assembly ("memory-safe") {
            // The top bit of a lane with 2^50 - p added says that it is at least p.
            c := sub(a, mul(and(shr(50, add(a, LANES_TOP)), LANES_1), P))
        }
    }

    /// @notice The element whose coefficients are the 20 bytes at `from` in memory, big-endian.
    function loadMemory(uint256 from) internal pure returns (uint256 a) {
        assembly ("memory-safe") {
            let word := shr(96, mload(from))
            a := or(
                or(shr(128, word), and(shr(45, word), 0x7fffffff8000000000000)),
                or(
                    and(shl(38, word), 0x3fffffffc0000000000000000000000000),
                    or(and(shl(121, word), 0x1fffffffe00000000000000000000000000000000000000), shl(204, and(word, 0xffffffff)))
                )
            )
        }
    }

    /// @notice The 20 bytes of an element with lanes below p, big-endian, left-aligned.
    function bytesOf(uint256 a) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := shl(
                96,
                or(
                    or(shl(128, and(a, 0xffffffff)), and(shl(45, a), 0xffffffff000000000000000000000000)),
                    or(
                        and(shr(38, a), 0xffffffff0000000000000000),
                        or(and(shr(121, a), 0xffffffff00000000), shr(204, a))
                    )
                )
            )
        }
    }

    /// @notice The p-th power: linear, so the sum of the coefficients times the p-th powers of X^i. Lanes of the result
    /// are below p.
    function frobenius(uint256 a) internal pure returns (uint256) {
        uint256 u;
        uint256 v;
        a = exact(a);
        assembly ("memory-safe") {
            let c := and(shr(51, a), LANE)
            u := add(and(a, LANE), mul(c, 0x175c285e400000000000008bd9874000000000000005df5feeb))
            v := mul(c, 0x4a19e4000000000000047ef5387)
            c := and(shr(102, a), LANE)
            u := add(u, mul(c, 0x92af1d600000000000000002a2cc4000000000000064280990))
            v := add(v, mul(c, 0x2337dd2000000000000005242ba9a))
            c := and(shr(153, a), LANE)
            u := add(u, mul(c, 0xa814f6b8000000000000026850c5c00000000000001a4ca5a4))
            v := add(v, mul(c, 0x3c05c2880000000000000562a6968))
            c := shr(204, a)
            u := add(u, mul(c, 0x1ded7fcbc00000000000008876a94c00000000000005153c3c1))
            v := add(v, mul(c, 0x7a7a17420000000000000088b9b96))
        }
        return narrow(u, v);
    }

    /// @notice The inverse of an element in Montgomery form, in that form. Lanes of the result are below p + 2^23.
    /// @dev The product of the other conjugates over the norm, which is the product of all, in the base field. Raised to the
    /// p-th power, 2^40-fold lanes stay what they are.
    function inverse(uint256 a) internal pure returns (uint256) {
        // (a * a^p)^p = a^p * a^(p^2), then that times its own p^2-th power.
        uint256 others = frobenius(mul(a, frobenius(a)));
        others = mul(others, frobenius(frobenius(others)));
        uint256 norm = exact(mul(a, others)) & LANE;
        if (norm == 0) revert ZeroDenominator();
        // Of 2^40 * norm the inverse times 2^80 is 2^40 over the norm.
        return scale(others, mulmod(inverseBase(norm), SQUARE, P));
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
