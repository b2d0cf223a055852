package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// piece is what one piece of the tests' own streams costs.
var piece = clienttest.Terms{Price: u(10), Deposit: u(10_000)}

// fetch sends a request to a URL with headers, given as name and value in turn.
func (p *payer) fetch(ctx context.Context, method, url string, body io.Reader, headers ...string) (*http.Response, error) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	require.NoError(p.t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return (&http.Client{Transport: &client.Transport{Session: p.session, Base: p.base}}).Do(req)
}

// broken expects a paid stream that ends with an error of ours, and returns what came before.
func (p *payer) broken(resp *http.Response, err error) (string, *client.Error) {
	p.t.Helper()
	require.NoError(p.t, err)
	defer resp.Body.Close()
	require.Equal(p.t, http.StatusOK, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.Error(p.t, err, "after %q", body)
	var e *client.Error
	require.ErrorAs(p.t, err, &e)
	assert.Equal(p.t, "stream", e.Op)
	_, again := resp.Body.Read(make([]byte, 1))
	assert.Error(p.t, again, "an error is final")
	return string(body), e
}

// vouchers are the requests that carried a voucher and no content, by method.
func vouchers(srv *clienttest.Server) map[string]int {
	by := map[string]int{}
	for _, r := range srv.Requests() {
		if r.Action == "voucher" && r.Status == http.StatusNoContent {
			by[r.Method]++
		}
	}
	return by
}

// TestStreamBytesUnchanged: the caller reads what the application wrote, to the byte, whatever the
// line ends, and however the writes were cut.
func TestStreamBytesUnchanged(t *testing.T) {
	app := []string{
		": hello\n\nretry: 10\nid: 7\nevent: tick\ndata: one\n\n",
		"data:zwei\ndata: Grüße 🍊\n\n",
		"event:message\ndata\n\n",
		": ping\n: pong\ndata: {\"event\": \"payment-receipt\"}\nunknown: x\n\n",
		"event: payment-other\ndata: the application's own\n\n",
	}
	for name, eol := range map[string]string{"LF": "\n", "CRLF": "\r\n", "CR": "\r"} {
		for _, size := range []int{1, 2, 7, 1 << 20} {
			t.Run(fmt.Sprintf("%s in writes of %d", name, size), func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv)
				var wrote strings.Builder
				srv.Handle("/feed", srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error {
					for _, block := range app {
						if err := m.Charge(1); err != nil {
							return err
						}
						for text := strings.ReplaceAll(block, "\n", eol); text != ""; {
							n := min(size, len(text))
							if err := m.Raw([]byte(text[:n])); err != nil {
								return err
							}
							wrote.WriteString(text[:n])
							text = text[n:]
						}
					}
					return nil
				}))
				got := p.get("/feed")
				assert.Equal(t, wrote.String(), got)
				assert.Equal(t, u(50), p.agree().Claimed)
			})
		}
	}
}

// TestStreamEndsUnfinished: what the application left without a blank line is handed on as it is.
func TestStreamEndsUnfinished(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{Receipts: clienttest.NoReceipts})
	p := newPayer(t, srv)
	srv.Handle("/feed", srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error {
		return errors.Join(m.Send("x"), m.Raw([]byte("data: half a li")))
	}))
	assert.Equal(t, "event: message\ndata: x\n\ndata: half a li", p.get("/feed"))
}

// TestStreamLimits: a stream ends where the limits say so, with what was paid for before, and the error
// names the field.
func TestStreamLimits(t *testing.T) {
	for name, c := range map[string]struct {
		limits channel.Limits
		pieces int
		field  string
	}{
		"no stream":    {channel.Limits{Price: u(10), Deposit: u(1000)}, 1, "set Limits.Stream to at least 20"},
		"three pieces": {channel.Limits{Price: u(10), Deposit: u(1000), Stream: u(39)}, 3, "set Limits.Stream to at least 40"},
		"deposit":      {channel.Limits{Price: u(10), Deposit: u(45), Stream: u(1000)}, 4, "set Limits.Deposit to at least 50"},
		"total":        {channel.Limits{Price: u(10), Deposit: u(45), Fund: u(20), Total: u(35), Stream: u(1000)}, 3, "set Limits.Total to 235"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv, func(cfg *client.Config) { cfg.Limits = c.limits })
			body, e := p.broken(p.do(http.MethodGet, "/stream/50/10", nil))
			assert.Equal(t, c.pieces, strings.Count(body, "\n\n"))
			assert.ErrorIs(t, e, channel.ErrLimit)
			assert.ErrorContains(t, e, c.field)
			paid := u(uint64(10 * c.pieces))
			assert.Equal(t, paid, e.Price, "the error says what the stream cost")
			s := p.only()
			assert.Equal(t, paid, s.Authorized)
			assert.Equal(t, paid, s.Signed)
		})
	}
}

// TestStreamStep: a server that charges several pieces at once is paid when Limits.Step allows it.
func TestStreamStep(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	srv.Handle("/triples", srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error {
		for range 10 {
			if err := m.Charge(3); err != nil {
				return err
			}
			if err := m.Send("three"); err != nil {
				return err
			}
		}
		return nil
	}))
	t.Run("not allowed", func(t *testing.T) {
		p := newPayer(t, srv)
		_, e := p.broken(p.do(http.MethodGet, "/triples", nil))
		var desync *channel.DesyncError
		require.ErrorAs(t, e, &desync)
		assert.Equal(t, u(30), desync.Required)
		assert.Equal(t, u(20), desync.Ours)
		assert.Equal(t, u(10), p.only().Authorized)
	})
	t.Run("allowed, and the deposit grows with it", func(t *testing.T) {
		p := newPayer(t, srv, func(c *client.Config) { c.Limits.Step, c.Limits.Fund = u(30), u(35) })
		assert.Equal(t, 10, strings.Count(p.get("/triples"), "\n\n"))
		assert.Equal(t, u(300), p.only().Spent)
	})
}

