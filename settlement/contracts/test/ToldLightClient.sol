// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IEpochs} from "../IEpochs.sol";

/// @title For tests: a light client that has the ends of epochs that it was told.
contract ToldLightClient is IEpochs {
    struct End {
        uint40 postedAt;
        uint64 l1Origin;
    }

    event CommitteeNamed(uint64 indexed epoch, bytes32 digest);

    uint256 public constant trustingPeriod = 10 days;

    mapping(uint64 epoch => End) public epochEnd;

    function end(uint64 epoch, uint64 l1Origin) external {
        epochEnd[epoch] = End(uint40(block.timestamp), l1Origin);
        emit CommitteeNamed(epoch + 2, 0);
    }
}
