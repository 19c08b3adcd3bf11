// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISealVerifier} from "../ISealVerifier.sol";
import {SealCheck} from "./SealCheck.sol";

/// @title Checks seals (docs/seal.md): `SealCheck`, and what it tells callers.
contract SealVerifier is SealCheck, ISealVerifier {
    constructor(address program_, address[] memory parts_) SealCheck(program_, parts_) {}

    /// @inheritdoc ISealVerifier
    function sealKey() external view returns (bytes32) {
        return _sealKey;
    }

    /// @inheritdoc ISealVerifier
    function verify(bytes calldata seal) external view returns (bytes32 statementsRoot, uint32 count) {
        _check(seal, 0);
        return (bytes32(seal[:32]), uint32(bytes4(seal[32:36])));
    }
}
