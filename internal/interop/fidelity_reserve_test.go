package interop

import (
	"crypto/ecdsa"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
)

// channel is an open v2 channel, the same on both chains.
type opened struct {
	d  devchain.Descriptor
	id common.Hash
}

const descriptor = "(address,address,address,address,bytes32,address,bytes32)"

// open opens a channel and reads what it hashes to from the log.
func (p *pair) open(name string, deposit uint64, operator, signer common.Address) opened {
	p.t.Helper()
	d := devchain.Descriptor{Payer: address(p.payer), Payee: address(p.payee), Operator: operator, Token: devchain.PathUSD, Salt: crypto.Keccak256Hash([]byte(name)), AuthorizedSigner: signer}
	raw := p.tx(p.payer, nil, onReserve("open(address,address,address,uint96,bytes32,address)", d.Payee, operator, d.Token, deposit, d.Salt, signer))
	seen, err := devchain.Inspect(raw)
	require.NoError(p.t, err)
	d.ExpiringNonceHash = seen.ExpiringNonceHash
	out := p.send(name, raw)
	require.Equal(p.t, "0x1", out[1].Status, name)
	c := opened{d, out[1].Logs[1].Topics[1]}
	assert.Equal(p.t, p.mem.ChannelID(2, d), c.id)
	p.state(name, c)
	return c
}

// state compares what the reserve says of a channel, in every way that it can be asked.
func (p *pair) state(name string, c opened) {
	p.t.Helper()
	p.view(name+": state", p.stranger, onReserve("getChannelState(bytes32)", c.id))
	p.view(name+": channel", p.stranger, onReserve("getChannel("+descriptor+")", c.d))
	p.view(name+": id", p.stranger, onReserve("computeChannelId"+descriptor, c.d))
	p.view(name+": digest", p.stranger, onReserve("getVoucherDigest(bytes32,uint96)", c.id, uint64(77)))
}

// voucher signs one, by the digest that the chain itself computes.
func (p *pair) voucher(c opened, by *ecdsa.PrivateKey, amount uint64) []byte {
	p.t.Helper()
	digest := p.both[1].read(p.t, devchain.ReserveAddress, "getVoucherDigest(bytes32,uint96)", c.id, amount)
	sig, err := crypto.Sign(digest, by)
	require.NoError(p.t, err)
	sig[64] += 27
	return sig
}

func settle(c opened, amount uint64, sig []byte) escrow.Call {
	return onReserve("settle("+descriptor+",uint96,bytes)", c.d, amount, sig)
}

func closing(c opened, amount, capture uint64, sig []byte) escrow.Call {
	return onReserve("close("+descriptor+",uint96,uint96,bytes)", c.d, amount, capture, sig)
}

func payerCall(name string, c opened, args ...any) escrow.Call {
	types := ""
	if len(args) > 0 {
		types = ",uint96"
	}
	return onReserve(name+"("+descriptor+types+")", append([]any{c.d}, args...)...)
}

