// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    LANE_2_2P,
    MODULUS,
    LANES_P,
    LANES_2P,
    LANES_BIAS,
    LANES_16,
    LANES_20,
    LANES_24,
    LANES_27,
    LANES_31,
    LANES_35,
    Lanes
} from "./Lanes.sol";

/// @title The constraints at the out-of-domain point: an interpreter of the program that the AIR was lowered to.
/// @notice Operations come in runs of one kind: kind (4 bits) and number (12 bits), then 5 bytes each: destination, first
/// and second operand (13 bits each), one bit of nothing. Operands and destination are slots: elements in Montgomery
/// form, as `Lanes` has them, slot i at address 32i of memory.
/// @dev Why interpreted: the constraints of a narrow AIR are thousands of operations, several times what EIP-170 lets
/// one contract hold as code, but one contract's worth as data. And so the code is one for all AIRs, and can be tried on
/// any. Runs, because finding the code of an operation costs as much as a third of it.
///
/// How large lanes become is known when the program is written, and there it is seen to that none overflows
/// (`sinter_seal::lower`): what `mul` and `reduce` of `Lanes` ask for, and a subtrahend of at most 2p.
library SealConstraints {
    /// @notice The program holds an operation that there is not.
    error UnknownOperation(uint256 code);

    /// @notice Runs the operations from `next` to `end` in memory.
    /// @param alpha the challenge that folds, in Montgomery form, with lanes below p + 2^27
    /// @return folded what was folded: the sum of the i-th last one times alpha^i; lanes below 2^32
    function run(uint256 next, uint256 end, uint256 alpha) internal pure returns (uint256 folded) {
        while (next < end) {
            uint256 code;
            assembly ("memory-safe") {
                let last := mload(next)
                code := shr(252, last)
                next := add(next, 2)
                last := add(next, mul(5, and(shr(240, last), 0xfff)))
                switch code
                case 0 {
                    // a * b: `Lanes.mul`
                    for {} lt(next, last) { next := add(next, 5) } {
                        let word := mload(next)
                        let a := mload(and(shr(225, word), 0x3ffe0))
                        let b := mload(and(shr(212, word), 0x3ffe0))
                        let c := addmod(mulmod(a, and(b, LANES_16), MODULUS), LANES_BIAS, MODULUS)
                        c := sub(add(and(shr(16, c), LANES_35), LANES_BIAS), mul(and(c, LANES_16), 32512))
                        c := addmod(mulmod(a, and(shr(16, b), LANES_35), MODULUS), c, MODULUS)
                        mstore(
                            and(shr(238, word), 0x3ffe0),
                            sub(add(and(shr(24, c), LANES_27), LANES_P), mul(and(c, LANES_24), 127))
                        )
                    }
                }
                case 1 {
                    // a + b
                    for {} lt(next, last) { next := add(next, 5) } {
                        let word := mload(next)
                        mstore(
                            and(shr(238, word), 0x3ffe0),
                            add(mload(and(shr(225, word), 0x3ffe0)), mload(and(shr(212, word), 0x3ffe0)))
                        )
                    }
                }
                case 2 {
                    // a - b
                    for {} lt(next, last) { next := add(next, 5) } {
                        let word := mload(next)
                        mstore(
                            and(shr(238, word), 0x3ffe0),
                            sub(
                                add(mload(and(shr(225, word), 0x3ffe0)), LANES_2P),
                                mload(and(shr(212, word), 0x3ffe0))
                            )
                        )
                    }
                }
                case 3 {
                    // a * b of which b is reduced first: `Lanes.mul`, `Lanes.reduce`
                    for {} lt(next, last) { next := add(next, 5) } {
                        let word := mload(next)
                        let a := mload(and(shr(225, word), 0x3ffe0))
                        let b := mload(and(shr(212, word), 0x3ffe0))
                        b := add(and(b, LANES_31), mul(and(shr(31, b), LANES_20), 0xffffff))
                        let c := addmod(mulmod(a, and(b, LANES_16), MODULUS), LANES_BIAS, MODULUS)
                        c := sub(add(and(shr(16, c), LANES_35), LANES_BIAS), mul(and(c, LANES_16), 32512))
                        c := addmod(mulmod(a, and(shr(16, b), LANES_35), MODULUS), c, MODULUS)
                        mstore(
                            and(shr(238, word), 0x3ffe0),
                            sub(add(and(shr(24, c), LANES_27), LANES_P), mul(and(c, LANES_24), 127))
                        )
                    }
                }
                case 4 {
                    // folded * alpha + a, `folded` being reduced
                    for {} lt(next, last) { next := add(next, 5) } {
                        let c := addmod(mulmod(alpha, and(folded, LANES_16), MODULUS), LANES_BIAS, MODULUS)
                        c := sub(add(and(shr(16, c), LANES_35), LANES_BIAS), mul(and(c, LANES_16), 32512))
                        c := addmod(mulmod(alpha, and(shr(16, folded), LANES_35), MODULUS), c, MODULUS)
                        c := sub(add(and(shr(24, c), LANES_27), LANES_P), mul(and(c, LANES_24), 127))
                        c := add(c, mload(and(shr(225, mload(next)), 0x3ffe0)))
                        folded := add(and(c, LANES_31), mul(and(shr(31, c), LANES_20), 0xffffff))
                    }
                }
                case 5 {
                    // a reduced: `Lanes.reduce`
                    for {} lt(next, last) { next := add(next, 5) } {
                        let word := mload(next)
                        let a := mload(and(shr(225, word), 0x3ffe0))
                        mstore(
                            and(shr(238, word), 0x3ffe0),
                            add(and(a, LANES_31), mul(and(shr(31, a), LANES_20), 0xffffff))
                        )
                    }
                }
                case 6 {
                    // a times the number that the second operand is
                    for {} lt(next, last) { next := add(next, 5) } {
                        let word := mload(next)
                        mstore(
                            and(shr(238, word), 0x3ffe0),
                            mul(mload(and(shr(225, word), 0x3ffe0)), and(shr(217, word), 0x1fff))
                        )
                    }
                }
                case 7 {
                    // a * X + b, reduced. X^4 becomes 1 - X^2: 2p in that lane is enough for a's.
                    for {} lt(next, last) { next := add(next, 5) } {
                        let word := mload(next)
                        let a := mload(and(shr(225, word), 0x3ffe0))
                        a := addmod(
                            mulmod(a, 0x8000000000000, MODULUS),
                            add(mload(and(shr(212, word), 0x3ffe0)), LANE_2_2P),
                            MODULUS
                        )
                        mstore(
                            and(shr(238, word), 0x3ffe0),
                            add(and(a, LANES_31), mul(and(shr(31, a), LANES_20), 0xffffff))
                        )
                    }
                }
                default { next := last }
            }
            if (code == 8) _invert(next);
            else if (code > 8) revert UnknownOperation(code);
        }
    }

    /// @dev The operation that ends at `end`: the inverse.
    function _invert(uint256 end) private pure {
        uint256 from;
        uint256 to;
        uint256 a;
        assembly ("memory-safe") {
            let word := mload(sub(end, 5))
            from := and(shr(225, word), 0x3ffe0)
            to := and(shr(238, word), 0x3ffe0)
            a := mload(from)
        }
        a = Lanes.inverse(a);
        assembly ("memory-safe") {
            mstore(to, a)
        }
    }
}
