package client_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestOpeningThatDidNotLeave: the transaction is signed and written down, the voucher key is
// locked. The outcome says that something was signed, and the next request sends that transaction
// and no other.
func TestOpeningThatDidNotLeave(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		var vouchers, transactions pen
		p := newPayer(t, srv)
		payer := p.cfg.Payer
		vouchers.counted(&p.cfg)
		p.cfg.Payer = penPayer{payer, &transactions}
		p.restart()
		locked := errors.New("the key is locked")
		vouchers.broken.Store(&locked)
		e := p.refused(p.do(http.MethodGet, rail+"/data", nil))
		require.ErrorIs(t, e, locked)
		assert.Equal(t, client.OutcomeNotSent, e.Outcome)
		assert.Equal(t, "open", e.Op)
		assert.Equal(t, channel.Opening, p.only().Phase)
		vouchers.broken.Store(nil)
		p.get(rail + "/data")
		assert.Equal(t, u(100), p.agree().Signed)
		assert.EqualValues(t, 1, transactions.transactions.Load())
	}
}

// TestOutcomeShowsThatAVoucherLeft: once a voucher left, no request ends as if it had cost nothing,
// and the response or the error names the voucher and its channel.
func TestOutcomeShowsThatAVoucherLeft(t *testing.T) {
	const refused, found = "payment-required", http.StatusFound
	free := func(*payer, *liar, sent) *http.Response { return reply(http.StatusOK, "free") }
	for name, c := range map[string]struct {
		cold  bool
		first turn // answers what carries no credential; nil asks for payment
		turns []turn
	}{
		"terms that flip": {turns: around(30, wants(refused, "/v1/data"), wants(refused, "/data"))},
		"terms that flip, no problem": {
			turns: around(30, wants("", "/v1/data"), wants("", "/data")),
		},
		"another payee": {
			turns: []turn{wants(refused, "/data", payeeIs(stranger(1)))},
		},
		"another payee, the opening": {
			cold: true, turns: []turn{wants(refused, "/data", payeeIs(stranger(1)))},
		},
		"a price above the limits": {turns: []turn{wants(refused, "/data", priceIs("5000"))}},
		"an unknown escrow": {
			turns: []turn{wants(refused, "/data", escrowIs(stranger(1)))},
		},
		"402 without a challenge":      {turns: []turn{status(http.StatusPaymentRequired)}},
		"410":                          {turns: []turn{unknown("")}},
		"410, the opening":             {cold: true, turns: []turn{unknown("")}},
		"503":                          {turns: []turn{status(http.StatusServiceUnavailable)}},
		"404":                          {turns: []turn{status(http.StatusNotFound)}},
		"304":                          {turns: []turn{status(http.StatusNotModified)}},
		"a redirect to something free": {first: free, turns: []turn{leads(found, "/free")}},
		"a redirect to nothing": {
			first: status(http.StatusNotFound), turns: []turn{leads(found, "/nothing")},
		},
		"a redirect to what is refused": {
			first: wants("", "/data", priceIs("5000")), turns: []turn{leads(found, "/dear")},
		},
		"a redirect to another origin": {turns: []turn{
			func(p *payer, _ *liar, _ sent) *http.Response {
				return reply(found, "", "Location", twin(p.srv)+"/data")
			},
		}},
		"a connection that breaks": {turns: []turn{breaks}},
		"a refusal, then a break":  {turns: []turn{wants("", "/data"), breaks}},
		"a redirect, then a break": {turns: []turn{leads(found, "/data"), breaks}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			if !c.cold {
				p.get("/data") // its challenge is remembered
				p.get("/v1/data")
			}
			var first turn = func(p *payer, l *liar, s sent) *http.Response {
				if c.first == nil || strings.HasSuffix(s.URL, "/data") {
					return wants("", "/data")(p, l, s)
				}
				return c.first(p, l, s)
			}
			l := p.follow(first, c.turns...)
			resp, err := p.do(http.MethodGet, "/data", nil)
			var outcome client.Outcome
			var id common.Hash
			var cumulative voucher.Amount
			if err == nil {
				resp.Body.Close()
				info := client.PaymentOf(resp)
				outcome, id, cumulative = info.Outcome, info.ChannelID, info.Cumulative
			} else {
				e := p.refused(resp, err)
				outcome, id, cumulative = e.Outcome, e.ChannelID, e.Cumulative
			}
			require.NotEmpty(t, l.spenders())
			left := l.spenders()
			assert.NotContains(t, []client.Outcome{
				client.OutcomeNone, client.OutcomeRefused, client.OutcomeNotSent,
			}, outcome, "%d vouchers left (%v)", len(left), err)
			last := left[len(left)-1].Paid.Payload
			assert.Equal(t, last.ChannelID, id, "the channel of the last voucher (%v)", err)
			assert.Equal(t, last.CumulativeAmount, cumulative)
		})
	}
}

// breaks cuts the connection after the request was written.
func breaks(*payer, *liar, sent) *http.Response { panic(errBroken) }

var errBroken = errors.New("broken")