// reserve is the life of v2 channels, and every way in which the reserve refuses.
func (p *pair) reserve() {
	none := common.Address{}
	bad := func(payee, token common.Address, deposit uint64) escrow.Call {
		return onReserve("open(address,address,address,uint96,bytes32,address)", payee, none, token, deposit, common.Hash{1}, none)
	}
	p.would("InvalidPayee()", "open for nobody", p.payer, bad(none, devchain.PathUSD, 1))
	p.would("InvalidPayee()", "open for a token", p.payer, bad(devchain.PathUSD, devchain.PathUSD, 1))
	p.would("InvalidToken()", "open in no token", p.payer, bad(address(p.payee), address(p.payee), 1))
	p.would("ZeroDeposit()", "open with nothing", p.payer, bad(address(p.payee), devchain.PathUSD, 0))
	p.would("InsufficientBalance(uint256,uint256,address)", "open above the balance", p.payer, bad(address(p.payee), devchain.PathUSD, 2*funds))

	c := p.open("open", 1000, none, none)
	v400 := p.voucher(c, p.payer, 400)
	p.would("NotPayeeOrOperator()", "settle by a stranger", p.stranger, settle(c, 400, v400))
	p.would("NotPayeeOrOperator()", "settle by the payer", p.payer, settle(c, 400, v400))
	p.would("AmountExceedsDeposit()", "settle above the deposit", p.payee, settle(c, 1001, p.voucher(c, p.payer, 1001)))
	p.would("AmountNotIncreasing()", "settle nothing", p.payee, settle(c, 0, p.voucher(c, p.payer, 0)))
	p.would("InvalidSignature()", "settle another amount", p.payee, settle(c, 401, v400))
	p.would("InvalidSignature()", "settle a stranger's voucher", p.payee, settle(c, 400, p.voucher(c, p.stranger, 400)))
	p.would("InvalidSignature()", "settle a high s", p.payee, settle(c, 400, highS(v400)))
	p.would("InvalidSignature()", "settle without a signature", p.payee, settle(c, 400, nil))
	p.would("InvalidSignature()", "settle a keychain signature", p.payee, settle(c, 400, append(append([]byte{3}, c.d.Payer[:]...), v400...)))
	low := append([]byte{}, v400...)
	low[64] -= 27
	p.view("settle with v 0 or 1, simulated", p.payee, settle(c, 400, low))
	other := c
	other.d.Salt = common.Hash{2}
	p.would("ChannelNotFound()", "settle another channel", p.payee, settle(other, 400, v400))
	assert.True(p.t, p.do("settle", p.payee, settle(c, 400, v400)))
	p.state("settle", c)
	p.would("AmountNotIncreasing()", "settle again", p.payee, settle(c, 400, v400))

	p.would("NotPayer()", "top-up by the payee", p.payee, payerCall("topUp", c, uint64(5)))
	p.would("DepositOverflow()", "top-up above 96 bits", p.payer, payerCall("topUp", c, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 96), big.NewInt(1))))
	p.would("InsufficientBalance(uint256,uint256,address)", "top-up above the balance", p.payer, payerCall("topUp", c, uint64(2*funds)))
	assert.True(p.t, p.do("top-up of nothing", p.payer, payerCall("topUp", c, uint64(0))))
	assert.True(p.t, p.do("top-up", p.payer, payerCall("topUp", c, uint64(250))))
	p.state("top-up", c)

	p.would("CaptureAmountInvalid()", "close below what is settled", p.payee, closing(c, 500, 399, p.voucher(c, p.payer, 500)))
	p.would("CaptureAmountInvalid()", "close above the voucher", p.payee, closing(c, 500, 501, p.voucher(c, p.payer, 500)))
	p.would("AmountExceedsDeposit()", "close above the deposit", p.payee, closing(c, 2000, 1251, p.voucher(c, p.payer, 2000)))
	p.would("InvalidSignature()", "close with a stranger's voucher", p.payee, closing(c, 500, 450, p.voucher(c, p.stranger, 500)))
	p.would("NotPayeeOrOperator()", "close by the payer", p.payer, closing(c, 500, 450, p.voucher(c, p.payer, 500)))
	assert.True(p.t, p.do("close with a voucher above the deposit", p.payee, closing(c, 2000, 450, p.voucher(c, p.payer, 2000))))
	p.state("close", c)
	p.would("ChannelNotFound()", "close again", p.payee, closing(c, 2000, 450, p.voucher(c, p.payer, 2000)))
	p.would("ChannelNotFound()", "top-up after the close", p.payer, payerCall("topUp", c, uint64(5)))

	signer := newKey(p.t)
	c = p.open("open with an operator and a signer", 600, address(p.operator), address(signer))
	p.would("InvalidSignature()", "settle the payer's voucher where a signer is named", p.payee, settle(c, 100, p.voucher(c, p.payer, 100)))
	assert.True(p.t, p.do("settle by the operator", p.operator, settle(c, 100, p.voucher(c, signer, 100))))
	assert.True(p.t, p.do("close by the operator, without a voucher", p.operator, closing(c, 100, 100, nil)))
	p.state("close by the operator", c)
}

// grace is the payer's way out, with the clocks moved.
func (p *pair) grace() {
	c := p.open("open to withdraw", 900, common.Address{}, common.Address{})
	p.would("NotPayer()", "request by the payee", p.payee, payerCall("requestClose", c))
	p.would("CloseNotReady()", "withdraw without a request", p.payer, payerCall("withdraw", c))
	assert.True(p.t, p.do("request", p.payer, payerCall("requestClose", c)))
	assert.True(p.t, p.do("request again", p.payer, payerCall("requestClose", c)))
	p.would("CloseNotReady()", "withdraw too early", p.payer, payerCall("withdraw", c))
	assert.True(p.t, p.do("top-up of nothing cancels", p.payer, payerCall("topUp", c, uint64(0))))
	p.state("canceled", c)
	assert.True(p.t, p.do("request once more", p.payer, payerCall("requestClose", c)))
	assert.True(p.t, p.do("settle in the grace period", p.payee, settle(c, 300, p.voucher(c, p.payer, 300))))
	p.mem.advance(p.t, 14*time.Minute)
	p.anvil.advance(p.t, 14*time.Minute)
	p.would("CloseNotReady()", "withdraw a minute early", p.payer, payerCall("withdraw", c))
	p.mem.advance(p.t, time.Minute)
	p.anvil.advance(p.t, time.Minute)
	p.would("NotPayer()", "withdraw by the payee", p.payee, payerCall("withdraw", c))
	assert.True(p.t, p.do("withdraw", p.payer, payerCall("withdraw", c)))
	p.state("withdrawn", c)
}
