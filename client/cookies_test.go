package client_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestVouchersFollowTheirStream: a load balancer binds a client to a backend by a cookie that it sets
// anew with each answer. The vouchers of a stream have the last one, also if the caller sent an older
// one, and each caller's stream has its own.
func TestVouchersFollowTheirStream(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for _, own := range []string{"", "theme=dark; lb=old", "lb=old"} {
			t.Run(method+" "+own, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv, func(c *client.Config) { c.Limits.PieceByPiece = true })
				stream := srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error { return send(m, 5) })
				var mu sync.Mutex
				n, vouchers := 0, 0
				front := serve(t, func(w http.ResponseWriter, r *http.Request) {
					mu.Lock()
					want := fmt.Sprintf("lb=%d", n)
					n++
					http.SetCookie(w, &http.Cookie{Name: "lb", Value: fmt.Sprint(n), Path: "/", MaxAge: 60, HttpOnly: true})
					voucher := r.ContentLength == 0 && (r.Method != http.MethodGet) && r.Header.Get("Authorization") != ""
					mu.Unlock()
					if voucher {
						vouchers++
						if theme := strings.TrimSuffix(strings.TrimSuffix(own, "lb=old"), "; "); theme != "" {
							want = theme + "; " + want
						}
						if got := r.Header.Get("Cookie"); got != want {
							t.Errorf("voucher with %q, want %q", got, want)
							w.WriteHeader(http.StatusMisdirectedRequest)
							return
						}
					} else if got := r.Header.Get("Cookie"); got != own {
						t.Errorf("the caller's request with %q, want %q", got, own)
					}
					stream.ServeHTTP(w, r)
				})
				var body io.Reader
				if method == http.MethodPost {
					body = strings.NewReader("{}")
				}
				header := []string{"Cookie", own}
				if own == "" {
					header = nil
				}
				resp, err := p.fetch(t.Context(), method, front.URL, body, header...)
				p.delivered(5, resp, err)
				assert.Equal(t, 4, vouchers)
			})
		}
	}
}

// TestCookiesOfManagement: what the answers to a proof, a top-up and a 402 set is on the answer that
// the caller gets, in their order and before its own, and goes with the management requests that
// follow. So does what an answer set that was followed by another try.
func TestCookiesOfManagement(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, bootstrapping)
	l := p.lied()
	busy := 1
	l.answer = func(_ int, s sent) (*http.Response, error) {
		if busy--; s.action() == "topUp" && busy < 0 {
			busy = 1 << 20
			return reply(http.StatusServiceUnavailable, "", "Set-Cookie", "busy=1"), nil
		}
		return nil, nil
	}
	l.after = func(n int, s sent, resp *http.Response) {
		name := s.action()
		if name == "" {
			name = s.Method
		}
		resp.Header.Add("Set-Cookie", fmt.Sprintf("%s=%d", name, n))
	}
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	hc := &http.Client{Jar: jar, Transport: &client.Transport{Session: p.session, Base: l}}
	names := func(resp *http.Response) (out []string) {
		for _, c := range resp.Cookies() {
			out = append(out, c.Name)
		}
		return out
	}
	get := func() []string {
		resp, err := hc.Do(p.request(t.Context(), http.MethodGet, "/boot?deposit=100", nil))
		p.ok(resp, err)
		return names(resp)
	}
	assert.Equal(t, []string{"GET", "HEAD", "proof", "open"}, get())
	assert.Equal(t, []string{"GET", "busy", "topUp", "voucher"}, get())

	for _, s := range l.all() {
		cookie := s.Header.Get("Cookie")
		switch s.action() {
		case "proof":
			assert.Equal(t, "GET=1; HEAD=2", cookie)
		case "open":
			assert.Empty(t, cookie, "the caller's own request is as the caller made it")
		case "topUp":
			assert.Contains(t, cookie, "proof=3", "of the caller's jar")
		}
	}
	tops := l.paid("topUp")
	require.Len(t, tops, 2)
	assert.NotContains(t, tops[0].Header.Get("Cookie"), "busy")
	assert.Contains(t, tops[1].Header.Get("Cookie"), "busy=1")
}

