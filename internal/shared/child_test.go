package shared

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// partEnv holds the part of a child process.
const partEnv = "SHARED_PART"

// part is what a child process has to do.
type part struct {
	Store    place
	URL, RPC string
	Key      string
	Requests int // to be paid for
	Together int // at the same time
	Ahead    uint64
	Payment  *payment // instead of requests
}

// report is what a child process says in the end.
type report struct {
	Paid     int
	Refused  int // answers of 402 and the like that the caller was handed; it asked again
	Failed   int // errors that the caller was handed; it asked again
	LastFail string
	Lies     int // words of the server that were taken for contradictions
	Elapsed  time.Duration
}

// TestMain runs the tests, or, in a process that a test started, its part.
func TestMain(m *testing.M) {
	text := os.Getenv(partEnv)
	if text == "" {
		os.Exit(m.Run())
	}
	var p part
	err := json.Unmarshal([]byte(text), &p)
	if err == nil {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is the start for all
		var r report
		if p.Payment == nil {
			r, err = p.play(context.Background())
		} else {
			r, err = p.pay(context.Background())
		}
		_ = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pay authorizes payments on a channel of its own until a limit refuses.
func (p part) pay(ctx context.Context) (r report, err error) {
	s, done, err := p.Store.open(ctx)
	if err != nil {
		return r, err
	}
	defer done()
	r.Paid, err = p.Payment.exhaust(ctx, s, p.Key)
	return r, err
}

// limits hold in every process.
func (p part) limits() channel.Limits {
	return channel.Limits{
		Price: voucher.Units(100), Deposit: voucher.Units(1 << 40), Fund: voucher.Units(1 << 30),
		Ahead: voucher.Units(100 * p.Ahead),
	}
}

// session is a session of the wallet on the shared store. The caller calls done when it is closed.
func (p part) session(ctx context.Context, change ...func(*client.Config)) (s *client.Session, done func(), err error) {
	k, err := voucher.ParseKey(p.Key)
	if err != nil {
		return nil, nil, err
	}
	st, closeStore, err := p.Store.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	chain, err := escrow.Dial(ctx, p.RPC)
	if err != nil {
		closeStore()
		return nil, nil, err
	}
	cfg := client.Config{Signer: k, Payer: k, Chain: chain, Store: st, Limits: p.limits(), FundAsNeeded: true}
	for _, c := range change {
		c(&cfg)
	}
	done = func() { chain.Close(); closeStore() }
	if s, err = client.New(cfg); err != nil {
		done()
	}
	return s, done, err
}

// maxAgain bounds how often a child asks again for what it was refused.
const maxAgain = 200

// play pays for as many requests as the part has, and closes the session.
func (p part) play(ctx context.Context) (r report, err error) {
	var mu sync.Mutex // guards r
	s, done, err := p.session(ctx, func(c *client.Config) {
		c.OnEvent = func(e client.Event) {
			if e.Kind == client.EventViolation {
				mu.Lock()
				r.Lies++
				r.LastFail = e.Err.Error()
				mu.Unlock()
			}
		}
	})
	if err != nil {
		return r, err
	}
	defer done()
	begin := time.Now()
	var group sync.WaitGroup
	for i := range p.Together {
		group.Go(func() {
			for range (p.Requests + i) / p.Together {
				for again := true; again; {
					status, err := get(ctx, s.Client(), p.URL+"/data")
					mu.Lock()
					switch {
					case err != nil:
						r.Failed++
						r.LastFail = err.Error()
					case status != http.StatusOK:
						r.Refused++
					default:
						r.Paid++
						again = false
					}
					again = again && r.Failed+r.Refused < maxAgain
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	r.Elapsed = time.Since(begin)
	err = s.Close(ctx)
	if r.Paid != p.Requests {
		err = errors.Join(err, fmt.Errorf("%d of %d requests were paid for: %s", r.Paid, p.Requests, r.LastFail))
	}
	return r, err
}

func get(ctx context.Context, c *http.Client, url string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}
