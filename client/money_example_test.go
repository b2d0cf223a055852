package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// get is what the examples below do with a context: one GET, whose body is read and closed.
func get(ctx context.Context, c *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// The bill of one response: what became of the payment, what it cost, from which channel.
func ExamplePaymentOf() {
	session, url, stop := paying(cents)
	defer stop()
	resp, err := session.Client().Get(url + "/data?price=250")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()

	paid := client.PaymentOf(resp)
	fmt.Println(paid.Outcome, "cost", paid.Cost(), "voucher", paid.Cumulative)
	if receipt := paid.Receipt(); receipt != nil { // the server's report, which proves nothing
		fmt.Println("server: accepted", receipt.Accepted, "spent", receipt.Spent)
	}
	// Output:
	// accepted cost 250 voucher 250
	// server: accepted 250 spent 250
}

// All requests of one run of an agent together may spend 250 base units. The fee of a transaction that is
// made for one of them would count, too; here the channel is open already.
func ExampleWithBudget() {
	srv, cfg, stop := started(cents)
	defer stop()
	session, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}

	if err := get(context.Background(), session.Client(), srv.URL+"/data"); err != nil {
		log.Fatal(err)
	}
	run := client.NewBudget(channel.Asset{ChainID: srv.ChainID, Token: srv.Token}, voucher.Units(250))
	ctx := client.WithBudget(context.Background(), run)
	for range 3 {
		err := get(ctx, session.Client(), srv.URL+"/data")
		fmt.Println(run.Left(), "left, refused:", errors.Is(err, channel.ErrLimit))
	}
	// Output:
	// 150 left, refused: false
	// 50 left, refused: false
	// 50 left, refused: true
}

// One request may cost less than the session allows. Raising a limit takes Config.Raise.
func ExampleWithLimits() {
	session, url, stop := paying(cents)
	defer stop()

	ctx := client.WithLimits(context.Background(), channel.Limits{Price: voucher.Units(50)})
	err := get(ctx, session.Client(), url+"/data")
	var limit *channel.LimitError
	if errors.As(err, &limit) {
		fmt.Println(limit.Limit, "wanted", limit.Wanted, "allowed", limit.Allowed)
	}
	// Output: Price wanted 100 allowed 50
}

// A person decides about a price above Limits.Ask, before anything is signed.
func ExampleConfig_approve() {
	limits := cents
	limits.Ask = voucher.Units(200)
	srv, cfg, stop := started(limits)
	defer stop()
	cfg.Approve = func(_ context.Context, q client.Quote) error {
		fmt.Println("asked about", q.Route, "for", q.Offer.Price)
		if q.Offer.Price.Less(voucher.Units(500)) {
			return nil // nil pays
		}
		return errors.New("too dear")
	}
	session, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}

	for _, price := range []string{"100", "300", "700"} {
		err := get(context.Background(), session.Client(), srv.URL+"/data?price="+price)
		fmt.Println(price, "refused:", errors.Is(err, client.ErrPolicy))
	}
	// Output:
	// 100 refused: false
	// asked about GET /data for 300
	// 300 refused: false
	// asked about GET /data for 700
	// 700 refused: true
}

// A policy decides with whom to deal. PinFirstUse, the default without a policy, goes last.
func ExamplePolicy() {
	srv, cfg, stop := started(cents)
	defer stop()
	cfg.Store = store.NewMem()
	cfg.Policy = client.AllOf(
		func(_ context.Context, p client.Proposal) error {
			if strings.HasPrefix(p.Route, "DELETE ") {
				return errors.New("nothing is deleted for money")
			}
			return nil
		},
		client.PinFirstUse(cfg.Store),
	)
	session, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}

	req, err := http.NewRequest(http.MethodDelete, srv.URL+"/data", nil)
	if err != nil {
		log.Fatal(err)
	}
	_, err = session.Client().Do(req)
	fmt.Println(errors.Is(err, client.ErrPolicy))
	fmt.Println(get(context.Background(), session.Client(), srv.URL+"/data"))
	// Output:
	// true
	// <nil>
}

