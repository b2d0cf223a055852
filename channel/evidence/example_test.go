package evidence_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/channel/evidence"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// A payer writes down what a request paid for, and somebody else checks it.
func Example() {
	var file bytes.Buffer
	if err := pay(context.Background(), &file); err != nil {
		log.Fatal(err)
	}

	// Whoever has the file needs nothing else.
	got, err := evidence.Parse(&file)
	if err != nil {
		log.Fatal(err)
	}
	found, err := got.Verify()
	if err != nil {
		log.Fatal(err)
	}
	for i, p := range got.Payments {
		fmt.Println("signed by the payer:", found[i].Signer == p.Descriptor.Payer)
		fmt.Println("for one request:", found[i].Offer.Price, "of", p.Cumulative, "in all")
		fmt.Println("the payee's receipt acknowledges it:", found[i].Acknowledged)
	}
	// Output:
	// signed by the payer: true
	// for one request: 100 of 100 in all
	// the payee's receipt acknowledges it: true
}

// pay makes a paid request and writes the evidence of it to file.
func pay(ctx context.Context, file *bytes.Buffer) error {
	server, err := clienttest.Start(clienttest.Config{})
	if err != nil {
		return err
	}
	defer server.Close()
	key, err := voucher.ParseKey(server.Payer().Hex)
	if err != nil {
		return err
	}
	chain, err := escrow.Dial(ctx, server.RPCURL)
	if err != nil {
		return err
	}
	defer chain.Close()
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	lines, err := journal.Open(dir, 0)
	if err != nil {
		return err
	}
	defer lines.Close()
	session, err := client.New(client.Config{
		Signer: key, Payer: key, Chain: chain, Journal: lines, Evidence: true,
		Limits: channel.Limits{Price: voucher.Units(1_000), Deposit: voucher.Units(100_000)},
	})
	if err != nil {
		return err
	}
	resp, err := session.Client().Get(server.URL + "/data")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f, err := evidence.Of(journal.Read(ctx, dir), client.PaymentOf(resp).Operation)
	if err != nil {
		return err
	}
	return f.Write(file)
}
