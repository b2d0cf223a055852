package devchain

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// flip turns a secp256k1 signature into its malleable twin.
func flip(sig []byte) {
	new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(sig[32:64])).FillBytes(sig[32:64])
	sig[64] ^= 27 ^ 28
}

// compact is the 64-byte form of a signature (EIP-2098).
func compact(sig []byte) []byte {
	out := append([]byte(nil), sig[:64]...)
	out[32] |= (sig[64] - 27) << 7
	return out
}

const streamOpenCall = "open(address,address,uint128,bytes32,address)"

func approve(n any) Call { return on(PathUSD, "approve(address,uint256)", StreamChannelAddress, n) }

func streamOpening(d Descriptor, deposit any) Call {
	return on(StreamChannelAddress, streamOpenCall, d.Payee, d.Token, deposit, d.Salt, d.AuthorizedSigner)
}

// openStream opens a v1 channel of 1000 between payer and payee.
func openStream(t *testing.T, c *Chain, change func(*Descriptor)) (Descriptor, common.Hash) {
	t.Helper()
	d := Descriptor{Payer: payer.addr, Payee: payee.addr, Token: PathUSD, Salt: common.Hash{1}}
	if change != nil {
		change(&d)
	}
	r := mustSend(t, c, payer, approve(uint64(1000)), streamOpening(d, uint64(1000)))
	id := c.ChannelID(voucher.V1, d)
	assertLog(t, r.Logs[2], StreamChannelAddress, []common.Hash{eventStreamOpened, id, topic(d.Payer), topic(d.Payee)}, d.Token, d.AuthorizedSigner, d.Salt, uint64(1000))
	return d, id
}

func sTopUp(id common.Hash, n any) Call {
	return on(StreamChannelAddress, "topUp(bytes32,uint256)", id, n)
}
func sRequest(id common.Hash) Call  { return on(StreamChannelAddress, "requestClose(bytes32)", id) }
func sWithdraw(id common.Hash) Call { return on(StreamChannelAddress, "withdraw(bytes32)", id) }
func sSettle(id common.Hash, n uint64, sig []byte) Call {
	return Call{StreamChannelAddress, calldata("settle(bytes32,uint128,bytes)", words(id, n), sig)}
}

func sClose(id common.Hash, n uint64, sig []byte) Call {
	return Call{StreamChannelAddress, calldata("close(bytes32,uint128,bytes)", words(id, n), sig)}
}

func TestStreamOpenRules(t *testing.T) {
	c := testChain(t)
	sound := Descriptor{Payee: payee.addr, Token: PathUSD, Salt: common.Hash{1}}
	missing := common.HexToAddress("0x20c0000000000000000000000000000000000099")
	for name, test := range map[string]struct {
		allow   uint64
		change  func(*Descriptor)
		deposit any
		want    string
	}{
		"sound":                {10, func(*Descriptor) {}, uint64(10), ""},
		"allowance above":      {11, func(*Descriptor) {}, uint64(10), ""},
		"no allowance":         {9, func(*Descriptor) {}, uint64(10), "InsufficientAllowance()"},
		"no money":             {1 << 60, func(*Descriptor) {}, uint64(1 << 50), "InsufficientBalance(uint256,uint256,address)"},
		"nothing":              {10, func(*Descriptor) {}, uint64(0), "ZeroDeposit()"},
		"payee zero":           {10, func(d *Descriptor) { d.Payee = common.Address{} }, uint64(10), "InvalidPayee()"},
		"token is no token":    {10, func(d *Descriptor) { d.Token = stranger.addr }, uint64(10), "InvalidToken()"},
		"token does not exist": {10, func(d *Descriptor) { d.Token = missing }, uint64(10), "InvalidToken()"},
		"129 bits":             {10, func(*Descriptor) {}, common.HexToHash("0x100000000000000000000000000000000"), "no data"},
	} {
		d := sound
		test.change(&d)
		assert.Equal(t, test.want, reverts(t, c, payer, approve(test.allow), streamOpening(d, test.deposit)), name)
	}
	d, id := openStream(t, c, nil)
	assert.Equal(t, "ChannelAlreadyExists()", reverts(t, c, payer, approve(uint64(1)), streamOpening(d, uint64(1))))
	mustSend(t, c, payee, sClose(id, 0, nil))
	assert.Equal(t, "ChannelAlreadyExists()", reverts(t, c, payer, approve(uint64(1)), streamOpening(d, uint64(1))), "never again after a close")
}

