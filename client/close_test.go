package client_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/store"
)

// liedToTheEnd puts a liar under closes as well.
func (p *payer) liedToTheEnd() *liar {
	l := p.lied()
	p.cfg.Base = l
	p.restart()
	return l
}

// paidOut checks that the channel is closed and the payee has exactly this of it.
func (p *payer) paidOut(s channel.Info, payee uint64) {
	p.t.Helper()
	assert.False(p.t, p.srv.Chain.Channel(s.ID).Exists)
	account, ok := p.srv.Account(s.ID)
	require.True(p.t, ok)
	assert.True(p.t, account.Finalized)
	assert.Equal(p.t, u(payee), account.Settled)
	for _, now := range p.channels() {
		if now.ID == s.ID {
			assert.Equal(p.t, channel.Closed, now.Phase)
		}
	}
}

func TestCloseThatCannotBegin(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	require.NoError(t, p.session.Close(t.Context()), "nothing to do")
	require.ErrorIs(t, p.session.Channels().Close(t.Context(), common.Hash{1}), store.ErrNotFound)
	require.ErrorIs(t, p.session.Channels().RequestClose(t.Context(), common.Hash{1}), store.ErrNotFound)
	require.ErrorIs(t, p.session.Channels().Withdraw(t.Context(), common.Hash{1}), store.ErrNotFound)

	once(srv, "open", clienttest.Fault{Refuse: 503})
	resp, err := p.do(http.MethodGet, "/data", nil)
	require.NoError(t, err)
	resp.Body.Close()
	e := p.refused(nil, p.session.Channels().Close(t.Context(), p.only().ID))
	require.ErrorIs(t, e, channel.ErrNotPayable)
	assert.Equal(t, client.OutcomeRefused, e.Outcome)
	assert.Equal(t, channel.Opening, p.only().Phase)
	p.get("/data")

	l := p.liedToTheEnd()
	for name, answer := range map[string]func() *http.Response{
		"no challenge":      func() *http.Response { return reply(200, "") },
		"another challenge": func() *http.Response { return reply(402, "", "WWW-Authenticate", "Bearer") },
	} {
		l.answer = func(int, sent) (*http.Response, error) { return answer(), nil }
		e := p.refused(nil, p.session.Channels().Close(t.Context(), p.only().ID))
		require.ErrorIs(t, e, client.ErrRejected, name)
		assert.Equal(t, channel.Open, p.only().Phase)
	}
	l.answer = nil
	l.after = func(_ int, _ sent, resp *http.Response) {
		l.forge(resp, func(_ *wire.Challenge, r map[string]any) { r["recipient"] = common.HexToAddress("0xaa").Hex() })
	}
	require.ErrorIs(t, p.session.Channels().Close(t.Context(), p.only().ID), channel.ErrOffer)
	assert.Empty(t, l.paid(""), "the close is not shown to another payee")
	assert.Equal(t, channel.Open, p.only().Phase)
	l.after = nil
	require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
}

// TestCloseWithoutAChain is as good as its receipt.
func TestCloseWithoutAChain(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	s := p.only()
	working := p.cfg.Chain
	p.cfg.Chain = nil
	p.restart()
	require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
	assert.Equal(t, channel.Closing, p.only().Phase)
	assert.NotEqual(t, common.Hash{}, p.only().CloseTx)
	for _, err := range []error{p.session.Channels().RequestClose(t.Context(), s.ID), p.session.Channels().Withdraw(t.Context(), s.ID)} {
		require.ErrorIs(t, err, client.ErrNoChain)
	}
	p.cfg.Chain = working
	p.restart()
	srv.Chain.Advance(time.Minute) // until then the opening could still be mined, as far as a chain without history shows
	_, err := p.session.Channels().Sync(t.Context(), s.ID)
	require.NoError(t, err)
	p.paidOut(s, 100)
}

