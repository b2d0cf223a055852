package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/store/journal"
)

// shop is a route that knows which Idempotency-Keys it charged.
type shop struct {
	paid http.Handler

	mu      sync.Mutex // guards what follows
	charged map[string]int
	forgets bool           // it charges a key each time
	answers map[string]int // the status of a charged key, if it is not 200
}

// broken stands for a connection that breaks instead of an answer.
const broken = -1

// sells adds a shop at a path. Each request costs 100.
func sells(srv *clienttest.Server, path string) *shop {
	s := &shop{charged: map[string]int{}, answers: map[string]int{}}
	s.paid = srv.Paid(
		clienttest.Terms{Price: u(100), Deposit: u(100_000)},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			key := r.Header.Get("Idempotency-Key")
			s.mu.Lock()
			s.charged[key]++
			s.mu.Unlock()
			s.answer(w, key, "sold")
		}),
	)
	srv.Handle(path, s)
	return s
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Idempotency-Key")
	s.mu.Lock()
	again := !s.forgets && s.charged[key] > 0
	s.mu.Unlock()
	if again && r.Header.Get("Authorization") != "" {
		s.answer(w, key, "sold before")
		return
	}
	s.paid.ServeHTTP(w, r)
}

// answer answers for a key that was charged.
func (s *shop) answer(w http.ResponseWriter, key, text string) {
	s.mu.Lock()
	status := s.answers[key]
	s.mu.Unlock()
	switch status {
	case broken:
		panic(http.ErrAbortHandler)
	case 0:
		fmt.Fprint(w, text)
	default:
		w.Header().Del("Payment-Receipt")
		w.WriteHeader(status)
	}
}

// says sets the answer to a key that was charged; 0 is 200.
func (s *shop) says(key string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[key] = status
}

// TestRetryServedWithoutPayment: a payee that knows the key serves the retry without asking to be paid.
// The retry is the same operation, with the outcome of the tries before, and costs nothing. A request with
// another body is none of it.
func TestRetryServedWithoutPayment(t *testing.T) {
	for name, want := range map[string]client.Outcome{
		"": client.OutcomeAccepted, "lost": client.OutcomeUnknown,
	} {
		srv := clienttest.New(t, clienttest.Config{})
		s := sells(srv, "/shop")
		var book diary
		p := newPayer(t, srv, func(c *client.Config) { c.Journal = &book })
		p.get("/shop")
		knows := false
		l := p.lied()
		l.answer = func(int, sent) (*http.Response, error) {
			if knows {
				return reply(http.StatusOK, "sold before"), nil
			}
			return nil, nil
		}
		if name == "lost" {
			s.says("k", broken)
		}
		first, err := p.keyed(t.Context(), "k", "/shop", strings.NewReader("a"))
		if name == "lost" {
			require.Error(t, err)
		} else {
			p.ended(first, err)
		}
		before := p.only()
		lines := len(book.of(journal.KindPay))
		knows = true
		_, paid := p.ended(p.keyed(t.Context(), "k", "/shop", strings.NewReader("a")))
		assert.Equal(t, want, paid.Outcome)
		assert.Equal(t, "k", paid.Operation)
		assert.Equal(t, before.ID, paid.ChannelID)
		assert.Zero(t, paid.Price)
		assert.Zero(t, paid.Cumulative)
		assert.Equal(t, before, p.only(), "the channel is as it was")
		all := book.of(journal.KindPay)
		require.Len(t, all, lines+1)
		line := all[lines]
		assert.Equal(t, "k", line.Operation)
		assert.Equal(t, string(want), line.Outcome)
		assert.Zero(t, line.Price)
		assert.Zero(t, line.Raised)
		_, paid = p.ended(p.keyed(t.Context(), "k", "/shop", strings.NewReader("b")))
		assert.Equal(t, client.OutcomeNone, paid.Outcome)
		assert.Empty(t, paid.Operation)
	}
}

// keyed sends a request with an Idempotency-Key. Without a body it is a GET.
func (p *payer) keyed(
	ctx context.Context, key, path string, body io.Reader,
) (*http.Response, error) {
	p.t.Helper()
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	req := p.request(ctx, method, path, body)
	req.Header.Set("Idempotency-Key", key)
	return p.send(req)
}