// TestCookiesAfterTheAnswer: a 402 that is handed to the caller after a search that came to nothing has
// the cookies of the search's answer too, behind its own.
func TestCookiesAfterTheAnswer(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	dir := filepath.Join(t.TempDir(), "store")
	p.onFiles(dir)
	p.get("/data")
	backup := copied(t, dir)
	for range 3 {
		p.get("/data")
	}
	p.onFiles(backup) // an older copy, so that the voucher is too low
	l := p.lied()
	l.after = func(_ int, s sent, resp *http.Response) {
		name := s.action()
		if name == "" {
			name = s.Method
		}
		resp.Header.Add("Set-Cookie", name+"=1")
	}
	resp, err := p.do(http.MethodGet, "/data", nil)
	require.NoError(t, err)
	assert.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
	var names []string
	for _, c := range resp.Cookies() {
		names = append(names, c.Name)
	}
	require.NotEmpty(t, names)
	assert.Equal(t, "HEAD", names[len(names)-1], "%v", names)
	assert.Contains(t, names, "voucher")
}

// TestCookiesOfAClose: what the answer with the challenge sets goes with the close.
func TestCookiesOfAClose(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	l := p.liedToTheEnd()
	l.after = func(n int, _ sent, resp *http.Response) { resp.Header.Add("Set-Cookie", fmt.Sprintf("lb=%d", n)) }
	ctx := client.WithHeader(t.Context(), srv.URL, http.Header{"Cookie": {"key=k; lb=0"}})
	require.NoError(t, p.session.Channels().Close(ctx, p.only().ID))
	closes := l.paid("close")
	require.Len(t, closes, 1)
	assert.Equal(t, "key=k; lb=1", closes[0].Header.Get("Cookie"))
	p.paidOut(p.only(), 100)
}

// TestCookiesKeepTheirRules: a cookie goes to where a jar would send it and nowhere else, ends when it
// is deleted, and does not outlive its request.
func TestCookiesKeepTheirRules(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Limits.PieceByPiece = true })
	l := p.lied()
	l.after = func(_ int, s sent, resp *http.Response) {
		switch s.Method {
		case http.MethodGet:
			for _, line := range []string{
				"host=1", "root=1; Path=/", "stream=1; Path=/stream", "other=1; Path=/other",
				"domain=1; Domain=example.com",
				"old=1; Max-Age=0", "gone=1; Path=/", "bad name=1", "=1", "",
			} {
				resp.Header.Add("Set-Cookie", line)
			}
		default:
			resp.Header.Add("Set-Cookie", "gone=; Path=/; Max-Age=0")
		}
	}
	for range 2 {
		p.get("/stream/3/10")
	}
	vouchers := l.paid("voucher")
	require.NotEmpty(t, vouchers)
	var heads []string
	for _, v := range vouchers {
		got := strings.Split(v.Header.Get("Cookie"), "; ")
		if v.Method != http.MethodHead {
			assert.Equal(t, []string{""}, got, "a request of the caller's")
			continue
		}
		want := []string{"host=1", "root=1", "stream=1"}
		if len(heads)%2 == 0 {
			want = append(want, "gone=1") // the first of its stream
		}
		heads = append(heads, v.URL)
		assert.ElementsMatch(t, want, got)
	}
	assert.Len(t, heads, 4)
}

// TestCookiesOfVouchersAreBounded: a payee that sets other cookies with every answer to a voucher
// fills neither memory nor the header of the next. One that is known is set anew all the same.
func TestCookiesOfVouchersAreBounded(t *testing.T) {
	for name, value := range map[string]string{"many": "1", "long": strings.Repeat("x", 1000)} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv, func(c *client.Config) { c.Limits.PieceByPiece = true })
			l := p.lied()
			l.after = func(n int, _ sent, resp *http.Response) {
				resp.Header.Add("Set-Cookie", fmt.Sprintf("lb=%d", n))
				for i := range 50 {
					resp.Header.Add("Set-Cookie", fmt.Sprintf("c%d_%d=%s", n, i, value))
				}
			}
			resp, err := p.do(http.MethodGet, "/stream/20/10", nil)
			p.delivered(20, resp, err)
			lines := resp.Header["Set-Cookie"] // those of earlier answers, and 51 of this one
			assert.LessOrEqual(t, len(lines), 64+51)
			assert.LessOrEqual(t, len(strings.Join(lines[:len(lines)-51], "")), 8<<10)
			for n, s := range l.all() {
				cookie := s.Header.Get("Cookie")
				assert.LessOrEqual(t, len(cookie), 8<<10)
				assert.LessOrEqual(t, strings.Count(cookie, "="), 64)
				if s.Method == http.MethodHead {
					assert.Contains(t, "; "+cookie+";", fmt.Sprintf("; lb=%d;", n))
				}
			}
		})
	}
}
