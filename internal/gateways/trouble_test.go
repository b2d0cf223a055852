//go:build unix

package gateways

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// careless is a location with nginx's defaults: it buffers, and it repeats requests.
const careless = `location / {
	proxy_pass http://paid;
	proxy_http_version 1.1;
	proxy_set_header Connection "";
	proxy_set_header Host $http_host;
}`

// headerLimit: a gateway that takes headers of 8 KB takes the longest credentials: openings and
// top-ups that answer a challenge with a snapshot of the channel.
func headerLimit(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var up, down atomic.Int64 // the longest headers
	inner := srv.Handler()
	addr := cleartext(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		up.Store(max(up.Load(), sizeOf(r.Header)))
		down.Store(max(down.Load(), sizeOf(w.Header())))
	})).addr
	for name, k := range map[string]kind{
		"nginx":   nginx(grace, "large_client_header_buffers 2 8k;", careless),
		"haproxy": haproxy(grace, "tune.bufsize 16384\n\ttune.maxrewrite 8192", ""),
	} {
		for _, http2 := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, HTTP 2 %t", name, http2), func(t *testing.T) {
				g := k(t, addr)
				for _, path := range []string{"/hinted", "/v1/hinted", "/sponsored", "/v1/sponsored"} {
					p := newPayer(t, srv, g, http2)
					for range 4 {
						p.get(path + "?deposit=200")
					}
					assert.Positive(t, p.seen(client.EventToppedUp))
					p.agree()
					require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
				}
			})
		}
	}
	t.Logf("the longest header has %d bytes up and %d bytes down", up.Load(), down.Load())
	assert.Less(t, up.Load(), int64(5<<10), "docs/recipes.md says so")
	assert.Less(t, down.Load(), int64(5<<9), "docs/recipes.md says so")
}

// sizeOf returns about how long a header is on the wire.
func sizeOf(h http.Header) (n int64) {
	for name, values := range h {
		for _, v := range values {
			n += int64(len(name) + len(v) + len(": \r\n"))
		}
	}
	return n
}

// headerTooLong: an opening that the gateway refuses is the gateway's answer, and costs nothing.
func headerTooLong(t *testing.T) {
	for _, http2 := range []bool{true, false} {
		srv := clienttest.New(t, clienttest.Config{})
		g := nginx(grace, "large_client_header_buffers 4 1k;", "")(t, cleartext(t, srv.Handler()).addr)
		p := newPayer(t, srv, g, http2)
		resp, _, err := p.do(http.MethodGet, "/data", "")
		if http2 { // nginx closes the connection
			assert.Equal(t, client.OutcomeUnknown, outcomeOf(err))
		} else {
			require.NoError(t, err)
			assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
			assert.Equal(t, client.OutcomeUnknown, client.PaymentOf(resp).Outcome)
		}
		assert.Equal(t, channel.Opening, p.only().Phase)
		assert.False(t, srv.Chain.Channel(p.only().ID).Exists)
		assert.Empty(t, srv.Accounts())
	}
}

// bufferedStream: a stream that has to ask for vouchers through a gateway that keeps its events
// back ends when the server gives up, paid for exactly. It goes on where it need not ask, where the
// server forbids the buffering, and with the configuration of docs/recipes.md.
func bufferedStream(t *testing.T) {
	const n = 30
	srv := clienttest.New(t, clienttest.Config{VoucherWait: 200 * time.Millisecond})
	inner := srv.Handler()
	addr := cleartext(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("unbuffered") {
			w.Header().Set("X-Accel-Buffering", "no")
		}
		inner.ServeHTTP(w, r)
	})).addr
	buffering := nginx(grace, "", careless)(t, addr)
	for name, one := range map[string]struct {
		g     *gateway
		query string
		ahead uint64
		whole bool
	}{
		"buffered":               {buffering, "", 0, false},
		"buffered, signed ahead": {buffering, "", n * chunk, true},
		"forbidden":              {buffering, "?unbuffered=", 0, true},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(name+" "+method, func(t *testing.T) {
				p := newPayer(t, srv, one.g, true, func(c *client.Config) { c.Limits.Ahead = u(one.ahead) })
				p.get("/data")
				body := ""
				if method == http.MethodPost {
					body = "{}"
				}
				_, got, err := p.do(method, fmt.Sprintf("/stream/%d/%d%s", n, chunk, one.query), body)
				require.NoError(t, err)
				if one.whole {
					assert.Equal(t, n, events(got))
				} else {
					assert.Less(t, events(got), n)
				}
				spent := p.agree()
				assert.Equal(t, u(price+uint64(events(got))*chunk), spent, "what came is what was paid")
			})
		}
	}
}

