package rule_test

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Limits that are not set pay nothing, and the error says what to write.
func ExampleLimits() {
	var unset rule.Limits
	var refused *channel.LimitError
	if errors.As(unset.CheckPrice(voucher.Units(250)), &refused) {
		fmt.Println(refused.Limit, refused.Wanted, refused.Allowed)
	}
	limits := rule.Of(
		channel.Limits{Price: voucher.Units(1_000), Deposit: voucher.Units(1_000_000)},
	)
	fmt.Println(limits.CheckPrice(voucher.Units(250)))
	// Output:
	// Price 250 0
	// <nil>
}

// A server that asks for more than callers agreed to gets an error and no signature.
func ExampleState_AuthorizeMore() {
	limits := rule.Of(
		channel.Limits{
			Price: voucher.Units(10), Deposit: voucher.Units(1_000), Stream: voucher.Units(500),
		},
	)
	d := channel.Descriptor{
		Payer: common.Address{1}, Payee: common.Address{2}, Token: common.Address{3},
	}
	scope := channel.Scope{
		Protocol: voucher.V2, Payer: d.Payer, Payee: d.Payee, Token: d.Token, Signer: d.Payer,
	}
	s, err := rule.New(
		voucher.V2, 0, common.Address{}, d, scope,
		rule.Funding{Amount: voucher.Units(1_000), Raw: []byte{0x76}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	s, claim, due, err := s.Authorize(rule.Request{Price: voucher.Units(10)}, limits)
	fmt.Println(due, err)

	_, _, _, err = s.AuthorizeMore(
		claim, voucher.Units(10), voucher.Units(1_000), voucher.Units(10), limits,
	)
	var desync *channel.DesyncError
	fmt.Println(errors.As(err, &desync), desync.Required, desync.Ours)
	// Output:
	// 10 <nil>
	// true 1000 20
}
