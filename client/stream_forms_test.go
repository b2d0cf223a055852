package client_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestStreamRunsAheadInEachForm: however servers write their events, and whatever the way to them
// does with the bytes, a stream needs as many vouchers as a plain one, and costs the same.
func TestStreamRunsAheadInEachForm(t *testing.T) {
	const pieces = 200
	raw := func(format string) func(*clienttest.Meter, int) error {
		return func(m *clienttest.Meter, i int) error {
			return m.Raw([]byte(strings.ReplaceAll(format, "%d", fmt.Sprint(i))))
		}
	}
	plain := func(m *clienttest.Meter, _ int) error { return m.Send("x") }
	for name, c := range map[string]struct {
		piece func(*clienttest.Meter, int) error
		front func(http.Handler) http.Handler
		tls   bool
	}{
		"plain":             {piece: plain},
		"without a name":    {piece: raw("data: {\"n\":%d}\n\n")},
		"CRLF":              {piece: raw("event: delta\r\ndata: %d\r\n\r\n")},
		"CR":                {piece: raw("event: delta\rdata: %d\r\r")},
		"several lines":     {piece: raw("id: %d\nevent: delta\ndata: {\ndata: \"n\": %d\ndata: }\n\n")},
		"keep-alives":       {piece: raw(": ping\n\ndata: %d\n\n: ping\n\n")},
		"no space":          {piece: raw("data:%d\n\n")},
		"letters of others": {piece: raw("data: \u0444 \U0001f600 %d\n\n")},
		"HTTP/2":            {piece: plain, tls: true},
		"byte by byte":      {piece: plain, front: crumbling},
		"gzip":              {piece: plain, front: zipping},
		"HTTP/1.0": {piece: plain, front: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Connection", "close")
				w.Header().Set("Transfer-Encoding", "identity") // the end of the connection ends it
				h.ServeHTTP(w, r)
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv, long)
			h := srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error {
				for i := range pieces {
					if err := errors.Join(m.Charge(1), c.piece(m, i)); err != nil {
						return err
					}
				}
				return nil
			})
			if c.front != nil {
				h = c.front(h)
			}
			front := overTCP(t, h)
			if c.tls {
				front = overTLS(t, h)
				p.base = front.Client().Transport
			}
			resp, err := p.fetch(t.Context(), http.MethodGet, front.URL, nil, "Accept-Encoding", "gzip")
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, errors.Join(err, resp.Body.Close()))
			s := p.agree()
			assert.Equal(t, u(10*pieces), s.Claimed)
			assert.Len(t, p.events.of(client.EventVoucher), 19)
			assert.False(t, u(10*(pieces+pieces/4+1)).Less(s.Signed), "signed %s", s.Signed)
		})
	}
}

// crumbling sends the bytes of a body one by one.
func crumbling(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(crumbs{w}, r) })
}

type crumbs struct{ http.ResponseWriter }

func (w crumbs) Write(b []byte) (int, error) {
	for i := range b {
		if _, err := w.ResponseWriter.Write(b[i : i+1]); err != nil {
			return i, err
		}
		w.Flush()
	}
	return len(b), nil
}

func (w crumbs) Flush()                      { _ = http.NewResponseController(w.ResponseWriter).Flush() }
func (w crumbs) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// zipping compresses what is paid for, piece by piece.
func zipping(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead || r.Header.Get("Authorization") == "" {
			h.ServeHTTP(w, r)
			return
		}
		z := &zipped{ResponseWriter: w, z: gzip.NewWriter(w)}
		w.Header().Set("Content-Encoding", "gzip")
		h.ServeHTTP(z, r)
		_ = z.z.Close()
	})
}
