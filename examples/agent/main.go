// Agent buys answers until the budget of its run is used up. The limits are its owner's and hold
// for all runs. The budget is this run's, and Budget.Left tells the agent what it can still spend.
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
	srv, err := clienttest.Start(clienttest.Config{}) // a real agent has a URL, a node and a key instead, and pays for gas
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
		Limits: channel.Limits{ // or policyfile.Load and Apply: what the owner has written down
			Price:   voucher.Units(200),   // no answer is worth more
			Deposit: voucher.Units(2_000), // a channel is never signed for more than it may hold
			All:     channel.Windows{Day: voucher.Units(2_000)},
		},
		CloseChannels: true, // bring home what is left
	})
	if err != nil {
		return err
	}
	amount := voucher.Units(1_050)
	asset := channel.Asset{ChainID: srv.ChainID, Token: srv.Token}
	budget := client.NewBudget(asset, amount)
	job := client.WithBudget(ctx, budget)
	answers := 0
	for {
		err := ask(job, session, fmt.Sprintf("%s/data?price=%d", srv.URL, 101+answers))
		if errors.Is(err, channel.ErrLimit) {
			fmt.Fprintln(out, "stop:", err) // nothing was signed for this one
			break
		}
		if err != nil {
			return errors.Join(err, session.Close(ctx))
		}
		answers++
	}
	in, _ := channel.Dollar(asset) // how its amounts are written
	fmt.Fprintf(out, "%d answers, %s of %s left\n", answers, in.Format(budget.Left()), in.Format(amount))
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
