// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISealVerifier} from "../ISealVerifier.sol";

/// @title For tests: a verifier that accepts what it is told, so that every other contract can be tried without
/// a proof. A seal is `abi.encode(root, count)`.
contract ToldVerifier is ISealVerifier {
    error NotTold(bytes32 root, uint32 count);

    mapping(bytes32 seal => bool) private _told;

    function tell(bytes32 root, uint32 count) external {
        _told[keccak256(abi.encode(root, count))] = true;
    }

    function verify(bytes calldata seal) external view returns (bytes32 root, uint32 count) {
        (root, count) = abi.decode(seal, (bytes32, uint32));
        if (!_told[keccak256(seal)]) revert NotTold(root, count);
    }

    function sealKey() external pure returns (bytes32) {
        return bytes32(uint256(1));
    }
}
