// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @dev SP1's interface, as a rollup has it in its own sources.
interface ISP1Verifier {
    function verifyProof(bytes32 programVKey, bytes calldata publicValues, bytes calldata proofBytes) external view;
}

/// @title For tests: a rollup that calls SP1's verifier today. Not a line of it knows Sinter.
contract Sp1Rollup {
    error StateMismatch(bytes32 expected, bytes32 got);

    ISP1Verifier public immutable verifier;
    bytes32 public immutable programVKey;
    bytes32 public state;

    constructor(ISP1Verifier verifier_, bytes32 programVKey_, bytes32 genesis) {
        verifier = verifier_;
        programVKey = programVKey_;
        state = genesis;
    }

    function advance(bytes calldata publicValues, bytes calldata proofBytes) external {
        verifier.verifyProof(programVKey, publicValues, proofBytes);
        (address rollup, bytes32 stateBefore, bytes32 stateAfter) = abi.decode(publicValues, (address, bytes32, bytes32));
        require(rollup == address(this), "not for this rollup");
        if (stateBefore != state) revert StateMismatch(state, stateBefore);
        state = stateAfter;
    }
}
