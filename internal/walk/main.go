// Walk sends one paid request with coverage counters that are cleared after the set-up, to show how much
// code one request walks through:
//
//	internal/walk/run.sh cold   # the first request of a session, which opens a channel
//	internal/walk/run.sh warm   # the second request of a route, paid in one round trip
//
// It prints the functions that were executed, and how many there are in how many files. The program must
// be built with -cover and -covermode=atomic, and GOCOVERDIR must name a directory.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/coverage"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func main() {
	if err := run(len(os.Args) > 1 && os.Args[1] == "warm"); err != nil {
		fmt.Fprintln(os.Stderr, "walk:", err)
		os.Exit(1)
	}
}

func run(warm bool) error {
	ctx := context.Background()
	srv, err := clienttest.Start(clienttest.Config{})
	if err != nil {
		return err
	}
	defer srv.Close()
	key, err := voucher.ParseKey(srv.Payer().Hex)
	if err != nil {
		return err
	}
	chain, err := escrow.Dial(ctx, srv.RPCURL)
	if err != nil {
		return err
	}
	defer chain.Close()
	session, err := client.New(client.Config{
		Signer: key, Payer: key, Chain: chain,
		Limits: channel.Limits{Price: voucher.Units(1_000), Deposit: voucher.Units(100_000)},
	})
	if err != nil {
		return err
	}
	hc := session.Client()
	if warm {
		if err := get(hc, srv.URL+"/data"); err != nil {
			return err
		}
	}
	if err := coverage.ClearCounters(); err != nil {
		return err
	}
	if err := get(hc, srv.URL+"/data"); err != nil {
		return err
	}
	dir := os.Getenv("GOCOVERDIR")
	if err := coverage.WriteMetaDir(dir); err != nil {
		return err
	}
	if err := coverage.WriteCountersDir(dir); err != nil {
		return err
	}
	return coverage.ClearCounters() // what the end of the program adds is not counted
}

func get(hc *http.Client, url string) error {
	resp, err := hc.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	return nil
}
