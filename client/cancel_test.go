package client_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// hang is something that does not answer, from when it is armed.
type hang struct {
	armed   atomic.Bool
	reached chan struct{}
	once    atomic.Bool
}

func newHang() *hang { return &hang{reached: make(chan struct{})} }

// wait waits for the context where it is armed.
func (h *hang) wait(ctx context.Context) error {
	if !h.armed.Load() {
		return nil
	}
	if h.once.CompareAndSwap(false, true) {
		close(h.reached)
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

type hangingStore struct {
	store.Store
	*hang
}

func (s hangingStore) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if err := s.wait(ctx); err != nil {
		return 0, err
	}
	return s.Store.Put(ctx, key, data, rev)
}

type hangingSigner struct {
	voucher.Signer
	*hang
}

func (s hangingSigner) SignVoucher(ctx context.Context, d *voucher.Domain, v voucher.Voucher) ([]byte, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	return s.Signer.SignVoucher(ctx, d, v)
}

type hangingTransport struct {
	http.RoundTripper
	*hang
}

func (r hangingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := r.wait(req.Context()); err != nil {
		return nil, err
	}
	return r.RoundTripper.RoundTrip(req)
}

// TestCancellation at every step: the request ends at once, nothing is left running, and the next one is served.
func TestCancellation(t *testing.T) {
	action := func(name string) func(p *payer, h *hang) {
		return func(p *payer, h *hang) {
			p.srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
				if r.Action == name && h.armed.Load() && (name != "" || r.Method == http.MethodGet) {
					if h.once.CompareAndSwap(false, true) {
						close(h.reached)
					}
					return clienttest.Fault{Hang: true}
				}
				return clienttest.Fault{}
			})
		}
	}
	for name, c := range map[string]struct {
		hang func(p *payer, h *hang)
		warm string // a request that goes first
		path string
	}{
		"the unpaid request": {action(""), "", "/data"},
		"the policy": {func(p *payer, h *hang) {
			p.cfg.Policy = func(ctx context.Context, _ client.Proposal) error { return h.wait(ctx) }
		}, "", "/data"},
		"the proof": {func(p *payer, h *hang) { p.cfg.Bootstrap = true; action("proof")(p, h) }, "", "/boot"},
		"the node": {func(p *payer, h *hang) {
			chain, err := escrow.Dial(p.t.Context(), p.srv.RPCURL, escrow.WithTransport(hangingTransport{p.base, h}))
			require.NoError(p.t, err)
			p.t.Cleanup(chain.Close)
			p.cfg.Chain = chain
		}, "", "/data"},
		"the store, opening":  {func(p *payer, h *hang) { p.cfg.Store = hangingStore{p.store, h} }, "", "/data"},
		"the signer, opening": {func(p *payer, h *hang) { p.cfg.Signer = hangingSigner{p.cfg.Signer, h} }, "", "/data"},
		"the opening":         {action("open"), "", "/data"},
		"the store":           {func(p *payer, h *hang) { p.cfg.Store = hangingStore{p.store, h} }, "/data", "/data"},
		"the signer":          {func(p *payer, h *hang) { p.cfg.Signer = hangingSigner{p.cfg.Signer, h} }, "/data", "/data"},
		"the voucher":         {action("voucher"), "/data", "/data"},
		"the top-up":          {action("topUp"), "/data?deposit=100", "/data?deposit=100"},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				before := goleak.IgnoreCurrent()
				t.Run("", func(t *testing.T) {
					srv := clienttest.New(t, clienttest.Config{})
					p := newPayer(t, srv)
					h := newHang()
					c.hang(p, h)
					p.restart()
					if c.warm != "" {
						p.get(rail + c.warm)
					}
					if name == "the proof" && rail == "/v1" {
						return // v1 has none
					}
					h.armed.Store(true)
					ctx, cancel := context.WithCancel(t.Context())
					go func() {
						<-h.reached
						cancel()
					}()
					began := time.Now()
					resp, err := p.send(p.request(ctx, http.MethodGet, rail+c.path, nil))
					if err == nil {
						resp.Body.Close()
					}
					require.ErrorIs(t, err, context.Canceled)
					assert.Less(t, time.Since(began), 5*time.Second)
					h.armed.Store(false)
					p.get(rail + c.path)
					s := p.only()
					assert.False(t, u(300).Less(s.Authorized))
					account, _ := srv.Account(s.ID)
					assert.Equal(t, account.Accepted, s.Signed)
				})
				http.DefaultTransport.(*http.Transport).CloseIdleConnections()
				goleak.VerifyNone(t, before)
			})
		}
	}
}

