// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title For tests: what a call costs its caller, without the transaction and its calldata.
contract Meter {
    function gasOf(address target, bytes calldata data) external view returns (uint256 used) {
        bytes memory copy = data;
        bool done;
        uint256 before = gasleft();
        assembly ("memory-safe") {
            done := staticcall(gas(), target, add(copy, 32), mload(copy), 0, 0)
        }
        used = before - gasleft();
        require(done);
    }
}
