// Quickstart runs a chain, a paid server and a client in one process. The client opens a channel,
// pays requests and a stream from it, tops it up, is restarted in the middle, and closes it. At the
// end it prints who owes what, and fails if that differs from the chain by one base unit.
//
//	go run ./examples/quickstart
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	// Somebody to pay: a server whose routes cost money, on a chain in memory.
	srv, err := clienttest.Start(clienttest.Config{BaseFee: 20_000_000_000})
	if err != nil {
		return err
	}
	defer srv.Close()
	dir, err := os.MkdirTemp("", "quickstart")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	payer := srv.Payer()
	s := &story{srv: srv, payer: payer, dir: dir, out: out}
	before := s.balances()

	// A client with small deposits, so that it has to top up.
	if err := s.start(ctx); err != nil {
		return err
	}
	defer func() { _ = s.stop(ctx) }() // where something below fails
	for range 4 {
		if err := s.get(ctx, "/data"); err != nil {
			return err
		}
	}
	if err := s.stream(ctx, "/stream/25/10"); err != nil {
		return err
	}

	// Restart: a new session finds its channel in the store and goes on with it.
	if err := s.stop(ctx); err != nil {
		return err
	}
	fmt.Fprintln(out, "restart")
	if err := s.start(ctx); err != nil {
		return err
	}
	for range 3 {
		if err := s.get(ctx, "/data"); err != nil {
			return err
		}
	}
	state, err := s.only(ctx)
	if err != nil {
		return err
	}
	open := s.balances()

	// Close: the payee takes what was used, the rest comes back.
	if err := s.session.Channels().Close(ctx, state.ID); err != nil {
		return err
	}
	fmt.Fprintf(out, "close    channel %s after %d top-ups\n\n", state.ID.Hex()[:10], s.topUps)
	return explain(out, accounts{before: before, open: open, after: s.balances(), used: s.used, deposit: state.Deposit})
}

// story is one client and what it bought, by its own count.
type story struct {
	srv   *clienttest.Server
	payer clienttest.Key
	dir   string
	out   io.Writer

	session *client.Session
	chain   *escrow.Client
	files   *filestore.Store
	used    voucher.Amount
	topUps  int
}

// start makes a session over the store in dir. Amounts are base units: 1,000,000 are one token.
func (s *story) start(ctx context.Context) error {
	key, err := voucher.ParseKey(s.payer.Hex)
	if err != nil {
		return err
	}
	if s.chain, err = escrow.Dial(ctx, s.srv.RPCURL); err != nil {
		return err
	}
	if s.files, err = filestore.Open(s.dir + "/store"); err != nil {
		return err
	}
	s.session, err = client.New(client.Config{
		Signer: key, Payer: key, Chain: s.chain, Store: s.files,
		Limits: channel.Limits{
			Price:   voucher.Units(100),     // a request or a piece of a stream
			Deposit: voucher.Units(10_000),  // one channel
			Fund:    voucher.Units(300),     // each open or top-up
			Stream:  voucher.Units(1_000),   // one whole stream
			Total:   voucher.Units(100_000), // all deposits of a session, and their fees
			Fees:    channel.FeeLimits{Transaction: voucher.Units(20_000), Month: voucher.Units(50_000)},
		},
		FundAsNeeded: true, // one top-up at a time, where it can be seen
		OnEvent: func(e client.Event) {
			if e.Kind == client.EventToppedUp {
				s.topUps++
			}
		},
	})
	return err
}

// stop ends the session as a program that ends would. What it knew is in the store.
func (s *story) stop(ctx context.Context) error {
	if s.session == nil {
		return nil
	}
	err := s.session.Close(ctx)
	s.chain.Close()
	_ = s.files.Close() // holds nothing
	s.session = nil
	return err
}

// get buys one answer.
func (s *story) get(ctx context.Context, path string) error {
	resp, err := s.do(ctx, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	paid := client.PaymentOf(resp)
	s.used = s.used.AddCapped(paid.Price)
	fmt.Fprintf(s.out, "GET      %s: %s, paid %s by a voucher of %s\n", path, strings.TrimSpace(string(body)), pathUSD.Format(paid.Price), pathUSD.Format(paid.Cumulative))
	return nil
}

// stream buys a stream piece by piece, as it is read.
func (s *story) stream(ctx context.Context, path string) error {
	resp, err := s.do(ctx, path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	events, err := client.NewStream(resp)
	if err != nil {
		return err
	}
	messages, vouchers := uint64(0), 0
	for e, err := range events.Events() {
		if err != nil {
			return err
		}
		switch {
		case e.Type != "":
			messages++
		case !e.Cumulative.IsZero():
			vouchers++
		}
	}
	cost, err := client.PaymentOf(resp).Price.Mul(messages)
	if err != nil {
		return err
	}
	s.used = s.used.AddCapped(cost)
	fmt.Fprintf(s.out, "stream   %s: %d messages, paid %s by %d vouchers on the way\n", path, messages, pathUSD.Format(cost), vouchers)
	return nil
}

func (s *story) do(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.srv.URL+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.session.Client().Do(req)
	if err == nil && resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	return resp, err
}

// only returns the one channel that all of this was paid from.
func (s *story) only(ctx context.Context) (found channel.Info, err error) {
	n := 0
	for state, err := range s.session.Channels().All(ctx) {
		if err != nil {
			return found, err
		}
		found, n = state, n+1
	}
	if n != 1 {
		return found, fmt.Errorf("there are %d channels; the restart should have gone on with one", n)
	}
	return found, nil
}
