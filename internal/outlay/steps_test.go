package outlay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// patience bounds a call.
const patience = 3 * time.Minute

// step takes a random step.
func (w *world) step() {
	if w.process = w.both[w.r.IntN(len(w.both))]; len(w.both) > 1 {
		w.logf("process %d", slices.Index(w.both, w.process))
	}
	switch n := w.r.IntN(40); {
	case n < 16:
		w.request(w.path(), w.run())
	case n < 19:
		paths, of := make([]string, 2+w.r.IntN(4)), w.run()
		for i := range paths {
			paths[i] = w.path()
		}
		var wg sync.WaitGroup
		for _, path := range paths {
			wg.Go(func() { w.request(path, of) })
		}
		wg.Wait()
	case n < 22:
		w.logf("the session crashes")
		w.reach("crash")
		w.start()
	case n < 23:
		w.logf("the session is closed: %v", w.within(w.session.Close))
		w.start()
	case n < 25:
		if w.srv.Token = pick(w, w.dollar, w.other); w.srv.Token == w.other {
			w.reach("another token")
		}
		w.logf("the server is paid in %s", w.srv.Token)
	case n < 27:
		w.level.Store(pick(w, uint64(2), 4, 5, 12, 40))
		w.logf("the node says that gas costs %d quarters of what it does", w.level.Load())
	case n < 30:
		w.fault()
	case n < 34:
		d := pick(w, time.Second, 40*time.Second, 16*time.Minute, 50*time.Minute, 13*time.Hour, 29*24*time.Hour)
		w.logf("%s pass", d)
		time.Sleep(d)
	case n < 36:
		pending, _, err := w.sweep()
		w.logf("a sweep: %d left, %v", pending, err)
	default:
		w.manage()
	}
	synctest.Wait()
	if w.way.gone.Load() {
		w.logf("the session has crashed in between")
		w.reach("crash at a write")
		w.start()
	}
}

// fault makes the store or the node fail.
func (w *world) fault() {
	if w.sound {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed, w.broken, w.dies, w.after = 0, 0, 0, w.r.IntN(2) == 0
	switch w.r.IntN(4) {
	case 0:
		w.failed, w.calm = 1+w.r.IntN(3), w.r.IntN(7)
		w.reach("store failed")
	case 1:
		w.broken = 1 + w.r.IntN(6)
		w.reach("node failed")
	case 2:
		w.dies = 1 + w.r.IntN(8)
	default:
		lost := w.r.IntN(4)
		w.srv.OnRequest(func(clienttest.Request) clienttest.Fault {
			w.mu.Lock()
			defer w.mu.Unlock()
			if lost--; lost == 0 {
				w.reach("an answer is lost")
			}
			return clienttest.Fault{LoseAnswer: lost == 0}
		})
	}
	w.logf("%d writes after %d and %d calls of the node fail, a crash at write %d", w.failed, w.calm, w.broken, w.dies)
}

// manage closes a channel with the payee or without it, reads it, or lets the payee settle it.
func (w *world) manage() {
	all := w.srv.Accounts()
	if len(all) == 0 {
		return
	}
	id, channels := all[w.r.IntN(len(all))].ChannelID, w.session.Channels()
	var err error
	var what string
	switch n := w.r.IntN(9); {
	case n < 2:
		what, err = "close", w.within(func(ctx context.Context) error { return channels.Close(ctx, id) })
	case n < 4:
		what, err = "requestClose", w.within(func(ctx context.Context) error { return channels.RequestClose(ctx, id) })
	case n < 6:
		what, err = "withdraw", w.within(func(ctx context.Context) error { return channels.Withdraw(ctx, id) })
	case n < 7:
		amount := u(pick(w, uint64(300), 5_000, 60_000))
		what, err = "top-up by hand", w.within(func(ctx context.Context) error { _, err := channels.TopUp(ctx, id, amount); return err })
	case n < 8:
		what, err = "sync", w.within(func(ctx context.Context) error { _, err := channels.Sync(ctx, id); return err })
	default:
		what = "settle"
		_, err = w.srv.Settle(id)
	}
	if err == nil {
		w.reach(what)
	}
	w.logf("%s of %s: %v", what, id.Hex()[:10], err)
}

func (w *world) sweep() (pending int, wait time.Duration, err error) {
	err = w.within(func(ctx context.Context) (err error) {
		pending, wait, err = w.session.Channels().Sweep(ctx)
		return err
	})
	return pending, wait, err
}

func (w *world) within(do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	return do(ctx)
}

// path draws what is requested.
func (w *world) path() string {
	if w.r.IntN(5) == 0 {
		w.reach("stream")
		return fmt.Sprintf("%s/stream/%d/%d?deposit=%d", pick(w, "", "/v1", "/sponsored"), 1+w.r.IntN(9), pick(w, 10, 25, 300), pick(w, 0, 3_000))
	}
	path := pick(w, "/data", "/data", "/data", "/v1/data", "/sponsored", "/fee", "/other")
	if path == "/fee" || path == "/other" {
		return path
	}
	return fmt.Sprintf("%s?price=%d&deposit=%d", path, pick(w, 1, 37, 100, 100, 1_000, 5_000, 5_001), pick(w, 0, 250, 10_000, 90_000))
}

// run draws a run for a request, or none.
func (w *world) run() *run {
	if w.r.IntN(3) > 0 {
		return nil
	}
	if len(w.runs) == 0 || w.r.IntN(6) == 0 {
		of := &run{token: w.srv.Token, amount: u(pick(w, uint64(300), 900, 12_000, 20_000))}
		of.budget = client.NewBudget(channel.Asset{ChainID: w.srv.ChainID, Token: of.token}, of.amount)
		w.runs = append(w.runs, of)
	}
	w.reach("request of a run")
	return w.runs[len(w.runs)-1-w.r.IntN(min(2, len(w.runs)))]
}

// request makes a request and reads its answer.
func (w *world) request(path string, of *run) {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if of != nil {
		ctx = context.WithValue(client.WithBudget(ctx, of.budget), runKey{}, of)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.srv.URL+path, nil)
	w.must(err)
	if strings.Contains(path, "/stream") {
		req.Header.Set("Accept", "text/event-stream")
	}
	resp, err := w.session.Client().Do(req)
	status := ""
	if err == nil {
		status = resp.Status
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var over *channel.LimitError
	if errors.As(err, &over) {
		for prefix, what := range map[string]string{
			channel.LimitBudget: "refused by a budget", "All.": "refused by a window", "Payee.": "refused by a window", "Fees.": "refused by fees",
		} {
			if strings.HasPrefix(over.Limit, prefix) {
				w.reach(what)
			}
		}
	}
	w.logf("%s, of a run: %t: %s %v", path, of != nil, status, err)
}
