// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title For tests: somebody who, when he is paid, calls back with what he was told, and remembers what came of it.
contract Reentrant {
    address private _target;
    bytes private _call;
    uint256 private _value;
    uint256 public calls;
    bool public succeeded;
    bytes public answer;
    bool public refusesEther;

    function tell(address target, bytes calldata call_, uint256 value) external {
        (_target, _call, _value) = (target, call_, value);
    }

    function refuse() external {
        refusesEther = true;
    }

    function run(address target, bytes calldata call_) external payable {
        (bool done, bytes memory returned) = target.call{value: msg.value}(call_);
        if (!done) {
            assembly ("memory-safe") {
                revert(add(returned, 32), mload(returned))
            }
        }
    }

    receive() external payable {
        require(!refusesEther, "no ether, please");
        if (_target == address(0) || calls != 0) return;
        calls = 1;
        (succeeded, answer) = _target.call{value: _value}(_call);
    }
}
