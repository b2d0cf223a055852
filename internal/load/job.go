package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// job is one round of one client. It is sent to other processes as JSON.
type job struct {
	URL      string `json:"url"`
	Workers  int    `json:"workers"`
	Requests int    `json:"requests"` // that have to be served
	// Pieces is the number of events that each response must contain; 0 means it is no stream.
	Pieces int `json:"pieces"`
	// Slow is requested by one more worker until the others are done; empty means no such worker.
	Slow string `json:"slow"`
	// Patience is how many refusals and errors end the round.
	Patience int `json:"patience"`
	// Limit bounds each request, and Deadline the whole round, in milliseconds.
	Limit    int64 `json:"limit"`
	Deadline int64 `json:"deadline"`
	// Paid selects the client of a process that has two.
	Paid bool `json:"paid"`
	// Major is the major version of HTTP that the responses must have; 0 accepts any.
	Major int `json:"major"`
}

// tally is the result of a job.
type tally struct {
	Served  int       `json:"served"`
	Refused int       `json:"refused"` // responses other than 200
	Failed  int       `json:"failed"`  // errors
	Failure string    `json:"failure"` // the last refusal or error
	Slow    int       `json:"slow"`    // served requests of the slow worker
	Took    []float64 `json:"took"`    // milliseconds for each of Served, repetitions included
	Elapsed float64   `json:"elapsed"` // milliseconds until Served were served
}

// add adds the result of a client that worked at the same time.
func (t *tally) add(o tally) {
	t.Served, t.Slow = t.Served+o.Served, t.Slow+o.Slow
	t.Refused, t.Failed = t.Refused+o.Refused, t.Failed+o.Failed
	t.Took = append(t.Took, o.Took...)
	t.Elapsed = max(t.Elapsed, o.Elapsed)
	if o.Failure != "" {
		t.Failure = o.Failure
	}
}

// do does the job with a client.
func (j job) do(ctx context.Context, c *http.Client) tally {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(j.Deadline)*time.Millisecond)
	defer cancel()
	w := &work{job: j, client: c}
	w.left.Store(int64(j.Requests))
	var slow sync.WaitGroup
	if j.Slow != "" {
		slow.Go(func() {
			for !w.done.Load() && w.served(ctx, j.Slow, 0) {
				w.mu.Lock()
				w.result.Slow++
				w.mu.Unlock()
			}
		})
	}
	begin := time.Now()
	var workers sync.WaitGroup
	for range j.Workers {
		workers.Go(func() { w.run(ctx) })
	}
	workers.Wait()
	elapsed := milliseconds(time.Since(begin))
	w.done.Store(true)
	slow.Wait()
	w.result.Elapsed = elapsed
	return w.result
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// work is a job that is being done.
type work struct {
	job
	client *http.Client
	left   atomic.Int64
	done   atomic.Bool

	mu     sync.Mutex // guards result
	result tally
}

func (w *work) run(ctx context.Context) {
	for w.left.Add(-1) >= 0 {
		begin := time.Now()
		if !w.served(ctx, w.URL, w.Pieces) {
			return
		}
		took := milliseconds(time.Since(begin))
		w.mu.Lock()
		w.result.Served++
		w.result.Took = append(w.result.Took, took)
		w.mu.Unlock()
	}
}

// served repeats a request until it is served. It reports false if the patience or the time is
// over.
func (w *work) served(ctx context.Context, url string, pieces int) bool {
	for {
		status, err := w.get(ctx, url, pieces)
		if err == nil && status == http.StatusOK {
			return true
		}
		w.mu.Lock()
		if err != nil {
			w.result.Failed++
			w.result.Failure = err.Error()
		} else {
			w.result.Refused++
			w.result.Failure = http.StatusText(status)
		}
		over := w.result.Failed+w.result.Refused >= w.Patience
		w.mu.Unlock()
		if over || ctx.Err() != nil {
			return false
		}
	}
}

// get reads one response to its end.
func (w *work) get(ctx context.Context, url string, pieces int) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(w.Limit)*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if w.Major != 0 && resp.ProtoMajor != w.Major {
		return 0, fmt.Errorf("load: the response is %s, want HTTP/%d", resp.Proto, w.Major)
	}
	if pieces == 0 || resp.StatusCode != http.StatusOK {
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, err
	}
	n := 0
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data:") {
			n++
		}
	}
	if err = lines.Err(); err == nil && n != pieces {
		err = fmt.Errorf("load: a stream of %d pieces, want %d", n, pieces)
	}
	return resp.StatusCode, err
}
