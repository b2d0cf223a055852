package devchain

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// reverts says with which custom error the calls of from would revert; "" when they would not.
func reverts(t *testing.T, c *Chain, from party, calls ...Call) string {
	t.Helper()
	err := c.Simulate(from.addr, calls...)
	if err == nil {
		return ""
	}
	var rev *revert
	require.ErrorAs(t, err, &rev)
	if len(rev.data) == 0 {
		return "no data"
	}
	return errorName(rev.data)
}

// mustSend sends calls that must succeed.
func mustSend(t *testing.T, c *Chain, from party, calls ...Call) *Receipt {
	t.Helper()
	r, err := c.Send(from.key, calls...)
	require.NoError(t, err)
	require.True(t, r.Success, "reverted: %s", r.RevertReason())
	return r
}

// read calls a view and returns its words as decimal numbers.
func read(t *testing.T, c *Chain, one Call) []string {
	t.Helper()
	out := readBytes(t, c, one)
	require.Zero(t, len(out)%32)
	var list []string
	for ; len(out) > 0; out = out[32:] {
		list = append(list, new(big.Int).SetBytes(out[:32]).String())
	}
	return list
}

func readBytes(t *testing.T, c *Chain, one Call) []byte {
	t.Helper()
	out, err := (&api{c}).Call(t.Context(), txRequest{callRequest: callRequest{To: &one.To, Data: one.Data}}, nil, nil)
	require.NoError(t, err)
	return out
}

// signVoucher signs a voucher of the chain's escrow of the protocol.
func signVoucher(c *Chain, p voucher.Protocol, signer party, id common.Hash, amount uint64) voucher.Signed {
	separator, typeHash := domainV2(c.ChainID()), voucherTypeV2
	if p == voucher.V1 {
		separator, typeHash = domainV1(c.ChainID(), c.StreamChannel()), voucherTypeV1
	}
	v := voucher.Voucher{ChannelID: id, Cumulative: voucher.Units(amount)}
	sig, err := sign(voucherDigest(separator, typeHash, id, v.Cumulative), signer.key)
	if err != nil {
		panic(err)
	}
	return voucher.Signed{Voucher: v, Signature: sig}
}

func units(n uint64) voucher.Amount { return voucher.Units(n) }

func numbers(list ...uint64) (out []string) {
	for _, n := range list {
		out = append(out, big64(n).String())
	}
	return out
}

func TestTokenViews(t *testing.T) {
	other := common.HexToAddress("0x20c0000000000000000000000000000000000001")
	c := New(Config{Tokens: []Token{{Address: PathUSD, Name: "pathUSD", Symbol: "PUSD"}, {Address: other, Symbol: "X", Decimals: 18}}})
	defer c.Close()
	c.Mint(PathUSD, payer.addr, units(5))
	c.Mint(other, payer.addr, units(7))
	assert.Equal(t, numbers(6), read(t, c, on(PathUSD, "decimals()")))
	assert.Equal(t, numbers(18), read(t, c, on(other, "decimals()")))
	assert.Equal(t, numbers(5), read(t, c, on(PathUSD, "totalSupply()")))
	assert.Equal(t, numbers(7), read(t, c, on(other, "balanceOf(address)", payer.addr)))
	assert.Equal(t, abiString("PUSD"), readBytes(t, c, on(PathUSD, "symbol()")))
	assert.Equal(t, abiString("pathUSD"), readBytes(t, c, on(PathUSD, "name()")))
	assert.Len(t, readBytes(t, c, on(PathUSD, "name()")), 96)
	assert.Empty(t, readBytes(t, c, on(payee.addr, "name()")), "no code there")
	require.NoError(t, c.CheckSupply())
	assert.Panics(t, func() { c.Mint(payee.addr, payee.addr, units(1)) }, "not a token")
	assert.Panics(t, func() { c.Mint(PathUSD, payee.addr, voucher.MaxAmount) }, "more than there can be")
	assert.Panics(t, func() { New(Config{Tokens: []Token{{Address: payee.addr}}}) }, "not a TIP-20 address")
}

