// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Lanes} from "./Lanes.sol";

/// @title The transcript: a chain of KECCAK256 over the state and what was absorbed since.
/// @notice `place` in memory holds the state (32 bytes) and, after it, what is absorbed. See `sinter_seal::transcript`.
library SealTranscript {
    /// @notice The witness of a grinding step (0 lookups, 1 out-of-domain, 2 batching, 3 queries) has too few zero bits.
    error NotGround(uint256 step);

    /// @notice The next state; `length` bytes were absorbed.
    function squeeze(uint256 place, uint256 length) internal pure {
        assembly ("memory-safe") {
            mstore(place, keccak256(place, add(32, length)))
        }
    }

    /// @notice Squeezes what was absorbed, absorbs the witness at `cursor` in calldata, and checks it.
    function grind(uint256 place, uint256 length, uint256 cursor, uint256 bits, uint256 step) internal pure {
        bool ground;
        assembly ("memory-safe") {
            mstore(place, keccak256(place, add(32, length)))
            calldatacopy(add(place, 32), cursor, 4)
            mstore(place, keccak256(place, 36))
            ground := iszero(and(mload(place), sub(shl(bits, 1), 1)))
        }
        if (!ground) revert NotGround(step);
    }

    /// @notice Squeezes what was absorbed; the challenge is five lanes of 51 bits of the state, each modulo p.
    /// @return challenge in Montgomery form, with lanes below p + 2^27
    function draw(uint256 place, uint256 length) internal pure returns (uint256 challenge) {
        squeeze(place, length);
        assembly ("memory-safe") {
            challenge := mload(place)
        }
        return Lanes.montgomery(Lanes.exact(challenge));
    }

    /// @notice Draws query positions and inserts them where they belong: ascending, each once.
    /// @param to memory for two words a position; the second is left to the caller
    /// @return end where they end
    function positions(uint256 place, uint256 count, uint256 bits, uint256 to) internal pure returns (uint256 end) {
        assembly ("memory-safe") {
            end := to
            let state := mload(place)
            let mask := sub(shl(bits, 1), 1)
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                switch mod(i, 5)
                case 0 {
                    mstore(0, state)
                    state := keccak256(0, 32)
                    mstore(place, state)
                }
                let index := and(shr(mul(51, mod(i, 5)), state), mask)
                // Those above it move up, unless it is there already.
                let at := end
                for {} gt(at, to) { at := sub(at, 64) } { if iszero(gt(mload(sub(at, 64)), index)) { break } }
                let found := 0
                if gt(at, to) { found := eq(mload(sub(at, 64)), index) }
                if iszero(found) {
                    mcopy(add(at, 64), at, sub(end, at))
                    mstore(at, index)
                    end := add(end, 64)
                }
            }
        }
    }
}
