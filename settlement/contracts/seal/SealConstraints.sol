// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Quintic} from "./Quintic.sol";

/// @title The constraints at the out-of-domain point: an interpreter of the program that the AIR was lowered to.
/// @notice An operation is 5 bytes: code (4 bits), destination, first and second operand (12 bits each). Operands and
/// destination are slots: elements of the extension, 64 bytes each, slot i at address 64i of memory.
/// @dev Why interpreted: the constraints of a narrow AIR are thousands of operations, several times what EIP-170 lets
/// one contract hold as code, but one contract's worth as data. Decoding costs some 80 gas beside the 400 of a
/// multiplication. And so the code is one for all AIRs, and can be tried on any.
library SealConstraints {
    /// @notice The program holds an operation that there is not.
    error UnknownOperation(uint256 code);

    uint256 private constant OPERATION = 5;

    /// @notice Runs the operations from `next` to `end` in memory.
    function run(uint256 next, uint256 end) internal pure {
        unchecked {
            for (; next < end; next += OPERATION) {
                uint256 word;
                uint256 a;
                uint256 ah;
                uint256 b;
                uint256 bh;
                assembly ("memory-safe") {
                    word := mload(next)
                    b := and(shr(222, word), 0x3ffc0)
                    a := mload(b)
                    ah := mload(add(b, 32))
                    b := and(shr(210, word), 0x3ffc0)
                    bh := mload(add(b, 32))
                    b := mload(b)
                }
                uint256 code = word >> 252;
                if (code == 0) (a, ah) = Quintic.mul(a, ah, b, bh);
                else if (code == 1) (a, ah) = Quintic.add(a, ah, b, bh);
                else if (code == 2) (a, ah) = Quintic.sub(a, ah, b, bh);
                else if (code == 3) (a, ah) = Quintic.scale(a, ah, b);
                else if (code == 4) (a, ah) = Quintic.mulX(a, ah);
                else if (code == 5) (a, ah) = Quintic.inverse(a, ah);
                else revert UnknownOperation(code);
                assembly ("memory-safe") {
                    let to := and(shr(234, word), 0x3ffc0)
                    mstore(to, a)
                    mstore(add(to, 32), ah)
                }
            }
        }
    }
}
