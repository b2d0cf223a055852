package client_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestJournalOfTrouble: what was refused, lost, or given up has a line that says so, and is in the sum.
func TestJournalOfTrouble(t *testing.T) {
	var d diary
	var n pen
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, d.kept, n.counted)
	fault := func(f clienttest.Fault) {
		srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
			if r.Action == "" {
				return clienttest.Fault{}
			}
			return f
		})
	}
	last := func() journal.Entry {
		all := d.of(journal.KindPay)
		return all[len(all)-1]
	}

	// The limits refuse: nothing was authorized, and there is no line.
	p.refused(p.do(http.MethodGet, "/data?price=5000", nil))
	assert.Empty(t, d.of(""))

	// The answer to the opening is lost, and found out later.
	fault(clienttest.Fault{LoseAnswer: true})
	p.refused(p.do(http.MethodGet, "/data", nil))
	require.Equal(t, []journal.Kind{journal.KindOpen, journal.KindPay}, kindsOf(d.of("")))
	assert.Equal(t, "unknown", d.of(journal.KindOpen)[0].Outcome)
	assert.Equal(t, "unknown", last().Outcome)
	assert.Empty(t, last().Receipt)
	srv.OnRequest(nil)
	p.restart()
	p.get("/data")
	require.Len(t, d.of(journal.KindOpen), 2)
	assert.Equal(t, "accepted", d.of(journal.KindOpen)[1].Outcome)
	d.reconciles(p)

	// The payee takes it and fails.
	fault(clienttest.Fault{FailAfter: http.StatusInternalServerError})
	resp, err := p.do(http.MethodGet, "/data", nil)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, "unknown", last().Outcome, "no receipt came")
	assert.Equal(t, http.StatusInternalServerError, last().Status)

	// The payee refuses without a word.
	fault(clienttest.Fault{Refuse: http.StatusPaymentRequired})
	resp, err = p.do(http.MethodGet, "/data", nil)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, "rejected", last().Outcome)
	srv.OnRequest(nil)
	d.reconciles(p)

	// The signer refuses after the number was written down.
	broken := errors.New("out of ink")
	n.broken.Store(&broken)
	before := p.only().Authorized
	p.get("/data") // what was refused is free and signed
	e := p.refused(p.do(http.MethodGet, "/data", nil))
	require.ErrorIs(t, e, broken)
	require.True(t, before.Less(p.only().Authorized))
	assert.Equal(t, "refused", last().Outcome)
	assert.Equal(t, u(100), last().Raised)
	n.broken.Store(nil)
	d.reconciles(p)

	// A stale challenge, and a higher voucher that came first: one request, one line.
	lines := len(d.of(""))
	l := p.lied()
	l.answer = func(k int, s sent) (*http.Response, error) {
		if k != 1 {
			return nil, nil
		}
		resp := reply(0, "")
		refuseWith(resp, p.unpaid("/data"), "invalid-challenge")
		return resp, nil
	}
	p.get("/data")
	assert.Len(t, d.of(""), lines+1)

	// The payee does not know the channel any more: a line for the old one, and one for the new one, of one operation.
	old := p.only().ID
	srv.Forget(old)
	p.get("/data")
	all := d.of("")
	tail := all[len(all)-3:]
	assert.Equal(t, []journal.Kind{journal.KindPay, journal.KindOpen, journal.KindPay}, kindsOf(tail))
	assert.Equal(t, []string{"rejected", "accepted", "accepted"}, []string{tail[0].Outcome, tail[1].Outcome, tail[2].Outcome})
	assert.Equal(t, old, tail[0].ChannelID)
	assert.NotEqual(t, old, tail[2].ChannelID)
	assert.Equal(t, tail[0].Operation, tail[2].Operation)
	d.reconciles(p)

	// Its money comes back.
	require.NoError(t, p.session.Channels().RequestClose(t.Context(), old))
	require.ErrorIs(t, p.session.Channels().Withdraw(t.Context(), old), escrow.ErrWouldRevert)
	srv.Chain.Advance(escrow.GracePeriod)
	require.NoError(t, p.session.Channels().Withdraw(t.Context(), old))
	all = d.of("")
	assert.Equal(t, []journal.Kind{journal.KindRequestClose, journal.KindWithdraw}, kindsOf(all[len(all)-2:]))
	assert.NotEqual(t, common.Hash{}, all[len(all)-1].Transaction)
}