// TestStreamAhead: with Ahead one voucher serves many pieces.
func TestStreamAhead(t *testing.T) {
	for ahead, want := range map[uint64]int{0: 99, 90: 9, 1000: 0} {
		t.Run(fmt.Sprint(ahead), func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv, func(c *client.Config) {
				c.Limits.Ahead, c.Limits.PieceByPiece = u(ahead), true
			})
			assert.Equal(t, 100, strings.Count(p.get("/stream/100/10"), "\n\n"))
			assert.Equal(t, want, vouchers(srv)[http.MethodHead])
			s := p.only()
			assert.Equal(t, u(1000), s.Claimed)
			assert.False(t, s.Claimed.AddCapped(u(ahead)).Less(s.Authorized), "the exposure is Ahead, and was %s", s.Authorized)
		})
	}
}

// TestStreamPaidOnce: a stream whose unit is the request costs one unit, however long it is.
func TestStreamPaidOnce(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Limits.Stream = voucher.Amount{} })
	assert.Equal(t, 50, strings.Count(p.get("/stream/50/10?unit=request"), "\n\n"))
	assert.Equal(t, 50, strings.Count(p.ok(p.do(http.MethodPost, "/stream/50/10?unit=request", strings.NewReader("x"))), "\n\n"))
	assert.Equal(t, u(20), p.agree().Claimed)
	assert.Empty(t, vouchers(srv))
}

// TestStreamsShareAChannel: streams of one channel run at the same time, top-ups included. Pieces that one
// takes out of another's voucher are counted once, and nothing is paid twice. The last server is like
// mpp-rs: it takes no voucher twice, so streams that share one present it once.
func TestStreamsShareAChannel(t *testing.T) {
	for name, c := range map[string]struct {
		server clienttest.Config
		ahead  uint64
	}{
		"mppx":                 {},
		"mppx, ahead":          {ahead: 200},
		"tolerant, no receipt": {server: clienttest.Config{LowerVouchers: clienttest.LowerAccepted, Receipts: clienttest.NoReceipts}},
		"no voucher twice":     {server: clienttest.Config{EqualVouchers: clienttest.EqualRefused, LowerVouchers: clienttest.LowerRefused, Receipts: clienttest.BaseReceipts}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				p := inMemoryWith(t, c.server, func(cfg *client.Config) { cfg.Limits.Ahead, cfg.Limits.Fund = u(c.ahead), u(500) })
				srv := p.srv
				all := make(chan struct{})
				srv.Handle("/together", srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error {
					<-all
					return send(m, 50)
				}))
				var wg sync.WaitGroup
				for range 6 {
					resp, err := p.do(http.MethodGet, "/together", nil)
					require.NoError(t, err)
					wg.Go(func() { readAll(t, resp, 50) })
				}
				close(all)
				wg.Wait()
				s := p.only()
				account, ok := srv.Account(s.ID)
				require.True(t, ok)
				assert.Equal(t, u(3000), account.Spent)
				// Each stream may have asked for one piece that another one's voucher brought it, and
				// has run ahead by a quarter of its 500.
				assert.False(t, u(3000+6*(10+125)+c.ahead).Less(s.Authorized), "authorized %s", s.Authorized)
			})
		})
	}
}

// send charges and sends so many pieces.
func send(m *clienttest.Meter, pieces int) error {
	for range pieces {
		if err := m.Charge(1); err != nil {
			return err
		}
		if err := m.Send("x"); err != nil {
			return err
		}
	}
	return nil
}

func readAll(t *testing.T, resp *http.Response, events int) {
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	assert.NoError(t, err)
	assert.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
	assert.Equal(t, events, strings.Count(string(body), "\n\n"))
}

// TestStreamOvertaken: while the stream's voucher is under way another request presents a higher one; the
// stream goes on by it.
func TestStreamOvertaken(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	var once sync.Once
	srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
		if r.Method == http.MethodHead && r.Action == "voucher" {
			once.Do(func() { p.get("/data") }) // the stream's voucher waits at the door meanwhile
		}
		return clienttest.Fault{}
	})
	assert.Equal(t, 20, strings.Count(p.get("/stream/20/10"), "\n\n"))
	assert.Equal(t, u(100+100+200), p.agree().Claimed)
}

// TestStreamFreshChallenge: the challenge runs out in the middle; the vouchers answer the fresh one, and
// the receipt of the first still counts.
func TestStreamFreshChallenge(t *testing.T) {
	const ttl = 250 * time.Millisecond
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	terms := piece
	terms.TTL = ttl
	srv.Handle("/slow", srv.Metered(terms, func(m *clienttest.Meter, _ *http.Request) error {
		for range 3 {
			if err := send(m, 2); err != nil {
				return err
			}
			time.Sleep(ttl + 20*time.Millisecond)
		}
		return nil
	}))
	resp, err := p.do(http.MethodGet, "/slow", nil)
	assert.Equal(t, 6, strings.Count(p.ok(resp, err), "\n\n"))
	assert.Equal(t, u(60), client.PaymentOf(resp).Receipt().Spent)
	assert.Equal(t, u(60), p.agree().Claimed)
	var expired int
	for _, r := range srv.Requests() {
		if r.Problem == "payment-expired" {
			expired++
		}
	}
	assert.NotZero(t, expired, "the test does what it says")
	assert.Empty(t, p.events.of(client.EventViolation))
}
