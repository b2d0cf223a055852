// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// The channel reserve of TIP-1034 for chains whose hardfork does not have the precompile yet. The tests put
/// its code at the precompile's address. Two things are beyond a contract, and the tests' JSON-RPC proxy
/// does them by writing storage (reserve_test.go):
///
///  - the expiring nonce hash of the enclosing transaction, into `contexts`, under the hash of the opening
///    call and its sender, before a transaction or a simulation with such a call goes to the node;
///  - an allowance of the payer for the reserve, since the precompile moves tokens without one.

interface TIP20 {
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address owner, address to, uint256 amount) external returns (bool);
}

/// The signature verifier of TIP-1020, which this chain does have.
interface SignatureVerifier {
    function recover(bytes32 digest, bytes calldata signature) external view returns (address);
}

contract ChannelReserve {
    struct Channel {
        address payer;
        address payee;
        address operator;
        address token;
        bytes32 salt;
        address authorizedSigner;
        bytes32 expiringNonceHash;
    }

    struct Account {
        uint96 settled;
        uint96 deposit;
        uint32 closeRequestedAt;
    }

    error ChannelAlreadyExists();
    error ChannelNotFound();
    error NotPayer();
    error NotPayeeOrOperator();
    error InvalidPayee();
    error InvalidToken();
    error ZeroDeposit();
    error ExpiringNonceHashNotSet();
    error InvalidSignature();
    error AmountExceedsDeposit();
    error AmountNotIncreasing();
    error CaptureAmountInvalid();
    error CloseNotReady();
    error DepositOverflow();

    event ChannelOpened(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        address operator,
        address token,
        address authorizedSigner,
        bytes32 salt,
        bytes32 expiringNonceHash,
        uint96 deposit
    );
    event Settled(bytes32 indexed channelId, address indexed payer, address indexed payee, uint96 cumulativeAmount, uint96 deltaPaid, uint96 newSettled);
    event TopUp(bytes32 indexed channelId, address indexed payer, address indexed payee, uint96 additionalDeposit, uint96 newDeposit);
    event CloseRequested(bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 closeGraceEnd);
    event CloseRequestCancelled(bytes32 indexed channelId, address indexed payer, address indexed payee);
    event ChannelClosed(bytes32 indexed channelId, address indexed payer, address indexed payee, uint96 settledToPayee, uint96 refundedToPayer);

    SignatureVerifier private constant VERIFIER = SignatureVerifier(0x5165300000000000000000000000000000000000);
    bytes32 public constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 channelId,uint96 cumulativeAmount)");
    uint64 public constant CLOSE_GRACE_PERIOD = 15 minutes;

    /// Slot 0, written from outside.
    mapping(bytes32 => bytes32) private contexts;
    mapping(bytes32 => Account) private accounts;

    function open(address payee, address operator, address token, uint96 deposit, bytes32 salt, address authorizedSigner)
        external
        returns (bytes32 id)
    {
        require(payee != address(0) && !isTIP20(payee), InvalidPayee());
        require(isTIP20(token) && token.code.length != 0, InvalidToken());
        require(deposit != 0, ZeroDeposit());
        bytes32 context = contexts[keccak256(abi.encode(msg.sender, keccak256(msg.data)))];
        require(context != 0, ExpiringNonceHashNotSet());
        Channel memory c = Channel(msg.sender, payee, operator, token, salt, authorizedSigner, context);
        id = identify(c);
        require(accounts[id].deposit == 0, ChannelAlreadyExists());
        accounts[id].deposit = deposit;
        TIP20(token).transferFrom(msg.sender, address(this), deposit);
        emit ChannelOpened(id, msg.sender, payee, operator, token, authorizedSigner, salt, context, deposit);
    }

    function topUp(Channel calldata c, uint96 additional) external {
        (bytes32 id, Account storage a) = owned(c);
        bool pending = a.closeRequestedAt != 0;
        if (additional == 0 && !pending) return;
        require(additional <= type(uint96).max - a.deposit, DepositOverflow());
        if (additional != 0) TIP20(c.token).transferFrom(c.payer, address(this), additional);
        a.deposit += additional;
        a.closeRequestedAt = 0;
        if (pending) emit CloseRequestCancelled(id, c.payer, c.payee);
        emit TopUp(id, c.payer, c.payee, additional, a.deposit);
    }

    function requestClose(Channel calldata c) external {
        (bytes32 id, Account storage a) = owned(c);
        if (a.closeRequestedAt != 0) return;
        a.closeRequestedAt = uint32(block.timestamp);
        emit CloseRequested(id, c.payer, c.payee, block.timestamp + CLOSE_GRACE_PERIOD);
    }

    function withdraw(Channel calldata c) external {
        (bytes32 id, Account storage a) = owned(c);
        require(a.closeRequestedAt != 0 && block.timestamp >= a.closeRequestedAt + CLOSE_GRACE_PERIOD, CloseNotReady());
        finish(c, id, a.settled);
    }

    function settle(Channel calldata c, uint96 cumulative, bytes calldata signature) external {
        (bytes32 id, Account storage a) = earned(c);
        require(cumulative <= a.deposit, AmountExceedsDeposit());
        require(cumulative > a.settled, AmountNotIncreasing());
        verify(c, id, cumulative, signature);
        uint96 delta = cumulative - a.settled;
        a.settled = cumulative;
        TIP20(c.token).transfer(c.payee, delta);
        emit Settled(id, c.payer, c.payee, cumulative, delta, cumulative);
    }

    function close(Channel calldata c, uint96 cumulative, uint96 capture, bytes calldata signature) external {
        (bytes32 id, Account storage a) = earned(c);
        require(capture >= a.settled && capture <= cumulative, CaptureAmountInvalid());
        require(capture <= a.deposit, AmountExceedsDeposit());
        if (capture > a.settled) verify(c, id, cumulative, signature);
        finish(c, id, capture);
    }

    function getChannel(Channel calldata c) external view returns (Channel memory, Account memory) {
        return (c, accounts[identify(c)]);
    }

    function getChannelState(bytes32 id) external view returns (Account memory) {
        return accounts[id];
    }

    function getChannelStatesBatch(bytes32[] calldata ids) external view returns (Account[] memory list) {
        list = new Account[](ids.length);
        for (uint256 i = 0; i < ids.length; i++) list[i] = accounts[ids[i]];
    }

    function computeChannelId(address payer, address payee, address operator, address token, bytes32 salt, address authorizedSigner, bytes32 expiringNonceHash)
        external
        view
        returns (bytes32)
    {
        return identify(Channel(payer, payee, operator, token, salt, authorizedSigner, expiringNonceHash));
    }

    function getVoucherDigest(bytes32 id, uint96 cumulative) public view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domainSeparator(), keccak256(abi.encode(VOUCHER_TYPEHASH, id, cumulative))));
    }

    function domainSeparator() public view returns (bytes32) {
        return keccak256(abi.encode(
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
            keccak256("TIP20 Channel Reserve"), keccak256("1"), block.chainid, address(this)
        ));
    }

    function finish(Channel calldata c, bytes32 id, uint96 capture) private {
        Account memory a = accounts[id];
        delete accounts[id];
        if (capture != a.settled) TIP20(c.token).transfer(c.payee, capture - a.settled);
        if (capture != a.deposit) TIP20(c.token).transfer(c.payer, a.deposit - capture);
        emit ChannelClosed(id, c.payer, c.payee, capture, a.deposit - capture);
    }

    function verify(Channel calldata c, bytes32 id, uint96 cumulative, bytes calldata signature) private view {
        // Keychain envelopes sign transactions, not vouchers.
        bool wrapped = signature.length != 65 && signature.length != 0 && (signature[0] == 0x03 || signature[0] == 0x04);
        require(!wrapped, InvalidSignature());
        try VERIFIER.recover(getVoucherDigest(id, cumulative), signature) returns (address signer) {
            require(signer != address(0) && signer == (c.authorizedSigner == address(0) ? c.payer : c.authorizedSigner), InvalidSignature());
        } catch {
            revert InvalidSignature();
        }
    }

    /// The channel, for its payer.
    function owned(Channel calldata c) private view returns (bytes32 id, Account storage a) {
        (id, a) = existing(c);
        require(msg.sender == c.payer, NotPayer());
    }

    /// The channel, for its payee or operator.
    function earned(Channel calldata c) private view returns (bytes32 id, Account storage a) {
        (id, a) = existing(c);
        require(msg.sender == c.payee || (c.operator != address(0) && msg.sender == c.operator), NotPayeeOrOperator());
    }

    function existing(Channel calldata c) private view returns (bytes32 id, Account storage a) {
        id = identify(c);
        a = accounts[id];
        require(a.deposit != 0, ChannelNotFound());
    }

    function identify(Channel memory c) private view returns (bytes32) {
        return keccak256(abi.encode(c, address(this), block.chainid));
    }

    function isTIP20(address a) private pure returns (bool) {
        return bytes12(bytes20(a)) == bytes12(0x20c000000000000000000000);
    }
}
