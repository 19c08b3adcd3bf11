// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IHubs, IStatements} from "./IHubs.sol";
import {ISealVerifier} from "./ISealVerifier.sol";
import {Statements} from "./Statements.sol";

/// @title Verifies a seal once, and answers for every statement under it from then on.
/// @notice One verifier, chosen for good: no owner, no upgrade. Whoever calls `settle` pays for the batch and
/// for its one word of storage. Settling again changes nothing. A statement says what its program proved, not
/// for whom: whoever acts on one compares the program and what binds it to his own chain and contract.
contract AggregationHub is IHubs, IStatements {
    /// @notice The seal that was expected to prove one root proves another.
    error RootMismatch(bytes32 expected, bytes32 got);
    /// @notice A verifier that accepts a batch of nothing is none.
    error EmptyBatch();
    /// @notice No batch with this root was settled here.
    error RootUnknown(bytes32 root);
    /// @notice The statement does not stand there: the path leads to another root.
    error StatementNotUnderRoot(bytes32 expected, bytes32 got);
    /// @notice A proof for another hub.
    error SelectorMismatch(bytes4 expected, bytes4 got);

    /// @notice A batch was proven for the first time.
    event Settled(bytes32 indexed statementsRoot, uint32 count);

    /// @notice What every seal is verified by.
    ISealVerifier public immutable verifier;
    /// @notice How many statements a settled batch has; zero for an unknown root.
    mapping(bytes32 root => uint32) public count;

    constructor(ISealVerifier verifier_) {
        verifier = verifier_;
    }

    /// @notice Verifies a seal and remembers its root.
    /// @return root what `checkStatement` answers for from now on
    function settle(bytes calldata seal) public returns (bytes32 root) {
        uint32 statements;
        (root, statements) = verifier.verify(seal);
        if (statements == 0) revert EmptyBatch();
        // A root has one count: its leaves are hashes of 96 bytes and its nodes of 64.
        if (count[root] == 0) {
            count[root] = statements;
            emit Settled(root, statements);
        }
    }

    /// @notice The same, but free of the verifier's gas if the root is known already: for whoever may not be the
    /// only one to send this seal.
    /// @param root what the seal is said to prove
    function settleUnlessKnown(bytes32 root, bytes calldata seal) external {
        if (count[root] != 0) return;
        bytes32 got = settle(seal);
        if (got != root) revert RootMismatch(root, got);
    }

    /// @inheritdoc IStatements
    function checkStatement(
        bytes32 root,
        bytes32 programId,
        bytes calldata publicValues,
        uint32 index,
        bytes32[] calldata path
    ) external view {
        uint256 statements = count[root];
        if (statements == 0) revert RootUnknown(root);
        bytes32 got = Statements.root(Statements.leaf(programId, publicValues), index, statements, path);
        if (got != root) revert StatementNotUnderRoot(root, got);
    }

    /// @notice The first four bytes of a proof for this hub: those of its address.
    function selector() public view returns (bytes4) {
        return bytes4(bytes20(address(this)));
    }

    /// @notice A hub is a registry of itself: whoever is given it in a gateway's place is pinned to it.
    function hub(bytes4 selector_) external view returns (IStatements) {
        if (selector_ != selector()) revert SelectorMismatch(selector(), selector_);
        return this;
    }
}