func TestStreamSettleAndClose(t *testing.T) {
	c := testChain(t)
	_, id := openStream(t, c, nil)
	v := func(by party, n uint64) []byte { return signVoucher(c, voucher.V1, by, id, n).Signature }
	good := v(payer, 400)
	high := append([]byte(nil), good...)
	flip(high)
	unknown := common.Hash{9}
	for name, test := range map[string]struct {
		from party
		call Call
		want string
	}{
		"settle":               {payee, sSettle(id, 400, good), ""},
		"settle, EIP-2098":     {payee, sSettle(id, 400, compact(good)), ""},
		"settle, stranger":     {stranger, sSettle(id, 400, good), "NotPayee()"},
		"settle, payer":        {payer, sSettle(id, 400, good), "NotPayee()"},
		"settle, above":        {payee, sSettle(id, 1001, v(payer, 1001)), "AmountExceedsDeposit()"},
		"settle, zero":         {payee, sSettle(id, 0, v(payer, 0)), "AmountNotIncreasing()"},
		"settle, other amount": {payee, sSettle(id, 401, good), "InvalidSignature()"},
		"settle, other signer": {payee, sSettle(id, 400, v(stranger, 400)), "InvalidSignature()"},
		"settle, v2 voucher":   {payee, sSettle(id, 400, signVoucher(c, voucher.V2, payer, id, 400).Signature), "InvalidSignature()"},
		"settle, high s":       {payee, sSettle(id, 400, high), "InvalidSignature()"},
		"settle, v as parity":  {payee, sSettle(id, 400, append(append([]byte(nil), good[:64]...), good[64]-27)), "InvalidSignature()"},
		"settle, keychain":     {payee, sSettle(id, 400, append(append([]byte{sigKeychain}, payer.addr[:]...), good...)), "InvalidSignature()"},
		"settle, unknown":      {payee, sSettle(unknown, 400, good), "ChannelNotFound()"},
		"settle, cut":          {payee, on(StreamChannelAddress, "settle(bytes32,uint128,bytes)", id), "no data"},
		"close":                {payee, sClose(id, 400, good), ""},
		"close for nothing":    {payee, sClose(id, 0, nil), ""},
		"close, payer":         {payer, sClose(id, 400, good), "NotPayee()"},
		"close, above":         {payee, sClose(id, 1001, v(payer, 1001)), "AmountExceedsDeposit()"},
		"close, bad voucher":   {payee, sClose(id, 401, good), "InvalidSignature()"},
		"close, unknown":       {payee, sClose(unknown, 400, good), "ChannelNotFound()"},
	} {
		assert.Equal(t, test.want, reverts(t, c, test.from, test.call), name)
	}
	d := Descriptor{Payer: payer.addr, Payee: payee.addr, Token: PathUSD, Salt: common.Hash{1}}
	r, err := c.Settle(payee.key, voucher.V1, d, signVoucher(c, voucher.V1, payer, id, 400))
	require.NoError(t, err)
	about := func(event common.Hash) []common.Hash {
		return []common.Hash{event, id, topic(payer.addr), topic(payee.addr)}
	}
	assertLog(t, r.Logs[1], StreamChannelAddress, about(eventStreamSettled), uint64(400), uint64(400), uint64(400))
	assert.Equal(t, "AmountNotIncreasing()", reverts(t, c, payee, sSettle(id, 400, good)))
	assert.Empty(t, reverts(t, c, payee, sClose(id, 300, nil)), "at or below what is settled no voucher is looked at")

	before, payerBefore := c.Balance(PathUSD, payee.addr), c.Balance(PathUSD, payer.addr)
	r, err = c.CloseChannel(payee.key, voucher.V1, d, signVoucher(c, voucher.V1, payer, id, 700), units(1))
	require.NoError(t, err)
	require.True(t, r.Success)
	assertLog(t, r.Logs[2], StreamChannelAddress, about(eventStreamClosed), uint64(700), uint64(300))
	assert.Equal(t, before.SubFloor(r.Fee).AddCapped(units(300)), c.Balance(PathUSD, payee.addr), "the whole voucher, whatever was asked")
	assert.Equal(t, payerBefore.AddCapped(units(300)), c.Balance(PathUSD, payer.addr))
	assert.Equal(t, ChannelState{Protocol: voucher.V1, Finalized: true}, c.ChannelState(id))
	assert.Equal(t, numbers(1, 0, 0, 0, 0, 0, 0, 0), read(t, c, on(StreamChannelAddress, "getChannel(bytes32)", id)), "zeros and finalized")
	for _, call := range []Call{sSettle(id, 800, v(payer, 800)), sClose(id, 800, v(payer, 800)), sTopUp(id, uint64(1)), sRequest(id), sWithdraw(id)} {
		assert.Equal(t, "ChannelFinalized()", reverts(t, c, payer, call))
	}

	d, id = openStream(t, c, func(d *Descriptor) { d.Salt, d.AuthorizedSigner = common.Hash{2}, delegate.addr })
	assert.Equal(t, "InvalidSignature()", reverts(t, c, payee, sSettle(id, 5, v(payer, 5))))
	r, err = c.Settle(payee.key, voucher.V1, d, signVoucher(c, voucher.V1, delegate, id, 5))
	require.NoError(t, err)
	assert.True(t, r.Success)
}

