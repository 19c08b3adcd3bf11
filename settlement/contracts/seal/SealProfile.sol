// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SealCheck} from "./SealCheck.sol";

/// @title The verifier, with the gas of its parts counted: 0 transcript, 1 constraints, 2 openings, 3 Merkle, 4 folds.
contract SealProfile is SealCheck {
    constructor(address program_, address[] memory parts_) SealCheck(program_, parts_) {}

    /// @notice Checks a seal, and returns the gas that each part took.
    function profile(bytes calldata seal) external view returns (uint256[5] memory parts) {
        // The gas that was left at the last mark, and the five sums.
        uint256[6] memory marks;
        uint256 place;
        assembly ("memory-safe") {
            place := marks
        }
        marks[0] = gasleft();
        _check(seal, place);
        for (uint256 part = 0; part < 5; ++part) {
            parts[part] = marks[part + 1];
        }
    }

    function _mark(Run memory run, uint256 part) internal view override {
        uint256 marks = run.marks;
        assembly ("memory-safe") {
            let to := add(marks, mul(32, add(part, 1)))
            mstore(to, add(mload(to), sub(mload(marks), gas())))
            mstore(marks, gas())
        }
    }
}
