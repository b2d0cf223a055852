package client_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func (p *payer) stream(path string) *client.Stream {
	p.t.Helper()
	resp, err := p.do(http.MethodGet, path, nil)
	require.NoError(p.t, err)
	s, err := client.NewStream(resp)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { s.Close() })
	return s
}

// TestStreamEvents: messages, vouchers and the receipt come in the order in which they were sent.
func TestStreamEvents(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	srv.Handle("/feed", srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error {
		return errors.Join(
			m.Charge(1), m.Raw([]byte("id: 7\nevent: tick\ndata: one\ndata: two\n\n")),
			m.Charge(1), m.Raw([]byte(": a comment\n\ndata:three\n\ndata: four\n\n")))
	}))
	s := p.stream("/feed")
	var got []client.StreamEvent
	for e, err := range s.Events() {
		require.NoError(t, err)
		got = append(got, e)
	}
	require.Len(t, got, 5)
	assert.Equal(t, client.StreamEvent{Type: "tick", ID: "7", Data: "one\ntwo"}, got[0])
	assert.False(t, got[1].Cumulative.IsZero())
	assert.Equal(t, u(20), got[1].Cumulative)
	require.NotNil(t, got[1].Receipt)
	assert.Equal(t, "three", got[2].Data)
	assert.Equal(t, client.StreamEvent{Type: "message", ID: "7", Data: "four"}, got[3])
	assert.NotNil(t, got[4].Receipt)
	assert.Equal(t, u(20), got[4].Receipt.Spent)
	for range 2 {
		_, err := s.Next()
		assert.ErrorIs(t, err, io.EOF)
	}
	for range s.Events() {
		t.Fatal("there is no more")
	}
	require.NoError(t, s.Close())
}

// TestStreamError: the last pair has what ended the stream, and every call after it.
func TestStreamError(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Limits.Stream = u(20) })
	s := p.stream("/stream/9/10")
	var messages int
	var last error
	for e, err := range s.Events() {
		if e.Type != "" {
			messages++
		}
		last = err
	}
	assert.Equal(t, 2, messages)
	assert.ErrorIs(t, last, channel.ErrLimit)
	var e *client.Error
	require.ErrorAs(t, last, &e)
	assert.Equal(t, u(20), e.Price)
	_, err := s.Next()
	assert.Equal(t, last, err)
}

// TestStreamLeftEarly: who breaks out of the range goes on later, or closes; nothing is left behind.
func TestStreamLeftEarly(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	before := goleak.IgnoreCurrent()
	s := p.stream("/stream/100/10")
	for range 3 {
		for e, err := range s.Events() {
			require.NoError(t, err)
			if e.Type != "" {
				break
			}
		}
	}
	e, err := s.Next()
	require.NoError(t, err)
	assert.False(t, e.Cumulative.IsZero())
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	for err == nil {
		_, err = s.Next() // what was read already may still come
	}
	assert.NotErrorIs(t, err, io.EOF, "it did not end by itself")

	unread := p.stream("/stream/100/10")
	require.NoError(t, unread.Close())
	_, err = unread.Next()
	assert.Error(t, err)

	p.base.(*http.Transport).CloseIdleConnections()
	p.cfg.Chain.(*escrow.Client).Close()
	srv.Close()
	goleak.VerifyNone(t, before)
}

// TestStreamClosedByAnother: Close ends a Next that waits, and one from the event hook does not wait for
// itself.
func TestStreamClosedByAnother(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var s *client.Stream
	p := newPayer(t, srv, func(c *client.Config) {
		c.OnEvent = func(e client.Event) {
			if e.Kind == client.EventVoucher {
				s.Close()
			}
		}
	})
	p.get("/data")
	before := goleak.IgnoreCurrent()
	s = p.stream("/stream/100/10")
	var err error
	for err == nil {
		_, err = s.Next()
	}
	assert.NotErrorIs(t, err, io.EOF)

	srv.Handle("/quiet", srv.Metered(piece, func(m *clienttest.Meter, r *http.Request) error {
		<-r.Context().Done()
		return r.Context().Err()
	}))
	s = p.stream("/quiet")
	ended := make(chan error)
	go func() {
		_, err := s.Next()
		ended <- err
	}()
	require.NoError(t, s.Close())
	assert.Error(t, <-ended)

	p.base.(*http.Transport).CloseIdleConnections()
	p.cfg.Chain.(*escrow.Client).Close()
	srv.Close()
	goleak.VerifyNone(t, before)
}

