package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/records"
	"github.com/seed-5fe1f529/tallystick/store/storetest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// faulty gives the payer a store that breaks.
func (p *payer) faulty() *storetest.Faulty {
	p.t.Helper()
	f := storetest.NewFaulty(store.NewMem())
	k, err := voucher.ParseKey(p.key.Hex)
	require.NoError(p.t, err)
	p.store = f
	p.cfg.Store, p.cfg.Signer = f, judge{k, p.t, f}
	p.restart()
	return f
}

// breakEveryWrite tells a story once for each of its writes, with that write broken in both ways, with and without
// a restart afterwards. prepare goes before, story is what breaks, and after is what must hold then.
func breakEveryWrite(t *testing.T, prepare func(p *payer, rail string), story func(p *payer, rail string) error, after func(t *testing.T, p *payer, rail string, broke bool)) {
	for _, rail := range rails {
		for _, how := range []storetest.Fault{storetest.Failed, storetest.FailedButStored} {
			for _, restart := range []bool{false, true} {
				for n := 1; ; n++ {
					fired := false
					t.Run(fmt.Sprintf("rail%s/%d/restart %t/write %d", rail, how, restart, n), func(t *testing.T) {
						p := newPayer(t, clienttest.New(t, clienttest.Config{}), func(c *client.Config) { c.Limits.Total = u(10_000) })
						f := p.faulty()
						prepare(p, rail)
						f.FailPut(n, how)
						err := story(p, rail)
						if fired = f.Fired(); !fired {
							require.NoError(t, err)
							return // it has fewer writes
						}
						if restart {
							p.restart()
						}
						after(t, p, rail, err != nil)
					})
					if !fired {
						break
					}
					require.Less(t, n, 20)
				}
			}
		}
	}
}

// data asks for content, and says why it got none.
func (p *payer) data(rail, query string) error {
	resp, err := p.do(http.MethodGet, rail+"/data"+query, nil)
	if err != nil {
		return err
	}
	p.ok(resp, nil)
	return nil
}

// noneForgotten checks that whatever is on chain is on record.
func (p *payer) noneForgotten() {
	p.t.Helper()
	known := map[[32]byte]channel.Info{}
	for _, s := range p.channels() {
		known[s.ID] = s
	}
	for _, a := range p.srv.Accounts() {
		if on := p.srv.Chain.Channel(a.ChannelID); on.Exists && a.Payer == p.key.Address {
			s, ok := known[a.ChannelID]
			assert.True(p.t, ok && s.HoldsMoney(), "channel %s holds %s and is not on record", a.ChannelID, on.Deposit)
		}
	}
}

func TestBrokenWritesOfAnOpening(t *testing.T) {
	breakEveryWrite(t, func(*payer, string) {}, func(p *payer, rail string) error { return p.data(rail, "") }, func(t *testing.T, p *payer, rail string, broke bool) {
		p.noneForgotten()
		p.get(rail + "/data")
		p.get(rail + "/data")
		require.Len(t, p.srv.Accounts(), 1, "one deposit")
		p.noneForgotten()
		account := p.srv.Accounts()[0]
		for _, s := range p.channels() {
			if s.ID != account.ChannelID {
				assert.Equal(t, channel.Opening, s.Phase, "written down, and never sent")
				assert.True(t, s.Authorized.IsZero())
				continue
			}
			assert.Equal(t, account.Accepted, s.Signed)
			assert.False(t, u(300).Less(s.Authorized))
			assert.Equal(t, u(10_000), s.Deposit)
		}
	})
}

// TestTotalAfterABrokenWrite: an opening that goes out although a write before it was in doubt counts once.
func TestTotalAfterABrokenWrite(t *testing.T) {
	for i, rail := range rails {
		var n pen
		p := newPayer(t, clienttest.New(t, clienttest.Config{}), func(c *client.Config) { c.Limits.Total = u(10_000) })
		f := p.faulty()
		n.counted(&p.cfg)
		p.restart()
		f.FailPut(4, storetest.FailedButStored) // pin, budget, channel, and which channel the scope uses
		require.ErrorIs(t, p.refused(p.do(http.MethodGet, rail+"/data", nil)), ledger.ErrStore)
		p.get(rail + "/data")
		assert.EqualValues(t, 1, n.transactions.Load(), "what was written down is sent")
		require.ErrorIs(t, p.refused(p.do(http.MethodGet, rails[1-i]+"/data", nil)), channel.ErrLimit)
		assert.Equal(t, u(10_000), p.agree().Deposit)
	}
}

