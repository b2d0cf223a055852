package clienttest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// clock is a clock that the test sets.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// TestVoucherVerdicts sends voucher credentials and expects the responses of mppx 0.11.0 to the
// same credentials, in the same order on one channel.
func TestVoucherVerdicts(t *testing.T) {
	at := &clock{time.Unix(1_800_000_000, 0)}
	srv := clienttest.New(t, clienttest.Config{Now: at.now})
	p := newPayer(t, srv)
	other := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")
	ch := p.ask("/data")
	require.Equal(t, 200, p.pay("GET", "/data", ch, p.voucher(c, "voucher", 200)).status)
	reused := p.pay("GET", "/data", ch, p.voucher(c, "voucher", 300))
	require.Equal(t, 200, reused.status, "one challenge serves many vouchers")
	require.Equal(t, "300", reused.receipt["spent"])

	spend := func(n uint64) map[string]any { return p.voucher(c, "voucher", n) }
	tampered := func(a ask, key, value string) ask {
		out := ask{}
		for k, v := range a {
			out[k] = v
		}
		out[key] = value
		return out
	}
	brief := p.ask("/data?ttl=1")
	salted := map[string]any{}
	for k, v := range c.d {
		salted[k] = v
	}
	salted["salt"] = common.Hash{}.Hex()

	for _, one := range []struct {
		name    string
		send    func() *reply
		status  int
		problem string
		receipt string // accepted/spent
	}{
		{"same voucher again, nothing left", func() *reply {
			return p.pay("GET", "/data", ch, spend(300))
		}, 402, "session/insufficient-balance", ""},
		{"same amount, signature by another key", func() *reply {
			return p.pay("GET", "/data", ch,
				with(spend(300), "signature", mustHex(other.sign(voucher.V2, c.id, 300))))
		}, 402, "session/invalid-signature", ""},
		{"lower voucher", func() *reply {
			return p.pay("GET", "/data", ch, spend(200))
		}, 402, "verification-failed", ""},
		{"above the deposit", func() *reply {
			return p.pay("GET", "/data", ch, spend(10_001))
		}, 402, "session/amount-exceeds-deposit", ""},
		{"signature by another key", func() *reply {
			return p.pay("GET", "/data", ch,
				with(spend(400), "signature", mustHex(other.sign(voucher.V2, c.id, 400))))
		}, 402, "session/invalid-signature", ""},
		{"signature over another amount", func() *reply {
			return p.pay("GET", "/data", ch,
				with(spend(400), "signature", mustHex(p.sign(voucher.V2, c.id, 399))))
		}, 402, "session/invalid-signature", ""},
		{"no source", func() *reply {
			return p.do("GET", "/data", nil, map[string]string{
				"Authorization": p.credential(ch, spend(400), ""),
			})
		}, 402, "verification-failed", ""},
		{"source is another address", func() *reply {
			return p.do("GET", "/data", nil, map[string]string{
				"Authorization": p.credential(ch, spend(400), other.source()),
			})
		}, 402, "verification-failed", ""},
		{"source on another chain", func() *reply {
			return p.do("GET", "/data", nil, map[string]string{
				"Authorization": p.credential(ch, spend(400),
					strings.Replace(p.source(), "42431", "4217", 1)),
			})
		}, 402, "verification-failed", ""},
		{"descriptor missing", func() *reply {
			return p.pay("GET", "/data", ch, with(spend(400), "descriptor", nil))
		}, 402, "verification-failed", ""},
		{"descriptor with another salt", func() *reply {
			return p.pay("GET", "/data", ch, with(spend(400), "descriptor", salted))
		}, 402, "verification-failed", ""},
		{"unknown action", func() *reply {
			return p.pay("GET", "/data", ch, with(spend(400), "action", "bogus"))
		}, 402, "invalid-payload", ""},
		{"amount is a number", func() *reply {
			return p.pay("GET", "/data", ch, with(spend(400), "cumulativeAmount", 400))
		}, 402, "invalid-payload", ""},
		{"amount is hexadecimal", func() *reply {
			return p.pay("GET", "/data", ch, with(spend(400), "cumulativeAmount", "0x190"))
		}, 402, "invalid-payload", ""},
		{"amount above uint96", func() *reply {
			return p.pay("GET", "/data", ch,
				with(spend(400), "cumulativeAmount", "79228162514264337593543950336"))
		}, 402, "invalid-payload", ""},
		{"keys in another case", func() *reply {
			return p.pay("GET", "/data", ch,
				with(with(spend(400), "ChannelID", c.id.Hex()), "channelId", nil))
		}, 402, "invalid-payload", ""},
		{"challenge id edited", func() *reply {
			return p.pay("GET", "/data", tampered(ch, "id", "!"+ch["id"][1:]), spend(400))
		}, 402, "invalid-challenge", ""},
		{"challenge realm edited", func() *reply {
			return p.pay("GET", "/data", tampered(ch, "realm", "elsewhere"), spend(400))
		}, 402, "invalid-challenge", ""},
		{"challenge of another price", func() *reply {
			return p.pay("GET", "/data", p.ask("/data?price=1"), spend(400))
		}, 402, "invalid-challenge", ""},
		{"challenge of the other protocol", func() *reply {
			return p.pay("GET", "/data", p.ask("/v1/data"), spend(400))
		}, 402, "invalid-challenge", ""},
		{"expired challenge", func() *reply {
			at.at = at.at.Add(1100 * time.Millisecond)
			return p.pay("GET", "/data?ttl=1", brief, spend(400))
		}, 402, "payment-expired", ""},
		{"not base64url JSON", func() *reply {
			return p.do("GET", "/data", nil, map[string]string{
				"Authorization": "Payment not-base64url-json",
			})
		}, 402, "malformed-credential", ""},
		{"HEAD, good voucher", func() *reply {
			return p.pay("HEAD", "/data", ch, spend(400))
		}, 204, "", "400/300"},
		{"POST without body, good voucher", func() *reply {
			return p.pay("POST", "/data", ch, spend(500))
		}, 204, "", "500/300"},
		{"equal voucher, credit left", func() *reply {
			return p.pay("GET", "/data", ch, spend(500))
		}, 200, "", "500/400"},
		{"POST with a query is content", func() *reply {
			return p.pay("POST", "/data?x=1", ch, spend(500))
		}, 200, "", "500/500"},
		{"close below spent", func() *reply {
			return p.pay("POST", "/data", ch, p.voucher(c, "close", 300))
		}, 402, "verification-failed", ""},
		{"forgotten channel", func() *reply {
			srv.Forget(c.id)
			return p.pay("GET", "/data", ch, spend(600))
		}, 410, "session/channel-not-found", ""},
	} {
		t.Run(one.name, func(t *testing.T) {
			r := one.send()
			assert.Equal(t, one.status, r.status, r.detail)
			assert.Equal(t, one.problem, r.problem, r.detail)
			if one.receipt == "" {
				assert.Nil(t, r.receipt, "no receipt on an error")
				assert.NotNil(t, r.fresh, "a fresh challenge")
				assert.Equal(t, "no-store", r.header.Get("Cache-Control"))
				return
			}
			require.NotNil(t, r.receipt)
			assert.Equal(
				t, one.receipt,
				r.receipt["acceptedCumulative"].(string)+"/"+r.receipt["spent"].(string),
			)
			assert.Equal(t, "private", r.header.Get("Cache-Control"))
		})
	}
}

