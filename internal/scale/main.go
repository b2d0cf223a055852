package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

const childArg = "-child"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // exitAfterDefer: the process ends
	}
}

// bench is one run.
type bench struct {
	open, closed, rounds, requests int
	dir                            string
	keyHex                         string
	key                            *voucher.KeySigner
	rpc, url                       string
	out, progress                  io.Writer
}

func run(ctx context.Context, args []string) error {
	if len(args) == 1 && args[0] == childArg {
		return child(ctx, os.Stdin, os.Stdout)
	}
	b := &bench{out: os.Stdout, progress: os.Stderr, requests: 301}
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	flags.IntVar(&b.open, "open", 10_000, "open channels in the large store; the small one has 10")
	flags.IntVar(&b.closed, "closed", 100_000, "closed channels in the large store")
	flags.IntVar(&b.rounds, "rounds", 5, "how often each store is measured")
	flags.StringVar(&b.dir, "dir", "", "keep the stores in `DIR`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "scale")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		b.dir = dir
	}
	srv, err := clienttest.Start(clienttest.Config{})
	if err != nil {
		return err
	}
	defer srv.Close()
	payer := srv.Payer()
	b.keyHex, b.rpc, b.url = payer.Hex, srv.RPCURL, srv.URL+"/data?deposit=1000000"
	if b.key, err = voucher.ParseKey(payer.Hex); err != nil {
		return err
	}
	return b.measure(ctx)
}

// stores are the names of the stores and what is in them.
func (b *bench) stores() map[string][2]int {
	return map[string][2]int{"small": {10, 0}, "quarter": {b.open / 4, 0}, "large": {b.open, b.closed}}
}

func (b *bench) at(name string) string { return filepath.Join(b.dir, name) }

// with calls do with a store.
func (b *bench) with(name string, do func(*filestore.Store) error) error {
	s, err := filestore.Open(b.at(name))
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.Close())
}

func (b *bench) measure(ctx context.Context) error {
	for name, n := range b.stores() {
		if exists(b.at(name)) {
			continue
		}
		start := time.Now()
		err := b.with(name, func(s *filestore.Store) error { return fill(ctx, s, b.key, n[0], n[1]) })
		if err != nil {
			return err
		}
		took := time.Since(start).Round(time.Second)
		fmt.Fprintf(b.progress, "%s: filled with %d open and %d closed in %s\n", name, n[0], n[1], took)
	}
	if err := b.sessions(ctx); err != nil {
		return err
	}
	if err := b.commands(ctx); err != nil {
		return err
	}
	return b.passes(ctx)
}

// sessions measures requests, each round in a process of its own.
func (b *bench) sessions(ctx context.Context) error {
	names := []string{"small", "large"}
	first, later := map[string][]time.Duration{}, map[string][]time.Duration{}
	heap := map[string]uint64{}
	for round := range b.rounds + 1 {
		for _, name := range names {
			r, err := b.session(ctx, name)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if round == 0 {
				continue // it opened the channel that the others pay from
			}
			first[name], later[name] = append(first[name], r.First), append(later[name], median(r.Later))
			heap[name] = max(heap[name], r.Heap)
		}
	}
	small, large := names[0], names[1]
	f1, f2, l1, l2 := median(first[small]), median(first[large]), median(later[small]), median(later[large])
	b.line("first request", f1, f2, fmt.Sprintf("%+.1f ms", (f2-f1).Seconds()*1e3))
	b.line("later requests", l1, l2, fmt.Sprintf("x %.2f", l2.Seconds()/l1.Seconds()))
	const mega = 1e6
	h1, h2 := float64(heap[small])/mega, float64(heap[large])/mega
	b.line("heap in use, MB", fmt.Sprintf("%.1f", h1), fmt.Sprintf("%.1f", h2), fmt.Sprintf("%+.1f", h2-h1))
	return nil
}

func (b *bench) line(what string, small, large any, compared string) {
	fmt.Fprintf(b.out, "| %s | %v | %v | %s |\n", what, small, large, compared)
}

func (b *bench) session(ctx context.Context, name string) (r result, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	in, err := json.Marshal(job{Key: b.keyHex, RPC: b.rpc, URL: b.url, Dir: b.at(name), Requests: b.requests})
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, self, childArg)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), b.progress
	out, err := cmd.Output()
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(out, &r)
}

// commands measures tally URL.
func (b *bench) commands(ctx context.Context) error {
	tally := filepath.Join(b.dir, "tally")
	const program = "github.com/seed-5fe1f529/tallystick/examples/tally"
	build := exec.CommandContext(ctx, "go", "build", "-o", tally, program)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("scale: building tally: %w: %s", err, out)
	}
	took := map[string][]time.Duration{}
	for range 2*b.rounds + 1 {
		for _, name := range []string{"small", "large"} {
			cmd := exec.CommandContext(ctx, tally, "--max-price", "0.01", "--max-deposit", "100",
				"--rpc-url", b.rpc, "--store", b.at(name), b.url)
			cmd.Env = append(os.Environ(), "TALLY_KEY="+b.keyHex)
			start := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("scale: tally on %s: %w: %s", name, err, out)
			}
			took[name] = append(took[name], time.Since(start))
		}
	}
	t1, t2 := median(took["small"]), median(took["large"])
	b.line("tally URL", t1, t2, fmt.Sprintf("%+.1f ms", (t2-t1).Seconds()*1e3))
	return nil
}

// passes measures the keeper and listings.
func (b *bench) passes(ctx context.Context) error {
	took := map[string]time.Duration{}
	for _, name := range []string{"quarter", "large"} {
		err := b.with(name, func(s *filestore.Store) error {
			d, reads, err := sweep(ctx, s, b.key)
			if took[name] = d; err == nil && reads < b.stores()[name][0] {
				err = fmt.Errorf("scale: the keeper read %d channels of %s", reads, name)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	b.line(fmt.Sprintf("keeper's pass, %d and %d open", b.open/4, b.open), took["quarter"], took["large"],
		fmt.Sprintf("x %.2f", took["large"].Seconds()/took["quarter"].Seconds()))
	return b.with("large", func(s *filestore.Store) error {
		n, open, err := list(ctx, s, b.key, false)
		if err != nil {
			return err
		}
		m, all, err := list(ctx, s, b.key, true)
		if err != nil {
			return err
		}
		b.line(fmt.Sprintf("listing %d open, and all %d", n, m), open, all, "")
		return nil
	})
}
