// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FinalityLightClient} from "./FinalityLightClient.sol";
import {ForcedInbox} from "./ForcedInbox.sol";
import {Headers} from "./Headers.sol";
import {MerklePaths} from "./MerklePaths.sol";

/// @title Where rollups open their namespaces and prepay for what is ordered in them.
/// @notice What is done here is appended to the forced inbox, so the committee has to carry it out: what a namespace has, and who earned
/// what, is in the order's ledger (docs/protocol.md, "Fees"). The ether is here. Whoever proves his credit by a certified header
/// is paid. There is no owner.
/// @dev The ledger is the committee's: a quorum of it can sign any credits, and take what is prepaid. Prepay for weeks, not for years.
contract Namespaces is ForcedInbox {
    using Headers for bytes;

    /// @notice The namespace's lane is ordered by none of the rules.
    error RuleUnknown(uint8 maximum, uint8 got);
    /// @notice An auction key where the rule has none, or none where it needs one.
    error AuctionKey(uint8 rule, bytes32 got);
    /// @notice Less ether than opening a namespace costs, or more than the order can count.
    error Payment(uint256 minimum, uint256 maximum, uint256 got);
    /// @notice All places are taken.
    error NamespacesFull(uint64 maximum);
    /// @notice Nobody has opened it.
    error NamespaceUnknown(uint64 got);
    /// @notice It is somebody else's.
    error NotTheOwner(address expected, address got);
    /// @notice The header commits to another ledger.
    error OtherLedger(bytes32 expected, bytes32 got);
    /// @notice The address refuses its ether.
    error Unpaid(address to, uint256 amount);

    /// @notice A namespace was opened.
    event Opened(uint64 indexed namespace, address indexed owner);
    /// @notice A namespace has another owner.
    event Transferred(uint64 indexed namespace, address indexed from, address indexed to);
    /// @notice What was not paid before of an account's credit was paid to whose it is.
    event Paid(address indexed account, address indexed to, uint256 amount);

    /// @notice The ledger after a block, but for the credits.
    /// @param entries the Merkle root over the namespaces' entries
    /// @param meter the digest of what the fees to come follow from
    struct LedgerRest {
        bytes32 entries;
        bytes32 meter;
    }

    /// @notice The first namespace that is opened here. Those of the order's own file are below it.
    uint64 public constant FIRST = 1 << 32;
    /// @notice Most namespaces that are opened here: the order computes a tree over all of them for each block.
    uint64 public constant OPENED_MAX = 2048;
    /// @notice The lane in which the order reads what is done here.
    uint64 public constant ACCOUNTS = 0;
    // First-come and express.
    uint8 private constant RULE_MAX = 1;

    /// @notice What opening a namespace costs beside what is prepaid. Nobody gets it: it is what keeps others from taking all places.
    uint256 public immutable openingFee;

    /// @notice How many namespaces have been opened.
    uint64 public opened;
    /// @notice Whose a namespace is.
    mapping(uint64 namespace => address) public ownerOf;
    /// @notice What was paid of an account's credit.
    mapping(address account => uint256) public paid;

    /// @param lightClient_ the order's
    /// @param openingFee_ in wei
    constructor(FinalityLightClient lightClient_, uint256 openingFee_) ForcedInbox(lightClient_) {
        openingFee = openingFee_;
    }

    /// @notice Opens a namespace and prepays for it with what is sent beyond the opening fee. It can be used from this L1 block on, as soon
    /// as the order has gone on to it.
    /// @param rule 0 first-come, 1 express
    /// @param auctionKey the ed25519 key that signs what comes first under express; zero otherwise
    /// @param evmChainId its EIP-155 chain id, or 0
    /// @param blockBytesMax most metered bytes in a block of the order
    /// @param epochWeiMax most that it spends in an epoch of the order
    /// @return namespace its number
    function open(uint8 rule, bytes32 auctionKey, uint64 evmChainId, uint32 blockBytesMax, uint128 epochWeiMax)
        external
        payable
        returns (uint64 namespace)
    {
        bytes memory ordering = _ordering(rule, auctionKey);
        uint256 maximum = openingFee + type(uint96).max;
        if (msg.value < openingFee || msg.value > maximum) revert Payment(openingFee, maximum, msg.value);
        if (opened == OPENED_MAX) revert NamespacesFull(OPENED_MAX);
        namespace = FIRST + opened++;
        ownerOf[namespace] = msg.sender;
        emit Opened(namespace, msg.sender);
        uint128 prepaid = uint128(msg.value - openingFee);
        _say(abi.encodePacked(uint8(0), namespace, ordering, evmChainId, blockBytesMax, epochWeiMax, prepaid));
    }

    /// @notice Pays for a namespace, anybody's.
    function topUp(uint64 namespace) external payable {
        if (ownerOf[namespace] == address(0)) revert NamespaceUnknown(namespace);
        if (msg.value == 0 || msg.value > type(uint96).max) revert Payment(1, type(uint96).max, msg.value);
        _say(abi.encodePacked(uint8(1), namespace, uint128(msg.value)));
    }

    /// @notice Sets what a namespace may have in a block and spend in an epoch.
    function limit(uint64 namespace, uint32 blockBytesMax, uint128 epochWeiMax) external {
        _requireOwner(namespace);
        _say(abi.encodePacked(uint8(2), namespace, blockBytesMax, epochWeiMax));
    }

    /// @notice Takes back what is prepaid, as much as there is of the amount when the order gets to it. It becomes the namespace's credit,
    /// which its owner is paid.
    function withdraw(uint64 namespace, uint128 amount) external {
        _requireOwner(namespace);
        _say(abi.encodePacked(uint8(3), namespace, amount));
    }

    /// @notice Has a namespace's lane ordered by another rule, or by another auction key, from the block of the order on that goes on to
    /// this L1 block.
    /// @param rule as in `open`
    /// @param auctionKey as in `open`
    function reorder(uint64 namespace, uint8 rule, bytes32 auctionKey) external {
        _requireOwner(namespace);
        _say(abi.encodePacked(uint8(4), namespace, _ordering(rule, auctionKey)));
    }

    /// @notice Gives a namespace to somebody else, with what is prepaid and its credit.
    function transfer(uint64 namespace, address to) external {
        _requireOwner(namespace);
        if (to == address(0)) revert NotTheOwner(msg.sender, to);
        ownerOf[namespace] = to;
        emit Transferred(namespace, msg.sender, to);
    }

    /// @notice Pays what a certified header shows of a credit, and was not paid before. Anybody may call it.
    /// @param account whose credit: an address that earned, or a namespace's number as an address, which its owner is paid
    /// @param credit all that the account ever earned or had withdrawn, by that header
    /// @param header a posted header
    /// @param post the number of its post
    /// @param rest the ledger under the header
    /// @param index the place of the credit among all, which are `count`
    /// @param path the siblings of the credit's leaf, from the bottom up
    /// @return amount what was paid: nothing, if all was
    function claim(
        address account,
        uint128 credit,
        bytes calldata header,
        uint64 post,
        LedgerRest calldata rest,
        uint64 index,
        uint64 count,
        bytes32[] calldata path
    ) external returns (uint256 amount) {
        lightClient.certified(header, post);
        bytes32 credits = MerklePaths.root(abi.encodePacked(account, credit), index, count, path);
        bytes memory ledger =
            abi.encodePacked("SINTER_LEDGER", lightClient.chainId(), rest.entries, rest.meter, credits);
        bytes32 got = sha256(ledger);
        if (got != header.ledgerRoot()) revert OtherLedger(header.ledgerRoot(), got);
        if (credit <= paid[account]) return 0;
        amount = credit - paid[account];
        paid[account] = credit;
        address to = _payee(account);
        emit Paid(account, to, amount);
        (bool taken,) = to.call{value: amount}("");
        if (!taken) revert Unpaid(to, amount);
    }

    function _ordering(uint8 rule, bytes32 auctionKey) private pure returns (bytes memory) {
        if (rule > RULE_MAX) revert RuleUnknown(RULE_MAX, rule);
        if ((rule == 0) != (auctionKey == 0)) revert AuctionKey(rule, auctionKey);
        return rule == 0 ? abi.encodePacked(rule) : abi.encodePacked(rule, auctionKey);
    }

    // No key is known of an address that is so small.
    function _payee(address account) private view returns (address) {
        if (uint160(account) > type(uint64).max) return account;
        uint64 namespace = uint64(uint160(account));
        if (ownerOf[namespace] == address(0)) revert NamespaceUnknown(namespace);
        return ownerOf[namespace];
    }

    function _requireOwner(uint64 namespace) private view {
        address owner = ownerOf[namespace];
        if (owner == address(0)) revert NamespaceUnknown(namespace);
        if (owner != msg.sender) revert NotTheOwner(owner, msg.sender);
    }

    function _say(bytes memory operation) private {
        emit Forced(_number(operation.length), ACCOUNTS, address(this), operation);
    }
}
