// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Poseidon2Permutation} from "./Poseidon2Permutation.sol";

/// @title The two hashes that Sinter makes of Poseidon2 (width 16, KoalaBear).
/// @notice The same functions as `sinter-primitives` computes and circuits open (docs/protocol.md, section 5,
/// "The accumulator"): `compress`, and `sponge` over bytes, three to an element, little-endian. A digest is
/// eight elements, each a big-endian `u32`.
library Poseidon2 {
    uint256 private constant P = Poseidon2Permutation.P;
    uint256 private constant LANE = Poseidon2Permutation.LANE;
    // Bytes taken in by one permutation of the sponge.
    uint256 private constant BLOCK_BYTES = 24;
    // Elements of a digest as they lie in a state's words: 32 bits in each of lanes 0 and 2.
    uint256 private constant EVEN = 0x000000000000000000000000ffffffff000000000000000000000000ffffffff;
    // All of lanes 1 and 3: the state's second half.
    uint256 private constant ODD_LANES = 0xffffffffffffffff0000000000000000ffffffffffffffff0000000000000000;
    // The lowest six of every sixteen bytes, three of eight, and one of four.
    uint256 private constant LOW_6_OF_16 = 0x00000000000000000000ffffffffffff00000000000000000000ffffffffffff;
    uint256 private constant LOW_3_OF_8 = 0x0000000000ffffff0000000000ffffff0000000000ffffff0000000000ffffff;
    uint256 private constant LOW_OF_4 = 0x000000ff000000ff000000ff000000ff000000ff000000ff000000ff000000ff;

    /// @notice The first half of the permuted `left ‖ right`; both are digests.
    function compress(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        (uint256 x, uint256 y) = (uint256(left), uint256(right));
        (uint256 a, uint256 b, uint256 c, uint256 d) = Poseidon2Permutation.permute(
            ((x >> 96) & EVEN) | ((y >> 96) & EVEN) << 64,
            ((x >> 64) & EVEN) | ((y >> 64) & EVEN) << 64,
            ((x >> 32) & EVEN) | ((y >> 32) & EVEN) << 64,
            (x & EVEN) | (y & EVEN) << 64
        );
        return _digest(a, b, c, d);
    }

    /// @notice The sponge over bytes, three to an element: the state starts as 8 zeros ‖ tag ‖ length ‖ 6 zeros, and
    /// every 24 bytes (the last ones padded with zeros) overwrite its first half before it is permuted.
    /// @param length what stands beside the tag: what the definition at hand calls its length
    function sponge(uint256 tag, uint256 length, bytes memory data) internal pure returns (bytes32) {
        // Elements 8 and 9 are in lane 3 of words 0 and 1.
        (uint256 a, uint256 b, uint256 c, uint256 d) = (tag << 192, length << 192, 0, 0);
        for (uint256 i = 0; i < data.length; i += BLOCK_BYTES) {
            uint256 rest = data.length - i;
            uint256 taken;
            assembly ("memory-safe") {
                taken := mload(add(add(data, 32), i))
            }
            if (rest < BLOCK_BYTES) taken &= ~(type(uint256).max >> (8 * rest));
            uint256 x = uint256(pack(bytes24(bytes32(taken))));
            (a, b, c, d) = Poseidon2Permutation.permute(
                (a & ODD_LANES) | ((x >> 96) & EVEN),
                (b & ODD_LANES) | ((x >> 64) & EVEN),
                (c & ODD_LANES) | ((x >> 32) & EVEN),
                (d & ODD_LANES) | (x & EVEN)
            );
        }
        return _digest(a, b, c, d);
    }

    /// @notice 24 bytes as eight elements, three bytes to each, little-endian.
    function pack(bytes24 data) internal pure returns (bytes32 elements) {
        uint256 x = uint192(data);
        // Apart, twelve bytes to a half, six to a quarter, three to an eighth.
        x = (x & type(uint96).max) | (x >> 96) << 128;
        x = (x & LOW_6_OF_16) | (x & LOW_6_OF_16 << 48) << 16;
        x = (x & LOW_3_OF_8) | (x & LOW_3_OF_8 << 24) << 8;
        // The outer two of every three change places.
        x = (x & LOW_OF_4 << 8) | (x & LOW_OF_4) << 16 | (x >> 16) & LOW_OF_4;
        elements = bytes32(x);
    }

    /// @dev The first half of a state, reduced.
    function _digest(uint256 a, uint256 b, uint256 c, uint256 d) private pure returns (bytes32) {
        return bytes32(_pair(a) << 96 | _pair(b) << 64 | _pair(c) << 32 | _pair(d));
    }

    function _pair(uint256 word) private pure returns (uint256) {
        return (word & LANE) % P | (((word >> 128) & LANE) % P) << 128;
    }
}
