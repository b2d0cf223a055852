// First pays for one request and prints the bill. It is the program of the README, and runs as it
// stands: whom it pays is in this process, on a chain in memory.
//
//	go run ./examples/first
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	// Somebody to pay: a server whose routes cost money, with a chain in memory and a funded key.
	server, err := clienttest.Start(clienttest.Config{BaseFee: 20_000_000_000})
	if err != nil {
		return err
	}
	defer server.Close()
	url, node, secret := server.URL+"/data", server.RPCURL, server.Payer().Hex

	key, err := voucher.ParseKey(secret) // signs vouchers, and here funds channels too
	if err != nil {
		return err
	}
	chain, err := escrow.Dial(ctx, node)
	if err != nil {
		return err
	}
	defer chain.Close()
	session, err := client.New(client.Config{
		Signer: key, Payer: key, Chain: chain,
		Limits: channel.Limits{
			Price:   voucher.Units(1_000),     // the most that one request may cost: 0.001
			Deposit: voucher.Units(1_000_000), // the most that one channel may hold: 1.00
		},
		CloseChannels: true, // when the session is closed
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close(ctx)) }()

	resp, err := session.Client().Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	paid := client.PaymentOf(resp)
	dollars := channel.Currency{Symbol: "dollars", Decimals: 6} // no others are paid without Limits.Currency
	fmt.Fprintf(out, "%s: %s, cost %s\n", resp.Status, paid.Outcome, dollars.Format(paid.Cost()))
	_, err = io.Copy(out, resp.Body)
	return err
}
