package devchain

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// reserveOpening is the open call of a channel.
func reserveOpening(d Descriptor, deposit uint64) Call {
	return on(ReserveAddress, openCall, d.Payee, d.Operator, d.Token, deposit, d.Salt, d.AuthorizedSigner)
}

// openReserve opens a v2 channel of 1000 between payer and payee.
func openReserve(t *testing.T, c *Chain, change func(*Descriptor)) (Descriptor, common.Hash) {
	t.Helper()
	d := Descriptor{Payer: payer.addr, Payee: payee.addr, Token: PathUSD, Salt: common.Hash{1}}
	if change != nil {
		change(&d)
	}
	r := mustSend(t, c, payer, reserveOpening(d, 1000))
	d.ExpiringNonceHash = r.ExpiringNonceHash
	id := c.ChannelID(voucher.V2, d)
	assertLog(t, r.Logs[1], ReserveAddress, []common.Hash{eventReserveOpened, id, topic(d.Payer), topic(d.Payee)},
		d.Operator, d.Token, d.AuthorizedSigner, d.Salt, d.ExpiringNonceHash, uint64(1000))
	return d, id
}

func assertLog(t *testing.T, l *types.Log, at common.Address, topics []common.Hash, values ...any) {
	t.Helper()
	assert.Equal(t, at, l.Address)
	assert.Equal(t, topics, l.Topics)
	assert.Equal(t, words(values...), l.Data)
}

// Calls about a v2 channel.
func rTopUp(d Descriptor, n any) Call {
	return Call{ReserveAddress, append(append(selectorBytes("topUp("+descriptorType+",uint96)"), d.words()...), words(n)...)}
}

func rRequest(d Descriptor) Call {
	return Call{ReserveAddress, append(selectorBytes("requestClose("+descriptorType+")"), d.words()...)}
}

func rWithdraw(d Descriptor) Call {
	return Call{ReserveAddress, append(selectorBytes("withdraw("+descriptorType+")"), d.words()...)}
}

func rSettle(d Descriptor, n uint64, sig []byte) Call {
	return Call{ReserveAddress, calldata("settle("+descriptorType+",uint96,bytes)", append(d.words(), words(n)...), sig)}
}

func rClose(d Descriptor, n, capture uint64, sig []byte) Call {
	return Call{ReserveAddress, calldata("close("+descriptorType+",uint96,uint96,bytes)", append(d.words(), words(n, capture)...), sig)}
}

func TestReserveOpenRules(t *testing.T) {
	c := testChain(t)
	sound := Descriptor{Payee: payee.addr, Token: PathUSD, Salt: common.Hash{1}}
	for name, test := range map[string]struct {
		change  func(*Descriptor)
		deposit uint64
		want    string
	}{
		"sound":                 {func(*Descriptor) {}, 1, ""},
		"everything":            {func(*Descriptor) {}, 100_000_000, ""},
		"one too much":          {func(*Descriptor) {}, 100_000_001, "InsufficientBalance(uint256,uint256,address)"},
		"nothing":               {func(*Descriptor) {}, 0, "ZeroDeposit()"},
		"payee zero":            {func(d *Descriptor) { d.Payee = common.Address{} }, 1, "InvalidPayee()"},
		"payee is a token":      {func(d *Descriptor) { d.Payee = PathUSD }, 1, "InvalidPayee()"},
		"payee like a token":    {func(d *Descriptor) { d.Payee = common.HexToAddress("0x20c0000000000000000000000000000000000099") }, 1, "InvalidPayee()"},
		"token is no token":     {func(d *Descriptor) { d.Token = stranger.addr }, 1, "InvalidToken()"},
		"token does not exist":  {func(d *Descriptor) { d.Token = common.HexToAddress("0x20c0000000000000000000000000000000000099") }, 1, "InvalidToken()"},
		"payer pays itself":     {func(d *Descriptor) { d.Payee = payer.addr }, 1, ""},
		"operator and delegate": {func(d *Descriptor) { d.Operator, d.AuthorizedSigner = operator.addr, delegate.addr }, 1, ""},
	} {
		d := sound
		test.change(&d)
		assert.Equal(t, test.want, reverts(t, c, payer, reserveOpening(d, test.deposit)), name)
	}
	one := reserveOpening(sound, 5)
	assert.Equal(t, "ChannelAlreadyExists()", reverts(t, c, payer, one, one), "twice in one transaction")
	wide := on(ReserveAddress, openCall, payee.addr, common.Address{}, PathUSD, common.HexToHash("0x1000000000000000000000000"), common.Hash{}, common.Address{})
	assert.Equal(t, "no data", reverts(t, c, payer, wide), "a deposit of 97 bits")

	c.mu.Lock()
	e := c.newEnv(common.Hash{})
	_, err := e.call(payer.addr, ReserveAddress, one.Data)
	c.mu.Unlock()
	require.EqualError(t, err, "execution reverted: ExpiringNonceHashNotSet()")

	// Two different opens in one transaction share its hash; the same open later is another channel.
	other := sound
	other.Salt = common.Hash{2}
	r := mustSend(t, c, payer, one, reserveOpening(other, 6))
	again := mustSend(t, c, payer, one)
	ids := map[common.Hash]bool{}
	for _, l := range append(r.Logs, again.Logs...) {
		if l.Topics[0] == eventReserveOpened {
			ids[l.Topics[1]] = true
		}
	}
	assert.Len(t, ids, 3)
}

