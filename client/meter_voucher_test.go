package client_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestHowAVoucherGoes: HEAD for GET and for URLs with a query, an empty POST otherwise; the other one where the
// server does not know the first.
func TestHowAVoucherGoes(t *testing.T) {
	for name, c := range map[string]struct {
		method, query string
		refuse        int // what the first way is answered with
		by            string
	}{
		"GET":                          {http.MethodGet, "", 0, http.MethodHead},
		"GET with a query":             {http.MethodGet, "?n=6", 0, http.MethodHead},
		"POST":                         {http.MethodPost, "", 0, http.MethodPost},
		"POST with a query":            {http.MethodPost, "?n=6", 0, http.MethodHead},
		"GET, 404":                     {http.MethodGet, "", 404, http.MethodPost},
		"GET, 405":                     {http.MethodGet, "", 405, http.MethodPost},
		"GET, 501":                     {http.MethodGet, "", 501, http.MethodPost},
		"POST, 405":                    {http.MethodPost, "", 405, http.MethodHead},
		"PUT is like a POST":           {http.MethodPut, "", 0, http.MethodPost},
		"DELETE with a query, by HEAD": {http.MethodDelete, "?n=6", 0, http.MethodHead},
	} {
		for _, rail := range []string{"", "/v1"} {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv)
				first := map[string]string{http.MethodPost: http.MethodHead, http.MethodHead: http.MethodPost}[c.by]
				srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
					if r.Action == "voucher" && r.Method == first && c.refuse != 0 {
						return clienttest.Fault{Refuse: c.refuse}
					}
					return clienttest.Fault{}
				})
				var body io.Reader
				if c.method != http.MethodGet {
					body = strings.NewReader("x")
				}
				resp, err := p.fetch(t.Context(), c.method, srv.URL+rail+"/stream/6/10"+c.query, body, "Accept", "text/event-stream")
				assert.Equal(t, 6, strings.Count(p.ok(resp, err), "\n\n"))
				by := vouchers(srv)
				assert.Equal(t, map[string]int{c.by: by[c.by]}, by)
				assert.GreaterOrEqual(t, by[c.by], 4, "the fourth piece may earn one ahead")
				s := p.agree()
				assert.False(t, u(70).Less(s.Claimed), "six pieces, and on v1 a POST is charged in advance: %s", s.Claimed)
				assert.Equal(t, 1, srv.Served(rail+"/stream/6/10"), "no voucher was taken for a request for content")
			})
		}
	}
}

// TestV1StreamTrap: on v1 a voucher that accepts event streams is taken for management, and charged. A stream on
// an open channel is asked for without that, and its vouchers too.
func TestV1StreamTrap(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	for i := range 3 {
		resp, err := p.fetch(t.Context(), http.MethodGet, srv.URL+"/v1/stream/6/10?q=1", nil, "Accept", "text/event-stream")
		assert.Equal(t, 6, strings.Count(p.ok(resp, err), "\n\n"))
		assert.Equal(t, u(uint64(60*(i+1))), p.agree().Claimed)
	}
}

// TestVoucherAnswersAreDrained: a server may answer a voucher with a body; its connection is used again.
func TestVoucherAnswersAreDrained(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	stream := srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error { return send(m, 30) })
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.ContentLength == 0 {
			rec := httptest.NewRecorder()
			stream.ServeHTTP(rec, r)
			w.WriteHeader(http.StatusOK)
			_, _ = io.WriteString(w, strings.Repeat("thank you ", 1000))
			return
		}
		stream.ServeHTTP(w, r)
	}))
	defer front.Close()
	p := newPayer(t, srv)
	var dials atomic.Int32
	base := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	defer base.CloseIdleConnections()
	p.base = base
	resp, err := p.fetch(t.Context(), http.MethodPost, front.URL, strings.NewReader("x"))
	assert.Equal(t, 30, strings.Count(p.ok(resp, err), "\n\n"))
	assert.LessOrEqual(t, dials.Load(), int32(3), "the stream's connection and one for its vouchers")
}

// TestShortOpen: an opening that is answered without a stream is asked for the stream once more, with the voucher
// that opened.
func TestShortOpen(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{ShortOpens: true})
	p := newPayer(t, srv)
	resp, err := p.fetch(t.Context(), http.MethodGet, srv.URL+"/stream/5/10", nil, "Accept", "text/event-stream")
	assert.Equal(t, 5, strings.Count(p.ok(resp, err), "\n\n"))
	assert.Equal(t, client.OutcomeAccepted, client.PaymentOf(resp).Outcome)
	assert.Equal(t, u(50), p.agree().Claimed)
	assert.Equal(t, 1, srv.Served("/stream/5/10"))
	assert.Len(t, srv.Requests(), 3+4, "a 402, an open, one refetch, and four vouchers")
}
