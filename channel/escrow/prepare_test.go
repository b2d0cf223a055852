package escrow_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// signer is a payer that does as told, and counts.
type signer struct {
	voucher.TransactionSigner
	signed int
	sign   func(voucher.Transaction) ([]byte, error)
}

func (s *signer) SignTransaction(ctx context.Context, tx voucher.Transaction) ([]byte, error) {
	s.signed++
	if s.sign != nil {
		return s.sign(tx)
	}
	return s.TransactionSigner.SignTransaction(ctx, tx)
}

func descriptor(t testing.TB) channel.Descriptor {
	return channel.Descriptor{Payer: key(t).Address(), Payee: goldenPayee, Token: escrow.PathUSD, AuthorizedSigner: key(t).Address(), Salt: common.Hash{1}}
}

func topUpParams(t testing.TB) escrow.TopUpParams {
	return escrow.TopUpParams{
		Protocol: voucher.V2, ChainID: escrow.Moderato, Escrow: escrow.Reserve, Payer: key(t),
		Descriptor: descriptor(t), Additional: voucher.Units(500),
	}
}

func TestOpenIsPreparedAndNotSent(t *testing.T) {
	for _, p := range []voucher.Protocol{voucher.V1, voucher.V2} {
		n := newNode(t)
		params := openParams(t)
		params.Protocol = p
		params.Escrow, _ = escrow.DefaultEscrow(p, escrow.Moderato)
		var estimate map[string]any
		n.answer("eth_estimateGas", func(q question) any {
			assert.NoError(t, json.Unmarshal(q.Params[0], &estimate))
			return hexutil.Uint64(600_000)
		})
		o, err := dial(t, n.URL).PrepareOpen(soon(t), params)
		require.NoError(t, err)
		exchanges, sent := n.count("eth_sendRawTransaction")
		assert.Equal(t, 2, exchanges)
		assert.Zero(t, sent)

		tx := reread(t, o.Raw)
		assert.Equal(t, o.TxHash, tx.Hash())
		assert.Equal(t, params.Payer.Address(), tx.Sender)
		assert.Equal(t, escrow.Moderato, tx.ChainID)
		assert.Equal(t, escrow.ExpiringNonceKey, tx.NonceKey)
		assert.Zero(t, tx.Nonce)
		assert.EqualValues(t, blockTime+25, tx.ValidBefore)
		assert.Equal(t, tx.ValidBefore, o.ValidBefore)
		assert.NotZero(t, tx.ValidAfter)
		assert.LessOrEqual(t, tx.ValidAfter, uint64(blockTime-60))
		assert.Equal(t, escrow.PathUSD, tx.FeeToken)
		assert.False(t, tx.Sponsored)
		assert.EqualValues(t, 650_000, tx.Gas)
		assert.EqualValues(t, 25*gwei, tx.MaxFeePerGas)
		assert.Zero(t, tx.MaxPriorityFeePerGas)

		assert.Equal(t, params.Payer.Address(), o.Descriptor.AuthorizedSigner, "the payer is written out")
		assert.NotZero(t, o.Descriptor.Salt)
		assert.Equal(t, o.Descriptor.ID(p, params.Escrow, escrow.Moderato), o.ChannelID)
		if p == voucher.V2 {
			assert.Equal(t, tx.ExpiringNonceHash(), o.Descriptor.ExpiringNonceHash)
			require.Len(t, tx.Calls, 1, "no approve")
		} else {
			assert.Zero(t, o.Descriptor.ExpiringNonceHash)
			require.Len(t, tx.Calls, 2)
			assert.Equal(t, escrow.Approve(params.Escrow, params.Deposit), tx.Calls[0].Data)
			assert.Equal(t, escrow.PathUSD, *tx.Calls[0].To)
		}
		last := tx.Calls[len(tx.Calls)-1]
		assert.Equal(t, params.Escrow, *last.To)
		assert.Equal(t, escrow.OpenCall(p, o.Descriptor, params.Deposit), last.Data)

		assert.Equal(t, "0x76", estimate["type"])
		assert.Equal(t, "0x2dc6c0", estimate["gas"])
		assert.Equal(t, "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", estimate["nonceKey"])
		assert.Equal(t, hexutil.EncodeUint64(tx.ValidBefore), estimate["validBefore"])
		assert.Equal(t, hexutil.EncodeUint64(tx.ValidAfter), estimate["validAfter"])
		assert.Len(t, estimate["calls"], len(tx.Calls))
		for _, field := range []string{"to", "data", "value", "input"} {
			assert.NotContains(t, estimate, field, "calls go into the list only")
		}
	}
}

