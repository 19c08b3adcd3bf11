// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title BLS12-381 signatures in G1 over keys in G2, with the EIP-2537 precompiles.
/// @notice Points arrive without EIP-2537's padding: a G1 point is `x ‖ y` in 96 bytes, a G2 point is
/// `x.c0 ‖ x.c1 ‖ y.c0 ‖ y.c1` in 192. Inside, and only inside, they are padded to 128 and 256.
/// @dev The pairing precompile checks that points lie on the curve and in the subgroup, and that
/// coordinates are below the modulus; G2ADD checks all but the subgroup. Neither minds the identity.
library Bls {
    /// @notice A precompile refused its input: a point off the curve or the subgroup, or a coordinate
    /// that is not below the modulus.
    error InvalidPoint();
    /// @notice The identity, under which or as which anything would verify.
    error IdentityPoint();

    uint256 internal constant G2_BYTES = 192;

    // The modulus and (modulus - 1) / 2, each as its upper 16 and lower 32 bytes.
    uint256 private constant P_HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 private constant P_LOW = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
    uint256 private constant HALF_HIGH = 0x0d0088f51cbff34d258dd3db21a5d66b;
    uint256 private constant HALF_LOW = 0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;

    // `BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_` and `BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_`:
    // they share their last 11 bytes, after which RFC 9380 wants the length, 43.
    bytes32 internal constant MESSAGE_DST = "BLS_SIG_BLS12381G1_XMD:SHA-256_S";
    bytes32 internal constant POSSESSION_DST = "BLS_POP_BLS12381G1_XMD:SHA-256_S";
    bytes32 private constant DST_TAIL = "SWU_RO_POP_\x2b";
    uint256 private constant DST_BYTES = 44;

    /// @notice Hashes a message to G1 and writes the padded point to `to`.
    /// RFC 9380, suite BLS12381G1_XMD:SHA-256_SSWU_RO_.
    function hashToG1(bytes memory message, bytes32 dst, uint256 to) internal view {
        // expand_message_xmd to 128 bytes: b0, then four blocks.
        bytes32 b0 = sha256(abi.encodePacked(bytes32(0), bytes32(0), message, uint16(128), uint8(0), dst, bytes12(DST_TAIL)));
        bool done;
        assembly ("memory-safe") {
            let free := mload(0x40)
            // free: b(i-1) ^ b0 ‖ i ‖ DST'. Blocks go to free + 0x80.
            mstore(add(free, 33), dst)
            mstore(add(free, 65), DST_TAIL)
            let blocks := add(free, 0x80)
            let previous := 0
            done := 1
            for { let i := 1 } lt(i, 5) { i := add(i, 1) } {
                mstore(free, xor(b0, previous))
                mstore8(add(free, 32), i)
                let block_ := add(blocks, mul(sub(i, 1), 32))
                done := and(done, staticcall(gas(), 0x02, free, add(33, DST_BYTES), block_, 32))
                previous := mload(block_)
            }
            // Two field elements: each 64-byte half modulo p, by raising it to the first power.
            // input: lengths (64, 1, 48) ‖ base ‖ 1 ‖ p
            let input := add(blocks, 0x80)
            let points := add(input, 0x120)
            mstore(input, 64)
            mstore(add(input, 0x20), 1)
            mstore(add(input, 0x40), 48)
            mstore8(add(input, 0xa0), 1)
            mstore(add(input, 0xa1), shl(128, P_HIGH))
            mstore(add(input, 0xb1), P_LOW)
            for { let i := 0 } lt(i, 2) { i := add(i, 1) } {
                mcopy(add(input, 0x60), add(blocks, mul(i, 64)), 64)
                let element := add(input, 0xe0)
                mstore(element, 0)
                done := and(done, staticcall(gas(), 0x05, input, 0xd1, add(element, 16), 48))
                done := and(done, staticcall(gas(), 0x10, element, 64, add(points, mul(i, 128)), 128))
            }
            done := and(done, staticcall(gas(), 0x0b, points, 256, to, 128))
        }
        // These inputs are ours, so only a chain without the precompiles fails here.
        if (!done) revert InvalidPoint();
    }

    /// @notice Pads the G1 point at `from` in calldata into memory. Reverts on the identity.
    function loadG1(bytes32[3] calldata point, uint256 to) internal pure {
        if (point[0] | point[1] | point[2] == 0) revert IdentityPoint();
        assembly ("memory-safe") {
            mstore(to, 0)
            calldatacopy(add(to, 16), point, 48)
            mstore(add(to, 64), 0)
            calldatacopy(add(to, 80), add(point, 48), 48)
        }
    }

    /// @notice Pads the 192-byte G2 point at `from` in memory.
    function padG2(uint256 from, uint256 to) internal pure {
        assembly ("memory-safe") {
            mstore(to, 0)
            mcopy(add(to, 16), from, 48)
            mstore(add(to, 64), 0)
            mcopy(add(to, 80), add(from, 48), 48)
            mstore(add(to, 128), 0)
            mcopy(add(to, 144), add(from, 96), 48)
            mstore(add(to, 192), 0)
            mcopy(add(to, 208), add(from, 144), 48)
        }
    }

    /// @notice Adds the two padded G2 points at `place`; the sum replaces the first.
    function addG2(uint256 place) internal view {
        bool done;
        assembly ("memory-safe") {
            done := staticcall(gas(), 0x0d, place, 512, place, 256)
        }
        if (!done) revert InvalidPoint();
    }

    /// @notice Negates the padded G2 point at `place`.
    function negateG2(uint256 place) internal pure {
        assembly ("memory-safe") {
            for { let y := add(place, 128) } lt(y, add(place, 256)) { y := add(y, 64) } {
                let high := mload(y)
                let low := mload(add(y, 32))
                if or(high, low) {
                    mstore(add(y, 32), sub(P_LOW, low))
                    mstore(y, sub(sub(P_HIGH, high), gt(low, P_LOW)))
                }
            }
        }
    }

    /// @notice Whether the padded G2 point at `place` is the identity.
    function isIdentityG2(uint256 place) internal pure returns (bool identity) {
        assembly ("memory-safe") {
            let bits := 0
            for { let i := 0 } lt(i, 256) { i := add(i, 32) } { bits := or(bits, mload(add(place, i))) }
            identity := iszero(bits)
        }
    }

    /// @notice The compressed form of the 192-byte G2 point at `from`: `x.c1 ‖ x.c0`, with the flags for
    /// "compressed" and for "y is the greater of the two roots".
    function compressG2(uint256 from) internal pure returns (bytes memory compressed) {
        compressed = new bytes(96);
        assembly ("memory-safe") {
            function greater(place) -> yes {
                let high := shr(128, mload(place))
                let low := mload(add(place, 16))
                yes := or(gt(high, HALF_HIGH), and(eq(high, HALF_HIGH), gt(low, HALF_LOW)))
            }
            mcopy(add(compressed, 32), add(from, 48), 48)
            mcopy(add(compressed, 80), from, 48)
            let c1 := add(from, 144)
            let flags := 0x80
            // c1 decides; c0 does where c1 is zero.
            switch or(shr(128, mload(c1)), mload(add(c1, 16)))
            case 0 { if greater(add(from, 96)) { flags := 0xa0 } }
            default { if greater(c1) { flags := 0xa0 } }
            mstore8(add(compressed, 32), or(flags, byte(0, mload(add(compressed, 32)))))
        }
    }

    /// @notice Whether `proof` is the 192-byte key's signature over itself: over `uvarint(26) ‖
    /// "SINTER_PROOF_OF_POSSESSION" ‖ compressed key`, under a tag of its own. Reverts as `signed` does.
    function possesses(bytes calldata key, bytes32[3] calldata proof) internal view returns (bool verified) {
        uint256 unpadded;
        assembly ("memory-safe") {
            unpadded := mload(0x40)
            mstore(0x40, add(unpadded, 192))
            calldatacopy(unpadded, key.offset, 192)
        }
        bytes memory message = abi.encodePacked(uint8(26), "SINTER_PROOF_OF_POSSESSION", compressG2(unpadded));
        verified = signed(key, message, POSSESSION_DST, proof);
        // Everything above was scratch: the next key uses the same memory.
        assembly ("memory-safe") {
            mstore(0x40, unpadded)
        }
    }

    /// @notice Whether the signature is the 192-byte key's over the message. Reverts on identities and on points outside
    /// the curve or the subgroup.
    function signed(bytes calldata key, bytes memory message, bytes32 dst, bytes32[3] calldata signature)
        internal
        view
        returns (bool)
    {
        // hash (128) ‖ key (256) ‖ signature (128) ‖ generator (256), the pairing's input; then the unpadded key
        uint256 input;
        assembly ("memory-safe") {
            input := mload(0x40)
            mstore(0x40, add(input, 960))
            calldatacopy(add(input, 768), key.offset, 192)
        }
        padG2(input + 768, input + 128);
        if (isIdentityG2(input + 128)) revert IdentityPoint();
        loadG1(signature, input + 384);
        hashToG1(message, dst, input);
        return verify(input);
    }

    /// @notice Whether e(hash, key) · e(signature, −generator) is one. The padded points lie at `place` in
    /// this order: hash, key, signature; 256 bytes after them are overwritten.
    function verify(uint256 place) internal view returns (bool verified) {
        bool done;
        assembly ("memory-safe") {
            let g := add(place, 512)
            mstore(g, 0x00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051)
            mstore(add(g, 0x20), 0xc6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8)
            mstore(add(g, 0x40), 0x0000000000000000000000000000000013e02b6052719f607dacd3a088274f65)
            mstore(add(g, 0x60), 0x596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e)
            mstore(add(g, 0x80), 0x000000000000000000000000000000000d1b3cc2c7027888be51d9ef691d77bc)
            mstore(add(g, 0xa0), 0xb679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa)
            mstore(add(g, 0xc0), 0x0000000000000000000000000000000013fa4d4a0ad8b1ce186ed5061789213d)
            mstore(add(g, 0xe0), 0x993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed)
            done := staticcall(gas(), 0x0f, place, 768, 0, 32)
            verified := mload(0)
        }
        if (!done) revert InvalidPoint();
    }
}