// TestClosingVerdicts continues TestVoucherVerdicts with channels that are closing or closed.
func TestClosingVerdicts(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	c := p.opened(voucher.V2, "/data")
	p.requestClose(c)
	r := p.pay("GET", "/data", p.ask("/data"), p.voucher(c, "voucher", 200))
	assert.Equal(t, 410, r.status)
	assert.Equal(t, "session/channel-finalized", r.problem)
	assert.NotNil(t, r.fresh)

	p.onChain(
		srv.Escrow(voucher.V2),
		append(
			p.descriptor(
				"topUp((address,address,address,address,bytes32,address,bytes32),uint96)", c,
			),
			make([]byte, 32)...),
	)
	before := srv.Chain.Balance(srv.Payee)
	r = p.pay("POST", "/data", p.ask("/data"), p.voucher(c, "close", 100))
	require.Equal(t, 204, r.status, r.detail)
	assert.Equal(t, "100", r.receipt["spent"])
	assert.Equal(t, "100", r.receipt["acceptedCumulative"])
	assert.Len(t, r.receipt["txHash"], 66)
	assert.Equal(t, voucher.Units(100), srv.Chain.Balance(srv.Payee).SubFloor(before))

	r = p.pay("POST", "/data", p.ask("/data"), p.voucher(c, "close", 100))
	assert.Equal(t, 410, r.status)
	assert.Equal(t, "session/channel-finalized", r.problem)
	r = p.pay("GET", "/data", p.ask("/data"), p.voucher(c, "voucher", 200))
	assert.Equal(t, 410, r.status)
	assert.Equal(t, "session/channel-finalized", r.problem)
}

