package policyfile_test

import (
	"fmt"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/policyfile"
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
