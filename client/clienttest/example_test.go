package clienttest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// A test of a program that pays: a session under limits, a paid server with a chain, and the server's
// account of what it was paid. In a test, clienttest.New closes the server at the end.
func Example() {
	srv, err := clienttest.Start(clienttest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	key, err := voucher.ParseKey(srv.Payer().Hex) // a funded key
	if err != nil {
		fmt.Println(err)
		return
	}
	chain, err := escrow.Dial(context.Background(), srv.RPCURL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer chain.Close()
	session, err := client.New(client.Config{
		Signer: key, Payer: key, Chain: chain,
		Limits: channel.Limits{Price: voucher.Units(1_000), Deposit: voucher.Units(10_000)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	res, err := session.Client().Get(srv.URL + "/data") // what is tested
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()

	fmt.Println(res.StatusCode, "served", srv.Served("/data"))
	for _, account := range srv.Accounts() {
		fmt.Println("deposit", account.Deposit, "accepted", account.Accepted, "spent", account.Spent)
	}
	// Output:
	// 200 served 1
	// deposit 5000 accepted 100 spent 100
}

// A client that does not pay gets a 402.
func ExampleStart() {
	srv, err := clienttest.Start(clienttest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	res, err := http.Get(srv.URL + "/data")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	scheme, _, _ := strings.Cut(res.Header.Get("WWW-Authenticate"), " ")
	fmt.Println(res.StatusCode, scheme, res.Header.Get("Cache-Control"))
	for _, r := range srv.Requests() {
		fmt.Println(r.Seq, r.Method, r.Path, r.Status, r.Problem)
	}
	fmt.Println(srv.Served("/data"), len(srv.Accounts()), srv.Chain.Balance(srv.Payer().Address))
	// Output:
	// 402 Payment no-store
	// 1 GET /data 402 payment-required
	// 0 0 100000000
}

// One handler charges for each request, another for each word of a stream.
func ExampleServer_Metered() {
	srv, err := clienttest.Start(clienttest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	srv.Handle(
		"/poem",
		srv.Metered(
			clienttest.Terms{Price: voucher.Units(5)},
			func(m *clienttest.Meter, r *http.Request) error {
				for word := range strings.FieldsSeq("so much depends upon") {
					if err := m.Charge(1); err != nil {
						return err
					}
					if err := m.Send(word); err != nil {
						return err
					}
				}
				return nil
			},
		),
	)
	res, err := http.Get(srv.URL + "/poem")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Println(res.StatusCode)
	// Output: 402
}

// The response to the next open is lost, after the server has processed it.
func ExampleServer_OnRequest() {
	srv, err := clienttest.Start(clienttest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
		return clienttest.Fault{
			LoseAnswer: r.Action == "open",
			Refuse:     map[string]int{"/free": 503}[r.Path],
		}
	})
	res, err := http.Get(srv.URL + "/free")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Println(res.StatusCode)
	// Output: 503
}
