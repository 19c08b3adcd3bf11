// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {P, Lanes} from "./Lanes.sol";

/// @title The constraints at the out-of-domain point: calls of the parts that the AIR was compiled to.
/// @notice A part is a contract whose code `sinter_seal::evm` wrote. Its calldata is the inputs, words that hold elements in
/// Montgomery form as `Lanes` has them, with lanes below p + 2^27, and behind them what the part before returned. The last
/// returns two words: what the constraints fold to, and what they must fold to.
/// @dev Why compiled: of what an interpreter of thousands of small operations takes, most is for finding and decoding them.
/// How large lanes become is known when the code is written, and there it is seen to that none overflows
/// (`sinter_seal::lower`).
library SealConstraints {
    /// @notice A part's call failed, or it returned something else than it should.
    error PartFailed(address part);
    /// @notice A part's code is not that which the program names.
    error WrongPart(address part, bytes32 expected, bytes32 got);

    /// @notice Calls a part.
    /// @param hash of its code. It is compared at every call, because code can go with the transaction that made it
    /// (EIP-6780), and other code can come to its address.
    /// @param start where the inputs start in memory; `inputs` is where they end, and `end` where what follows ends
    /// @return next where what the part returned, which is behind the inputs now, ends
    function call(address part, bytes32 hash, uint256 start, uint256 inputs, uint256 end)
        internal
        view
        returns (uint256 next)
    {
        if (part.codehash != hash) revert WrongPart(part, hash, part.codehash);
        bool done;
        assembly ("memory-safe") {
            done := staticcall(gas(), part, start, sub(end, start), 0, 0)
            next := add(inputs, returndatasize())
            returndatacopy(inputs, 0, returndatasize())
        }
        if (!done) revert PartFailed(part);
    }

    /// @notice Writes the selectors of first row, last row and transitions at a point, as stock has them, not normalised,
    /// and the point's vanishing polynomial of 2^logHeight rows: four words at `to`.
    /// @param zeta the point, in Montgomery form, with lanes below p + 2^27
    /// @param last the last row's point, in that form
    /// @dev Differences get p in the lane that alone can be negative; lanes up to 2p + 2^27, reduced below 2^31 + 2^25.
    function selectors(uint256 to, uint256 zeta, uint256 logHeight, uint256 last) internal pure {
        unchecked {
            uint256 power = zeta;
            for (uint256 i = 0; i < logHeight; ++i) {
                power = Lanes.mul(power, power);
            }
            uint256 vanishing = Lanes.reduce(power + P - Lanes.ONE);
            uint256 fromFirst = Lanes.reduce(zeta + P - Lanes.ONE);
            uint256 fromLast = Lanes.reduce(zeta + P - last);
            // The polynomial is in the product as well, so that no point of the domain passes, as in stock.
            uint256 product = Lanes.mul(Lanes.mul(fromFirst, fromLast), vanishing);
            uint256 overBoth = Lanes.mul(Lanes.mul(vanishing, vanishing), Lanes.inverse(product));
            assembly ("memory-safe") {
                mstore(add(to, 64), fromLast)
                mstore(add(to, 96), vanishing)
            }
            fromLast = Lanes.mul(overBoth, fromLast);
            fromFirst = Lanes.mul(overBoth, fromFirst);
            assembly ("memory-safe") {
                mstore(to, fromLast)
                mstore(add(to, 32), fromFirst)
            }
        }
    }
}
