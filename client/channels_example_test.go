package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store"
)

// Channels that may hold money, and what they hold.
func ExampleChannels_Live() {
	session, url, stop := paying(cents)
	defer stop()
	ctx := context.Background()
	if err := get(ctx, session.Client(), url+"/data"); err != nil {
		log.Fatal(err)
	}

	for info, err := range session.Channels().Live(ctx) {
		if err != nil {
			fmt.Println("a record cannot be read:", err)
			continue
		}
		fmt.Println(info.Phase, "deposit", info.Deposit, "signed", info.Signed, "spent", info.Spent)
	}
	// Output: open deposit 260000 signed 100 spent 100
}

// What stays in channels when a session ends, and closing what is not used any more.
func ExampleChannels_Locked() {
	session, url, stop := paying(cents)
	defer stop()
	ctx := context.Background()
	if err := get(ctx, session.Client(), url+"/data"); err != nil {
		log.Fatal(err)
	}

	for l, err := range session.Channels().Locked(ctx) {
		if err != nil {
			fmt.Println("a record cannot be read:", err)
			continue
		}
		fmt.Println("a close brings back", l.Amount, "requested:", !l.Until.IsZero())
	}
	closed, err := session.Channels().CloseIdle(ctx, 24*time.Hour)
	fmt.Println("idle for a day:", closed, err)
	// Output:
	// a close brings back 259900 requested: false
	// idle for a day: 0 <nil>
}

// A close without the payee: request it, wait for 15 minutes of the chain, withdraw. The payee can
// still redeem the vouchers that it has. SweepUntilDone waits and withdraws, also after a restart.
func ExampleChannels_SweepUntilDone() {
	srv, cfg, stop := started(cents)
	defer stop()
	session, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := get(ctx, session.Client(), srv.URL+"/data"); err != nil {
		log.Fatal(err)
	}

	channels := session.Channels()
	for info := range channels.Live(ctx) {
		fmt.Println(channels.RequestClose(ctx, info.ID))
	}
	srv.Chain.Advance(escrow.GracePeriod) // the test chain's clock; a real one passes by itself
	fmt.Println(channels.SweepUntilDone(ctx))
	for info := range channels.All(ctx) {
		fmt.Println(info.Phase)
	}
	// Output:
	// <nil>
	// <nil>
	// closed
}

// The store is lost. The chain knows every channel that the payer opened.
func ExampleChannels_Find() {
	srv, cfg, stop := started(cents)
	defer stop()
	ctx := context.Background()
	before, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	if err := get(ctx, before.Client(), srv.URL+"/data"); err != nil {
		log.Fatal(err)
	}

	cfg.Store = store.NewMem() // an empty one
	session, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	for finding, err := range session.Channels().Find(ctx, false) {
		if err != nil {
			log.Fatal(err)
		}
		if finding.Found != channel.FoundNothing {
			fmt.Println(finding.Found, finding.Channel.Phase, "deposit", finding.Channel.Deposit)
		}
	}
	// Output: added open deposit 260000
}

// The requests of a context are paid from one channel and from no other.
func ExampleWithChannel() {
	session, url, stop := paying(cents)
	defer stop()
	resp, err := session.Client().Get(url + "/data")
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()

	ctx := client.WithChannel(context.Background(), client.PaymentOf(resp).ChannelID)
	fmt.Println(get(ctx, session.Client(), url+"/data"))

	ctx = client.WithChannel(context.Background(), common.Hash{1}) // a channel of nobody
	err = get(ctx, session.Client(), url+"/data")
	fmt.Println(errors.Is(err, channel.ErrNotOurs))
	// Output:
	// <nil>
	// true
}

// An origin that changes its payee is refused until somebody who made sure accepts it.
func ExampleTermsError_Accept() {
	srv, cfg, stop := started(cents)
	defer stop()
	cfg.Store = store.NewMem()
	session, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := get(ctx, session.Client(), srv.URL+"/data"); err != nil {
		log.Fatal(err)
	}
	content := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	srv.Handle("/moved", srv.Paid(clienttest.Terms{Price: cents.Price, Payee: srv.OtherPayee}, content))

	err = get(ctx, session.Client(), srv.URL+"/moved")
	var terms *client.TermsError
	if !errors.As(err, &terms) {
		log.Fatal(err)
	}
	fmt.Println(terms.Offered.Payee == srv.OtherPayee, len(terms.Pinned))
	if err := terms.Accept(ctx, cfg.Store); err != nil { // after a person has looked
		log.Fatal(err)
	}
	fmt.Println(get(ctx, session.Client(), srv.URL+"/moved"))
	// Output:
	// true 1
	// <nil>
}

// The body of a stream is the application's bytes. Vouchers are signed while it is read.
func ExampleSession_Client_stream() {
	session, url, stop := paying(cents)
	defer stop()
	resp, err := session.Client().Get(url + "/stream/2/10")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		log.Fatal(err)
	}
	fmt.Println("spent", client.PaymentOf(resp).Receipt().Spent)
	// Output:
	// event: message
	// data: {"i":0,"of":2}
	//
	// event: message
	// data: {"i":1,"of":2}
	//
	// spent 20
}