func TestSponsoredNeedsNoFeeOfOurOwn(t *testing.T) {
	n := newNode(t)
	n.say("eth_estimateGas", &jsonError{Code: -32000, Message: "must not be asked"})
	params := openParams(t)
	params.Sponsored, params.FeeToken = true, common.HexToAddress("0x20c0000000000000000000000000000000000099")
	params.Deposit = voucher.Units(1_000_000_000) // all there is
	params.Salt, params.Operator, params.AuthorizedSigner = common.Hash{7}, common.HexToAddress("0x0b"), common.HexToAddress("0x0c")
	o, err := dial(t, n.URL).PrepareOpen(soon(t), params)
	require.NoError(t, err)
	exchanges, _ := n.count("")
	assert.Equal(t, 1, exchanges)
	assert.EqualValues(t, 0x78, o.Raw[0])
	assert.Zero(t, o.TxHash, "the sponsor's signature decides it")
	tx := reread(t, o.Raw)
	assert.Zero(t, tx.FeeToken)
	assert.EqualValues(t, 2_000_000, tx.Gas)
	assert.LessOrEqual(t, tx.Gas*tx.MaxFeePerGas, uint64(5e16))
	assert.Equal(t, tx.ExpiringNonceHash(), o.Descriptor.ExpiringNonceHash)
	want := channel.Descriptor{
		Payer: params.Payer.Address(), Payee: params.Payee, Operator: params.Operator, Token: params.Token,
		Salt: params.Salt, AuthorizedSigner: params.AuthorizedSigner, ExpiringNonceHash: tx.ExpiringNonceHash(),
	}
	assert.Equal(t, want, o.Descriptor)
}

func TestTwoTopUpsAreTwoTransactions(t *testing.T) {
	for _, p := range []voucher.Protocol{voucher.V1, voucher.V2} {
		n := newNode(t)
		c, params, seen := dial(t, n.URL), topUpParams(t), map[common.Hash]bool{}
		params.Protocol = p
		for range 20 {
			u, err := c.PrepareTopUp(soon(t), params)
			require.NoError(t, err)
			tx := reread(t, u.Raw)
			assert.False(t, seen[u.TxHash])
			seen[u.TxHash] = true
			assert.NotZero(t, tx.ValidAfter)
			assert.LessOrEqual(t, tx.ValidAfter, uint64(blockTime-60))
			assert.Equal(t, params.Descriptor.ID(p, params.Escrow, params.ChainID), u.ChannelID)
			assert.Equal(t, voucher.Units(500), u.Additional)
			assert.Len(t, tx.Calls, map[voucher.Protocol]int{voucher.V1: 2, voucher.V2: 1}[p])
		}
		params.Sponsored = true
		u, err := c.PrepareTopUp(soon(t), params)
		require.NoError(t, err)
		assert.EqualValues(t, 0x78, u.Raw[0])
		assert.Zero(t, u.TxHash)
	}
}