func TestStreamTopUpAndWithdraw(t *testing.T) {
	c := testChain(t)
	_, id := openStream(t, c, nil)
	about := func(event common.Hash) []common.Hash {
		return []common.Hash{event, id, topic(payer.addr), topic(payee.addr)}
	}
	for name, test := range map[string]struct {
		from  party
		calls []Call
		want  string
	}{
		"topUp":                {payer, []Call{approve(uint64(5)), sTopUp(id, uint64(5))}, ""},
		"topUp, no allowance":  {payer, []Call{sTopUp(id, uint64(5))}, "InsufficientAllowance()"},
		"topUp, nothing":       {payer, []Call{sTopUp(id, uint64(0))}, "ZeroDeposit()"},
		"topUp, payee":         {payee, []Call{sTopUp(id, uint64(5))}, "NotPayer()"},
		"topUp, unknown":       {payer, []Call{sTopUp(common.Hash{9}, uint64(5))}, "ChannelNotFound()"},
		"topUp, too much":      {payer, []Call{sTopUp(id, voucher.MaxAmount)}, "DepositOverflow()"},
		"topUp, far too much":  {payer, []Call{sTopUp(id, common.MaxHash)}, "DepositOverflow()"},
		"request, payee":       {payee, []Call{sRequest(id)}, "NotPayer()"},
		"withdraw, payee":      {payee, []Call{sWithdraw(id)}, "NotPayer()"},
		"withdraw, early":      {payer, []Call{sWithdraw(id)}, "CloseNotReady()"},
		"withdraw, unknown":    {payer, []Call{sWithdraw(common.Hash{9})}, "ChannelNotFound()"},
		"request and withdraw": {payer, []Call{sRequest(id), sWithdraw(id)}, "CloseNotReady()"},
	} {
		assert.Equal(t, test.want, reverts(t, c, test.from, test.calls...), name)
	}
	r := mustSend(t, c, payer, approve(uint64(250)), sTopUp(id, uint64(250)))
	assertLog(t, r.Logs[2], StreamChannelAddress, about(eventStreamTopUp), uint64(250), uint64(1250))
	r = mustSend(t, c, payer, sRequest(id))
	assertLog(t, r.Logs[0], StreamChannelAddress, about(eventCloseRequested), c.testTime()+900)
	at := c.testTime()
	c.Advance(10 * second)
	assert.Len(t, mustSend(t, c, payer, sRequest(id)).Logs, 1)
	assert.Equal(t, at, c.ChannelState(id).CloseRequestedAt)
	r = mustSend(t, c, payer, approve(uint64(1)), sTopUp(id, uint64(1)))
	assertLog(t, r.Logs[2], StreamChannelAddress, about(eventRequestCancelled))
	assert.Zero(t, c.ChannelState(id).CloseRequestedAt)

	mustSend(t, c, payer, sRequest(id))
	mustSend(t, c, payee, sSettle(id, 300, signVoucher(c, voucher.V1, payer, id, 300).Signature))
	c.Advance(900*second - 1)
	c.Advance(0)
	c.Advance(-second)
	before := c.Balance(PathUSD, payer.addr)
	r = mustSend(t, c, payer, sWithdraw(id))
	assertLog(t, r.Logs[1], StreamChannelAddress, about(eventStreamExpired))
	assertLog(t, r.Logs[2], StreamChannelAddress, about(eventStreamClosed), uint64(300), uint64(951))
	assert.Equal(t, before.SubFloor(r.Fee).AddCapped(units(951)), c.Balance(PathUSD, payer.addr))
	assert.True(t, c.ChannelState(id).Finalized)
	assert.Zero(t, c.Balance(PathUSD, StreamChannelAddress))
}