// ended reads and closes a response, and returns what was paid for it.
func (p *payer) ended(resp *http.Response, err error) (int, *client.Payment) {
	p.t.Helper()
	require.NoError(p.t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(p.t, err)
	require.NoError(p.t, resp.Body.Close())
	return resp.StatusCode, client.PaymentOf(resp)
}

// TestRetriesAreOnePurchase: a caller that tries again with its key after answers that say nothing
// of the payment authorizes one price, in the channel, in its budget and in the journal, and is
// served by a payee that knows the key, whatever other requests did in between.
func TestRetriesAreOnePurchase(t *testing.T) {
	for _, others := range []bool{false, true} {
		for _, body := range []string{"", "order"} {
			t.Run(fmt.Sprintf("others %t, body %q", others, body), func(t *testing.T) {
				var d diary
				srv := clienttest.New(t, clienttest.Config{})
				s := sells(srv, "/shop")
				p := newPayer(t, srv, d.kept)
				run := client.NewBudget(asset(srv), u(1000))
				ctx := client.WithBudget(t.Context(), run)
				try := func() (int, *client.Payment) {
					if body == "" {
						return p.ended(p.keyed(ctx, "k", "/shop", nil))
					}
					return p.ended(p.keyed(ctx, "k", "/shop", strings.NewReader(body)))
				}
				s.says("k", http.StatusServiceUnavailable)
				signed := uint64(100)
				for range 3 {
					status, payment := try()
					assert.Equal(t, http.StatusServiceUnavailable, status)
					assert.Equal(t, client.OutcomeUnknown, payment.Outcome)
					assert.Equal(t, "k", payment.Operation)
					if others {
						p.get("/data")
						signed += 100
					}
				}
				s.says("k", 0)
				status, payment := try()
				assert.Equal(t, http.StatusOK, status)
				assert.Equal(t, client.OutcomeAccepted, payment.Outcome)
				assert.Equal(t, u(signed), p.agree().Signed)
				assert.Equal(t, 1, s.charged["k"])
				assert.Equal(t, u(900), run.Left())
				d.reconciles(p)
				for _, e := range d.of(journal.KindPay) {
					if e.Operation == "k" && !e.Raised.IsZero() {
						assert.Equal(t, u(100), e.Raised)
						signed = 0
					}
				}
				assert.Zero(t, signed, "one line has the rise of the key")
			})
		}
	}
}

// TestRetryOfWhatWasNotCharged: the credit that the first try raised may have been used by other
// requests since. The retry is paid and served all the same.
func TestRetryOfWhatWasNotCharged(t *testing.T) {
	for name, fault := range map[string]clienttest.Fault{
		"500": {Refuse: http.StatusInternalServerError}, "reset": {Refuse: -1},
	} {
		for others := range 3 {
			t.Run(fmt.Sprintf("%s, %d others", name, others), func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				sells(srv, "/shop")
				p := newPayer(t, srv)
				p.get("/data")
				if fault.Refuse > 0 {
					once(srv, "voucher", fault)
				} else {
					p.breaks()
				}
				resp, err := p.keyed(t.Context(), "k", "/shop", nil)
				if err == nil {
					resp.Body.Close()
				} else {
					assert.False(t, p.refused(nil, err).Retryable(), "whether it was paid is not known")
				}
				for range others {
					p.get("/data")
				}
				status, payment := p.ended(p.keyed(t.Context(), "k", "/shop", nil))
				assert.Equal(t, http.StatusOK, status)
				assert.Equal(t, client.OutcomeAccepted, payment.Outcome)
				assert.Equal(t, u(uint64(200+100*others)), p.agree().Signed) //nolint:gosec // small
			})
		}
	}
}

// offline returns a payer and a server without sockets, for synctest.
func offline(t *testing.T, cfg clienttest.Config) (*clienttest.Server, *payer, *liar) {
	t.Helper()
	cfg.NoSockets = true
	srv := clienttest.New(t, cfg)
	p := newPayer(t, srv, func(c *client.Config) {
		chain, err := escrow.Dial(t.Context(), srv.RPCURL, escrow.WithTransport(srv.Transport()))
		require.NoError(t, err)
		t.Cleanup(chain.Close)
		c.Chain = chain
	})
	p.base = srv.Transport()
	l := p.lied()
	p.cfg.Base = l
	p.restart()
	return srv, p, l
}

// breaks makes the connection of the next request with a credential break before the server sees
// it.
func (p *payer) breaks() {
	l, broken := p.lied(), false
	l.answer = func(_ int, s sent) (*http.Response, error) {
		if s.Paid == nil || broken {
			return nil, nil
		}
		broken = true
		return nil, errBroken
	}
}

