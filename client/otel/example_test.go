package otel_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/otel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Every paid request is a span, here in memory. Without providers in the Config the global ones are used.
func Example() {
	srv, err := clienttest.Start(clienttest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	key, err := voucher.ParseKey(srv.Payer().Hex)
	if err != nil {
		log.Fatal(err)
	}
	chain, err := escrow.Dial(context.Background(), srv.RPCURL)
	if err != nil {
		log.Fatal(err)
	}
	defer chain.Close()

	spans := tracetest.NewInMemoryExporter()
	telemetry, err := otel.New(otel.Config{TracerProvider: trace.NewTracerProvider(trace.WithSyncer(spans))})
	if err != nil {
		log.Fatal(err)
	}
	session, err := client.New(client.Config{
		Signer: key, Payer: key, Chain: chain,
		Limits:  channel.Limits{Price: voucher.Units(1_000), Deposit: voucher.Units(10_000)},
		OnEvent: telemetry.Event, Journal: telemetry.Journal(nil), Base: telemetry.Base(nil),
	})
	if err != nil {
		log.Fatal(err)
	}
	httpClient := &http.Client{Transport: telemetry.Transport(&client.Transport{Session: session})}

	resp, err := httpClient.Get(srv.URL + "/data")
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	for _, span := range spans.GetSpans() {
		fmt.Println(span.Name)
	}
	// Output:
	// payment send
	// payment send
	// payment
}