// TestOpenVerdicts sends opens and expects the responses of mppx 0.11.0.
func TestOpenVerdicts(t *testing.T) {
	zero := common.Address{}
	plain := open{deposit: 10_000, amount: 100}
	change := func(f func(*open)) open {
		o := plain
		f(&o)
		return o
	}
	same := func(m map[string]any) map[string]any { return m }
	for _, one := range []struct {
		name    string
		open    open
		touch   func(map[string]any) map[string]any
		method  string
		path    string
		status  int
		problem string
		figures string // accepted/spent
	}{
		{"from scratch", plain, same, "GET", "/data", 200, "", "100/100"},
		{"authorizedSigner is the zero address", change(func(o *open) {
			o.signer = &zero
		}), same, "GET", "/data", 200, "", "100/100"},
		{"all in lower case", plain, lowerHex, "GET", "/data", 200, "", "100/100"},
		{"no authorizedSigner in the payload", plain, func(m map[string]any) map[string]any {
			return with(m, "authorizedSigner", nil)
		}, "GET", "/data", 200, "", "100/100"},
		{"no validAfter", change(func(o *open) {
			o.noAfter = true
		}), same, "GET", "/data", 200, "", "100/100"},
		{"sequential nonce", change(func(o *open) {
			o.sequential = true
		}), same, "GET", "/data", 200, "", "100/100"},
		{"EIP-1559", plain, func(m map[string]any) map[string]any {
			return with(m, "transaction", "0x02f8")
		}, "GET", "/data", 500, "internal-payment-error", ""},
		{"v is 0 or 1", plain, func(m map[string]any) map[string]any {
			return with(m, "signature", lowV(m["signature"].(string)))
		}, "GET", "/data", 402, "session/invalid-signature", ""},
		{"EIP-2098", plain, func(m map[string]any) map[string]any {
			return with(m, "signature", compact(m["signature"].(string)))
		}, "GET", "/data", 402, "session/invalid-signature", ""},
		{"voucher for 0", change(func(o *open) {
			o.amount = 0
		}), same, "GET", "/data", 402, "verification-failed", ""},
		{"voucher above the price", change(func(o *open) {
			o.amount = 500
		}), same, "GET", "/data", 200, "", "500/100"},
		{"HEAD", plain, same, "HEAD", "/data", 204, "", "100/0"},
		{"POST without body or query", plain, same, "POST", "/data", 204, "", "100/0"},
		{"unknown field", plain, func(m map[string]any) map[string]any {
			return with(m, "extra", "field")
		}, "GET", "/data", 200, "", "100/100"},
		{"sponsored, 0x78", change(func(o *open) {
			o.sponsored = "0x78"
		}), same, "GET", "/sponsored", 200, "", "100/100"},
		{"sponsored, 0x76 with placeholder", change(func(o *open) {
			o.sponsored = "0x76"
		}), same, "GET", "/sponsored", 200, "", "100/100"},
		{
			"unsponsored on the sponsored route", plain, same, "GET", "/sponsored", 402,
			"verification-failed", "",
		},

		{"sponsored on the plain route", change(func(o *open) {
			o.sponsored = "0x78"
		}), same, "GET", "/data", 402, "verification-failed", ""},
		{"sponsored, not Tempo", plain, func(m map[string]any) map[string]any {
			return with(m, "transaction", "0x02f8")
		}, "GET", "/sponsored", 400, "bad-request", ""},
		{"sponsored, too much gas", change(func(o *open) {
			o.sponsored, o.gas = "0x78", 2_000_001
		}), same, "GET", "/sponsored", 402, "verification-failed", ""},
		{"sponsored, more than the payer has", change(func(o *open) {
			o.sponsored, o.deposit = "0x78", 100_000_001
		}), same, "GET", "/sponsored", 402, "verification-failed", ""},
		{"unsponsored, more than the payer has", change(func(o *open) {
			o.deposit = 100_000_000
		}), same, "GET", "/data", 402, "verification-failed", ""},
		{"deposit below the price", change(func(o *open) {
			o.deposit = 99
		}), same, "GET", "/data", 402, "verification-failed", ""},
		{"voucher above the deposit", change(func(o *open) {
			o.amount = 10_001
		}), same, "GET", "/data", 402, "session/amount-exceeds-deposit", ""},
		{"a second call", change(func(o *open) {
			o.mine = func(x *tx) {
				x.calls = append([]callTo{{x.calls[0].To, x.calls[0].Value, nil}}, x.calls...)
			}
		}), same, "GET", "/data", 402, "verification-failed", ""},
		{"another target", change(func(o *open) {
			o.mine = func(x *tx) { x.calls[0].To = common.Address{19: 1} }
		}), same, "GET", "/data", 402, "verification-failed", ""},
		{"calldata of another payee", change(func(o *open) {
			o.mine = func(x *tx) { x.calls[0].Data[4+31] ^= 1 }
		}), same, "GET", "/data", 402, "verification-failed", ""},
		{"bytes behind the calldata", change(func(o *open) {
			o.mine = func(x *tx) { x.calls[0].Data = append(x.calls[0].Data, 0) }
		}), same, "GET", "/data", 402, "verification-failed", ""},
		{"another authorizedSigner in the payload", plain, func(m map[string]any) map[string]any {
			return with(m, "authorizedSigner", common.Address{19: 1}.Hex())
		}, "GET", "/data", 402, "verification-failed", ""},
		{"type is missing", plain, func(m map[string]any) map[string]any {
			return with(m, "type", nil)
		}, "GET", "/data", 402, "invalid-payload", ""},
	} {
		t.Run(one.name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			payload, c := p.opening(voucher.V2, one.open)
			r := p.pay(one.method, one.path, p.ask(one.path), one.touch(payload))
			require.Equal(t, one.status, r.status, r.detail)
			if one.method != http.MethodHead {
				assert.Equal(t, one.problem, r.problem, r.detail)
			}
			a, ok := srv.Account(c.id)
			if one.figures == "" {
				assert.False(t, ok, "no account")
				assert.False(t, srv.Chain.Channel(c.id).Exists, "nothing on the chain")
				// The chain mines and reverts an unsponsored open above the balance.
				if one.name != "unsponsored, more than the payer has" {
					assert.Equal(
						t, voucher.Units(100_000_000), srv.Chain.Balance(p.addr),
						"nothing was sent",
					)
				}
				assert.Nil(t, r.receipt)
				return
			}
			require.True(t, ok)
			assert.Equal(t, one.figures, a.Accepted.String()+"/"+a.Spent.String())
			assert.True(t, a.Signed)
			assert.Equal(t, voucher.Units(10_000), a.Deposit)
			assert.Equal(t, p.addr, a.Payer)
			assert.Equal(t, p.addr, a.Signer)
			assert.Len(t, r.receipt["txHash"], 66)
			if one.open.sponsored != "" {
				assert.Equal(
					t, voucher.Units(100_000_000-10_000), srv.Chain.Balance(p.addr),
					"the payer pays no fee",
				)
			}
		})
	}
}
