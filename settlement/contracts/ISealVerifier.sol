// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What checks a seal: the last proof over a batch of statements (docs/proofs.md).
/// @dev Whoever calls it trusts its code for everything that a seal claims, so it has no owner, no storage and
/// no upgrade: another seal key is another verifier.
interface ISealVerifier {
    /// @notice Reverts with a typed error unless the seal proves; nothing else is trusted.
    /// @param seal the proof, in the verifier's own encoding
    /// @return statementsRoot the Keccak root over the statements (RFC 6962, section 2.1)
    /// @return count how many statements; at least 1
    function verify(bytes calldata seal) external view returns (bytes32 statementsRoot, uint32 count);

    /// @notice The digest of the key that seals are verified under.
    function sealKey() external view returns (bytes32);
}