// TestStreamOfOtherResponses: free streams are read the same, and what is no stream is refused.
func TestStreamOfOtherResponses(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	srv.Handle("/free/stream", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "Text/Event-Stream; charset=utf-8")
		_, _ = io.WriteString(w, "data: a\n\ndata: b\n\n")
	}))
	var all []string
	for e, err := range p.stream("/free/stream").Events() {
		require.NoError(t, err)
		all = append(all, e.Data)
	}
	assert.Equal(t, []string{"a", "b"}, all)

	resp, err := p.do(http.MethodGet, "/free", nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = client.NewStream(resp)
	assert.ErrorContains(t, err, "not text/event-stream")
	assert.Empty(t, p.channels())
}

// TestStreamClosedWhileAPaymentEventIsTaken: the end of the stream is booked although nobody reads on.
func TestStreamClosedWhileAPaymentEventIsTaken(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var d diary
	p := newPayer(t, srv, d.kept)
	resp, err := p.do(http.MethodGet, "/stream/5/10", nil)
	require.NoError(t, err)
	release := client.HoldStream(resp.Body)
	require.NoError(t, resp.Body.Close())
	release()
	assert.Len(t, d.of(journal.KindStream), 1)
}

// TestBodyThatIsClosedWhileItIsRead: net/http allows one goroutine to close a body that another one
// reads. The read ends, and the stream is booked once.
func TestBodyThatIsClosedWhileItIsRead(t *testing.T) {
	event := "data: x\n\n"
	for name, text := range map[string]string{
		"events":              event,
		"receipts":            plainReceiptFrame,
		"events and receipts": plainReceiptFrame + event,
		"frames in pieces":    "event: payment-rec",
		"comments":            ": x\n\n",
		"a voucher each":      "",
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				served := serveMetered(srv, rail+"/endless", piece, func(m *clienttest.Meter) (err error) {
					for err == nil {
						if text == "" {
							err = send(m, 1)
						} else {
							err = m.Raw([]byte(text))
						}
					}
					return err
				})
				var d diary
				p := newPayer(t, srv, d.kept)
				p.get(rail + "/data")
				for round := range 10 {
					resp, err := p.do(http.MethodGet, rail+"/endless", nil)
					require.NoError(t, err)
					reading, done := make(chan struct{}), make(chan error)
					go func() {
						_, err := resp.Body.Read(make([]byte, 1))
						close(reading)
						for b := make([]byte, 100); err == nil; {
							_, err = resp.Body.Read(b)
						}
						done <- err
					}()
					if name != "receipts" { // of which no byte reaches a reader
						<-reading
					}
					require.NoError(t, resp.Body.Close())
					require.NotErrorIs(t, <-done, io.EOF, "it did not end by itself")
					assert.Len(t, d.of(journal.KindStream), round+1)
				}
				served.Wait()
				p.idle(rail)
			})
		}
	}
}

// serveMetered serves a metered route of a rail. Its handlers are counted: a payee may charge one more piece
// after it lost the reader.
func serveMetered(
	srv *clienttest.Server, path string, terms clienttest.Terms, run func(*clienttest.Meter) error,
) *handlers {
	if strings.HasPrefix(path, "/v1") {
		terms.Protocol = voucher.V1
	}
	var served handlers
	h := srv.Metered(terms, func(m *clienttest.Meter, _ *http.Request) error { return run(m) })
	srv.Handle(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.RLock()
		defer served.RUnlock()
		h.ServeHTTP(w, r)
	}))
	return &served
}