// TestRetryOfAServedRequest presents the voucher that exists and authorizes nothing, whatever the
// payee makes of it.
func TestRetryOfAServedRequest(t *testing.T) {
	const served, paid = client.OutcomeAccepted, client.OutcomeAcceptedNoContent
	for name, c := range map[string]struct {
		forgets  bool
		change   func(l *liar)
		status   int
		outcome  client.Outcome
		err      error
		presents bool
		credit   bool // others left some
	}{
		"others left credit":      {credit: true, status: 200, outcome: served, presents: true},
		"the payee knows the key": {status: 200, outcome: served, presents: true},
		"the payee wants more": {
			forgets: true, status: 402, outcome: paid, err: client.ErrPaidBefore, presents: true,
		},
		"the payee wants less": {
			change: func(l *liar) { l.demands(priceIs("50")) },
			status: 200, outcome: served, presents: true,
		},
		"the payee raises its price": {
			change:  func(l *liar) { l.demands(priceIs("150")) },
			outcome: paid, err: client.ErrPaidBefore,
		},
		"another operator": {
			change:  func(l *liar) { l.demands(operatorIs(stranger(1))) },
			outcome: paid, err: client.ErrPaidBefore,
		},
		"410": {
			change: func(l *liar) {
				l.answer = func(_ int, s sent) (*http.Response, error) {
					if s.Paid == nil {
						return nil, nil
					}
					return unknown("")(nil, l, s), nil
				}
			},
			status: 410, outcome: paid, err: client.ErrPaidBefore, presents: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			s := sells(srv, "/shop")
			p := newPayer(t, srv, func(c *client.Config) { c.Policy = client.AllowHosts(srv.URL) })
			run := client.NewBudget(asset(srv), u(1000))
			ctx := client.WithBudget(t.Context(), run)
			status, _ := p.ended(p.keyed(ctx, "k", "/shop", nil))
			require.Equal(t, http.StatusOK, status)
			if c.credit {
				once(srv, "voucher", clienttest.Fault{Refuse: http.StatusInternalServerError})
				p.ended(p.do(http.MethodGet, "/data", nil))
				p.get("/data")
				require.True(t, p.only().Claimed.Less(p.only().Signed))
			}
			before := p.only()
			s.forgets = c.forgets
			l := p.lied()
			if c.change != nil {
				c.change(l)
			}
			for range 3 {
				n := len(l.paid(""))
				resp, err := p.keyed(ctx, "k", "/shop", nil)
				if c.status == 0 {
					e := p.refused(resp, err)
					require.ErrorIs(t, e, c.err)
					assert.Equal(t, c.outcome, e.Outcome)
					assert.False(t, e.Retryable())
				} else {
					status, payment := p.ended(resp, err)
					assert.Equal(t, c.status, status)
					assert.Equal(t, c.outcome, payment.Outcome)
					assert.Equal(t, before.Signed, payment.Cumulative)
					assert.ErrorIs(t, payment.Err, c.err)
				}
				assert.Equal(t, c.presents, len(l.paid("")) > n)
			}
			after := p.only()
			assert.Equal(t, before.Signed, after.Signed)
			assert.Equal(t, before.Authorized, after.Authorized)
			assert.Equal(t, before.Claimed, after.Claimed, "the price counts once")
			assert.Equal(t, u(900), run.Left())
		})
	}
}

// TestRetryOfARefusal goes on with what the first try raised.
func TestRetryOfARefusal(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	sells(srv, "/shop")
	p := newPayer(t, srv)
	p.get("/data")
	refused := func(*payer, *liar, sent) *http.Response {
		return refusal(http.StatusPaymentRequired, "", nil)
	}
	l := p.follow(serves, refused, serves)
	run := client.NewBudget(asset(srv), u(100))
	ctx := client.WithBudget(t.Context(), run)
	status, payment := p.ended(p.keyed(ctx, "k", "/shop", nil))
	assert.Equal(t, http.StatusPaymentRequired, status)
	assert.Equal(t, client.OutcomeRejected, payment.Outcome)
	status, _ = p.ended(p.keyed(ctx, "k", "/shop", nil))
	assert.Equal(t, http.StatusOK, status)
	assert.Len(t, l.spenders(), 2)
	assert.Equal(t, u(200), p.agree().Signed)
	assert.Equal(t, u(0), run.Left())
}