func TestParametersAreRefusedBeforeWork(t *testing.T) {
	n := newNode(t)
	c := dial(t, n.URL)
	over96 := voucher.V2.Max().AddCapped(voucher.Units(1))
	for name, change := range map[string]func(*escrow.OpenParams){
		"protocol":     func(p *escrow.OpenParams) { p.Protocol = 0 },
		"ChainID":      func(p *escrow.OpenParams) { p.ChainID = 0 },
		"Escrow":       func(p *escrow.OpenParams) { p.Escrow = common.Address{} },
		"Payer":        func(p *escrow.OpenParams) { p.Payer = nil },
		"Payee":        func(p *escrow.OpenParams) { p.Payee = common.Address{} },
		"not a token":  func(p *escrow.OpenParams) { p.Payee = escrow.PathUSD },
		"TIP-20":       func(p *escrow.OpenParams) { p.Token = goldenPayee },
		"Token":        func(p *escrow.OpenParams) { p.Token = common.Address{} },
		"Operator":     func(p *escrow.OpenParams) { p.Protocol, p.Operator = voucher.V1, goldenPayee },
		"Deposit":      func(p *escrow.OpenParams) { p.Deposit = voucher.Amount{} },
		"at most 7922": func(p *escrow.OpenParams) { p.Deposit = over96 },
	} {
		p := openParams(t)
		change(&p)
		_, err := c.PrepareOpen(soon(t), p)
		require.ErrorIs(t, err, escrow.ErrParams, name)
		require.ErrorContains(t, err, name)
	}
	for name, change := range map[string]func(*escrow.TopUpParams){
		"Additional":   func(p *escrow.TopUpParams) { p.Additional = voucher.Amount{} },
		"at most 7922": func(p *escrow.TopUpParams) { p.Additional = over96 },
		"Payer":        func(p *escrow.TopUpParams) { p.Payer = nil },
		"payer":        func(p *escrow.TopUpParams) { p.Descriptor.Payer = goldenPayee },
		"Escrow":       func(p *escrow.TopUpParams) { p.Escrow = common.Address{} },
		"protocol":     func(p *escrow.TopUpParams) { p.Protocol = 3 },
	} {
		p := topUpParams(t)
		change(&p)
		_, err := c.PrepareTopUp(soon(t), p)
		require.ErrorIs(t, err, escrow.ErrParams, name)
		require.ErrorContains(t, err, name)
	}
	_, err := c.CancelClose(soon(t), escrow.CloseParams{Protocol: voucher.V1})
	require.ErrorIs(t, err, escrow.ErrParams)
	_, err = c.Withdraw(soon(t), escrow.CloseParams{Protocol: voucher.V1})
	require.ErrorIs(t, err, escrow.ErrParams)
	exchanges, _ := n.count("")
	assert.Zero(t, exchanges)
}

// Whatever the node says against it, it says before anything is signed.
func TestRefusalsComeBeforeTheSignature(t *testing.T) {
	revertData := func(signature string, more ...byte) string {
		return hexutil.Encode(append(crypto.Keccak256([]byte(signature))[:4], more...))
	}
	text := append(append(words(32, 11), "not allowed"...), make([]byte, 21)...)
	for _, c := range []struct {
		name   string
		set    func(*node)
		want   error
		reason string
	}{
		{"custom error", func(n *node) {
			n.say("eth_estimateGas", &jsonError{3, "execution reverted", revertData("DepositOverflow()")})
		}, escrow.ErrWouldRevert, "DepositOverflow"},
		{"require", func(n *node) {
			n.say("eth_estimateGas", &jsonError{3, "execution reverted", revertData("Error(string)", text...)})
		}, escrow.ErrWouldRevert, "not allowed"},
		{"require with a lying length", func(n *node) {
			n.say("eth_estimateGas", &jsonError{3, "execution reverted: x", revertData("Error(string)", words(32, 1<<40)...)})
		}, escrow.ErrWouldRevert, "x"},
		{"unknown custom error", func(n *node) {
			n.say("eth_estimateGas", &jsonError{3, "execution reverted", "0x12345678"})
		}, escrow.ErrWouldRevert, "error 0x12345678"},
		{"words only", func(n *node) {
			n.say("eth_estimateGas", &jsonError{-32000, "execution reverted: call 0", nil})
		}, escrow.ErrWouldRevert, "call 0"},
		{"no words", func(n *node) { n.say("eth_estimateGas", &jsonError{3, "execution reverted", 7}) }, escrow.ErrWouldRevert, ""},
		{"no fee balance", func(n *node) {
			n.say("eth_estimateGas", &jsonError{-32000, "insufficient funds for gas", nil})
		}, escrow.ErrInsufficientBalance, ""},
		{"node trouble", func(n *node) { n.say("eth_estimateGas", &jsonError{-32603, "internal", nil}) }, escrow.ErrRPC, ""},
		{"cut", func(n *node) { n.failEstimate() }, escrow.ErrRPC, ""},
		{"no gas", func(n *node) { n.say("eth_estimateGas", "0x0") }, escrow.ErrRPC, ""},
		{"too much gas", func(n *node) { n.say("eth_estimateGas", hexutil.Uint64(2_000_001)) }, escrow.ErrFeeCap, ""},
		{"gas too dear", func(n *node) {
			n.say("eth_getBlockByNumber", map[string]any{"timestamp": hexutil.Uint64(blockTime), "baseFeePerGas": hexutil.Uint64(101 * gwei)})
		}, escrow.ErrFeeCap, ""},
		{"no block", func(n *node) { n.say("eth_getBlockByNumber", nil) }, escrow.ErrRPC, ""},
		{"no price", func(n *node) { n.say("eth_gasPrice", "0x0") }, escrow.ErrRPC, ""},
		{"no time", func(n *node) {
			n.say("eth_getBlockByNumber", map[string]any{"timestamp": "0x3c"})
		}, escrow.ErrRPC, ""},
		{"no channel", func(n *node) { n.say("eth_call", words(0, 0, 0)) }, escrow.ErrRPC, ""}, // three words are no balance
	} {
		n, payer := newNode(t), &signer{TransactionSigner: key(t)}
		c.set(n)
		p := topUpParams(t)
		p.Payer = payer
		_, err := dial(t, n.URL).PrepareTopUp(soon(t), p)
		require.ErrorIs(t, err, c.want, c.name)
		assert.Zero(t, payer.signed, c.name)
		var revert *escrow.RevertError
		if errors.As(err, &revert) {
			assert.Equal(t, c.reason, revert.Reason, c.name)
		}
	}
}

