package records_test

import (
	"context"
	"fmt"
	"log"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/records"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// A report of what is deposited where. It needs the store, and neither a key nor a node.
func ExampleChannels() {
	ctx := context.Background()
	files := store.NewMem() // a program opens the store/filestore that another one writes
	stop := pay(ctx, files)
	defer stop()

	for info, err := range records.Channels(ctx, files) {
		if err != nil {
			fmt.Println("cannot be read:", err)
			continue
		}
		fmt.Println(info.Phase, "holds money:", info.HoldsMoney(), "deposit", info.Deposit, "signed", info.Signed)
	}
	// Output: open holds money: true deposit 5000 signed 100
}

// pay makes one payment, as the program does that writes the store.
func pay(ctx context.Context, s store.Store) (stop func()) {
	srv, err := clienttest.Start(clienttest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	key, err := voucher.ParseKey(srv.Payer().Hex)
	if err != nil {
		log.Fatal(err)
	}
	chain, err := escrow.Dial(ctx, srv.RPCURL)
	if err != nil {
		log.Fatal(err)
	}
	session, err := client.New(client.Config{
		Signer: key, Payer: key, Chain: chain, Store: s,
		Limits: channel.Limits{Price: voucher.Units(1_000), Deposit: voucher.Units(10_000)},
	})
	if err != nil {
		log.Fatal(err)
	}
	resp, err := session.Client().Get(srv.URL + "/data")
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	if err := session.Close(ctx); err != nil {
		log.Fatal(err)
	}
	return func() { chain.Close(); srv.Close() }
}