// TestRetryOfWhatWasNotSent: what was given back to a budget is taken once more, and not twice.
func TestRetryOfWhatWasNotSent(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	sells(srv, "/shop")
	p := newPayer(t, srv)
	p.get("/data")
	base := p.base
	run := client.NewBudget(asset(srv), u(100))
	ctx := client.WithBudget(t.Context(), run)
	p.base = trace{base, func(ctx context.Context) error {
		httptrace.ContextClientTrace(ctx).GetConn("")
		return errUnreachable{}
	}}
	for range 3 {
		e := p.refused(p.keyed(ctx, "k", "/shop", nil))
		assert.Equal(t, client.OutcomeNotSent, e.Outcome)
		assert.True(t, e.Retryable())
		assert.Equal(t, u(100), run.Left())
		assert.Equal(t, u(100), p.only().Claimed)
	}
	p.base = base
	status, _ := p.ended(p.keyed(ctx, "k", "/shop", nil))
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, u(0), run.Left())
	assert.Equal(t, u(200), p.agree().Signed)
}

// TestWithoutTheKeyARetryIsNew, and so is one for something else: a key is for one method and URL,
// of one run.
func TestWithoutTheKeyARetryIsNew(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	s := sells(srv, "/shop")
	sells(srv, "/other")
	s.forgets = true
	p := newPayer(t, srv)
	p.ended(p.keyed(t.Context(), "k", "/shop", nil))
	signed := uint64(100)
	run := client.NewBudget(asset(srv), u(1000))
	for name, change := range map[string]func(r *http.Request){
		"no key":       func(r *http.Request) { r.Header.Del("Idempotency-Key") },
		"empty key":    func(r *http.Request) { r.Header.Set("Idempotency-Key", "") },
		"two keys":     func(r *http.Request) { r.Header.Add("Idempotency-Key", "k") },
		"another key":  func(r *http.Request) { r.Header.Set("Idempotency-Key", "k2") },
		"another path": func(r *http.Request) { r.URL.Path = "/other" },
		"a query":      func(r *http.Request) { r.URL.RawQuery = "a=b" },
		"a method":     func(r *http.Request) { r.Method = http.MethodDelete },
		"a host":       func(r *http.Request) { r.Host = "elsewhere" },
		"a budget": func(r *http.Request) {
			*r = *r.WithContext(client.WithBudget(r.Context(), run))
		},
	} {
		req := p.request(t.Context(), http.MethodGet, "/shop", nil)
		req.Header.Set("Idempotency-Key", "k")
		change(req)
		p.ended(p.send(req))
		signed += 100
		assert.Equal(t, u(signed), p.only().Signed, name)
	}
	assert.Equal(t, u(900), run.Left())
}

// TestKeyInAnySpelling: the names of headers have no case.
func TestKeyInAnySpelling(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	sells(srv, "/shop")
	p := newPayer(t, srv)
	for _, name := range []string{"Idempotency-Key", "idempotency-key", "IDEMPOTENCY-KEY"} {
		req := p.request(t.Context(), http.MethodGet, "/shop", nil)
		req.Header[name] = []string{"k"}
		p.ok(p.send(req))
		assert.Equal(t, u(100), p.only().Signed, name)
	}
}

// TestKeyOfAnotherBody is an error before anything is signed. A body that cannot be compared is not
// remembered.
func TestKeyOfAnotherBody(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	s := sells(srv, "/shop")
	var n pen
	p := newPayer(t, srv, n.counted, func(c *client.Config) { c.Spool = 1000 })
	status, _ := p.ended(p.keyed(t.Context(), "k", "/shop", strings.NewReader("a book")))
	require.Equal(t, http.StatusOK, status)
	signed := n.vouchers.Load()
	for name, body := range map[string]io.Reader{
		"other": strings.NewReader("a bicycle"), "longer": strings.NewReader("a book and more"),
		"one shot": oneShot(10),
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				e := p.refused(p.keyed(t.Context(), "k", "/shop", body))
				require.ErrorIs(t, e, client.ErrKeyReused)
				assert.Equal(t, client.OutcomeRefused, e.Outcome)
				assert.False(t, e.Retryable())
			}
		})
	}
	assert.Equal(t, signed, n.vouchers.Load())
	for name, body := range map[string]func() io.Reader{
		"bytes":    func() io.Reader { return strings.NewReader("a book") },
		"one shot": func() io.Reader { return io.MultiReader(strings.NewReader("a book")) },
	} {
		status, _ := p.ended(p.keyed(t.Context(), "k", "/shop", body()))
		assert.Equal(t, http.StatusOK, status, name)
	}
	assert.Equal(t, u(100), p.only().Signed)
	assert.Equal(t, 1, s.charged["k"])
}