func TestChannelMustBeThere(t *testing.T) {
	n := newNode(t)
	original := n.answers["eth_call"]
	set := func(state hexutil.Bytes) {
		n.answer("eth_call", func(q question) any {
			if answer, ok := original(q).(hexutil.Bytes); ok && len(answer) == 32 {
				return answer
			}
			return state
		})
	}
	payer := &signer{TransactionSigner: key(t)}
	p := topUpParams(t)
	p.Payer = payer
	set(words(0, 0, 0))
	_, err := dial(t, n.URL).PrepareTopUp(soon(t), p)
	require.ErrorIs(t, err, escrow.ErrNoChannel)
	full := voucher.V2.Max().Word()
	set(append(append(words(0), full[:]...), words(0)...))
	_, err = dial(t, n.URL).PrepareTopUp(soon(t), p)
	require.ErrorIs(t, err, escrow.ErrParams, "the sum does not fit into uint96")
	set(words(1))
	_, err = dial(t, n.URL).PrepareTopUp(soon(t), p)
	require.ErrorIs(t, err, escrow.ErrRPC)
	assert.Zero(t, payer.signed)
}

func TestBalances(t *testing.T) {
	other := common.HexToAddress("0x20c0000000000000000000000000000000000099")
	balances := map[common.Address]uint64{}
	n := newNode(t)
	n.answer("eth_call", func(q question) any {
		var tx struct{ To common.Address }
		_ = json.Unmarshal(q.Params[0], &tx)
		if tx.To == goldenPayee {
			return "0x"
		}
		return words(balances[tx.To])
	})
	c := dial(t, n.URL)
	const deposit, fee = 1_000_000, 16_250 // 650,000 gas at 25 gwei
	for _, b := range []struct {
		name                 string
		payment, fees        uint64
		feeToken             common.Address
		sponsored            bool
		token                common.Address
		want                 uint64
		askedForEstimateToo  bool
		insufficientExpected bool
	}{
		{name: "exactly enough", payment: deposit + fee, askedForEstimateToo: true},
		{name: "one short of the fee", payment: deposit + fee - 1, token: escrow.PathUSD, want: deposit + fee, insufficientExpected: true, askedForEstimateToo: true},
		{name: "one short of the deposit", payment: deposit - 1, token: escrow.PathUSD, want: deposit, insufficientExpected: true},
		{name: "fee in another token", payment: deposit, fees: fee, feeToken: other, askedForEstimateToo: true},
		{name: "one short there", payment: deposit, fees: fee - 1, feeToken: other, token: other, want: fee, insufficientExpected: true, askedForEstimateToo: true},
		{name: "sponsored", payment: deposit, sponsored: true},
		{name: "sponsored, one short", payment: deposit - 1, sponsored: true, token: escrow.PathUSD, want: deposit, insufficientExpected: true},
	} {
		balances[escrow.PathUSD], balances[other] = b.payment, b.fees
		p := openParams(t)
		p.FeeToken, p.Sponsored = b.feeToken, b.sponsored
		payer := &signer{TransactionSigner: key(t)}
		p.Payer = payer
		_, before := n.count("eth_estimateGas")
		_, err := c.PrepareOpen(soon(t), p)
		_, after := n.count("eth_estimateGas")
		assert.Equal(t, b.askedForEstimateToo, after > before, b.name)
		if !b.insufficientExpected {
			require.NoError(t, err, b.name)
			continue
		}
		require.ErrorIs(t, err, escrow.ErrInsufficientBalance, b.name)
		var short *escrow.BalanceError
		require.ErrorAs(t, err, &short, b.name)
		assert.Equal(t, escrow.BalanceError{Token: b.token, Owner: key(t).Address(), Have: voucher.Units(balances[b.token]), Want: voucher.Units(b.want)}, *short, b.name)
		assert.Contains(t, err.Error(), short.Have.String())
		assert.Zero(t, payer.signed, b.name)
	}
	for _, p := range []func(*escrow.OpenParams){
		func(p *escrow.OpenParams) { p.FeeToken = goldenPayee },
		func(p *escrow.OpenParams) {
			p.Token = common.HexToAddress("0x20c0000000000000000000000000000000000000")
			p.FeeToken = goldenPayee
		},
	} {
		params := openParams(t)
		p(&params)
		_, err := c.PrepareOpen(soon(t), params)
		require.ErrorIs(t, err, escrow.ErrRPC, "a fee token that is none")
	}
}

