package client_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/journal"
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

// TestStreamClosedWhileAPaymentEventIsTaken: the end of the stream is booked by whoever had the lock,
// although nobody reads on.
func TestStreamClosedWhileAPaymentEventIsTaken(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var d diary
	p := newPayer(t, srv, d.kept)
	resp, err := p.do(http.MethodGet, "/stream/5/10", nil)
	require.NoError(t, err)
	hold, take := client.StreamLock(resp.Body)
	release := hold() // as if a payment event was taken
	require.NoError(t, resp.Body.Close())
	assert.Empty(t, d.of(journal.KindStream))
	release()
	take()
	assert.Len(t, d.of(journal.KindStream), 1)
}
