package devchain

import (
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// reserveChannel is what the TIP-1034 channel reserve stores of a channel, and the token, which it
// does not store, for the books.
type reserveChannel struct {
	token            common.Address
	settled, deposit voucher.Amount
	closeRequestedAt uint64
}

// Events and errors of the channel reserve (TIP-1034).
var (
	eventReserveOpened    = eventTopic("ChannelOpened(bytes32,address,address,address,address,address,bytes32,bytes32,uint96)")
	eventReserveSettled   = eventTopic("Settled(bytes32,address,address,uint96,uint96,uint96)")
	eventReserveTopUp     = eventTopic("TopUp(bytes32,address,address,uint96,uint96)")
	eventReserveClosed    = eventTopic("ChannelClosed(bytes32,address,address,uint96,uint96)")
	eventCloseRequested   = eventTopic("CloseRequested(bytes32,address,address,uint256)")
	eventRequestCancelled = eventTopic("CloseRequestCancelled(bytes32,address,address)")

	errChannelExists      = newError("ChannelAlreadyExists()")
	errChannelNotFound    = newError("ChannelNotFound()")
	errNotPayer           = newError("NotPayer()")
	errNotPayeeOrOperator = newError("NotPayeeOrOperator()")
	errInvalidPayee       = newError("InvalidPayee()")
	errInvalidToken       = newError("InvalidToken()")
	errZeroDeposit        = newError("ZeroDeposit()")
	errNonceHashNotSet    = newError("ExpiringNonceHashNotSet()")
	errInvalidSignature   = newError("InvalidSignature()")
	errAmountOverDeposit  = newError("AmountExceedsDeposit()")
	errNotIncreasing      = newError("AmountNotIncreasing()")
	errCaptureInvalid     = newError("CaptureAmountInvalid()")
	errCloseNotReady      = newError("CloseNotReady()")
	errDepositOverflow    = newError("DepositOverflow()")
)

const descriptorType = "(address,address,address,address,bytes32,address,bytes32)"

var reserveMethods = methods{
	selectorOf("open(address,address,address,uint96,bytes32,address)"): reserveOpen,
	selectorOf("topUp(" + descriptorType + ",uint96)"):                 onReserve(reserveTopUp),
	selectorOf("requestClose(" + descriptorType + ")"):                 onReserve(reserveRequestClose),
	selectorOf("withdraw(" + descriptorType + ")"):                     onReserve(reserveWithdraw),
	selectorOf("settle(" + descriptorType + ",uint96,bytes)"):          onReserve(reserveSettle),
	selectorOf("close(" + descriptorType + ",uint96,uint96,bytes)"):    onReserve(reserveClose),
	selectorOf("getChannel(" + descriptorType + ")"):                   reserveGetChannel,
	selectorOf("getChannelState(bytes32)"):                             reserveGetState,
	selectorOf("getChannelStatesBatch(bytes32[])"):                     reserveGetStates,
	selectorOf("computeChannelId" + computeArguments):                  reserveComputeID,
	selectorOf("getVoucherDigest(bytes32,uint96)"):                     reserveDigest,
	selectorOf("domainSeparator()"):                                    func(e *env, _ common.Address, _ *args) ([]byte, error) { return words(domainV2(e.cfg.ChainID)), nil },
	selectorOf("CLOSE_GRACE_PERIOD()"):                                 func(*env, common.Address, *args) ([]byte, error) { return words(closeGrace), nil },
	selectorOf("VOUCHER_TYPEHASH()"):                                   func(*env, common.Address, *args) ([]byte, error) { return words(voucherTypeV2), nil },
}

const computeArguments = "(address,address,address,address,bytes32,address,bytes32)"

// closeGrace is [CloseGracePeriod] in seconds.
const closeGrace = uint64(CloseGracePeriod / time.Second)

// reserveOpen opens a channel and pulls the deposit without an allowance.
func reserveOpen(e *env, from common.Address, a *args) ([]byte, error) {
	d := Descriptor{Payer: from, Payee: a.address(), Operator: a.address(), Token: a.address()}
	deposit := a.amount(96)
	d.Salt, d.AuthorizedSigner, d.ExpiringNonceHash = a.hash(), a.address(), e.context
	_, known := e.s.tokens[d.Token]
	switch {
	case a.bad:
		return nil, errBadCalldata
	case d.Payee == (common.Address{}) || isTIP20(d.Payee):
		return nil, revertWith(errInvalidPayee)
	case !known:
		return nil, revertWith(errInvalidToken)
	case deposit.IsZero():
		return nil, revertWith(errZeroDeposit)
	case d.ExpiringNonceHash == (common.Hash{}):
		return nil, revertWith(errNonceHashNotSet)
	}
	id := reserveID(e.cfg.ChainID, d)
	// A channel cannot be closed and opened again in one transaction, which TIP-1034 forbids: the close
	// would have to name the transaction's hash, and the hash covers the close.
	if _, exists := e.s.reserve[id]; exists {
		return nil, revertWith(errChannelExists)
	}
	if err := e.transfer(d.Token, from, ReserveAddress, deposit.Big()); err != nil {
		return nil, err
	}
	e.gas += gasChannel + gasNewSlot
	put(e.s, e.s.reserve, id, reserveChannel{token: d.Token, deposit: deposit})
	e.emit(ReserveAddress, []common.Hash{eventReserveOpened, id, topic(d.Payer), topic(d.Payee)},
		words(d.Operator, d.Token, d.AuthorizedSigner, d.Salt, d.ExpiringNonceHash, deposit))
	return words(id), nil
}

// reserveCall is a call that names an existing channel by its descriptor.
type reserveCall struct {
	*env
	from common.Address
	d    Descriptor
	id   common.Hash
	ch   reserveChannel
	args *args
}

// onReserve reads the descriptor and looks the channel up.
func onReserve(run func(reserveCall) error) method {
	return func(e *env, from common.Address, a *args) ([]byte, error) {
		d := a.descriptor()
		if a.bad {
			return nil, errBadCalldata
		}
		e.gas += gasChannel
		id := reserveID(e.cfg.ChainID, d)
		return nil, run(reserveCall{env: e, from: from, d: d, id: id, ch: e.s.reserve[id], args: a})
	}
}

// check refuses bad arguments first, then channels that are not there, then callers that may not.
func (r reserveCall) check(payerOnly bool) error {
	isPayee := r.from == r.d.Payee || r.d.Operator != (common.Address{}) && r.from == r.d.Operator
	switch {
	case r.args.bad:
		return errBadCalldata
	case r.ch.deposit.IsZero():
		return revertWith(errChannelNotFound)
	case payerOnly && r.from != r.d.Payer:
		return revertWith(errNotPayer)
	case !payerOnly && !isPayee:
		return revertWith(errNotPayeeOrOperator)
	}
	return nil
}

// event emits a log about the channel.
func (r reserveCall) event(signature common.Hash, values ...any) {
	r.emit(ReserveAddress, []common.Hash{signature, r.id, topic(r.d.Payer), topic(r.d.Payee)}, words(values...))
}

// pay sends tokens of the reserve; nothing happens for zero.
func (r reserveCall) pay(to common.Address, amount voucher.Amount) error {
	if amount.IsZero() {
		return nil
	}
	return r.transfer(r.d.Token, ReserveAddress, to, amount.Big())
}

// voucher verifies a voucher of the channel (TIP-1020).
func (r reserveCall) voucher(cumulative voucher.Amount, signature []byte) error {
	r.gas += gasVoucher
	signer, err := recoverPrimitive(voucherDigest(domainV2(r.cfg.ChainID), voucherTypeV2, r.id, cumulative), signature)
	if err != nil || signer != r.d.signer() {
		return revertWith(errInvalidSignature)
	}
	return nil
}
