package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// started starts a paid server with a chain of its own and returns it with the settings of a session
// that may pay it. A real program dials a real node and reads a real key.
func started(limits channel.Limits) (srv *clienttest.Server, cfg client.Config, stop func()) {
	server, err := clienttest.Start(clienttest.Config{BaseFee: 20_000_000_000})
	if err != nil {
		log.Fatal(err)
	}
	key, err := voucher.ParseKey(server.Payer().Hex)
	if err != nil {
		log.Fatal(err)
	}
	chain, err := escrow.Dial(context.Background(), server.RPCURL)
	if err != nil {
		log.Fatal(err)
	}
	cfg = client.Config{Signer: key, Payer: key, Chain: chain, Limits: limits}
	return server, cfg, func() { chain.Close(); server.Close() }
}

// paying returns a session that may pay the server at the URL.
func paying(
	limits channel.Limits, change ...func(*client.Config),
) (session *client.Session, url string, stop func()) {
	server, cfg, stop := started(limits)
	for _, c := range change {
		c(&cfg)
	}
	session, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	return session, server.URL, stop
}

var cents = channel.Limits{Price: voucher.Units(1_000), Deposit: voucher.Units(1_000_000), Stream: voucher.Units(10_000)}

// A program that could not pay a metered API can, by putting a Transport under its client.
func Example() {
	session, url, stop := paying(cents)
	defer stop()

	for range 3 {
		resp, err := session.Client().Get(url + "/data")
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
		paid := client.PaymentOf(resp)
		fmt.Println(resp.StatusCode, paid.Outcome, "price", paid.Price, "voucher", paid.Cumulative)
	}
	// Output:
	// 200 accepted price 100 voucher 100
	// 200 accepted price 100 voucher 200
	// 200 accepted price 100 voucher 300
}

// What is not allowed is not paid, and the error says which line to write.
func ExampleError() {
	session, url, stop := paying(channel.Limits{})
	defer stop()

	_, err := session.Client().Get(url + "/data")
	var refused *client.Error
	var limit *channel.LimitError
	fmt.Println(errors.As(err, &refused), refused.Outcome)
	fmt.Println(errors.As(err, &limit), limit.Limit, limit.Wanted, limit.Allowed)
	// Output:
	// true refused
	// true Price 100 0
}

// A stream of events is read as any body is, or event by event with its payments.
func ExampleNewStream() {
	session, url, stop := paying(cents)
	defer stop()

	resp, err := session.Client().Get(url + "/stream/3/10")
	if err != nil {
		log.Fatal(err)
	}
	stream, err := client.NewStream(resp)
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Close()
	for event, err := range stream.Events() {
		if err != nil {
			log.Fatal(err)
		}
		switch {
		case event.Type != "":
			fmt.Println("message", event.Data)
		case event.Cumulative.IsZero(): // a receipt alone, at the end
			fmt.Println("receipt: spent", event.Receipt.Spent)
		}
	}
	// Output:
	// message {"i":0,"of":3}
	// message {"i":1,"of":3}
	// message {"i":2,"of":3}
	// receipt: spent 30
}

// What a stream costs is known when its body was read.
func ExamplePayment_Cost() {
	session, url, stop := paying(cents)
	defer stop()

	resp, err := session.Client().Get(url + "/stream/3/10")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		log.Fatal(err)
	}
	paid := client.PaymentOf(resp)
	fmt.Println("a piece costs", paid.Price, "and all of them", paid.Cost())
	// Output:
	// a piece costs 10 and all of them 30
}

// What was spent is added up from the lines of a journal, by what has a name.
func ExampleSession_Spending() {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file, err := journal.Open(dir, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	session, url, stop := paying(cents, func(c *client.Config) {
		c.Journal = file
		c.Route = func(r *http.Request) string { return r.Method + " " + r.URL.Path }
	})
	defer stop()

	for _, run := range []string{"monday", "tuesday", "tuesday"} {
		budget := client.NewBudget(channel.Asset{ChainID: 42431, Token: escrow.PathUSD}, voucher.Units(100_000))
		ctx := client.WithBudget(context.Background(), budget.Named(run))
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/data", nil)
		if err != nil {
			log.Fatal(err)
		}
		resp, err := session.Client().Do(req)
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
	}
	spent, err := session.Spending(context.Background(), journal.Read(context.Background(), dir))
	if err != nil {
		log.Fatal(err)
	}
	for _, one := range spent {
		fmt.Println(one.Total, "base units of the token", one.Asset.Token)
		fmt.Println(one.Runs, one.Routes)
	}
	// Output:
	// 300 base units of the token 0x20C0000000000000000000000000000000000000
	// map[monday:100 tuesday:200] map[GET /data:300]
}

// A policy says with whom to deal; limits say how much.
func ExampleAllowHosts() {
	policy := client.AllOf(
		client.AllowHosts("https://api.example.com"),
		client.AllowTokens(escrow.PathUSD),
	)
	ask := client.Proposal{Origin: "https://api.example.com:443", Offer: channel.Offer{Token: escrow.PathUSD}}
	fmt.Println(policy(context.Background(), ask))

	ask.Origin = "https://elsewhere.example:443"
	fmt.Println(policy(context.Background(), ask))
	// Output:
	// <nil>
	// origin https://elsewhere.example:443 is not on the list of AllowHosts ([hosts] allow in a policy file): add it there if it is to be paid
}

// A cooperative close pays for what was used and brings the rest of the deposit back.
func ExampleChannels_Close() {
	session, url, stop := paying(cents)
	defer stop()
	resp, err := session.Client().Get(url + "/data")
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()

	id := client.PaymentOf(resp).ChannelID
	if err := session.Channels().Close(context.Background(), id); err != nil {
		log.Fatal(err)
	}
	for state, err := range session.Channels().All(context.Background()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(state.Phase, "deposited", state.Deposit, "paid", state.CloseAmount)
	}
	// Output: closed deposited 260000 paid 100
}

// A payee behind a gateway wants a key with every request, also with a close.
func ExampleWithHeader() {
	session, url, stop := paying(cents)
	defer stop()
	resp, err := session.Client().Get(url + "/data")
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()

	id := client.PaymentOf(resp).ChannelID
	ctx := client.WithHeader(context.Background(), url, http.Header{"X-Api-Key": {os.Getenv("API_KEY")}})
	fmt.Println(session.Channels().Close(ctx, id))
	// Output: <nil>
}

// The transport goes under any http.Client, over any other transport.
func ExampleTransport() {
	session, url, stop := paying(cents)
	defer stop()

	httpClient := &http.Client{Transport: &client.Transport{Session: session, Base: http.DefaultTransport}}
	resp, err := httpClient.Head(url + "/free")
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	fmt.Println(resp.StatusCode, client.PaymentOf(resp).Outcome)
	// Output: 200 none
}
