package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// job is what a process is to measure. It is sent as JSON.
type job struct {
	Key      string // of the payer of a test chain
	RPC, URL string
	Dir      string
	Requests int
}

// result is what a session cost.
type result struct {
	First time.Duration // with opening the store and making the session
	Later []time.Duration
	Heap  uint64 // bytes in use after them
}

// measure pays for requests in a new session.
func measure(ctx context.Context, j job) (r result, err error) {
	key, err := voucher.ParseKey(j.Key)
	if err != nil {
		return r, err
	}
	start := time.Now()
	chain, err := escrow.Dial(ctx, j.RPC)
	if err != nil {
		return r, err
	}
	defer chain.Close()
	files, err := filestore.Open(j.Dir)
	if err != nil {
		return r, err
	}
	defer files.Close()
	cfg := client.Config{Signer: key, Payer: key, Chain: chain, Store: files, Limits: limits, FundAsNeeded: true}
	s, err := client.New(cfg)
	if err != nil {
		return r, err
	}
	hc := s.Client()
	for i := range j.Requests {
		if i > 0 {
			start = time.Now()
		}
		if err := get(ctx, hc, j.URL); err != nil {
			return r, err
		}
		if took := time.Since(start); i == 0 {
			r.First = took
		} else {
			r.Later = append(r.Later, took)
		}
	}
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.Heap = m.HeapAlloc
	return r, s.Close(ctx)
}

func get(ctx context.Context, hc *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := hc.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("scale: %s: %s", url, resp.Status)
	}
	return nil
}

// child measures in this process what the parent wants.
func child(ctx context.Context, in io.Reader, out io.Writer) error {
	var j job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return err
	}
	r, err := measure(ctx, j)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

func exists(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil
}
