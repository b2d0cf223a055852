package client_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// swap is a base that can be changed after a channel was opened through it.
type swap struct{ to http.RoundTripper }

func (s *swap) RoundTrip(req *http.Request) (*http.Response, error) { return s.to.RoundTrip(req) }

// canned answers at once, with the headers of an answer that was paid.
type canned struct{ header http.Header }

func (c canned) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return &http.Response{StatusCode: http.StatusOK, Header: c.header, Body: io.NopCloser(strings.NewReader("ok")), Request: req}, nil
}

// warm opens a channel at a paid server, so that a challenge for /data is known, and returns the client and
// the headers of a paid answer.
func warm(b *testing.B, ahead uint64, change ...func(*client.Config)) (*http.Client, *swap, string, http.Header) {
	b.Helper()
	srv := clienttest.New(b, clienttest.Config{TTL: time.Hour, Funds: u(1 << 50)})
	base := &swap{http.DefaultTransport}
	p := newPayer(b, srv, func(c *client.Config) {
		c.Limits = channel.Limits{Price: u(1000), Deposit: u(1 << 50), Fund: u(1 << 49), Total: u(1 << 52), Ahead: u(ahead)}
		c.OnEvent = nil
		c.Signer = c.Payer.(voucher.Signer)
		for _, f := range change {
			f(c)
		}
	})
	c := &http.Client{Transport: &client.Transport{Session: p.session, Base: base}}
	var h http.Header
	for range 2 {
		resp, err := c.Get(srv.URL + "/data")
		require.NoError(b, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		require.Equal(b, http.StatusOK, resp.StatusCode)
		h = resp.Header
	}
	return c, base, srv.URL, h
}

func bench(b *testing.B, c *http.Client, url string) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		resp, err := c.Get(url)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			b.Fatal(resp.Status)
		}
	}
}

// BenchmarkOwnCost has no socket: what the transport adds to a request by itself. With Ahead nothing is signed
// and nothing is written.
func BenchmarkOwnCost(b *testing.B) {
	c, base, url, h := warm(b, 1<<45)
	base.to = canned{h}
	b.Run("bare", func(b *testing.B) { bench(b, &http.Client{Transport: base.to}, url+"/data") })
	b.Run("paid", func(b *testing.B) { bench(b, c, url+"/data") })
	c, base, url, h = warm(b, 0)
	h = h.Clone()
	h.Del("Payment-Receipt") // the same one again and again would say that nothing more was charged
	base.to = canned{h}
	b.Run("paid and signed", func(b *testing.B) { bench(b, c, url+"/data") })
}

// BenchmarkLoopback has a server on loopback that answers without work, so that the client's share is seen.
func BenchmarkLoopback(b *testing.B) {
	quick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	b.Cleanup(quick.Close)
	for name, ahead := range map[string]uint64{"paid ahead": 1 << 45, "paid and signed": 0} {
		c, base, url, _ := warm(b, ahead)
		base.to = redirected{quick.Listener.Addr().String()}
		b.Run(name, func(b *testing.B) { bench(b, c, url+"/data") })
	}
	b.Run("unpaid", func(b *testing.B) { bench(b, http.DefaultClient, quick.URL) })
}

// redirected sends everything to one address.
type redirected struct{ host string }

func (r redirected) RoundTrip(req *http.Request) (*http.Response, error) {
	out := *req
	u := *req.URL
	u.Host = r.host
	out.URL = &u
	return http.DefaultTransport.RoundTrip(&out)
}

// BenchmarkServer is against the paid test server, which verifies every voucher.
func BenchmarkServer(b *testing.B) {
	c, _, url, _ := warm(b, 0)
	b.Run("free", func(b *testing.B) { bench(b, http.DefaultClient, url+"/free") })
	b.Run("paid", func(b *testing.B) { bench(b, c, url+"/data") })
}

// BenchmarkTogether is 64 goroutines on one channel without Ahead: how many requests a paid request costs
// where vouchers overtake each other.
func BenchmarkTogether(b *testing.B) {
	srv := clienttest.New(b, clienttest.Config{TTL: time.Hour, Funds: u(1 << 50)})
	for name, ahead := range map[string]uint64{"ahead 0": 0, "ahead 64": 6400} {
		b.Run(name, func(b *testing.B) {
			transport := &http.Transport{MaxIdleConnsPerHost: 128}
			b.Cleanup(transport.CloseIdleConnections)
			p := newPayer(b, srv, func(c *client.Config) {
				c.Limits = channel.Limits{Price: u(1000), Deposit: u(1 << 50), Fund: u(1 << 49), Total: u(1 << 52), Ahead: u(ahead)}
				c.OnEvent = nil
				c.Signer = c.Payer.(voucher.Signer)
			})
			p.get("/data")
			c := &http.Client{Transport: &client.Transport{Session: p.session, Base: transport}}
			before := len(srv.Requests())
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					resp, err := c.Get(srv.URL + "/data")
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						b.Errorf("status %s, problem %s", resp.Status, client.PaymentOf(resp).Problem)
						return
					}
				}
			})
			b.ReportMetric(float64(len(srv.Requests())-before)/float64(b.N), "requests/op")
		})
	}
}

// BenchmarkOwnCostJournal is BenchmarkOwnCost with a journal on this machine's disk: one more line a request.
func BenchmarkOwnCostJournal(b *testing.B) {
	for name, ahead := range map[string]uint64{"paid": 1 << 45, "paid and signed": 0} {
		for _, kept := range []bool{false, true} {
			c, base, url, h := warm(b, ahead, func(c *client.Config) {
				if kept {
					f, err := journal.Open(b.TempDir(), 0)
					require.NoError(b, err)
					b.Cleanup(func() { _ = f.Close() })
					c.Journal = f
				}
			})
			if ahead == 0 {
				h = h.Clone()
				h.Del("Payment-Receipt")
			}
			base.to = canned{h}
			b.Run(fmt.Sprintf("%s/journal=%v", name, kept), func(b *testing.B) { bench(b, c, url+"/data") })
		}
	}
}
