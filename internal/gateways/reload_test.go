//go:build unix

package gateways

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// reload has new workers take over three times while requests are under way and streams wait. No
// request that was answered is charged twice, none that was lost is counted by one side only, and
// the streams go on to their end.
func reload(t *testing.T, k kind, http2 bool) {
	const workers, reloads, some, streams, half = 4, 3, 20, 2, 50
	srv := clienttest.New(t, clienttest.Config{})
	var waiting, all, reading sync.WaitGroup
	resume := make(chan struct{})
	waiting.Add(streams)
	srv.Handle("/slow", srv.Metered(
		clienttest.Terms{Price: u(chunk), Deposit: u(10_000)},
		func(m *clienttest.Meter, r *http.Request) error {
			for i := range 2 * half {
				if i == half {
					waiting.Done()
					select {
					case <-resume:
					case <-r.Context().Done():
						return r.Context().Err()
					}
				}
				if err := m.Charge(1); err != nil {
					return err
				}
				if err := m.Send("chunk"); err != nil {
					return err
				}
			}
			return nil
		},
	))
	g := k(t, cleartext(t, srv.Handler()).addr)
	p := newPayer(t, srv, g, http2)
	p.get("/data")
	// nginx keeps a connection of HTTP/2 with its old worker while a stream on it goes on, and all
	// requests with it, so the streams have connections of their own.
	own := &client.Transport{Session: p.session, Base: connections(t, g, http2)}
	for range streams {
		reading.Go(func() {
			_, got, err := p.over(&http.Client{Transport: own}, http.MethodGet, "/slow", "")
			assert.NoError(t, err)
			assert.Equal(t, 2*half, events(got))
		})
	}
	waiting.Wait()

	var sent, served, lost atomic.Int64
	var met sync.Map // worker processes that answered paid requests
	done := make(chan struct{})
	for w := range workers {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				method, body := http.MethodGet, ""
				if (w+i)%2 == 0 {
					method, body = http.MethodPost, "hello"
				}
				resp, _, err := p.do(method, "/data", body)
				switch {
				case err != nil:
					// HTTP/1 cannot say that an idle connection is about to close, so a request may
					// meet its end. It is not sent again: the payee may have it. HTTP/2 can say so
					// (GOAWAY), and such a request would be safe to send again.
					got := outcomeOf(err)
					assert.NotEqual(t, client.OutcomeAccepted, got, err)
					assert.NotEqual(t, client.OutcomeRejected, got, err)
					t.Logf("lost: %v", err)
					lost.Add(1)
				case assert.Equal(t, http.StatusOK, resp.StatusCode):
					met.Store(resp.Header.Get(workerHeader), true)
					served.Add(1)
				}
				sent.Add(1)
			}
		})
	}
	traffic := func(worker string) { // waits for some requests that the worker answers
		for n := sent.Load() + some; ; time.Sleep(time.Millisecond) {
			if _, ok := met.Load(worker); t.Failed() || ok && sent.Load() >= n {
				return
			}
		}
	}
	first, err := g.worker()
	assert.NoError(t, err)
	traffic(first)
	for range reloads {
		traffic(g.reload(t))
	}
	close(done)
	all.Wait()
	close(resume)
	reading.Wait()
	p.base.CloseIdleConnections() // the last request meets no old worker
	p.get("/data")

	spent := p.agree()
	charged := uint64(srv.Served("/data"))
	assert.Equal(t, u(charged*price+streams*2*half*chunk), spent)
	assert.GreaterOrEqual(t, charged, uint64(served.Load()+2))
	assert.LessOrEqual(t, charged, uint64(served.Load()+lost.Load()+2))
	t.Logf("%d requests, %d lost", sent.Load(), lost.Load())
}