// TestOneWhoWaitsObeysItsOwnContext: requests that wait together share a signature, which one of them asks for with
// its own context. Another's end does not wait for that.
func TestOneWhoWaitsObeysItsOwnContext(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		p := inMemory(t)
		h := newHang()
		var asked atomic.Int64
		second := make(chan struct{})
		p.cfg.Signer = signerFunc{p.cfg.Signer, func(ctx context.Context) error {
			if !h.armed.Load() {
				return nil
			}
			if asked.Add(1) == 2 {
				close(second)
			}
			<-ctx.Done()
			return context.Cause(ctx)
		}}
		p.restart()
		p.get("/data")
		h.armed.Store(true)
		start := func(ctx context.Context) <-chan error {
			done := make(chan error, 1)
			go func() {
				resp, err := p.send(p.request(ctx, http.MethodGet, "/data", nil))
				if err == nil {
					resp.Body.Close()
				}
				done <- err
			}()
			return done
		}
		leader, stopLeader := context.WithCancel(t.Context())
		led := start(leader)
		time.Sleep(time.Second)
		require.EqualValues(t, 1, asked.Load())
		patient, stopPatient := context.WithCancel(t.Context())
		hasty, stopHasty := context.WithCancel(t.Context())
		var waiting []<-chan error
		for range 8 {
			waiting = append(waiting, start(patient))
		}
		time.Sleep(time.Second) // until they wait at the gate: the turn goes to who waits longest
		gone := start(hasty)
		time.Sleep(time.Second)
		stopLeader()
		require.ErrorIs(t, <-led, context.Canceled)
		<-second // one of those who waited asks for a signature for all
		stopHasty()
		select {
		case err := <-gone:
			require.ErrorIs(t, err, context.Canceled)
		case <-time.After(5 * time.Second):
			t.Error("it waits for somebody else's signature")
		}
		h.armed.Store(false)
		stopPatient()
		for _, w := range waiting {
			require.ErrorIs(t, <-w, context.Canceled)
		}
		p.get("/data")
		assert.Equal(t, u(200), p.only().Claimed)
		require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
		p.paidOut(p.only(), 200)
	})
}

type signerFunc struct {
	voucher.Signer
	before func(context.Context) error
}

func (s signerFunc) SignVoucher(ctx context.Context, d *voucher.Domain, v voucher.Voucher) ([]byte, error) {
	if err := s.before(ctx); err != nil {
		return nil, err
	}
	return s.Signer.SignVoucher(ctx, d, v)
}

// TestPanickingSigner: a caller that recovers finds the channel as usable as before.
func TestPanickingSigner(t *testing.T) {
	for _, warm := range []bool{false, true} {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		var armed atomic.Bool
		p.cfg.Signer = signerFunc{p.cfg.Signer, func(context.Context) error {
			if armed.Load() {
				panic("the key fell out")
			}
			return nil
		}}
		p.restart()
		if warm {
			p.get("/data")
		}
		armed.Store(true)
		assert.PanicsWithValue(t, "the key fell out", func() {
			resp, err := p.do(http.MethodGet, "/data", nil)
			if err == nil {
				resp.Body.Close()
			}
		})
		armed.Store(false)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		p.ok(p.send(p.request(ctx, http.MethodGet, "/data", nil)))
		cancel()
		assert.False(t, u(300).Less(p.only().Authorized))
	}
}
