package client_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// What these tests look at was found by internal/mutants: defects that no other test noticed.

// TestRedirectOfAManagementRequest: a top-up, a voucher of a stream and a close are answered with a redirect, and
// nobody follows it with the credential.
func TestRedirectOfAManagementRequest(t *testing.T) {
	for _, header := range []string{"", "Payment-Authorization"} {
		for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
			var foreign atomic.Int64
			other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { foreign.Add(1) }))
			t.Cleanup(other.Close)
			srv := clienttest.New(t, clienttest.Config{Header: header})
			p := newPayer(t, srv)
			p.get("/data?deposit=100")
			l := p.liedToTheEnd()
			l.answer = func(_ int, s sent) (*http.Response, error) {
				switch {
				case !strings.HasPrefix(s.URL, srv.URL+"/"): // it was followed
				case s.action() == "topUp", s.action() == "close", s.action() == "voucher" && s.Method != http.MethodGet:
					return reply(status, "", "Location", other.URL+"/x"), nil
				}
				return nil, nil
			}
			p.refused(p.do(http.MethodGet, "/data?deposit=100", nil))
			require.Len(t, l.paid("topUp"), 1)
			require.ErrorIs(t, p.session.Channels().Close(t.Context(), p.only().ID), client.ErrRejected)
			assert.Len(t, l.paid("close"), 1)

			p = newPayer(t, srv)
			p.base = l
			p.broken(p.do(http.MethodGet, "/stream/5/10", nil))
			assert.Zero(t, foreign.Load())
			for _, s := range l.all() {
				assert.True(t, strings.HasPrefix(s.URL, srv.URL+"/"), "%s left the origin", s)
			}
		}
	}
}

// TestOtherTermsUnderAVoucher: the 402 to a voucher names another payee at the same price. What was signed is not
// presented to it, and nothing else is either.
func TestOtherTermsUnderAVoucher(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	other := common.HexToAddress("0x00000000000000000000000000000000000000aa").Hex()
	for name, change := range map[string]func(map[string]any){
		"payee":    func(r map[string]any) { r["recipient"] = other },
		"token":    func(r map[string]any) { r["currency"] = alphaUSD.Hex() },
		"operator": func(r map[string]any) { details(r)["operator"] = other },
	} {
		t.Run(name, func(t *testing.T) {
			var n pen
			p := newPayer(t, srv, n.counted)
			p.get("/data")
			l := p.lied()
			l.answer = func(_ int, s sent) (*http.Response, error) {
				if s.Paid == nil {
					return nil, nil
				}
				resp, fresh := reply(http.StatusPaymentRequired, ""), p.unpaid("/data")
				l.forge(fresh, func(_ *wire.Challenge, request map[string]any) { change(request) })
				refuseWith(resp, fresh, "payment-expired")
				return resp, nil
			}
			resp, err := p.do(http.MethodGet, "/data", nil)
			require.NoError(t, err, "the payee refused first, so its answer is the caller's")
			resp.Body.Close()
			require.ErrorIs(t, client.PaymentOf(resp).Err, client.ErrPolicy)
			assert.Equal(t, client.OutcomeRejected, client.PaymentOf(resp).Outcome)
			assert.Len(t, l.paid(""), 1, "the challenge that was known, and no other")
			assert.EqualValues(t, 2, n.vouchers.Load())
			assert.EqualValues(t, 1, n.transactions.Load())
			l.answer = nil
			p.get("/data")
			assert.Equal(t, u(200), p.agree().Signed)
		})
	}
}

// TestNamedChannel: a channel that the caller names is used where it fits, and nothing is signed where it does
// not.
func TestNamedChannel(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var n pen
	p := newPayer(t, srv, n.counted)
	named := func(id common.Hash, path string) (*http.Response, error) {
		return p.send(p.request(client.WithChannel(t.Context(), id), http.MethodGet, path, nil))
	}
	p.get("/data")
	p.get("/v1/data")
	var v2, v1 channel.Info
	for _, s := range p.channels() {
		if s.Protocol == voucher.V2 {
			v2 = s
		} else {
			v1 = s
		}
	}
	p.restart()
	p.ok(named(v2.ID, "/data"))
	p.ok(named(v1.ID, "/v1/data"))
	signed, funded := n.vouchers.Load(), n.transactions.Load()
	require.EqualValues(t, 4, signed)
	require.EqualValues(t, 2, funded)
	p.restart()
	require.NoError(t, p.session.Channels().RequestClose(t.Context(), v1.ID))
	for name, c := range map[string]struct {
		id   common.Hash
		path string
	}{
		"not there":                {common.Hash{9}, "/data"},
		"of the other protocol":    {v1.ID, "/data"},
		"of the other protocol v1": {v2.ID, "/v1/data"},
		"closing":                  {v1.ID, "/v1/data"},
	} {
		e := p.refused(named(c.id, c.path))
		require.ErrorIs(t, e, channel.ErrNotOurs, name)
		assert.Equal(t, client.OutcomeRefused, e.Outcome, name)
	}
	assert.Equal(t, signed, n.vouchers.Load())
	assert.Equal(t, funded+1, n.transactions.Load(), "the close request alone")
	assert.Len(t, p.channels(), 2)
	p.ok(named(v2.ID, "/data"))
}

// TestFrameThatClaimsADeposit: a frame says that the channel holds plenty. What it holds is what we put in, so
// the top-up comes first, and no voucher is ever above the deposit.
func TestFrameThatClaimsADeposit(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	srv.Handle("/forged", srv.Metered(clienttest.Terms{Price: u(10), Deposit: u(10)}, func(m *clienttest.Meter, _ *http.Request) error {
		plenty := needs(srv.Accounts()[0].ChannelID, 20) // and a deposit of 10000
		return errors.Join(m.Charge(1), m.Send("one"), m.Raw([]byte(plenty)), m.Charge(1), m.Send("two"))
	}))
	l := p.lied()
	assert.Equal(t, 2, strings.Count(p.get("/forged"), "\n\n"))
	var actions []string
	for _, s := range l.paid("") {
		actions = append(actions, s.action())
	}
	require.GreaterOrEqual(t, len(actions), 3)
	assert.Equal(t, []string{"open", "topUp", "voucher"}, actions[:3])
	assert.Equal(t, u(20), p.agree().Signed)
}