// cutStream: a gateway that ends its old workers by force cuts their streams. What came was paid.
// HAProxy ends them on HTTP/2 as if they were complete; the missing receipt shows that they were
// not.
func cutStream(t *testing.T) {
	for name, one := range map[string]struct {
		kind   kind
		http2  bool
		silent bool
	}{
		"nginx h2":         {nginx("300ms", "", ""), true, false},
		"nginx h1":         {nginx("300ms", "", ""), false, false},
		"haproxy h2 to h1": {haproxy("300ms", "", ""), true, true},
		"haproxy h2 to h2": {haproxy("300ms", "", "proto h2"), true, true},
		"haproxy h1 to h1": {haproxy("300ms", "", ""), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			waits := make(chan struct{})
			srv.Handle("/cut", srv.Metered(
				clienttest.Terms{Price: u(chunk), Deposit: u(10_000)},
				func(m *clienttest.Meter, r *http.Request) error {
					for range 10 {
						if err := m.Charge(1); err != nil {
							return err
						}
						if err := m.Send("chunk"); err != nil {
							return err
						}
					}
					close(waits)
					<-r.Context().Done()
					return r.Context().Err()
				},
			))
			g := one.kind(t, cleartext(t, srv.Handler()).addr)
			p := newPayer(t, srv, g, one.http2)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/cut", nil)
			require.NoError(t, err)
			resp, err := p.http.Do(req)
			require.NoError(t, err)
			s, err := client.NewStream(resp)
			require.NoError(t, err)
			defer s.Close()
			var reloaded sync.WaitGroup
			reloaded.Go(func() {
				<-waits
				g.reload(t)
			})
			messages, receipts := 0, 0
			for {
				var e client.StreamEvent
				if e, err = s.Next(); err != nil {
					break
				}
				if e.Type != "" {
					messages++
				} else if e.Receipt != nil && e.Cumulative.IsZero() {
					receipts++
				}
			}
			reloaded.Wait()
			assert.Equal(t, 10, messages)
			assert.Zero(t, receipts, "a complete stream would have ended with one")
			assert.Equal(t, one.silent, err == io.EOF, "%v", err) //nolint:errorlint // the end, not an error
			p.base.CloseIdleConnections()
			p.get("/data")
			assert.Equal(t, u(10*chunk+price), p.agree())
		})
	}
}

// ownAnswers: what the gateway answers by itself to a paid request comes back as it is. The price
// stays counted until a receipt shows that it was not charged.
func ownAnswers(t *testing.T) {
	for _, http2 := range []bool{true, false} {
		srv := clienttest.New(t, clienttest.Config{})
		up := cleartext(t, srv.Handler())
		g := nginx(grace, "client_max_body_size 10k;", "")(t, up.addr)
		p := newPayer(t, srv, g, http2)
		p.ok(http.MethodPost, "/data", "a")
		p.ok(http.MethodPost, "/data", "a")
		unknown := func(status int, body string) {
			t.Helper()
			resp, _, err := p.do(http.MethodPost, "/data", body)
			require.NoError(t, err)
			assert.Equal(t, status, resp.StatusCode)
			assert.Equal(t, client.OutcomeUnknown, client.PaymentOf(resp).Outcome)
		}
		unknown(http.StatusRequestEntityTooLarge, strings.Repeat("x", 20_000))
		assert.Equal(t, u(3*price), p.only().Claimed)
		p.ok(http.MethodPost, "/data", "a")
		assert.Equal(t, u(3*price), p.agree(), "the receipt says that it was not charged")
		up.stop()
		unknown(http.StatusBadGateway, "a")
		assert.Equal(t, u(4*price), p.only().Claimed)
	}
}