// TestTotalAfterARestart: writing off another session's opening gives nothing back to this one's total.
func TestTotalAfterARestart(t *testing.T) {
	for i, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv, func(c *client.Config) { c.Limits.Total = u(10_000) })
		once(srv, "open", clienttest.Fault{Refuse: 503})
		resp, err := p.do(http.MethodGet, rail+"/data", nil)
		require.NoError(t, err)
		resp.Body.Close()
		p.restart()
		p.get(rails[1-i] + "/data") // all of this session's total
		srv.Chain.Advance(time.Minute)
		require.ErrorIs(t, p.refused(p.do(http.MethodGet, rail+"/data", nil)), channel.ErrLimit)
		assert.Len(t, srv.Accounts(), 1)
	}
}

func TestBrokenWritesOfAVoucher(t *testing.T) {
	breakEveryWrite(t, func(p *payer, rail string) { p.get(rail + "/data") }, func(p *payer, rail string) error { return p.data(rail, "") }, func(t *testing.T, p *payer, rail string, broke bool) {
		s := p.only()
		assert.False(t, u(200).Less(s.Authorized))
		account, _ := p.srv.Account(s.ID)
		assert.False(t, s.Authorized.Less(account.Accepted))
		p.get(rail + "/data")
		s = p.agree()
		if broke {
			assert.Equal(t, u(200), s.Signed, "the price of the failed request pays for the next")
		} else {
			assert.Equal(t, u(300), s.Signed)
		}
	})
}

func TestBrokenWritesOfATopUp(t *testing.T) {
	breakEveryWrite(t, func(p *payer, rail string) { p.get(rail + "/data?deposit=100") }, func(p *payer, rail string) error { return p.data(rail, "?deposit=100") }, func(t *testing.T, p *payer, rail string, broke bool) {
		p.get(rail + "/data?deposit=100")
		s := p.agree()
		assert.Equal(t, s.Deposit, s.Signed)
		assert.False(t, u(300).Less(s.Deposit))
		if !broke {
			assert.Equal(t, u(300), s.Deposit)
		}
		account, _ := p.srv.Account(s.ID)
		assert.Equal(t, account.Spent, s.Claimed, "where a request that was not sent was counted, the receipt puts it right")
	})
}

func TestBrokenWritesOfAClose(t *testing.T) {
	breakEveryWrite(t, func(p *payer, rail string) { p.get(rail + "/data") }, func(p *payer, _ string) error {
		return p.session.Channels().Close(p.t.Context(), p.only().ID)
	}, func(t *testing.T, p *payer, rail string, broke bool) {
		p.noneForgotten()
		s := p.only()
		stored, err := records.Channel(t.Context(), p.store, s.ID)
		require.NoError(t, err)
		if stored.Phase == channel.Open {
			p.get(rail + "/data")
			require.Len(t, p.channels(), 1, "what is not written down did not happen")
		}
		for range 2 {
			require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
		}
		assert.Equal(t, channel.Closed, p.only().Phase)
		assert.False(t, p.srv.Chain.Channel(s.ID).Exists)
	})
}

// TestBrokenReads stop the request before anything is signed.
func TestBrokenReads(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	id := p.only().ID
	data, rev, err := p.store.Get(t.Context(), rule.StateKey(id))
	require.NoError(t, err)
	for name, damage := range map[string]string{"not JSON": "{", "a newer version": `{"version":99}`, "nothing": `{}`} {
		rev, err = p.store.Put(t.Context(), rule.StateKey(id), []byte(damage), rev)
		require.NoError(t, err)
		var n pen
		n.counted(&p.cfg)
		p.restart()
		e := p.refused(p.do(http.MethodGet, "/data", nil))
		require.ErrorIs(t, e, channel.ErrRecord, name)
		assert.Zero(t, n.vouchers.Load()+n.transactions.Load())
		errs := 0
		for _, err := range p.session.Channels().All(t.Context()) {
			if errors.Is(err, channel.ErrRecord) {
				errs++
			}
		}
		assert.Equal(t, 1, errs, "it is listed as what it is")
	}
	_, err = p.store.Put(t.Context(), rule.StateKey(id), data, rev)
	require.NoError(t, err)
	p.restart()
	p.get("/data")
	assert.Equal(t, u(200), p.agree().Signed)
}

// TestStoreErrorsAreNamed for a caller to decide by.
func TestStoreErrorsAreNamed(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	f := p.faulty()
	f.FailPut(1, storetest.Failed)
	e := p.refused(p.do(http.MethodGet, "/data", nil))
	require.ErrorIs(t, e, ledger.ErrStore)
	require.ErrorIs(t, e, storetest.ErrFault)
	assert.Equal(t, client.OutcomeRefused, e.Outcome)
}
