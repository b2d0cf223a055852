package client_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/store/journal"
)

// TestProve: a voucher of our own hand counts, and nothing else that the server says.
func TestProve(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	for range 3 {
		p.get("/hinted")
	}
	s := p.only()
	var d diary
	p.cold(d.kept)
	require.NoError(t, p.session.Channels().Import(t.Context(), p.srv.URL+"/hinted", channel.Identity{Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, ID: s.ID, Descriptor: s.Descriptor}))
	l := p.liedToTheEnd()
	l.after = func(_ int, _ sent, resp *http.Response) {
		if resp.StatusCode == http.StatusPaymentRequired {
			l.forge(resp, func(_ *wire.Challenge, request map[string]any) {
				snap, ok := details(request)["sessionSnapshot"].(map[string]any)
				require.True(t, ok)
				snap["acceptedCumulative"], snap["spent"] = "9000", "9000"
				delete(snap, "highestVoucher")
			})
		}
	}
	got, err := p.session.Channels().RecoverFromPayee(t.Context(), s.ID)
	require.NoError(t, err)
	assert.True(t, got.Authorized.IsZero(), "flat numbers prove nothing")
	l.after = nil
	got, err = p.session.Channels().RecoverFromPayee(t.Context(), s.ID)
	require.NoError(t, err)
	assert.Equal(t, u(300), got.Authorized)
	assert.Empty(t, l.paid(""), "nothing was presented")
	require.Len(t, d.of(journal.KindProve), 1)
	p.get("/hinted")
	d.reconciles(p)
}

// TestAgree is an ask of the caller, under the limits.
func TestAgree(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	for range 9 {
		p.get("/data")
	}
	s := p.only()
	var d diary
	p.cold(d.kept)
	require.NoError(t, p.session.Channels().Import(t.Context(), p.srv.URL+"/data", channel.Identity{Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, ID: s.ID, Descriptor: s.Descriptor}))
	_, err := p.session.Channels().AuthorizeManually(t.Context(), s.ID, u(1001))
	require.ErrorIs(t, err, channel.ErrLimit)
	var e *client.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, client.OutcomeRefused, e.Outcome)
	assert.True(t, p.only().Authorized.IsZero())

	after, err := p.session.Channels().AuthorizeManually(t.Context(), s.ID, u(900))
	require.NoError(t, err)
	assert.Equal(t, u(900), after.Authorized)
	p.get("/data")
	p.get("/data")
	assert.Equal(t, u(1100), p.agree().Signed)
	d.reconciles(p)
	require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
	_, err = p.session.Channels().AuthorizeManually(t.Context(), s.ID, u(1))
	require.ErrorIs(t, err, channel.ErrNotPayable)
}

// TestWithoutAFundingKey: what a channel holds can be spent with the voucher key alone.
func TestWithoutAFundingKey(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	p.get("/data?deposit=300")
	p.cfg.Payer = nil
	p.restart()
	p.get("/data?deposit=300")
	p.get("/data?deposit=300")
	e := p.refused(p.do(http.MethodGet, "/data?deposit=300", nil))
	require.ErrorIs(t, e, client.ErrNoPayer)
	require.ErrorIs(t, p.session.Channels().RequestClose(t.Context(), p.only().ID), client.ErrNoPayer)
	require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
}