// handlers are those that run. One may begin while they are waited for, which a WaitGroup does not allow.
type handlers struct{ sync.RWMutex }

// Wait waits for those that have begun.
func (h *handlers) Wait() {
	h.Lock()
	defer h.Unlock()
}

// inFlight reports whether the record of the one channel names sessions with requests in flight.
func (p *payer) inFlight() bool {
	p.t.Helper()
	data, _, err := p.store.Get(p.t.Context(), rule.StateKey(p.only().ID))
	require.NoError(p.t, err)
	return strings.Contains(string(data), `"writers"`)
}

// idle closes the session of a payer whose streams have ended, after one more request, whose
// receipt counts what is left of them. It checks that nothing is in flight, and that the three
// columns agree.
func (p *payer) idle(rail string) {
	p.t.Helper()
	p.get(rail + "/data")
	require.NoError(p.t, p.session.Close(p.t.Context()))
	assert.False(p.t, p.inFlight())
	s, account := p.only(), p.srv.Accounts()[0]
	assert.False(p.t, s.Claimed.Less(account.Spent), "what was charged counts")
	assert.False(p.t, s.Asked.Less(s.Signed))
	assert.False(p.t, s.Signed.Less(account.Accepted))
}

// closer closes the body of a stream at the third call, once.
type closer struct {
	body  atomic.Pointer[io.ReadCloser] // nil before and after
	calls atomic.Int64
}

func (c *closer) opened(body io.ReadCloser) {
	c.calls.Store(0)
	c.body.Store(&body)
}

// close reports whether it closed the body.
func (c *closer) close() bool {
	if c.body.Load() == nil || c.calls.Add(1) < 3 {
		return false
	}
	body := c.body.Swap(nil)
	if body != nil {
		_ = (*body).Close()
	}
	return body != nil
}

// on calls close at each event of the kind.
func (c *closer) on(kind client.EventKind) func(*client.Config) {
	return func(cfg *client.Config) {
		cfg.OnEvent = func(e client.Event) {
			if e.Kind == kind {
				c.close()
			}
		}
	}
}

type payerFunc struct {
	voucher.TransactionSigner
	before func()
}

func (f payerFunc) SignTransaction(ctx context.Context, tx voucher.Transaction) ([]byte, error) {
	f.before()
	return f.TransactionSigner.SignTransaction(ctx, tx)
}

// TestStreamThatIsClosedAtWork: a stream is closed while its voucher or its top-up is signed, or is
// with the payee, or just after. Once another request was served, the record has nothing in flight.
func TestStreamThatIsClosedAtWork(t *testing.T) {
	locked := errors.New("the key is locked")
	for name, c := range map[string]struct {
		config func(*closer, *client.Config)
		action string // with the payee
		reads  int64  // closed after so many bytes
	}{
		"between events": {reads: 2000},
		"after a voucher": {config: func(c *closer, cfg *client.Config) {
			c.on(client.EventVoucher)(cfg)
		}},
		"after a top-up": {config: func(c *closer, cfg *client.Config) {
			c.on(client.EventToppedUp)(cfg)
		}},
		"with a voucher at the payee": {action: "voucher"},
		"with a top-up at the payee":  {action: "topUp"},
		"with a voucher at the signer": {config: func(c *closer, cfg *client.Config) {
			cfg.Signer = signerFunc{cfg.Signer, func(context.Context) error {
				c.close()
				return nil
			}}
		}},
		"with a voucher at a signer that refuses": {config: func(c *closer, cfg *client.Config) {
			cfg.Signer = signerFunc{cfg.Signer, func(context.Context) error {
				if c.close() {
					return locked
				}
				return nil
			}}
		}},
		"with a top-up at the signer": {config: func(c *closer, cfg *client.Config) {
			cfg.Payer = payerFunc{cfg.Payer, func() { c.close() }}
		}},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				served := serveMetered(
					srv, rail+"/long", clienttest.Terms{Price: u(10), Deposit: u(100)},
					func(m *clienttest.Meter) error { return send(m, 1500) },
				)
				var stream closer
				p := newPayer(t, srv, func(cfg *client.Config) {
					if c.config != nil {
						c.config(&stream, cfg)
					}
				})
				inFlight := false
				srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
					if r.Method == http.MethodHead && stream.body.Load() != nil {
						inFlight = inFlight || p.inFlight()
						if r.Action == c.action {
							stream.close()
						}
					}
					return clienttest.Fault{}
				})
				for range 3 {
					resp, err := p.do(http.MethodGet, rail+"/long", nil)
					require.NoError(t, err)
					stream.opened(resp.Body)
					if c.reads > 0 {
						_, err = io.CopyN(io.Discard, resp.Body, c.reads)
						require.NoError(t, err)
						for !stream.close() {
						}
					}
					_, err = io.Copy(io.Discard, resp.Body)
					require.Error(t, err)
					require.Nil(t, stream.body.Load(), "the stream was not closed: %v", err)
					served.Wait() // it may take one more piece of what the next stream is paid by
				}
				assert.True(t, inFlight, "no record names the session: the test tests nothing")
				srv.OnRequest(nil)
				served.Wait()
				p.idle(rail)
			})
		}
	}
}