func TestSignersAreChecked(t *testing.T) {
	stranger, err := crypto.GenerateKey()
	require.NoError(t, err)
	other, err := voucher.NewKeySigner(stranger)
	require.NoError(t, err)
	refused := errors.New("the user said no")
	mine := key(t)
	sign := func(by *voucher.KeySigner, tx voucher.Transaction) []byte {
		sig, err := by.SignTransaction(context.Background(), tx)
		require.NoError(t, err)
		return sig
	}
	// envelope is a keychain signature: an access key signs for the root account.
	envelope := func(root common.Address, tx voucher.Transaction) []byte {
		digest := crypto.Keccak256Hash([]byte{0x04}, crypto.Keccak256(tx.SigningBytes()), root[:])
		sig, err := crypto.Sign(digest[:], stranger)
		require.NoError(t, err)
		sig[64] += 27
		return append(append([]byte{0x04}, root[:]...), sig...)
	}
	for _, c := range []struct {
		name string
		sign func(voucher.Transaction) ([]byte, error)
		want error
	}{
		{"says no", func(voucher.Transaction) ([]byte, error) { return nil, refused }, refused},
		{"nothing", func(voucher.Transaction) ([]byte, error) { return nil, nil }, escrow.ErrSignature},
		{"another key", func(tx voucher.Transaction) ([]byte, error) { return sign(other, tx), nil }, escrow.ErrSignature},
		{"64 bytes", func(tx voucher.Transaction) ([]byte, error) { return sign(mine, tx)[:64], nil }, voucher.ErrSignatureFormat},
		{"v of 0", func(tx voucher.Transaction) ([]byte, error) {
			sig := sign(mine, tx)
			sig[64] -= 27
			return sig, nil
		}, voucher.ErrSignatureFormat},
		{"keychain of another account", func(tx voucher.Transaction) ([]byte, error) { return envelope(other.Address(), tx), nil }, escrow.ErrSignature},
		{"keychain around nothing", func(tx voucher.Transaction) ([]byte, error) {
			return append(envelope(mine.Address(), tx)[:21], make([]byte, 65)...), nil
		}, escrow.ErrSignature},
		{"the payer", func(tx voucher.Transaction) ([]byte, error) { return sign(mine, tx), nil }, nil},
		{"an access key", func(tx voucher.Transaction) ([]byte, error) { return envelope(mine.Address(), tx), nil }, nil},
		{"WebAuthn", func(voucher.Transaction) ([]byte, error) { return append([]byte{0x02}, make([]byte, 200)...), nil }, nil},
		{"WebAuthn access key", func(tx voucher.Transaction) ([]byte, error) {
			return append(append(envelope(mine.Address(), tx)[:21], 0x02), make([]byte, 200)...), nil
		}, nil},
	} {
		n := newNode(t)
		p := openParams(t)
		p.Payer = &signer{TransactionSigner: mine, sign: c.sign}
		o, err := dial(t, n.URL).PrepareOpen(soon(t), p)
		if c.want != nil {
			require.ErrorIs(t, err, c.want, c.name)
			assert.Nil(t, o)
			continue
		}
		require.NoError(t, err, c.name)
	}
}

