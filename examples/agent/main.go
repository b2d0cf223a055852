// Agent buys answers until its budget is used up: the limits are what cannot be passed, and the agent's own
// count of events is what it plans by.
//
//	go run ./examples/agent
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	srv, err := clienttest.Start(clienttest.Config{}) // a real agent has a URL, a node and a key instead
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

	budget := voucher.Units(1_050)
	var spent voucher.Amount // by our own count: hooks run on the goroutine that asks
	session, err := client.New(client.Config{
		Signer: key, Payer: key, Chain: chain,
		Limits: channel.Limits{
			Price:   voucher.Units(200), // no answer is worth more
			Deposit: budget,             // a channel is never signed for more than it may hold
			Total:   budget,             // nor may all channels together hold more
		},
		CloseChannels: true, // bring home what is left
		OnEvent: func(e client.Event) {
			if e.Kind == client.EventPaid && e.Outcome != client.Rejected && e.Outcome != client.NotSent {
				spent = spent.AddCapped(e.Price)
			}
		},
	})
	if err != nil {
		return err
	}
	answers := 0
	for question := 1; spent.Less(budget); question++ {
		err := ask(ctx, session, fmt.Sprintf("%s/data?price=%d", srv.URL, 100+question))
		if errors.Is(err, channel.ErrLimit) {
			fmt.Fprintln(out, "stop:", err)
			break
		}
		if err != nil {
			return errors.Join(err, session.Close(ctx))
		}
		answers++
	}
	fmt.Fprintf(out, "%d answers, spent %s of %s base units\n", answers, spent, budget)
	return session.Close(ctx)
}

func ask(ctx context.Context, session *client.Session, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := session.Client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server says %s", resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body) // what an agent would think about
	return err
}