func TestReserveSettle(t *testing.T) {
	c := testChain(t)
	d, id := openReserve(t, c, nil)
	v := func(by party, n uint64) []byte { return signVoucher(c, voucher.V2, by, id, n).Signature }
	good := v(payer, 400)
	wrongSalt := d
	wrongSalt.Salt = common.Hash{9}
	high := append([]byte(nil), good...)
	flip(high)
	p256, _ := p256Key(t, 9)
	for name, test := range map[string]struct {
		from party
		call Call
		want string
	}{
		"sound":               {payee, rSettle(d, 400, good), ""},
		"all of it":           {payee, rSettle(d, 1000, v(payer, 1000)), ""},
		"stranger":            {stranger, rSettle(d, 400, good), "NotPayeeOrOperator()"},
		"payer":               {payer, rSettle(d, 400, good), "NotPayeeOrOperator()"},
		"above the deposit":   {payee, rSettle(d, 1001, v(payer, 1001)), "AmountExceedsDeposit()"},
		"zero":                {payee, rSettle(d, 0, v(payer, 0)), "AmountNotIncreasing()"},
		"other amount":        {payee, rSettle(d, 401, good), "InvalidSignature()"},
		"other signer":        {payee, rSettle(d, 400, v(stranger, 400)), "InvalidSignature()"},
		"no signature":        {payee, rSettle(d, 400, nil), "InvalidSignature()"},
		"keychain wrapper":    {payee, rSettle(d, 400, append(append([]byte{sigKeychain}, payer.addr[:]...), good...)), "InvalidSignature()"},
		"keychain wrapper v2": {payee, rSettle(d, 400, append(append([]byte{sigKeychainV2}, payer.addr[:]...), good...)), "InvalidSignature()"},
		"multisig":            {payee, rSettle(d, 400, append([]byte{5}, good...)), "InvalidSignature()"},
		"high s":              {payee, rSettle(d, 400, high), "InvalidSignature()"},
		"EIP-2098":            {payee, rSettle(d, 400, compact(good)), "InvalidSignature()"},
		"magic suffix":        {payee, rSettle(d, 400, append(append([]byte(nil), good...), make([]byte, 32)...)), "InvalidSignature()"},
		"P256 of another":     {payee, rSettle(d, 400, signP256(t, voucherDigest(domainV2(c.ChainID()), voucherTypeV2, id, units(400)), p256)), "InvalidSignature()"},
		"other descriptor":    {payee, rSettle(wrongSalt, 400, good), "ChannelNotFound()"},
	} {
		assert.Equal(t, test.want, reverts(t, c, test.from, test.call), name)
	}
	before := c.Balance(PathUSD, payee.addr)
	r, err := c.Settle(payee.key, voucher.V2, d, signVoucher(c, voucher.V2, payer, id, 400))
	require.NoError(t, err)
	require.True(t, r.Success)
	assertLog(t, r.Logs[1], ReserveAddress, []common.Hash{eventReserveSettled, id, topic(payer.addr), topic(payee.addr)}, uint64(400), uint64(400), uint64(400))
	assert.Equal(t, before.SubFloor(r.Fee).AddCapped(units(400)), c.Balance(PathUSD, payee.addr))
	assert.Equal(t, "AmountNotIncreasing()", reverts(t, c, payee, rSettle(d, 400, good)), "again")
	r = mustSend(t, c, payee, rSettle(d, 450, v(payer, 450)))
	assertLog(t, r.Logs[1], ReserveAddress, []common.Hash{eventReserveSettled, id, topic(payer.addr), topic(payee.addr)}, uint64(450), uint64(50), uint64(450))
	assert.Equal(t, ChannelState{Protocol: voucher.V2, Deposit: units(1000), Settled: units(450)}, c.ChannelState(id))

	// With a delegate only the delegate signs, also on the other curve.
	key, address := p256Key(t, 9)
	d, id = openReserve(t, c, func(d *Descriptor) { d.AuthorizedSigner = address })
	assert.Equal(t, "InvalidSignature()", reverts(t, c, payee, rSettle(d, 5, v(payer, 5))))
	mustSend(t, c, payee, rSettle(d, 5, signP256(t, voucherDigest(domainV2(c.ChainID()), voucherTypeV2, id, units(5)), key)))
}

