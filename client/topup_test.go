package client_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/nodefaults"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// TestHowMuchIsAdded to a deposit of 250 that is short by 50: what an opening would put in, within the limits.
func TestHowMuchIsAdded(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for name, c := range map[string]struct {
		path  string
		limit channel.Limits
		want  uint64 // the deposit afterwards, 0 where it is refused
	}{
		"suggestion":       {"/data?deposit=250", channel.Limits{Deposit: u(1000)}, 500},
		"no suggestion":    {"/data?deposit=0", channel.Limits{Deposit: u(1000)}, 300},
		"own figure":       {"/data?deposit=250", channel.Limits{Deposit: u(1000), Fund: u(250)}, 500},
		"room":             {"/data?deposit=250", channel.Limits{Deposit: u(320)}, 320},
		"no room":          {"/data?deposit=250", channel.Limits{Deposit: u(299)}, 0},
		"what Total gives": {"/data?deposit=250", channel.Limits{Deposit: u(1000), Total: u(301)}, 301},
		"no Total":         {"/data?deposit=250", channel.Limits{Deposit: u(1000), Total: u(299)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			for _, rail := range rails {
				lim := c.limit
				lim.Price = u(100)
				p := newPayer(t, srv, func(cfg *client.Config) { cfg.Limits = lim })
				p.get(rail + "/data?deposit=250")
				p.get(rail + c.path)
				resp, err := p.do(http.MethodGet, rail+c.path, nil)
				if c.want == 0 {
					require.ErrorIs(t, p.refused(resp, err), channel.ErrLimit)
					assert.Equal(t, u(250), p.agree().Deposit)
					assert.Equal(t, u(200), p.only().Authorized)
					continue
				}
				p.ok(resp, err)
				s := p.agree()
				assert.Equal(t, u(c.want), s.Deposit)
				assert.Equal(t, u(300), s.Signed)
			}
		})
	}
}

// TestTopUpComesBeforeTheVoucher, at the URL of the request, and is not a request for content.
func TestTopUpComesBeforeTheVoucher(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, rail := range rails {
		p := newPayer(t, srv)
		l := p.lied()
		for range 3 {
			p.ok(p.do(http.MethodPost, rail+"/data?deposit=250&q=1", strings.NewReader("hello")))
		}
		var actions []string
		for _, s := range l.paid("") {
			actions = append(actions, s.action())
		}
		assert.Equal(t, []string{"open", "voucher", "topUp", "voucher"}, actions)
		up := l.paid("topUp")[0]
		assert.Equal(t, srv.URL+rail+"/data?deposit=250&q=1", up.URL, "the query stays")
		assert.Equal(t, http.MethodHead, up.Method, "with a query a POST would be taken for content")
		assert.Empty(t, up.Body)
		assert.Empty(t, up.Header.Get("Content-Type"))
		assert.Equal(t, u(500), p.agree().Deposit)
	}
}

// TestServersThatKnowNoHead get the management request by POST, and the other way round.
func TestServersThatKnowNoHead(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, status := range []int{404, 405, 501} {
		p := newPayer(t, srv)
		l := p.lied()
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.action() == "topUp" && s.Method == http.MethodHead {
				return reply(status, ""), nil
			}
			return nil, nil
		}
		p.get("/data?deposit=100")
		p.get("/data?deposit=100")
		require.Len(t, l.paid("topUp"), 2)
		assert.Equal(t, http.MethodPost, l.paid("topUp")[1].Method)
		assert.Equal(t, l.paid("topUp")[0].Paid.Payload, l.paid("topUp")[1].Paid.Payload)
		assert.Equal(t, u(200), p.agree().Deposit)
	}
}

