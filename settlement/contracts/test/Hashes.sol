// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Poseidon2} from "../Poseidon2.sol";

/// @title For tests: the library's functions from outside, and what they cost.
contract Hashes {
    function compress(bytes32 left, bytes32 right) external pure returns (bytes32) {
        return Poseidon2.compress(left, right);
    }

    function sponge(uint256 tag, uint256 length, bytes memory data) external pure returns (bytes32) {
        return Poseidon2.sponge(tag, length, data);
    }

    /// @return permutation gas of one compression
    /// @return sha gas of the SHA-256 of 64 bytes
    function costs(bytes32 left, bytes32 right) external view returns (uint256 permutation, uint256 sha) {
        uint256 start = gasleft();
        bytes32 digest = Poseidon2.compress(left, right);
        permutation = start - gasleft();
        start = gasleft();
        digest ^= sha256(abi.encode(left, right));
        sha = start - gasleft();
        if (digest == 0) revert();
    }
}