func TestTokenTransfers(t *testing.T) {
	c := testChain(t)
	huge := new(big.Int).Lsh(big.NewInt(1), 200)
	for name, test := range map[string]struct {
		call Call
		want string
	}{
		"transfer":               {on(PathUSD, "transfer(address,uint256)", payee.addr, uint64(1)), ""},
		"transfer of nothing":    {on(PathUSD, "transfer(address,uint256)", payee.addr, uint64(0)), ""},
		"more than there is":     {on(PathUSD, "transfer(address,uint256)", payee.addr, uint64(100_000_001)), "InsufficientBalance(uint256,uint256,address)"},
		"more than can be":       {on(PathUSD, "transfer(address,uint256)", payee.addr, huge), "InsufficientBalance(uint256,uint256,address)"},
		"to nobody":              {on(PathUSD, "transfer(address,uint256)", common.Address{}, uint64(1)), "InvalidRecipient()"},
		"to a token":             {on(PathUSD, "transfer(address,uint256)", PathUSD, uint64(1)), "InvalidRecipient()"},
		"without an allowance":   {on(PathUSD, "transferFrom(address,address,uint256)", payee.addr, payer.addr, uint64(1)), "InsufficientAllowance()"},
		"nothing needs no grant": {on(PathUSD, "transferFrom(address,address,uint256)", payee.addr, payer.addr, uint64(0)), ""},
		"unknown function":       {on(PathUSD, "mint(address,uint256)", payee.addr, uint64(1)), "UnknownFunctionSelector(bytes4)"},
		"no selector":            {Call{PathUSD, []byte{1, 2, 3}}, "no data"},
		"short":                  {on(PathUSD, "transfer(address,uint256)", payee.addr), "no data"},
		"dirty address":          {on(PathUSD, "transfer(address,uint256)", common.MaxHash, uint64(1)), "no data"},
		"balance of dirt":        {on(PathUSD, "balanceOf(address)", common.MaxHash), "no data"},
		"allowance of dirt":      {on(PathUSD, "allowance(address,address)", payer.addr, common.MaxHash), "no data"},
		"approve dirt":           {on(PathUSD, "approve(address,uint256)", common.MaxHash, uint64(1)), "no data"},
		"transferFrom dirt":      {on(PathUSD, "transferFrom(address,address,uint256)", common.MaxHash, payer.addr, uint64(1)), "no data"},
	} {
		assert.Equal(t, test.want, reverts(t, c, payer, test.call), name)
	}

	r := mustSend(t, c, payer, on(PathUSD, "approve(address,uint256)", payee.addr, uint64(10)), on(PathUSD, "transfer(address,uint256)", payee.addr, uint64(3)))
	assert.Len(t, r.Logs, 3)
	assert.Equal(t, []common.Hash{eventApproval, topic(payer.addr), topic(payee.addr)}, r.Logs[0].Topics)
	assert.Equal(t, []common.Hash{eventTransfer, topic(payer.addr), topic(payee.addr)}, r.Logs[1].Topics)
	assert.Equal(t, words(uint64(3)), r.Logs[1].Data)
	assert.Equal(t, []common.Hash{eventTransfer, topic(payer.addr), topic(FeeCollector)}, r.Logs[2].Topics)
	assert.Equal(t, words(r.Fee), r.Logs[2].Data)
	for i, l := range r.Logs {
		assert.EqualValues(t, i, l.Index)
		assert.Equal(t, r.TxHash, l.TxHash)
	}

	take := func(n uint64) Call {
		return on(PathUSD, "transferFrom(address,address,uint256)", payer.addr, stranger.addr, n)
	}
	assert.Equal(t, "InsufficientAllowance()", reverts(t, c, payee, take(11)))
	mustSend(t, c, payee, take(4))
	assert.Equal(t, numbers(6), read(t, c, on(PathUSD, "allowance(address,address)", payer.addr, payee.addr)))
	mustSend(t, c, payer, on(PathUSD, "approve(address,uint256)", payee.addr, common.MaxHash))
	mustSend(t, c, payee, take(4))
	assert.Equal(t, common.MaxHash.Bytes(), readBytes(t, c, on(PathUSD, "allowance(address,address)", payer.addr, payee.addr)), "the largest allowance is never used up")
	_, err := c.Transfer(payer.key, PathUSD, stranger.addr, units(2))
	require.NoError(t, err)
	assert.Equal(t, units(100_000_000+4+4+2), c.Balance(PathUSD, stranger.addr))
}

func TestBatchIsAtomic(t *testing.T) {
	c := testChain(t)
	before := c.Balance(PathUSD, payer.addr)
	r, err := c.Send(payer.key, on(PathUSD, "transfer(address,uint256)", payee.addr, uint64(50)), on(ReserveAddress, openCall, payee.addr, common.Address{}, PathUSD, uint64(0), common.Hash{}, common.Address{}))
	require.NoError(t, err)
	assert.False(t, r.Success)
	assert.Equal(t, "ZeroDeposit()", r.RevertReason())
	assert.Len(t, r.Logs, 1, "the fee and nothing else")
	assert.Equal(t, before.SubFloor(r.Fee), c.Balance(PathUSD, payer.addr))
	assert.Equal(t, units(100_000_000), c.Balance(PathUSD, payee.addr))
}

