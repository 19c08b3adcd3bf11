// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title The transcript: a chain of KECCAK256 over the state and what was absorbed since.
/// @notice `place` in memory holds the state (32 bytes) and, after it, what is absorbed. See `sinter_seal::transcript`.
library SealTranscript {
    /// @notice The witness of a grinding step (0 lookups, 1 out-of-domain, 2 batching, 3 queries) has too few zero bits.
    error NotGround(uint256 step);

    uint256 private constant P = 0x7f000001;

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

    /// @notice The challenge of the state: five lanes of 51 bits, each modulo p, as `Quintic` has them.
    function challenge(uint256 place) internal pure returns (uint256 lo, uint256 hi) {
        assembly ("memory-safe") {
            let state := mload(place)
            lo := or(
                or(mod(and(state, 0x7ffffffffffff), P), shl(64, mod(and(shr(51, state), 0x7ffffffffffff), P))),
                or(
                    shl(128, mod(and(shr(102, state), 0x7ffffffffffff), P)),
                    shl(192, mod(and(shr(153, state), 0x7ffffffffffff), P))
                )
            )
            hi := mod(and(shr(204, state), 0x7ffffffffffff), P)
        }
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
