package client_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// diary is a journal in memory.
type diary struct {
	mu  sync.Mutex // guards what follows
	all []journal.Entry
	err error
}

func (d *diary) Append(_ context.Context, e journal.Entry) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, e)
	return d.err
}

// of are the lines of a kind, or all where it is empty.
func (d *diary) of(kind journal.Kind) (out []journal.Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.all {
		if kind == "" || e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// kept gives a payer a journal.
func (d *diary) kept(c *client.Config) { c.Journal = d }

// reconciles says that the lines explain all that was ever authorized, and all deposits, and hold no secret.
func (d *diary) reconciles(p *payer) {
	p.t.Helper()
	totals := map[common.Hash]*journal.Totals{}
	for _, e := range d.of("") {
		if totals[e.ChannelID] == nil {
			totals[e.ChannelID] = &journal.Totals{}
		}
		totals[e.ChannelID].Add(e)
		assert.False(p.t, e.End.Before(e.Start))
		assert.NotEmpty(p.t, e.Operation)
		assert.NotEmpty(p.t, e.Outcome)
		assert.False(p.t, e.After.Less(e.Before), "%+v", e)
	}
	for _, s := range p.channels() {
		t := totals[s.ID]
		require.NotNil(p.t, t, "channel %s has no line", s.ID)
		assert.Equal(p.t, s.Authorized, t.Raised, "channel %s", s.ID)
		assert.Empty(p.t, t.Gaps(s.Authorized))
		charged, reserved := feesOf(t)
		assert.Equal(p.t, s.Fees, charged)
		assert.Equal(p.t, s.FeesReserved, reserved)
		if s.Phase == channel.NotSeen && !s.Confirmed { // nothing decides its opening
			assert.Equal(p.t, s.Deposit, t.Pending, "channel %s", s.ID)
			continue
		}
		assert.Equal(p.t, s.Deposit, t.Funded, "channel %s", s.ID)
		assert.Zero(p.t, t.Pending)
	}
	text, err := json.Marshal(d.of(""))
	require.NoError(p.t, err)
	credential := base64.RawURLEncoding.EncodeToString([]byte(`{"challenge":`))[:16]
	for _, word := range []string{"signature", "Payment ", credential, p.key.Hex[2:], "deposit=", "/data", "/stream"} {
		assert.False(p.t, strings.Contains(string(text), word), "a line has %q", word)
	}
}

func kindsOf(all []journal.Entry) (kinds []journal.Kind) {
	for _, e := range all {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// TestJournal is the life of a channel, line by line.
func TestJournal(t *testing.T) {
	for _, rail := range rails {
		var d diary
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv, d.kept, func(c *client.Config) { c.Limits.PieceByPiece = true })
		l := p.lied()
		var receipts []string
		l.after = func(_ int, s sent, resp *http.Response) {
			if text := resp.Header.Get("Payment-Receipt"); text != "" && s.Method == http.MethodGet {
				raw, err := base64.RawURLEncoding.DecodeString(text)
				require.NoError(t, err)
				receipts = append(receipts, string(raw))
			}
		}
		resp, err := p.do(http.MethodGet, rail+"/data?deposit=150", nil)
		p.ok(resp, err)
		operation := client.PaymentOf(resp).Operation
		req := p.request(t.Context(), http.MethodGet, rail+"/data?deposit=150", nil)
		req.Header.Set("Idempotency-Key", "the caller's own")
		p.ok(p.send(req))
		p.get(rail + "/stream/30/10?deposit=1000")
		p.get("/free")
		require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))

		lines := d.of("")
		want := []journal.Kind{journal.KindOpen, journal.KindPay, journal.KindTopUp, journal.KindPay, journal.KindTopUp, journal.KindStream, journal.KindClose}
		require.Equal(t, want, kindsOf(lines))
		assert.NotEmpty(t, operation)
		for i, name := range []string{operation, operation, "the caller's own", "the caller's own"} {
			assert.Equal(t, name, lines[i].Operation)
		}
		for _, s := range l.paid("") {
			for name, values := range s.Header {
				if strings.EqualFold(name, "Idempotency-Key") && s.action() == "open" {
					assert.Equal(t, []string{operation}, values, "the operation is what the server knows it by")
				}
			}
		}
		id := p.only().ID
		for _, e := range lines {
			assert.Equal(t, id, e.ChannelID)
			assert.Equal(t, srv.URL, e.Origin)
		}
		first, second, stream, end := lines[1], lines[3], lines[5], lines[6]
		assert.Equal(t, []voucher.Amount{u(100), u(0), u(100), u(100), u(100)}, []voucher.Amount{first.Price, first.Before, first.After, first.Raised, first.Cumulative})
		assert.Equal(t, []voucher.Amount{u(100), u(100), u(200), u(100), u(200)}, []voucher.Amount{second.Price, second.Before, second.After, second.Raised, second.Cumulative})
		assert.Equal(t, []voucher.Amount{u(300), u(200), u(500), u(300), u(500)}, []voucher.Amount{stream.Price, stream.Before, stream.After, stream.Raised, stream.Cumulative})
		assert.Equal(t, []string{"accepted", "accepted", "accepted", "refunded"}, []string{first.Outcome, second.Outcome, stream.Outcome, end.Outcome})
		assert.Equal(t, http.StatusOK, first.Status)
		assert.Equal(t, u(500), end.Amount)
		assert.NotEqual(t, common.Hash{}, end.Transaction)
		require.GreaterOrEqual(t, len(receipts), 2)
		assert.Equal(t, receipts[:2], []string{first.Receipt, second.Receipt}, "verbatim")
		assert.Contains(t, stream.Receipt, `"500"`)
		assert.Contains(t, end.Receipt, end.Transaction.Hex())
		assert.Equal(t, u(150), lines[0].Amount)
		assert.NotEqual(t, lines[0].Transaction, lines[2].Transaction)
		d.reconciles(p)
	}
}

// TestJournalTogether: the raises of requests and streams that share a channel add up, however they were interleaved.
func TestJournalTogether(t *testing.T) {
	for _, rail := range rails {
		for _, ahead := range []uint64{0, 500} {
			var d diary
			p := newPayer(t, clienttest.New(t, clienttest.Config{}), d.kept, func(c *client.Config) { c.Limits.Ahead = u(ahead) })
			var wg sync.WaitGroup
			for n := range 36 {
				path := "/data?deposit=1000"
				if n%9 == 0 {
					path = "/stream/20/10?deposit=1000"
				}
				wg.Go(func() {
					resp, err := p.do(http.MethodGet, rail+path, nil)
					if err == nil { // whether it is served is not the question here
						_, _ = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
				})
			}
			wg.Wait()
			assert.GreaterOrEqual(t, len(d.of(journal.KindPay))+len(d.of(journal.KindStream)), 36)
			for _, e := range d.of(journal.KindOpen) { // two may see it happen
				assert.Equal(t, d.of(journal.KindOpen)[0].Transaction, e.Transaction)
			}
			// A word of the chain that was overtaken by a newer one may stand in the record until the next.
			_, err := p.session.Channels().Sync(t.Context(), p.only().ID)
			require.NoError(t, err)
			d.reconciles(p)
		}
	}
}

// TestJournalOfFoundChannels: what a channel comes with is a line, so that the sums are right from there on.
func TestJournalOfFoundChannels(t *testing.T) {
	for name, back := range map[string]func(t *testing.T, p *payer, s channel.Info){
		"by snapshot": func(*testing.T, *payer, channel.Info) {},
		"adopted": func(t *testing.T, p *payer, s channel.Info) {
			for range 2 { // twice is once
				require.NoError(t, p.session.Channels().Import(t.Context(), p.srv.URL, channel.Identity{Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, ID: s.ID, Descriptor: s.Descriptor}))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPayer(t, clienttest.New(t, clienttest.Config{}))
			p.get("/hinted")
			p.get("/hinted")
			s := p.only()
			_, err := p.srv.Settle(s.ID)
			require.NoError(t, err)
			p.get("/hinted")
			var d diary
			p.cold(d.kept)
			back(t, p, s)
			p.get("/hinted?payer=" + p.key.Address.Hex())
			require.Equal(t, s.ID, p.only().ID)
			assert.Len(t, d.of(journal.KindFound), 1)
			assert.Equal(t, p.only().Deposit, d.of(journal.KindFound)[0].Amount)
			assert.Equal(t, u(400), p.only().Signed)
			d.reconciles(p)
			_, err = p.session.Channels().Sync(t.Context(), s.ID)
			require.NoError(t, err)
			d.reconciles(p)
		})
	}
}