func TestStreamViews(t *testing.T) {
	c := testChain(t)
	d, id := openStream(t, c, func(d *Descriptor) { d.AuthorizedSigner = delegate.addr })
	state := words(false, uint64(0), payer.addr, payee.addr, PathUSD, delegate.addr, uint64(1000), uint64(0))
	assert.Equal(t, state, readBytes(t, c, on(StreamChannelAddress, "getChannel(bytes32)", id)))
	assert.Equal(t, append(append(words(uint64(32), uint64(2)), state...), make([]byte, 256)...),
		readBytes(t, c, on(StreamChannelAddress, "getChannelsBatch(bytes32[])", uint64(32), uint64(2), id, common.Hash{9})))
	assert.Equal(t, id[:], readBytes(t, c, on(StreamChannelAddress, "computeChannelId(address,address,address,bytes32,address)", d.Payer, d.Payee, d.Token, d.Salt, d.AuthorizedSigner)))
	assert.Equal(t, numbers(900), read(t, c, on(StreamChannelAddress, "CLOSE_GRACE_PERIOD()")))
	assert.Equal(t, voucherTypeV1[:], readBytes(t, c, on(StreamChannelAddress, "VOUCHER_TYPEHASH()")))
	separator := domainV1(c.ChainID(), StreamChannelAddress)
	assert.Equal(t, separator[:], readBytes(t, c, on(StreamChannelAddress, "domainSeparator()")))
	assert.Equal(t, voucherDigest(separator, voucherTypeV1, id, units(7)).Bytes(), readBytes(t, c, on(StreamChannelAddress, "getVoucherDigest(bytes32,uint128)", id, uint64(7))))
	for _, short := range []string{"getChannel(bytes32)", "getChannelsBatch(bytes32[])", "computeChannelId(address,address,address,bytes32,address)", "getVoucherDigest(bytes32,uint128)", "topUp(bytes32,uint256)", streamOpenCall} {
		assert.Equal(t, "no data", reverts(t, c, payer, on(StreamChannelAddress, short)), short)
	}
}