// A hook sees everything that happens to money: for alerts, and for a line on a screen.
func ExampleEvent() {
	srv, cfg, stop := started(cents)
	defer stop()
	cfg.FundAsNeeded = true
	cfg.OnEvent = func(e client.Event) {
		switch e.Kind {
		case client.EventOpened, client.EventToppedUp:
			fmt.Println(e.Kind, "deposit", e.Deposit)
		case client.EventPaid:
			fmt.Println(e.Kind, e.Outcome, "price", e.Price)
		}
	}
	session, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range []string{"/data?deposit=150", "/data?deposit=150"} {
		_ = get(context.Background(), session.Client(), srv.URL+path)
	}
	// Output:
	// opened deposit 150
	// paid accepted price 100
	// topped_up deposit 300
	// paid accepted price 100
}

// What would it cost? Nothing is signed to find out.
func ExampleSession_Quote() {
	session, url, stop := paying(cents)
	defer stop()

	for _, path := range []string{"/data", "/data?price=5000", "/free"} {
		req, err := http.NewRequest(http.MethodGet, url+path, nil)
		if err != nil {
			log.Fatal(err)
		}
		quote, status, err := session.Quote(req)
		switch {
		case err != nil:
			log.Fatal(err)
		case quote == nil:
			fmt.Println(path, "asks for no payment:", status)
		default:
			fmt.Println(path, "costs", quote.Offer.Price, "a", quote.Offer.UnitType)
			fmt.Println("the limits decide:", quote.Decision.Verdict, "by", quote.Decision.Rule)
		}
	}
	// Output:
	// /data costs 100 a request
	// the limits decide: allow by All.Month
	// /data?price=5000 costs 5000 a request
	// the limits decide: deny by Price
	// /free asks for no payment: 200
}

// Budgets over time count what was authorized on all channels of the store.
func ExampleSession_Budgets() {
	limits := cents
	limits.All.Day = voucher.Units(1_000)
	srv, cfg, stop := started(limits)
	defer stop()
	session, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	// The payee pays the fees of this route. On others they count, too.
	if err := get(context.Background(), session.Client(), srv.URL+"/sponsored"); err != nil {
		log.Fatal(err)
	}

	rooms, err := session.Budgets(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, room := range rooms {
		fmt.Println(room.Rule.Name, room.Used, "of", room.Rule.Allowed)
	}
	// Output:
	// All.Month 100 of 1000000
	// All.Day 100 of 1000
	// All.Hour 100 of 1000
}

// What to do about an error of a request that may have cost something.
func ExampleError_Retryable() {
	advice := func(resp *http.Response, err error) string {
		var payment *client.Error
		switch {
		case errors.Is(err, channel.ErrLimit):
			return "a limit refused: the error names the field to set"
		case errors.Is(err, client.ErrPolicy):
			return "the policy or Approve refused"
		case errors.As(err, &payment) && payment.Retryable():
			return "nothing was paid: try again later"
		case errors.As(err, &payment) && payment.Outcome == client.OutcomeUnknown:
			return "it may have been paid: a new request may pay again"
		case err != nil:
			return "no payment: " + err.Error()
		case resp.StatusCode == http.StatusPaymentRequired:
			return fmt.Sprint("not paid: ", client.PaymentOf(resp).Err) // nil if the client knows no more
		}
		return "served"
	}
	session, url, stop := paying(cents)
	defer stop()
	for _, path := range []string{"/data", "/data?price=5000"} {
		resp, err := session.Client().Get(url + path)
		fmt.Println(path, "-", advice(resp, err))
		if err == nil {
			resp.Body.Close()
		}
	}
	// Output:
	// /data - served
	// /data?price=5000 - a limit refused: the error names the field to set
}

// A request that is made again with its Idempotency-Key is the same purchase: its price is paid once.
// A server that knows such keys serves it again. This one does not, and asks for more.
func ExampleTransport_idempotencyKey() {
	session, url, stop := paying(cents)
	defer stop()

	for range 2 {
		req, err := http.NewRequest(http.MethodGet, url+"/data", nil)
		if err != nil {
			log.Fatal(err)
		}
		req.Header.Set("Idempotency-Key", "order-17")
		resp, err := session.Client().Do(req)
		if err != nil {
			log.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		paid := client.PaymentOf(resp)
		fmt.Println(resp.StatusCode, "voucher", paid.Cumulative, errors.Is(paid.Err, client.ErrPaidBefore))
	}
	// Output:
	// 200 voucher 100 false
	// 402 voucher 100 true
}
