// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Lanes} from "./Lanes.sol";

/// @title Words in memory: elements as `Lanes` has them, and pairs of numbers.
library Elements {
    function load(uint256 from) internal pure returns (uint256 first, uint256 second) {
        assembly ("memory-safe") {
            first := mload(from)
            second := mload(add(from, 32))
        }
    }

    function word(uint256 from) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := mload(from)
        }
    }

    function store(uint256 to, uint256 first, uint256 second) internal pure {
        assembly ("memory-safe") {
            mstore(to, first)
            mstore(add(to, 32), second)
        }
    }

    function put(uint256 to, uint256 value) internal pure {
        assembly ("memory-safe") {
            mstore(to, value)
        }
    }

    /// @notice Adds the product with the element at `weight`, which is in Montgomery form, to that at `to`.
    function accumulate(uint256 a, uint256 weight, uint256 to) internal pure {
        unchecked {
            put(to, word(to) + Lanes.mul(word(weight), a));
        }
    }
}