// TestKeyOfABodyThatIsSentAtOnce: on a known route the body is sent once, with the credential, and
// its digest is known after that.
func TestKeyOfABodyThatIsSentAtOnce(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	s := sells(srv, "/shop")
	p := newPayer(t, srv)
	p.ok(p.keyed(t.Context(), "first", "/shop", strings.NewReader("a book")))
	s.says("k", http.StatusServiceUnavailable)
	l := p.lied()
	reads := 0
	req := p.request(t.Context(), http.MethodPost, "/shop", strings.NewReader("a book"))
	req.Header.Set("Idempotency-Key", "k")
	getBody := req.GetBody
	req.GetBody = func() (io.ReadCloser, error) { reads++; return getBody() }
	p.ended(p.send(req))
	assert.Len(t, l.all(), 1)
	assert.Zero(t, reads, "the body was read while it was sent, and not once more")
	e := p.refused(p.keyed(t.Context(), "k", "/shop", strings.NewReader("a bicycle")))
	require.ErrorIs(t, e, client.ErrKeyReused)
	s.says("k", 0)
	p.ok(p.keyed(t.Context(), "k", "/shop", strings.NewReader("a book")))
	assert.Equal(t, u(200), p.agree().Signed)
}

// TestRequestsWithOneKeyAtOnce: the second one waits for the first, and for no longer than its
// context.
func TestRequestsWithOneKeyAtOnce(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		srv, p, l := offline(t, clienttest.Config{})
		s := sells(srv, "/shop")
		p.get("/data")
		free := make(chan struct{})
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.Paid != nil {
				<-free
			}
			return nil, nil
		}
		before := len(l.paid(""))
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				resp, err := p.keyed(t.Context(), "k", "/shop", strings.NewReader("a book"))
				if assert.NoError(t, err) {
					assert.Equal(t, http.StatusOK, resp.StatusCode)
					resp.Body.Close()
				}
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			synctest.Wait() // it is not the first
			resp, err := p.keyed(ctx, "k", "/shop", strings.NewReader("a book"))
			if err == nil {
				resp.Body.Close()
			}
			assert.ErrorIs(t, err, context.Canceled)
		})
		time.Sleep(time.Minute)
		cancel()
		// Another body is refused at once if that of the first one is known.
		e := p.refused(p.keyed(t.Context(), "k", "/shop", strings.NewReader("a bicycle")))
		require.ErrorIs(t, e, client.ErrKeyReused)
		time.Sleep(time.Minute)
		assert.Len(t, l.paid(""), before+1, "one is paid at a time")
		close(free)
		all.Wait()
		assert.Equal(t, u(200), p.agree().Signed)
		assert.Equal(t, 1, s.charged["k"])
	})
}

// TestRetryOfAStream: a stream is under way until its body ends. A retry waits for that, and raises
// nothing then.
func TestRetryOfAStream(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		_, p, l := offline(t, clienttest.Config{})
		stream, err := p.keyed(t.Context(), "k", "/stream/3/10", nil)
		require.NoError(t, err)
		var second sync.WaitGroup
		second.Go(func() {
			resp, err := p.keyed(t.Context(), "k", "/stream/3/10", nil)
			if !assert.NoError(t, err) {
				return
			}
			resp.Body.Close()
			assert.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
			assert.ErrorIs(t, client.PaymentOf(resp).Err, client.ErrPaidBefore)
			assert.Equal(t, client.OutcomeAcceptedNoContent, client.PaymentOf(resp).Outcome)
		})
		time.Sleep(time.Second)
		assert.Len(t, l.paid(""), 1)
		p.ended(stream, nil)
		second.Wait()
		assert.Equal(t, u(30), p.agree().Signed)
	})
}

// hasty answers a request without a credential after six bytes of its body.
type hasty struct{ p *payer }

func (h hasty) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Authorization") != "" {
		return h.p.base.RoundTrip(r)
	}
	_, _ = io.ReadFull(r.Body, make([]byte, 6))
	_ = r.Body.Close()
	return h.p.unpaid("/shop"), nil
}