// wrapped are bodies as libraries above a transport wrap them.
var wrapped = map[string]func(*http.Response){
	"a counting body": func(resp *http.Response) {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{resp.Body, resp.Body}
	},
	"a body that is read ahead": func(resp *http.Response) {
		r, w := io.Pipe()
		body := resp.Body
		go func() {
			_, err := io.Copy(w, body)
			w.CloseWithError(err)
		}()
		resp.Body = struct {
			io.Reader
			io.Closer
		}{bufio.NewReader(r), closers{body, r}}
	},
	"a body that was read": func(resp *http.Response) {
		text, _ := io.ReadAll(resp.Body)
		resp.Body = struct {
			io.Reader
			io.Closer
		}{bytes.NewReader(text), resp.Body}
	},
	"a copy of the response": func(resp *http.Response) {
		*resp = http.Response{
			Status: resp.Status, StatusCode: resp.StatusCode, Header: resp.Header, Body: resp.Body, Request: resp.Request,
		}
	},
}

type closers []io.Closer

func (c closers) Close() (err error) {
	for _, one := range c {
		err = errors.Join(err, one.Close())
	}
	return err
}

// TestStreamEventsAboveAWrapper: what wraps the body does not hide the events of the payment, and
// nothing waits for it.
func TestStreamEventsAboveAWrapper(t *testing.T) {
	for name, wrap := range wrapped {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv, func(c *client.Config) { c.Limits.PieceByPiece = true })
			resp, err := p.do(http.MethodGet, "/stream/5/10", nil)
			require.NoError(t, err)
			wrap(resp)
			s, err := client.NewStream(resp)
			require.NoError(t, err)
			var messages, vouchers, receipts int
			for e, err := range s.Events() {
				require.NoError(t, err)
				switch {
				case e.Type != "":
					messages++
				case !e.Cumulative.IsZero():
					vouchers++
				default:
					receipts++
				}
			}
			require.NoError(t, s.Close())
			assert.Equal(t, 5, messages)
			if name != "a body that was read" { // before there was a Stream to tell
				assert.Equal(t, 1, receipts)
				assert.LessOrEqual(t, 3, vouchers, "the first may have come before the Stream")
			}
			p.agree()
		})
	}
}

// TestStreamOfAnotherBody: the payment of a response is no part of a stream that another one brought.
func TestStreamOfAnotherBody(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	paid, err := p.do(http.MethodGet, "/data", nil)
	require.NoError(t, err)
	paid.Body.Close()
	paid.Header.Set("Content-Type", "text/event-stream")
	paid.Body = io.NopCloser(strings.NewReader("data: x\n\n"))
	s, err := client.NewStream(paid)
	require.NoError(t, err)
	e, err := s.Next()
	require.NoError(t, err)
	assert.Equal(t, "x", e.Data)
	_, err = s.Next()
	require.ErrorIs(t, err, io.EOF)
}