// TestJournalOfAnOpeningThatAWithdrawalFinds: whoever reads the chain first writes that it shows an opening or
// a top-up whose answer was lost, also where the call has a line of its own about the channel's end.
func TestJournalOfAnOpeningThatAWithdrawalFinds(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var d diary
	p := newPayer(t, srv, d.kept)
	for i, call := range []func(*client.Channels, context.Context, common.Hash) error{
		(*client.Channels).Withdraw, (*client.Channels).RequestClose, (*client.Channels).Close,
	} {
		srv.OnRequest(func(r clienttest.Request) clienttest.Fault { return clienttest.Fault{LoseAnswer: r.Action == "open"} })
		p.refused(p.do(http.MethodGet, "/data", nil))
		srv.OnRequest(nil)
		opens := d.of(journal.KindOpen)
		lost := opens[len(opens)-1]
		require.Equal(t, "unknown", lost.Outcome)
		if err := call(p.session.Channels(), t.Context(), lost.ChannelID); i == 0 {
			require.ErrorIs(t, err, escrow.ErrWouldRevert)
			require.NoError(t, p.session.Channels().Close(t.Context(), lost.ChannelID))
		} else {
			require.NoError(t, err)
		}
		opens = d.of(journal.KindOpen)
		found := opens[len(opens)-1]
		assert.Len(t, opens, 2*(i+1))
		assert.Equal(t, [3]any{"accepted", lost.Transaction, lost.Amount}, [3]any{found.Outcome, found.Transaction, found.Amount})
	}
}

// TestJournalFails: an answer that was paid arrives all the same, and the owner hears of it.
func TestJournalFails(t *testing.T) {
	broken := errors.New("no space left")
	for name, j := range map[string]journal.Appender{"an error": &diary{err: broken}, "a panic": panicking{}} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			p := newPayer(t, clienttest.New(t, clienttest.Config{}), func(c *client.Config) {
				c.Limits.PieceByPiece = true
				c.Journal, c.Log = j, slog.New(slog.NewTextHandler(&log, nil))
			})
			p.get("/data")
			p.get("/data")
			p.get("/stream/5/10")
			assert.Equal(t, u(250), p.agree().Signed)
			told := p.events.of(client.EventJournal)
			require.Len(t, told, 4)
			assert.Equal(t, 4, strings.Count(log.String(), "level=WARN"))
			for _, e := range told {
				assert.ErrorContains(t, e.Err, "has no line for operation ")
				assert.Nil(t, e.Receipt)
			}
			assert.NotContains(t, log.String(), `acceptedCumulative`)
		})
	}
}

type panicking struct{}

func (panicking) Append(context.Context, journal.Entry) error { panic("no pen") }

// TestJournalOfACanceledRequest: the line is written with a context that is alive.
func TestJournalOfACanceledRequest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	f, err := journal.Open(dir, 0)
	require.NoError(t, err)
	alive := aliveJournal{f, t}
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Journal = alive })
	p.get("/data")
	ctx, cancel := context.WithCancel(t.Context())
	srv.OnRequest(func(clienttest.Request) clienttest.Fault { cancel(); return clienttest.Fault{Hang: true} })
	_, err = p.send(p.request(ctx, http.MethodGet, "/data", nil))
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, p.session.Close(t.Context()))
	require.NoError(t, f.Close())
	var outcomes []string
	for e, err := range journal.Read(t.Context(), dir) {
		require.NoError(t, err)
		outcomes = append(outcomes, string(e.Kind)+" "+e.Outcome)
	}
	assert.Equal(t, []string{"open accepted", "pay accepted", "pay unknown"}, outcomes)
}

type aliveJournal struct {
	*journal.File
	t *testing.T
}

func (a aliveJournal) Append(ctx context.Context, e journal.Entry) error {
	assert.NoError(a.t, ctx.Err())
	return a.File.Append(ctx, e)
}

// TestJournalOfAnOldStore: what the chain proves that an old copy of the store does not know is a line of its own.
func TestJournalOfAnOldStore(t *testing.T) {
	var d diary
	p := newPayer(t, clienttest.New(t, clienttest.Config{}), d.kept)
	p.get("/data")
	id := p.only().ID
	old, _, err := p.store.Get(t.Context(), rule.StateKey(id))
	require.NoError(t, err)
	p.get("/data")
	p.get("/data")
	_, err = p.srv.Settle(id)
	require.NoError(t, err)
	p.cold(d.kept)
	_, err = p.store.Put(t.Context(), rule.StateKey(id), old, 0)
	require.NoError(t, err)
	s, err := p.session.Channels().Sync(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, u(300), s.Authorized)
	proofs := d.of(journal.KindProve)
	require.Len(t, proofs, 1)
	assert.Equal(t, []voucher.Amount{u(100), u(300), u(200)}, []voucher.Amount{proofs[0].Before, proofs[0].After, proofs[0].Raised})
}