// TestKeyOfAnUnreadBody: what was not read to its end is not compared by its beginning.
func TestKeyOfAnUnreadBody(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	sells(srv, "/shop")
	p := newPayer(t, srv)
	p.get("/data")
	c := &http.Client{Transport: &client.Transport{Session: p.session, Base: hasty{p}}}
	for _, order := range []string{"order of a book", "order of a bicycle"} {
		body := io.MultiReader(strings.NewReader(order)) // no GetBody
		req := p.request(t.Context(), http.MethodPost, "/shop", body)
		req.Header.Set("Idempotency-Key", "k")
		status, _ := p.ended(c.Do(req))
		assert.Equal(t, http.StatusOK, status)
	}
	for range 2 { // with GetBody the rest is read where it is needed
		req := p.request(t.Context(), http.MethodPost, "/shop", strings.NewReader("order of a pen"))
		req.Header.Set("Idempotency-Key", "k2")
		status, payment := p.ended(c.Do(req))
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, client.OutcomeAccepted, payment.Outcome)
	}
	assert.Equal(t, u(400), p.only().Signed, "two orders, and one that was made twice")
}

// TestRetryOverRedirects: each hop of each try goes on with the one purchase.
func TestRetryOverRedirects(t *testing.T) {
	const busy = http.StatusServiceUnavailable
	failed := func(*payer, *liar, sent) *http.Response { return reply(busy, "") }
	srv := clienttest.New(t, clienttest.Config{})
	sells(srv, "/shop")
	p := newPayer(t, srv)
	p.get("/data")
	p.follow(wants("", "/shop"), leads(http.StatusTemporaryRedirect, "/shop"), failed,
		leads(http.StatusTemporaryRedirect, "/shop"), failed, serves)
	for range 2 {
		status, payment := p.ended(p.keyed(t.Context(), "k", "/data", nil))
		assert.Equal(t, busy, status)
		assert.Equal(t, client.OutcomeUnknown, payment.Outcome)
		assert.Equal(t, u(200), p.only().Signed)
	}
	status, _ := p.ended(p.keyed(t.Context(), "k", "/data", nil))
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, u(200), p.agree().Signed)
}

// TestRetryAfterTheChannelWasClosed: what the payee did not redeem of it is paid from another
// channel; what it redeemed is not paid again, beyond the second payment of the rule.
func TestRetryAfterTheChannelWasClosed(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	s := sells(srv, "/shop")
	p := newPayer(t, srv)
	p.get("/data")
	once(srv, "voucher", clienttest.Fault{Refuse: http.StatusInternalServerError})
	p.ended(p.keyed(t.Context(), "k", "/shop", nil))
	first := p.only()
	require.NoError(t, p.session.Channels().Close(t.Context(), first.ID))
	status, payment := p.ended(p.keyed(t.Context(), "k", "/shop", nil))
	assert.Equal(t, http.StatusOK, status)
	assert.NotEqual(t, first.ID, payment.ChannelID)
	assert.Equal(t, u(100), payment.Cumulative)
	assert.Equal(t, 1, s.charged["k"])

	require.NoError(t, p.session.Channels().Close(t.Context(), payment.ChannelID))
	e := p.refused(p.keyed(t.Context(), "k", "/shop", nil))
	require.ErrorIs(t, e, client.ErrPaidBefore, "it was served")
	assert.Len(t, p.channels(), 2)
}

// TestLimitsOfARetry: a price that counts already is not refused by budgets that it has used up.
func TestLimitsOfARetry(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	s := sells(srv, "/shop")
	p := newPayer(t, srv, func(c *client.Config) {
		c.Limits.All.Hour, c.Limits.All.Day, c.Limits.Deposit = u(100), u(100), u(100)
	})
	run := client.NewBudget(asset(srv), u(100))
	ctx := client.WithBudget(t.Context(), run)
	s.says("k", http.StatusBadGateway)
	p.ended(p.keyed(ctx, "k", "/shop", nil))
	s.says("k", 0)
	for range 2 {
		status, _ := p.ended(p.keyed(ctx, "k", "/shop", nil))
		assert.Equal(t, http.StatusOK, status)
	}
	e := p.refused(p.keyed(ctx, "k2", "/shop", nil))
	assert.False(t, e.Retryable())
	assert.Equal(t, u(100), p.agree().Signed)
}
