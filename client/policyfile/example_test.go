package policyfile_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/policyfile"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func ExampleParse() {
	_, err := policyfile.Parse("policy.toml", []byte(`
[limits]
price  = 0.002
depsit = "1"
`))
	fmt.Println(err)
	// Output:
	// policy.toml:3:10: limits.price is a number without quotes; expected an amount above zero in quotes: tokens ("0.25") or base units ("250000u")
	// policy.toml:4:1: [limits] has no key "depsit"; expected deposit (one of price, deposit, total, fund, stream, step, ahead, ask, hour, day, month, piece-by-piece)
}

func ExampleFile_Apply() {
	policy, err := policyfile.Parse("policy.toml", []byte(`
[limits]
price   = "0.002"
deposit = "1"
day     = "0.5"
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	cfg := client.Config{} // Signer, Payer, Chain and Store go here
	policy.Apply(&cfg)
	fmt.Println(cfg.Limits.Price, cfg.Limits.All.Day)
	// Output: 2000 500000
}

// A session under a policy file, which its owner keeps where the program cannot write.
func ExampleLoad() {
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
	path, remove := written("[limits]\nprice = \"0.0002\"\ndeposit = \"1\"\n")
	defer remove()

	policy, err := policyfile.Load(path)
	if err != nil {
		log.Fatal(err)
	}
	cfg := client.Config{Signer: key, Payer: key, Chain: chain}
	policy.Apply(&cfg)
	session, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	for _, path := range []string{"/data", "/data?price=201"} {
		resp, err := session.Client().Get(srv.URL + path)
		if err == nil {
			resp.Body.Close()
		}
		fmt.Println(path, "refused by a limit:", errors.Is(err, channel.ErrLimit))
	}
	// Output:
	// /data refused by a limit: false
	// /data?price=201 refused by a limit: true
}

// written returns a file with the text, which only its owner may change.
func written(text string) (path string, remove func()) {
	dir, err := os.MkdirTemp("", "policy")
	if err != nil {
		log.Fatal(err)
	}
	path = filepath.Join(dir, "policy.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		log.Fatal(err)
	}
	return path, func() { _ = os.RemoveAll(dir) }
}