func TestFees(t *testing.T) {
	c := testChain(t)
	raw := newDraft(c, noCall).with(fieldMaxFee, rawUint(30_000_000_007)).with(fieldMaxPriorityFee, rawUint(7)).signed(payer.key)
	r, err := c.SendRaw(raw)
	require.NoError(t, err)
	assert.Equal(t, big64(20_000_000_007), r.GasPrice, "base fee and tip")
	assert.EqualValues(t, gasBase+gasExpiringNonce+gasCall, r.GasUsed)
	assert.Equal(t, units(36_600*20_000_000_007/1_000_000_000_000+1), r.Fee, "rounded up")
	assert.Equal(t, r.Fee, c.Balance(PathUSD, FeeCollector))
	capped := newDraft(c, noCall).with(fieldMaxFee, rawUint(20_000_000_001)).with(fieldMaxPriorityFee, rawUint(7)).signed(payer.key)
	r, err = c.SendRaw(capped)
	require.NoError(t, err)
	assert.Equal(t, big64(20_000_000_001), r.GasPrice, "not above the cap")

	// Out of gas: everything is paid, nothing is done.
	open := on(ReserveAddress, openCall, payee.addr, common.Address{}, PathUSD, uint64(10), common.Hash{}, common.Address{})
	r, err = c.SendRaw(newDraft(c, open).with(fieldGas, rawUint(200_000)).signed(payer.key))
	require.NoError(t, err)
	assert.False(t, r.Success)
	assert.EqualValues(t, 200_000, r.GasUsed)
	assert.Empty(t, r.RevertData)
	assert.Empty(t, r.RevertReason())
	assert.Len(t, r.Logs, 1)
	assert.Zero(t, c.Balance(PathUSD, ReserveAddress))

	// While calls run, the fee for the whole limit is out of reach.
	poor := newParty(41)
	c.Mint(PathUSD, poor.addr, units(50_000))
	open = on(ReserveAddress, openCall, payee.addr, common.Address{}, PathUSD, uint64(10_001), common.Hash{}, common.Address{})
	r, err = c.SendRaw(newDraft(c, open).signed(poor.key)) // 2,000,000 gas at 20 billion is 40,000
	require.NoError(t, err)
	assert.Equal(t, "InsufficientBalance(uint256,uint256,address)", r.RevertReason())
	assert.Equal(t, units(50_000).SubFloor(r.Fee), c.Balance(PathUSD, poor.addr), "what was not used came back")

	other := common.HexToAddress("0x20c0000000000000000000000000000000000001")
	two := New(Config{Tokens: []Token{{Address: PathUSD}, {Address: other}}, BaseFee: 1})
	defer two.Close()
	two.Mint(other, payer.addr, units(10))
	d := newDraft(two, noCall)
	_, err = two.SendRaw(d.signed(payer.key))
	require.ErrorContains(t, err, "insufficient funds")
	d.with(fieldFeeToken, rawString(other[:])).with(fieldMaxFee, rawUint(1))
	r, err = two.SendRaw(d.signed(payer.key))
	require.NoError(t, err)
	assert.Equal(t, units(1), r.Fee)
	assert.Equal(t, other, r.FeeToken)
	assert.Equal(t, units(9), two.Balance(other, payer.addr))
	_, err = two.SendRaw(d.with(fieldFeeToken, emptyString).signed(payer.key))
	require.ErrorContains(t, err, "insufficient funds", "no fee token means the first")
}

func TestStrictABI(t *testing.T) {
	c := testChain(t)
	d := Descriptor{Payer: payer.addr, Payee: payee.addr, Token: PathUSD}
	good := calldata("settle("+descriptorType+",uint96,bytes)", append(d.words(), words(units(1))...), make([]byte, 65))
	settle := func(change func([]byte) []byte) string {
		return reverts(t, c, payee, Call{ReserveAddress, change(bytes.Clone(good))})
	}
	keep := func(b []byte) []byte { return b }
	set := func(i int, v byte) func([]byte) []byte { return func(b []byte) []byte { b[4+i] = v; return b } }
	assert.Equal(t, "ChannelNotFound()", settle(keep))
	assert.Equal(t, "ChannelNotFound()", settle(func(b []byte) []byte { return append(b, 1, 2, 3) }), "bytes behind are ignored")
	for name, change := range map[string]func([]byte) []byte{
		"dirty payer":           set(0, 1),
		"dirty amount":          set(7*32+19, 1),
		"offset beyond the end": set(8*32+28, 1),
		"offset with high bits": set(8*32, 1),
		"length beyond the end": set(9*32+30, 2),
		"cut in the signature":  func(b []byte) []byte { return b[:4+10*32+64] },
		"cut before the length": func(b []byte) []byte { return b[:4+9*32] },
		"cut before the offset": func(b []byte) []byte { return b[:4+8*32] },
		"cut in the descriptor": func(b []byte) []byte { return b[:4+6*32] },
	} {
		assert.Equal(t, "no data", settle(change), name)
	}
	assert.Equal(t, "UnknownFunctionSelector(bytes4)", reverts(t, c, payee, on(ReserveAddress, "nonsense()")))
	assert.Equal(t, "no data", reverts(t, c, payee, on(StreamChannelAddress, "nonsense()")), "a contract says nothing")
	assert.Equal(t, "no data", reverts(t, c, payee, Call{ReserveAddress, nil}))

	ids := on(ReserveAddress, "getChannelStatesBatch(bytes32[])", uint64(32), uint64(1<<31))
	assert.Equal(t, "no data", reverts(t, c, payee, ids), "more elements than bytes")
	assert.Panics(t, func() { words("text") })
}
