// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICertified} from "../ICertified.sol";

/// @title For tests: a light client that has what it was told, and freezes when it is told to.
contract ToldLightClient is ICertified {
    error NotPosted();
    error Frozen();

    uint256 public constant trustingPeriod = 10 days;

    mapping(uint64 index => bytes32 digest) private _posts;
    bool private _frozen;

    function tell(bytes calldata header, uint64 index) external {
        _posts[index] = sha256(header);
    }

    function freeze() external {
        _frozen = true;
    }

    function certified(bytes calldata header, uint64 index) external view returns (uint64, bytes32) {
        if (_frozen) revert Frozen();
        if (_posts[index] != sha256(header)) revert NotPosted();
        return (0, bytes32(0));
    }
}