func TestReserveTopUpAndWithdraw(t *testing.T) {
	c := testChain(t)
	d, id := openReserve(t, c, nil)
	about := func(event common.Hash) []common.Hash {
		return []common.Hash{event, id, topic(payer.addr), topic(payee.addr)}
	}
	strange := d
	strange.Salt = common.Hash{9}
	for name, test := range map[string]struct {
		from party
		call Call
		want string
	}{
		"topUp by payee":       {payee, rTopUp(d, uint64(5)), "NotPayer()"},
		"topUp too much":       {payer, rTopUp(d, voucher.V2.Max()), "DepositOverflow()"},
		"topUp to the brim":    {payer, rTopUp(d, voucher.V2.Max().SubFloor(units(1000))), "InsufficientBalance(uint256,uint256,address)"},
		"topUp of 97 bits":     {payer, rTopUp(d, voucher.V2.Max().AddCapped(units(1))), "no data"},
		"topUp of nothing":     {payer, rTopUp(d, uint64(0)), ""},
		"topUp elsewhere":      {payer, rTopUp(strange, uint64(5)), "ChannelNotFound()"},
		"request by payee":     {payee, rRequest(d), "NotPayer()"},
		"request elsewhere":    {payer, rRequest(strange), "ChannelNotFound()"},
		"withdraw by payee":    {payee, rWithdraw(d), "NotPayer()"},
		"withdraw elsewhere":   {payer, rWithdraw(strange), "ChannelNotFound()"},
		"withdraw unannounced": {payer, rWithdraw(d), "CloseNotReady()"},
		"withdraw at once":     {payer, rWithdraw(d), "CloseNotReady()"},
	} {
		assert.Equal(t, test.want, reverts(t, c, test.from, test.call), name)
	}
	assert.Len(t, mustSend(t, c, payer, rTopUp(d, uint64(0))).Logs, 1, "nothing to say but the fee")
	r := mustSend(t, c, payer, rTopUp(d, uint64(250)))
	assertLog(t, r.Logs[1], ReserveAddress, about(eventReserveTopUp), uint64(250), uint64(1250))

	r = mustSend(t, c, payer, rRequest(d))
	at := c.testTime()
	assertLog(t, r.Logs[0], ReserveAddress, about(eventCloseRequested), at+900)
	c.Advance(10 * second)
	assert.Len(t, mustSend(t, c, payer, rRequest(d)).Logs, 1, "the second request does nothing")
	assert.Equal(t, at, c.ChannelState(id).CloseRequestedAt)
	r = mustSend(t, c, payer, rTopUp(d, uint64(0)))
	assertLog(t, r.Logs[0], ReserveAddress, about(eventRequestCancelled))
	assertLog(t, r.Logs[1], ReserveAddress, about(eventReserveTopUp), uint64(0), uint64(1250))
	assert.Zero(t, c.ChannelState(id).CloseRequestedAt)

	mustSend(t, c, payer, rRequest(d))
	mustSend(t, c, payee, rSettle(d, 300, signVoucher(c, voucher.V2, payer, id, 300).Signature))
	c.Advance(899 * second)
	assert.Equal(t, "CloseNotReady()", reverts(t, c, payer, rWithdraw(d)), "a second early")
	c.Advance(second)
	before := c.Balance(PathUSD, payer.addr)
	r = mustSend(t, c, payer, rWithdraw(d))
	assertLog(t, r.Logs[1], ReserveAddress, about(eventReserveClosed), uint64(300), uint64(950))
	assert.Equal(t, before.SubFloor(r.Fee).AddCapped(units(950)), c.Balance(PathUSD, payer.addr))
	assert.Equal(t, ChannelState{}, c.ChannelState(id), "forgotten")
	for _, call := range []Call{rTopUp(d, uint64(1)), rRequest(d), rWithdraw(d)} {
		assert.Equal(t, "ChannelNotFound()", reverts(t, c, payer, call))
	}
	assert.Zero(t, c.Balance(PathUSD, ReserveAddress))
}

