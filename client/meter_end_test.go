package client_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

const soon = 150 * time.Millisecond

func stalls(c *client.Config) { c.Stall = soon }

// TestStall: a payee that was paid and brings nothing, or never answers the voucher, ends the stream with an error
// that says what it cost.
func TestStall(t *testing.T) {
	for name, c := range map[string]struct {
		fault clienttest.Fault // of the vouchers
		run   func(m *clienttest.Meter, r *http.Request) error
	}{
		"it takes the voucher and hangs": {run: func(m *clienttest.Meter, r *http.Request) error {
			if err := errors.Join(m.Charge(1), m.Send("x"), m.Charge(1)); err != nil {
				return err
			}
			<-r.Context().Done()
			return r.Context().Err()
		}},
		"it never answers the voucher": {fault: clienttest.Fault{Hang: true}, run: func(m *clienttest.Meter, _ *http.Request) error {
			return send(m, 5)
		}},
		"it answers with receipts only": {run: func(m *clienttest.Meter, r *http.Request) error {
			err := errors.Join(m.Charge(1), m.Send("x"), m.Charge(1))
			for err == nil && r.Context().Err() == nil {
				time.Sleep(soon / 10)
				err = m.Raw([]byte("event: payment-receipt\ndata: {}\n\n"))
			}
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				p := inMemory(t, stalls)
				srv := p.srv
				srv.Handle("/stall", srv.Metered(piece, c.run))
				srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
					if r.Method == http.MethodHead {
						return c.fault
					}
					return clienttest.Fault{}
				})
				body, e := p.broken(p.do(http.MethodGet, "/stall", nil))
				assert.ErrorIs(t, e, client.ErrStalled)
				assert.Equal(t, 1, strings.Count(body, "\n\n"))
				assert.Equal(t, u(20), e.Price)
				assert.Equal(t, u(20), e.Cumulative)
				assert.ErrorContains(t, e, "price 0.00002 pathUSD")
			})
		})
	}
}

// TestNoStall: a slow reader and a payee that forgets to ask are no stalls.
func TestNoStall(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		p := inMemory(t, stalls)
		resp, err := p.do(http.MethodGet, "/stream/4/10", nil)
		require.NoError(t, err)
		defer resp.Body.Close()
		var body []byte
		for b := make([]byte, 40); err == nil; {
			var n int
			n, err = resp.Body.Read(b)
			body = append(body, b[:n]...)
			time.Sleep(soon + soon/10)
		}
		require.ErrorIs(t, err, io.EOF)
		assert.Equal(t, 4, strings.Count(string(body), "\n\n"))

		p = inMemoryWith(t, clienttest.Config{VoucherWait: 2 * soon}, stalls)
		p.srv.OnRequest(func(clienttest.Request) clienttest.Fault { return clienttest.Fault{SwallowNeedVoucher: true} })
		assert.Equal(t, 1, strings.Count(p.get("/stream/4/10"), "\n\n"), "the payee gave up by itself")
	})
}

// TestEndlessKeepAlives cost no memory and no time: 8 MB of them before one event.
func TestEndlessKeepAlives(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	comments, blanks := strings.Repeat(": p\n", 1<<20), strings.Repeat("\n", 4<<20)
	srv.Handle("/alive", srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error {
		return errors.Join(m.Charge(1), m.Raw([]byte(comments)), m.Raw([]byte(blanks)), m.Send("x"))
	}))
	assert.Equal(t, comments+blanks+"event: message\ndata: x\n\n", p.get("/alive"))
}

// TestCutStream: a connection that breaks is an error that says what was spent, and what was delivered is kept.
func TestCutStream(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	srv.OnRequest(func(clienttest.Request) clienttest.Fault { return clienttest.Fault{CutAfter: 3} })
	body, e := p.broken(p.do(http.MethodGet, "/stream/9/10", nil))
	assert.ErrorIs(t, e, io.ErrUnexpectedEOF)
	assert.Equal(t, 3, strings.Count(body, "\n\n"))
	assert.Equal(t, u(30), e.Price)
	srv.OnRequest(nil)
	p.get("/data")
	assert.Equal(t, u(130), p.agree().Claimed)
}

