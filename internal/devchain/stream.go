package devchain

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// streamChannel is what the v1 stream channel contract stores of a channel. A closed one keeps
// nothing but finalized, so that its id is never used again.
type streamChannel struct {
	finalized                       bool
	closeRequestedAt                uint64
	payer, payee, token, authorized common.Address
	deposit, settled                voucher.Amount
}

// gasStreamOpen is the five storage slots of a new v1 channel.
const gasStreamOpen = 5 * gasNewSlot

// Events and errors that only the v1 contract has.
var (
	eventStreamOpened  = eventTopic("ChannelOpened(bytes32,address,address,address,address,bytes32,uint256)")
	eventStreamSettled = eventTopic("Settled(bytes32,address,address,uint256,uint256,uint256)")
	eventStreamTopUp   = eventTopic("TopUp(bytes32,address,address,uint256,uint256)")
	eventStreamClosed  = eventTopic("ChannelClosed(bytes32,address,address,uint256,uint256)")
	eventStreamExpired = eventTopic("ChannelExpired(bytes32,address,address)")

	errChannelFinalized = newError("ChannelFinalized()")
	errNotPayee         = newError("NotPayee()")
)

var streamMethods = methods{
	selectorOf("open(address,address,uint128,bytes32,address)"):             streamOpen,
	selectorOf("topUp(bytes32,uint256)"):                                    onStream(streamTopUp),
	selectorOf("requestClose(bytes32)"):                                     onStream(streamRequestClose),
	selectorOf("withdraw(bytes32)"):                                         onStream(streamWithdraw),
	selectorOf("settle(bytes32,uint128,bytes)"):                             onStream(streamSettle),
	selectorOf("close(bytes32,uint128,bytes)"):                              onStream(streamClose),
	selectorOf("getChannel(bytes32)"):                                       streamGetChannel,
	selectorOf("getChannelsBatch(bytes32[])"):                               streamGetChannels,
	selectorOf("computeChannelId(address,address,address,bytes32,address)"): streamComputeID,
	selectorOf("getVoucherDigest(bytes32,uint128)"):                         streamDigest,
	selectorOf("domainSeparator()"):                                         func(e *env, _ common.Address, _ *args) ([]byte, error) { return words(e.streamDomain()), nil },
	selectorOf("CLOSE_GRACE_PERIOD()"):                                      func(*env, common.Address, *args) ([]byte, error) { return words(closeGrace), nil },
	selectorOf("VOUCHER_TYPEHASH()"):                                        func(*env, common.Address, *args) ([]byte, error) { return words(voucherTypeV1), nil },
}

func (e *env) streamDomain() common.Hash { return domainV1(e.cfg.ChainID, e.cfg.StreamChannel) }

// streamOpen opens a channel and pulls the deposit on the payer's allowance.
func streamOpen(e *env, from common.Address, a *args) ([]byte, error) {
	d := Descriptor{Payer: from, Payee: a.address(), Token: a.address()}
	deposit := a.amount(128)
	d.Salt, d.AuthorizedSigner = a.hash(), a.address()
	_, known := e.s.tokens[d.Token]
	switch {
	case a.bad:
		return nil, errBadCalldata
	case d.Payee == (common.Address{}):
		return nil, revertWith(errInvalidPayee)
	case !known:
		return nil, revertWith(errInvalidToken)
	case deposit.IsZero():
		return nil, revertWith(errZeroDeposit)
	}
	id := streamID(e.cfg, d)
	if _, exists := e.s.streams[id]; exists {
		return nil, revertWith(errChannelExists)
	}
	e.gas += gasChannel + gasStreamOpen
	put(e.s, e.s.streams, id, streamChannel{payer: from, payee: d.Payee, token: d.Token, authorized: d.AuthorizedSigner, deposit: deposit})
	if err := e.transferFrom(d.Token, e.cfg.StreamChannel, from, e.cfg.StreamChannel, deposit.Big()); err != nil {
		return nil, err
	}
	e.emit(e.cfg.StreamChannel, []common.Hash{eventStreamOpened, id, topic(from), topic(d.Payee)},
		words(d.Token, d.AuthorizedSigner, d.Salt, deposit))
	return words(id), nil
}

// streamCall is a call that names a channel by its id.
type streamCall struct {
	*env
	from common.Address
	id   common.Hash
	ch   streamChannel
	args *args
}

// onStream reads the id and looks the channel up.
func onStream(run func(streamCall) error) method {
	return func(e *env, from common.Address, a *args) ([]byte, error) {
		id := a.hash()
		e.gas += gasChannel
		return nil, run(streamCall{env: e, from: from, id: id, ch: e.s.streams[id], args: a})
	}
}

// check refuses bad arguments, closed and unknown channels, and callers that may not.
func (r streamCall) check(payerOnly bool) error {
	switch {
	case r.args.bad:
		return errBadCalldata
	case r.ch.finalized:
		return revertWith(errChannelFinalized)
	case r.ch.payer == (common.Address{}):
		return revertWith(errChannelNotFound)
	case payerOnly && r.from != r.ch.payer:
		return revertWith(errNotPayer)
	case !payerOnly && r.from != r.ch.payee:
		return revertWith(errNotPayee)
	}
	return nil
}

func (r streamCall) event(signature common.Hash, values ...any) {
	r.emit(r.cfg.StreamChannel, []common.Hash{signature, r.id, topic(r.ch.payer), topic(r.ch.payee)}, words(values...))
}

func (r streamCall) pay(to common.Address, amount voucher.Amount) error {
	if amount.IsZero() {
		return nil
	}
	return r.transfer(r.ch.token, r.cfg.StreamChannel, to, amount.Big())
}

// voucher verifies a voucher of the channel.
func (r streamCall) voucher(cumulative voucher.Amount, signature []byte) error {
	r.gas += gasVoucher
	want := r.ch.authorized
	if want == (common.Address{}) {
		want = r.ch.payer
	}
	signer, err := recoverVoucherV1(voucherDigest(r.streamDomain(), voucherTypeV1, r.id, cumulative), signature)
	if err != nil || signer != want {
		return revertWith(errInvalidSignature)
	}
	return nil
}

// recoverVoucherV1 takes secp256k1 signatures of 65 bytes, or of the 64 of EIP-2098.
func recoverVoucherV1(digest common.Hash, signature []byte) (common.Address, error) {
	if len(signature) == 64 {
		signature = append(append([]byte(nil), signature...), 27+signature[32]>>7)
		signature[32] &= 0x7f
	}
	if len(signature) != crypto.SignatureLength {
		return common.Address{}, errSignature
	}
	return recoverSecp256k1(digest, signature)
}