func TestReserveClose(t *testing.T) {
	c := testChain(t)
	d, id := openReserve(t, c, func(d *Descriptor) { d.Operator, d.AuthorizedSigner = operator.addr, delegate.addr })
	over := signVoucher(c, voucher.V2, delegate, id, 1500)
	mine := signVoucher(c, voucher.V2, payer, id, 1500)
	mustSend(t, c, operator, rSettle(d, 100, signVoucher(c, voucher.V2, delegate, id, 100).Signature))
	for name, test := range map[string]struct {
		from party
		call Call
		want string
	}{
		"voucher above the deposit": {payee, rClose(d, 1500, 600, over.Signature), ""},
		"by the operator":           {operator, rClose(d, 1500, 600, over.Signature), ""},
		"by the payer":              {payer, rClose(d, 1500, 600, over.Signature), "NotPayeeOrOperator()"},
		"by a stranger":             {stranger, rClose(d, 1500, 600, over.Signature), "NotPayeeOrOperator()"},
		"capture above the voucher": {payee, rClose(d, 500, 600, over.Signature), "CaptureAmountInvalid()"},
		"capture below settled":     {payee, rClose(d, 1500, 99, over.Signature), "CaptureAmountInvalid()"},
		"capture above the deposit": {payee, rClose(d, 1500, 1001, over.Signature), "AmountExceedsDeposit()"},
		"payer is not the signer":   {payee, rClose(d, 1500, 600, mine.Signature), "InvalidSignature()"},
		"no more than settled":      {payee, rClose(d, 100, 100, nil), ""},
	} {
		assert.Equal(t, test.want, reverts(t, c, test.from, test.call), name)
	}
	before, payerBefore := c.Balance(PathUSD, payee.addr), c.Balance(PathUSD, payer.addr)
	r, err := c.CloseChannel(operator.key, voucher.V2, d, over, units(600))
	require.NoError(t, err)
	require.True(t, r.Success)
	assertLog(t, r.Logs[2], ReserveAddress, []common.Hash{eventReserveClosed, id, topic(payer.addr), topic(payee.addr)}, uint64(600), uint64(400))
	assert.Equal(t, before.AddCapped(units(500)), c.Balance(PathUSD, payee.addr), "600 less the 100 that were settled")
	assert.Equal(t, payerBefore.AddCapped(units(400)), c.Balance(PathUSD, payer.addr))
	assert.Equal(t, "ChannelNotFound()", reverts(t, c, payee, rClose(d, 1500, 600, over.Signature)))

	d, id = openReserve(t, c, nil)
	all := signVoucher(c, voucher.V2, payer, id, 1000)
	r = mustSend(t, c, payee, rClose(d, 1000, 1000, all.Signature))
	assert.Len(t, r.Logs, 3, "payment, close, fee: no refund of nothing")
	d, _ = openReserve(t, c, func(d *Descriptor) { d.Salt = common.Hash{7} })
	r = mustSend(t, c, payee, rClose(d, 0, 0, nil))
	assert.Len(t, r.Logs, 3, "refund, close, fee: no payment of nothing")
}

func TestReserveViews(t *testing.T) {
	c := testChain(t)
	d, id := openReserve(t, c, nil)
	mustSend(t, c, payer, rRequest(d))
	state := words(uint64(0), uint64(1000), c.testTime())
	assert.Equal(t, state, readBytes(t, c, on(ReserveAddress, "getChannelState(bytes32)", id)))
	assert.Equal(t, numbers(0, 0, 0), read(t, c, on(ReserveAddress, "getChannelState(bytes32)", common.Hash{9})))
	assert.Equal(t, append(append(words(uint64(32), uint64(2)), state...), make([]byte, 96)...),
		readBytes(t, c, on(ReserveAddress, "getChannelStatesBatch(bytes32[])", uint64(32), uint64(2), id, common.Hash{9})))
	assert.Equal(t, append(d.words(), state...), readBytes(t, c, Call{ReserveAddress, append(selectorBytes("getChannel("+descriptorType+")"), d.words()...)}))
	assert.Equal(t, id[:], readBytes(t, c, Call{ReserveAddress, append(selectorBytes("computeChannelId"+descriptorType), d.words()...)}))
	assert.Equal(t, numbers(900), read(t, c, on(ReserveAddress, "CLOSE_GRACE_PERIOD()")))
	assert.Equal(t, voucherTypeV2[:], readBytes(t, c, on(ReserveAddress, "VOUCHER_TYPEHASH()")))
	separator := domainV2(c.ChainID())
	assert.Equal(t, separator[:], readBytes(t, c, on(ReserveAddress, "domainSeparator()")))
	assert.Equal(t, voucherDigest(separator, voucherTypeV2, id, units(7)).Bytes(), readBytes(t, c, on(ReserveAddress, "getVoucherDigest(bytes32,uint96)", id, uint64(7))))
	for _, short := range []string{"getChannelState(bytes32)", "getChannelStatesBatch(bytes32[])", "getChannel(" + descriptorType + ")", "computeChannelId" + descriptorType, "getVoucherDigest(bytes32,uint96)", "topUp(" + descriptorType + ",uint96)", openCall} {
		assert.Equal(t, "no data", reverts(t, c, payer, on(ReserveAddress, short)), short)
	}
}
