// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Lanes} from "./Lanes.sol";

/// @title Random combinations of columns: sum of alpha^j times column j.
/// @notice The powers lie in memory in blocks of three, five words a block: for each coefficient k of the extension
/// `alpha^(3b+2)_k | alpha^(3b+1)_k << 85 | alpha^(3b)_k << 170`. Three values of columns in the opposite order,
/// `v_0 | v_1 << 85 | v_2 << 170`, make the sum of three products appear at 2^170 of one MUL. Products have 63 bits,
/// so sums of up to 2^20 blocks stay in their 85 bits, and what is above 2^255 never reaches them.
library SealOpenings {
    uint256 private constant P = 0x7f000001;
    uint256 private constant LANE = 0x7ffffffffffff;
    uint256 private constant MASK_1 = 0x1fffffffe000000000000000000000;
    uint256 private constant MASK_2 = 0x3fffffffc000000000000000000000000000000000000000000;
    uint256 private constant SUM = 0x1fffffffffffffffffffff;
    uint256 internal constant BLOCK = 160;

    /// @notice Writes alpha^0 .. alpha^count to `plain`, a word each, and those below `count` in blocks to `blocks`. Memory
    /// is fresh there, and `blocks` has room for whole blocks.
    /// @param alpha in Montgomery form
    /// @dev Coefficients are not reduced: below 2^32, and products below 2^63.
    function powers(uint256 alpha, uint256 count, uint256 plain, uint256 blocks) internal pure {
        unchecked {
            uint256 a = 1;
            for (uint256 j = 0;; ++j) {
                assembly ("memory-safe") {
                    mstore(plain, a)
                    plain := add(plain, 32)
                }
                if (j == count) return;
                assembly ("memory-safe") {
                    // The first of a block at 2^170, the last at 1.
                    let at := mul(85, sub(2, mod(j, 3)))
                    mstore(blocks, or(mload(blocks), shl(at, and(a, LANE))))
                    let to := add(blocks, 32)
                    mstore(to, or(mload(to), shl(at, and(shr(51, a), LANE))))
                    to := add(blocks, 64)
                    mstore(to, or(mload(to), shl(at, and(shr(102, a), LANE))))
                    to := add(blocks, 96)
                    mstore(to, or(mload(to), shl(at, and(shr(153, a), LANE))))
                    to := add(blocks, 128)
                    mstore(to, or(mload(to), shl(at, shr(204, a))))
                    if iszero(at) { blocks := add(blocks, BLOCK) }
                }
                a = Lanes.mul(alpha, a);
            }
        }
    }

    /// @notice The combination, in lanes below p, of `count` elements of the base field from `from` on in calldata.
    function combine(uint256 from, uint256 count, uint256 blocks) internal pure returns (uint256 sum) {
        assembly ("memory-safe") {
            let s0 := 0
            let s1 := 0
            let s2 := 0
            let s3 := 0
            let s4 := 0
            // A word has the elements of two blocks.
            for {} gt(count, 5) { count := sub(count, 6) } {
                let v := calldataload(from)
                let w := or(or(and(shr(128, v), 0xffffffff), and(shr(11, v), MASK_1)), and(shl(106, v), MASK_2))
                v := or(or(shr(224, v), and(shr(107, v), MASK_1)), and(shl(10, v), MASK_2))
                s0 := add(s0, add(mul(v, mload(blocks)), mul(w, mload(add(blocks, 160)))))
                s1 := add(s1, add(mul(v, mload(add(blocks, 32))), mul(w, mload(add(blocks, 192)))))
                s2 := add(s2, add(mul(v, mload(add(blocks, 64))), mul(w, mload(add(blocks, 224)))))
                s3 := add(s3, add(mul(v, mload(add(blocks, 96))), mul(w, mload(add(blocks, 256)))))
                s4 := add(s4, add(mul(v, mload(add(blocks, 128))), mul(w, mload(add(blocks, 288)))))
                blocks := add(blocks, 320)
                from := add(from, 24)
            }
            for {} count {} {
                // Of one block: the elements that are not there are shifted out.
                let v := calldataload(from)
                let here := count
                if gt(here, 3) { here := 3 }
                let rest := mul(32, sub(8, here))
                v := shl(rest, shr(rest, v))
                v := or(or(shr(224, v), and(shr(107, v), MASK_1)), and(shl(10, v), MASK_2))
                s0 := add(s0, mul(v, mload(blocks)))
                s1 := add(s1, mul(v, mload(add(blocks, 32))))
                s2 := add(s2, mul(v, mload(add(blocks, 64))))
                s3 := add(s3, mul(v, mload(add(blocks, 96))))
                s4 := add(s4, mul(v, mload(add(blocks, 128))))
                blocks := add(blocks, BLOCK)
                from := add(from, 12)
                count := sub(count, here)
            }
            sum := or(
                or(mod(and(shr(170, s0), SUM), P), shl(51, mod(and(shr(170, s1), SUM), P))),
                or(
                    shl(102, mod(and(shr(170, s2), SUM), P)),
                    or(shl(153, mod(and(shr(170, s3), SUM), P)), shl(204, mod(and(shr(170, s4), SUM), P)))
                )
            )
        }
    }

    /// @notice The combination of `count` elements of the extension, by Horner, from the last on.
    /// @param alpha in Montgomery form, lanes below p + 2^27
    /// @dev A product and an element: below 2p + 2^27, reduced below 2^31 + 2^26.
    function combineExtension(uint256 from, uint256 count, uint256 alpha) internal pure returns (uint256 sum) {
        unchecked {
            for (uint256 element = from + 20 * count; element > from;) {
                element -= 20;
                sum = Lanes.reduce(Lanes.mul(alpha, sum) + Lanes.load(element));
            }
        }
    }
}