// TestStreamEndsWithEverything: whoever ends a stream early, whatever it was doing, nothing goes on.
func TestStreamEndsWithEverything(t *testing.T) {
	hang := func(action string) func(clienttest.Request) clienttest.Fault {
		return func(r clienttest.Request) clienttest.Fault {
			return clienttest.Fault{Hang: r.Method == http.MethodHead && r.Action == action}
		}
	}
	for name, c := range map[string]struct {
		decide func(clienttest.Request) clienttest.Fault
		path   string
	}{
		"while it waits for an event":       {nil, "/quiet"},
		"while a voucher is under way":      {hang("voucher"), "/stream/9/10"},
		"while a top-up is under way":       {hang("topUp"), "/stream/9/10"},
		"before anything more is asked for": {nil, "/stream/9/10"},
	} {
		for _, by := range []string{"Close", "context"} {
			t.Run(name+" by "+by, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv)
				srv.Handle("/quiet", srv.Metered(piece, func(m *clienttest.Meter, r *http.Request) error {
					_ = m.Send("x")
					<-r.Context().Done()
					return r.Context().Err()
				}))
				p.get("/data?deposit=120")
				before := goleak.IgnoreCurrent()
				srv.OnRequest(c.decide)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				resp, err := p.fetch(ctx, http.MethodGet, srv.URL+c.path, nil)
				require.NoError(t, err)
				ended := make(chan error)
				go func() {
					_, err := io.ReadAll(resp.Body)
					ended <- err
				}()
				time.Sleep(soon / 3)
				if by == "Close" {
					require.NoError(t, resp.Body.Close())
				} else {
					cancel()
				}
				if err := <-ended; c.decide != nil || c.path == "/quiet" {
					var e *client.Error
					require.ErrorAs(t, err, &e)
					if by == "context" {
						assert.ErrorIs(t, e, context.Canceled)
					}
				}
				require.NoError(t, resp.Body.Close())
				p.base.(*http.Transport).CloseIdleConnections()
				p.cfg.Chain.(*escrow.Client).Close()
				srv.Close()
				goleak.VerifyNone(t, before)
			})
		}
	}
}

// TestCompressedStream: a caller who asks for gzip by hand gets a stream that is paid, and decoded; other
// encodings, through which no frame can be seen, are not asked for.
func TestCompressedStream(t *testing.T) {
	for asked, want := range map[string]string{"": "gzip", "gzip": "gzip", "br, gzip;q=0.5": "gzip;q=0.5", "br": "identity", "zstd, deflate": "identity"} {
		t.Run(asked, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			var got []string
			stream := srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error { return send(m, 9) })
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodHead {
					got = r.Header.Values("Accept-Encoding")
				}
				if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && r.Header.Get("Authorization") != "" && r.Method == http.MethodGet {
					z := &zipped{ResponseWriter: w, z: gzip.NewWriter(w)}
					defer z.z.Close()
					w = z
				}
				stream.ServeHTTP(w, r)
			}))
			defer front.Close()
			p := newPayer(t, srv)
			var headers []string
			if asked != "" {
				headers = []string{"Accept-Encoding", asked}
			}
			resp, err := p.fetch(t.Context(), http.MethodGet, front.URL, nil, headers...)
			assert.Equal(t, strings.Repeat("event: message\ndata: x\n\n", 9), p.ok(resp, err))
			assert.Equal(t, []string{want}, got)
			assert.Empty(t, resp.Header.Get("Content-Encoding"))
			assert.Equal(t, u(90), p.agree().Claimed)
		})
	}
}

// zipped compresses what a stream writes, and flushes it piece by piece.
type zipped struct {
	http.ResponseWriter
	z *gzip.Writer
}

func (z *zipped) WriteHeader(status int) {
	z.Header().Set("Content-Encoding", "gzip")
	z.ResponseWriter.WriteHeader(status)
}
func (z *zipped) Write(b []byte) (int, error) { return z.z.Write(b) }
func (z *zipped) Flush() {
	_ = z.z.Flush()
	_ = http.NewResponseController(z.ResponseWriter).Flush()
}

// TestFinalReceipt: the last receipt is what the stream cost, told once, and the headers stay.
func TestFinalReceipt(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	resp, err := p.do(http.MethodGet, "/stream/7/10", nil)
	require.NoError(t, err)
	assert.Equal(t, "no-cache, no-transform", resp.Header.Get("Cache-Control"))
	assert.Equal(t, int64(-1), resp.ContentLength)
	p.ok(resp, err)
	got := client.PaymentOf(resp).Receipt()
	require.NotNil(t, got)
	assert.Equal(t, u(70), got.Spent)
	assert.Equal(t, uint64(7), got.Units)
	told := p.events.of(client.EventReceipt)
	require.Len(t, told, 1)
	assert.Equal(t, u(70), told[0].Receipt.Spent)
	assert.Equal(t, u(70), told[0].Price)
	require.NoError(t, resp.Body.Close(), "closing twice is nothing")
	assert.Len(t, p.events.of(client.EventReceipt), 1)
	assert.Len(t, p.events.of(client.EventVoucher), 5, "the fourth piece earned one ahead")
	assert.Equal(t, u(70), p.agree().Spent)
}

// panicky is a body that panics when it is read.
type panicky struct{ io.ReadCloser }

func (panicky) Read([]byte) (int, error) { panic(errBroken) }

// TestStreamWhoseBodyPanics: who recovers from it and closes the body ends the stream.
func TestStreamWhoseBodyPanics(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	p.lied().after = func(_ int, s sent, resp *http.Response) {
		if s.Paid != nil {
			resp.Body = panicky{resp.Body}
		}
	}
	resp, err := p.do(http.MethodGet, "/stream/7/10", nil)
	require.NoError(t, err)
	assert.PanicsWithValue(t, errBroken, func() { _, _ = resp.Body.Read(make([]byte, 10)) })
	require.NoError(t, resp.Body.Close())
	assert.Len(t, p.events.of(client.EventReceipt), 1)
}