// A signer can show what it is asked to sign.
func TestSignersSeeTheTransaction(t *testing.T) {
	n := newNode(t)
	p := openParams(t)
	p.Payer = &signer{TransactionSigner: key(t), sign: func(tx voucher.Transaction) ([]byte, error) {
		assert.Contains(t, tx.String(), "deposit 1000000 base units")
		assert.IsType(t, &escrow.Tx{}, tx)
		return nil, errors.New("enough seen")
	}}
	_, err := dial(t, n.URL).PrepareOpen(soon(t), p)
	require.ErrorContains(t, err, "enough seen")
}

func TestPrices(t *testing.T) {
	for _, c := range []struct {
		name                string
		base, quoted        uint64 // gwei; base 0 is none told
		gas                 uint64
		sponsored           bool
		wantFee, wantTip    uint64
		wantGas             uint64
		tooDear, noEstimate bool
	}{
		{name: "steady", base: 20, quoted: 20, gas: 600_000, wantFee: 25 * gwei, wantGas: 650_000},
		{name: "with a tip", base: 20, quoted: 21, gas: 600_000, wantFee: 26 * gwei, wantTip: gwei, wantGas: 650_000},
		{name: "a greedy tip", base: 20, quoted: 90, gas: 600_000, wantFee: 35 * gwei, wantTip: 10 * gwei, wantGas: 650_000},
		{name: "no base fee told", quoted: 8, gas: 100_000, wantFee: 10 * gwei, wantGas: 125_000},
		{name: "sponsored", base: 20, quoted: 21, sponsored: true, wantFee: 25 * gwei, wantTip: gwei, wantGas: 2_000_000},
		{name: "sponsored, dear", base: 25, quoted: 25, sponsored: true, wantFee: 25 * gwei, wantGas: 2_000_000},
		{name: "sponsored, too dear", base: 26, quoted: 26, sponsored: true, tooDear: true},
		{name: "dear", base: 100, quoted: 100, gas: 200_000, wantFee: 100 * gwei, wantGas: 230_000},
		{name: "dear in all", base: 60, quoted: 60, gas: 900_000, tooDear: true},
		{name: "near the cap of gas", base: 20, quoted: 20, gas: 1_990_000, wantFee: 25 * gwei, wantGas: 2_000_000},
	} {
		n := newNode(t)
		n.say("eth_estimateGas", hexutil.Uint64(c.gas))
		n.say("eth_gasPrice", hexutil.Uint64(c.quoted*gwei))
		header := map[string]any{"timestamp": hexutil.Uint64(blockTime)}
		if c.base != 0 {
			header["baseFeePerGas"] = hexutil.Uint64(c.base * gwei)
		}
		n.say("eth_getBlockByNumber", header)
		p := openParams(t)
		p.Sponsored = c.sponsored
		o, err := dial(t, n.URL).PrepareOpen(soon(t), p)
		if c.tooDear {
			require.ErrorIs(t, err, escrow.ErrFeeCap, c.name)
			continue
		}
		require.NoError(t, err, c.name)
		tx := reread(t, o.Raw)
		assert.Equal(t, []uint64{c.wantFee, c.wantTip, c.wantGas}, []uint64{tx.MaxFeePerGas, tx.MaxPriorityFeePerGas, tx.Gas}, c.name)
	}
}

// A chain that mines on demand has an old newest block; the block to come has the time.
func TestTheTimeOfAnIdleChain(t *testing.T) {
	for _, c := range []struct{ latest, pending, want uint64 }{
		{blockTime, blockTime + 500, blockTime + 525},
		{blockTime, blockTime - 500, blockTime + 25},
	} {
		n := newNode(t)
		n.answer("eth_getBlockByNumber", func(q question) any {
			if string(q.Params[0]) == `"pending"` {
				return map[string]any{"timestamp": hexutil.Uint64(c.pending)}
			}
			return map[string]any{"timestamp": hexutil.Uint64(c.latest), "baseFeePerGas": "0x1"}
		})
		o, err := dial(t, n.URL).PrepareOpen(soon(t), openParams(t))
		require.NoError(t, err)
		assert.Equal(t, c.want, o.ValidBefore)
	}
}
