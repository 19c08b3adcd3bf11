// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What the verifier is told about the AIR: the code of a contract that holds nothing but data.
/// @notice Written by `sinter_seal::evm` from the AIR; the layout is described there.
library SealProgram {
    // Fields, each a big-endian uint32, in order.
    uint256 internal constant INDEX_BITS = 0;
    uint256 internal constant QUERIES = 1;
    uint256 internal constant LOOKUP_BITS = 2;
    uint256 internal constant OOD_BITS = 3;
    uint256 internal constant BATCH_BITS = 4;
    uint256 internal constant QUERY_BITS = 5;
    uint256 internal constant CLAIMED = 6;
    uint256 internal constant WIDTHS = 7;
    uint256 internal constant NEXTS = 11;
    uint256 internal constant FOLDS = 12;
    uint256 internal constant ARITIES = 13;
    uint256 internal constant LOG_FINAL = 14;
    uint256 internal constant LOG_HEIGHT = 15;
    uint256 internal constant TRACE_GENERATOR = 16;
    uint256 internal constant LAST_POINT = 17;
    uint256 internal constant SEEDS = 18;
    uint256 internal constant PARTS = 21;
    uint256 internal constant FIELDS = 22;

    // STOP, the seal key (at 1), the root of the preprocessed columns (at 33), the fields, the hashes of the parts' code,
    // the seeds.
    uint256 internal constant FIELDS_AT = 59;
    uint256 internal constant PARTS_AT = FIELDS_AT + 4 * FIELDS;

    /// @notice A field of the data at `data` in memory.
    function field(uint256 data, uint256 index) internal pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(224, mload(add(add(data, FIELDS_AT), mul(4, index))))
        }
    }

    /// @notice The hash of a part's code.
    function part(uint256 data, uint256 index) internal pure returns (bytes32 hash) {
        uint256 place = data + PARTS_AT + 32 * index;
        assembly ("memory-safe") {
            hash := mload(place)
        }
    }

    /// @notice Where the seeds start in memory.
    function seeds(uint256 data) internal pure returns (uint256 start) {
        return data + PARTS_AT + 32 * field(data, PARTS);
    }
}