// TestCloseOfNothing: v2 pays the payee nothing; a v1 payee closes only above what is settled, so the channel
// stays open and comes back by force.
func TestCloseOfNothing(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		resp, err := p.do(http.MethodHead, rail+"/data", nil) // opens, and buys nothing
		require.NoError(t, err)
		resp.Body.Close()
		s := p.only()
		assert.True(t, s.Claimed.IsZero())
		err = p.session.Channels().Close(t.Context(), s.ID)
		if rail == "" {
			require.NoError(t, err)
			p.paidOut(s, 0)
			continue
		}
		e := p.refused(nil, err)
		require.ErrorIs(t, e, channel.ErrNotPayable)
		assert.Equal(t, client.OutcomeRefused, e.Outcome)
		assert.Equal(t, channel.Open, p.only().Phase, "nothing was sent, so it takes vouchers as before")
		p.get(rail + "/data")
		assert.Equal(t, u(100), p.agree().Signed)
	}
}

// TestCloseAfterSettlement of all that was spent.
func TestCloseAfterSettlement(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		p.get(rail + "/data")
		s := p.only()
		_, err := srv.Settle(s.ID)
		require.NoError(t, err)
		err = p.session.Channels().Close(t.Context(), s.ID)
		if rail == "" {
			require.NoError(t, err)
			p.paidOut(s, 200)
			continue
		}
		require.ErrorIs(t, err, channel.ErrNotPayable)
		assert.Equal(t, channel.Open, p.only().Phase)
		p.get(rail + "/data")
		require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
		p.paidOut(s, 300)
	}
}

// TestCloseWhereHeadIsUnknown asks for the challenge by GET, and sends no credential with it.
func TestCloseWhereHeadIsUnknown(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data?secret=1")
	l := p.liedToTheEnd()
	l.answer = func(_ int, s sent) (*http.Response, error) {
		if s.Method == http.MethodHead {
			return reply(405, ""), nil
		}
		return nil, nil
	}
	require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
	for _, s := range l.all() {
		assert.False(t, strings.Contains(s.URL, "secret"), "the query is nobody's business")
	}
	p.paidOut(p.only(), 100)
}

// TestSessionClose closes what this session opened, where it is asked to.
func TestSessionClose(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	stored := p.only()
	require.NoError(t, p.session.Close(t.Context()))
	assert.Equal(t, channel.Open, p.only().Phase, "not asked to")

	p.cfg.CloseChannels = true
	p.restart()
	p.get("/data")
	p.get("/v1/data")
	require.NoError(t, p.session.Close(t.Context()))
	first, second := p.by(stored.ID)
	assert.Equal(t, channel.Open, first.Phase, "another session opened it")
	assert.Equal(t, channel.Closed, second.Phase)
	require.NoError(t, p.session.Close(t.Context()), "twice is nothing")
	require.NoError(t, p.session.Channels().Close(t.Context(), stored.ID))
	p.paidOut(stored, 200)
}

// TestForcedClose is not sent for nothing, and says what it needs.
func TestForcedClose(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		id := p.only().ID
		e := p.refused(nil, p.session.Channels().Withdraw(t.Context(), id))
		require.ErrorIs(t, e, escrow.ErrWouldRevert)
		assert.Equal(t, client.OutcomeRefused, e.Outcome, "nothing was sent")
		payer := p.cfg.Payer
		p.cfg.Payer = nil
		p.restart()
		require.ErrorIs(t, p.session.Channels().RequestClose(t.Context(), id), client.ErrNoPayer)
		p.cfg.Payer = payer
		p.restart()
		require.NoError(t, p.session.Channels().RequestClose(t.Context(), id))
		assert.Equal(t, channel.Closing, p.only().Phase)

		// The payee settles what it has within the grace period; that is its right, and no more.
		_, err := srv.Settle(id)
		require.NoError(t, err)
		srv.Chain.Advance(escrow.GracePeriod)
		require.NoError(t, p.session.Channels().Withdraw(t.Context(), id))
		assert.Equal(t, channel.Closed, p.only().Phase)
		closed := p.events.of(client.EventClosed)
		require.Len(t, closed, 1)
		assert.Equal(t, client.OutcomeRefunded, closed[0].Outcome)
	}
}
