// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Quintic} from "./Quintic.sol";

/// @title Elements of the extension in memory: two words, as `Quintic` has them.
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

    function copy(uint256 from, uint256 to) internal pure {
        (uint256 a, uint256 ah) = load(from);
        store(to, a, ah);
    }

    function bytesOf(uint256 from) internal pure returns (uint256) {
        (uint256 a, uint256 ah) = load(from);
        return Quintic.bytesOf(a, ah);
    }

    /// @notice Elements in memory: `to` becomes the product of those at `from` and `by`. It may be one of them.
    function multiply(uint256 from, uint256 by, uint256 to) internal pure {
        (uint256 a, uint256 ah) = load(from);
        (uint256 b, uint256 bh) = load(by);
        (a, ah) = Quintic.mul(a, ah, b, bh);
        store(to, a, ah);
    }

    /// @notice Adds the product with the element at `weight` to that at `to`.
    function accumulate(uint256 a, uint256 ah, uint256 weight, uint256 to) internal pure {
        unchecked {
            (uint256 b, uint256 bh) = load(weight);
            (a, ah) = Quintic.mul(a, ah, b, bh);
            (b, bh) = load(to);
            (a, ah) = Quintic.add(a, ah, b, bh);
            store(to, a, ah);
        }
    }

    function subtract(uint256 from, uint256 what, uint256 to) internal pure {
        (uint256 a, uint256 ah) = load(from);
        (uint256 b, uint256 bh) = load(what);
        (a, ah) = Quintic.sub(a, ah, b, bh);
        store(to, a, ah);
    }

    function subtractBase(uint256 from, uint256 what, uint256 to) internal pure {
        (uint256 a, uint256 ah) = load(from);
        (a, ah) = Quintic.sub(a, ah, what, 0);
        store(to, a, ah);
    }

    function scale(uint256 from, uint256 by, uint256 to) internal pure {
        (uint256 a, uint256 ah) = load(from);
        (a, ah) = Quintic.scale(a, ah, by);
        store(to, a, ah);
    }

    function invert(uint256 place) internal pure {
        (uint256 a, uint256 ah) = load(place);
        (a, ah) = Quintic.inverse(a, ah);
        store(place, a, ah);
    }
}