// TestDepositClaims: what a server says of the deposit changes nothing without a reading of the chain.
func TestDepositClaims(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for name, claim := range map[string]string{"lower": "1", "higher": "100000"} {
		t.Run(name, func(t *testing.T) {
			var n pen
			p := newPayer(t, srv, n.counted)
			l := p.lied()
			l.after = func(_ int, _ sent, resp *http.Response) {
				l.forge(resp, func(_ *wire.Challenge, request map[string]any) {
					if snapshot, ok := details(request)["sessionSnapshot"].(map[string]any); ok {
						snapshot["deposit"] = claim
					}
				})
			}
			for i := range 4 {
				p.get("/hinted?deposit=250&price=" + []string{"100", "101", "99", "100"}[i]) // always a fresh challenge
			}
			assert.Equal(t, u(500), p.agree().Deposit)
			assert.EqualValues(t, 2, n.transactions.Load())
		})
	}
	t.Run("a refusal for it", func(t *testing.T) {
		var n pen
		p := newPayer(t, srv, n.counted)
		p.get("/data")
		l := p.lied()
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.action() != "voucher" {
				return nil, nil
			}
			resp := reply(402, "")
			refuseWith(resp, p.unpaid("/data"), "session/amount-exceeds-deposit")
			return resp, nil
		}
		resp, err := p.do(http.MethodGet, "/data", nil)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Empty(t, l.paid("topUp"), "the chain says that the deposit is enough")
		assert.EqualValues(t, 1, n.transactions.Load())
		assert.Equal(t, u(200), p.only().Authorized)
	})
}

// TestTopUpNeeds says what is missing before anything is signed.
func TestTopUpNeeds(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	dead, err := escrow.Dial(t.Context(), "http://127.0.0.1:1")
	require.NoError(t, err)
	locked := errors.New("the key is locked")
	for name, c := range map[string]struct {
		change func(*client.Config, *pen)
		err    error
	}{
		"no chain": {func(c *client.Config, _ *pen) { c.Chain = nil }, client.ErrNoChain},
		"no node":  {func(c *client.Config, _ *pen) { c.Chain = dead }, escrow.ErrRPC},
		"no payer": {func(c *client.Config, _ *pen) { c.Payer = nil }, client.ErrNoPayer},
		"no signature": {func(c *client.Config, n *pen) {
			n.counted(c)
			n.broken.Store(&locked)
		}, locked},
	} {
		t.Run(name, func(t *testing.T) {
			for _, rail := range rails {
				var n pen
				p := newPayer(t, srv)
				p.get(rail + "/data?deposit=150")
				working := p.cfg
				c.change(&p.cfg, &n)
				p.restart()
				l := p.lied()
				e := p.refused(p.do(http.MethodGet, rail+"/data?deposit=150", nil))
				require.ErrorIs(t, e, c.err)
				assert.Equal(t, client.OutcomeRefused, e.Outcome)
				assert.Empty(t, l.paid("topUp"))
				assert.Equal(t, u(100), p.only().Authorized)
				p.cfg = working
				p.restart()
				p.get(rail + "/data?deposit=150")
				assert.Equal(t, u(300), p.agree().Deposit)
			}
		})
	}
}

// TestTopUpByANodeThatLags: another session sees the chain as it was before a top-up that is on record. It adds
// what is missing to the deposit that was proved, and not to the one before.
func TestTopUpByANodeThatLags(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}), func(c *client.Config) { c.Limits.Fund = u(200) })
	p.get("/data")
	p.get("/data")
	p.blocks(20)
	p.get("/data")
	s := p.only()
	_, err := p.session.Channels().Sync(t.Context(), s.ID)
	require.NoError(t, err)
	require.Equal(t, u(400), p.only().Deposit)
	p.through() // another process has not seen how far the chain is
	p.srv.Node.Fail(nodefaults.LateByTen)
	p.get("/data")
	_, err = p.session.Channels().Sync(t.Context(), s.ID)
	require.NoError(t, err)
	assert.Equal(t, u(400), p.only().Deposit)
	p.get("/data")
	p.srv.Node.Fail()
	assert.Equal(t, u(600), p.srv.Chain.Channel(s.ID).Deposit)
	_, err = p.session.Channels().Sync(t.Context(), s.ID)
	require.NoError(t, err)
	assert.Equal(t, u(600), p.only().Deposit)
}