// repeatedRequest: the server charges for a request, and its answer is lost between server and
// gateway. A request that is sent again is refused, as long as nothing is signed ahead. nginx may
// send it again by itself. HAProxy answers HTTP/2 with REFUSED_STREAM, which says that the request
// was not processed (RFC 9113, 8.7), so the client sends it again.
func repeatedRequest(t *testing.T) {
	unknown := client.OutcomeUnknown
	for name, one := range map[string]struct {
		kind     kind
		ahead    uint64
		arrivals int // of the request
		charges  uint64
		outcome  client.Outcome
	}{
		"nginx":                        {nginx(grace, "", ""), 0, 1, 1, unknown},
		"nginx, signed ahead":          {nginx(grace, "", ""), 1000, 1, 1, unknown},
		"haproxy":                      {haproxy(grace, "", ""), 0, 3, 1, client.OutcomeRejected},
		"haproxy, signed ahead":        {haproxy(grace, "", "proto h2"), 1000, 2, 2, client.OutcomeAccepted},
		"careless nginx":               {nginx(grace, "", careless), 0, 3, 1, client.OutcomeRejected},
		"careless nginx, signed ahead": {nginx(grace, "", careless), 1000, 2, 2, client.OutcomeAccepted},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			g := one.kind(t, cleartext(t, srv.Handler()).addr)
			p := newPayer(t, srv, g, true, func(c *client.Config) { c.Limits.Ahead = u(one.ahead) })
			p.get("/data")
			p.get("/data")
			before := len(srv.Requests())
			var once sync.Once
			srv.OnRequest(func(clienttest.Request) (f clienttest.Fault) {
				once.Do(func() { f.LoseAnswer = true })
				return f
			})
			resp, _, err := p.do(http.MethodGet, "/data", "")
			if err != nil {
				assert.Equal(t, one.outcome, outcomeOf(err))
			} else {
				assert.Equal(t, one.outcome, client.PaymentOf(resp).Outcome)
			}
			assert.Len(t, srv.Requests(), before+one.arrivals)
			spent := srv.Accounts()[0].Spent
			assert.Equal(t, u((2+one.charges)*price), spent)
			c := p.only()
			assert.LessOrEqual(t, c.Authorized.Cmp(u(3*price+one.ahead)), 0, "no more than was agreed to")
			p.get("/data")
			if one.charges == 1 {
				assert.Equal(t, u(4*price), p.agree())
			}
		})
	}
}

// manyRepeatedRequests: what a gateway repeats is charged out of Limits.Ahead, and that is all it
// costs, however often it does so.
func manyRepeatedRequests(t *testing.T) {
	const n, ahead = 30, 500
	srv := clienttest.New(t, clienttest.Config{})
	g := nginx(grace, "", careless)(t, cleartext(t, srv.Handler()).addr)
	p := newPayer(t, srv, g, true, func(c *client.Config) { c.Limits.Ahead = u(ahead) })
	p.get("/data")
	for range n {
		var once sync.Once
		srv.OnRequest(func(clienttest.Request) (f clienttest.Fault) {
			once.Do(func() { f.LoseAnswer = true })
			return f
		})
		_, _, err := p.do(http.MethodGet, "/data", "")
		require.NoError(t, err)
	}
	most := u((1+n)*price + ahead)
	assert.False(t, most.Less(p.only().Authorized), "%s", p.only().Authorized)
	assert.False(t, most.Less(srv.Accounts()[0].Spent), "%s", srv.Accounts()[0].Spent)
	assert.True(t, u((1+n)*price).Less(srv.Accounts()[0].Spent), "some were charged twice")
}
