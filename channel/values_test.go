package channel_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestErrorsSayWhatToSet: a limit names its field and the amount, and each error is its sentinel.
func TestErrorsSayWhatToSet(t *testing.T) {
	limit := &channel.LimitError{Limit: "Price", Wanted: voucher.Units(200), Allowed: voucher.Units(100), Left: voucher.Units(100)}
	require.ErrorIs(t, limit, channel.ErrLimit)
	assert.ErrorContains(t, limit, "set Limits.Price to at least 200")

	run := &channel.LimitError{Limit: channel.LimitBudget, Wanted: voucher.Units(60), Allowed: voucher.Units(50), Left: voucher.Units(10)}
	require.ErrorIs(t, run, channel.ErrLimit)
	assert.ErrorContains(t, run, "left 10")

	desync := &channel.DesyncError{ChannelID: common.Hash{7}, Required: voucher.Units(9), Ours: voucher.Units(5)}
	require.ErrorIs(t, desync, channel.ErrServerReport)
	assert.ErrorContains(t, desync, common.Hash{7}.Hex())

	fee := channel.LimitError{Limit: "Fees.Day", Wanted: voucher.Units(9_000), Allowed: voucher.Units(8_000), Left: voucher.Units(6_000), Enough: voucher.Units(16_000), Fee: voucher.Units(7_000)}
	assert.EqualError(t, &fee, "channel: limit Fees.Day: this transaction can cost a fee of 7000 base units: wanted 9000 base units in all, "+
		"allowed 8000 base units, left 6000 base units: set Limits.Fees.Day to at least 16000 base units to allow it")
	fee.Limit = channel.LimitBudget
	assert.ErrorContains(t, &fee, "the budget of this run: this transaction can cost a fee of 7000 base units")
	violation := &channel.ViolationError{ChannelID: common.Hash{7}, What: "more was spent", Claimed: voucher.Units(9), Bound: voucher.Units(5)}
	require.ErrorIs(t, violation, channel.ErrServerReport)
	assert.ErrorContains(t, violation, "more was spent")
	assert.NotErrorIs(t, violation, channel.ErrLimit)
}

// TestLimitsByName: every field has a name under which it can be set, and no other name has a field.
func TestLimitsByName(t *testing.T) {
	var lim channel.Limits
	n := uint64(0)
	for name := range lim.Fields() {
		n++
		require.NoError(t, lim.Set(name, voucher.Units(n)))
	}
	got := uint64(0)
	for name, amount := range lim.Fields() {
		got++
		assert.Equal(t, voucher.Units(got), *amount, name)
	}
	assert.Equal(t, voucher.Units(1), lim.Price)
	assert.Equal(t, voucher.Units(got), lim.Fees.Month)
	for name := range lim.Fields() {
		assert.Equal(t, "Price", name)
		break // a loop may end early
	}
	require.ErrorContains(t, lim.Set("Prize", voucher.Units(1)), `"Prize"`)
}

// TestRoom: near is the step over four fifths, once.
func TestRoom(t *testing.T) {
	room := channel.Room{Rule: channel.BudgetRule{Name: "All.Day", Length: 24 * time.Hour, Allowed: voucher.Units(100)}, Used: voucher.Units(70)}
	assert.Equal(t, voucher.Units(30), room.Left())
	assert.False(t, room.Near(voucher.Units(9)))
	assert.True(t, room.Near(voucher.Units(10)))
	room.Used = voucher.Units(80)
	assert.False(t, room.Near(voucher.Units(10)), "it was near before")
	room.Used = voucher.Units(200)
	assert.True(t, room.Left().IsZero())
}

func TestPhases(t *testing.T) {
	for _, c := range []struct {
		phase          channel.Phase
		text           string
		holds, payable bool
	}{
		{channel.Unopened, "unopened", false, false},
		{channel.Opening, "opening", true, true},
		{channel.Open, "open", true, true},
		{channel.Closing, "closing", true, false},
		{channel.Closed, "closed", false, false},
	} {
		info := channel.Info{Phase: c.phase}
		assert.Equal(t, c.text, info.Phase.String())
		assert.Equal(t, c.holds, info.HoldsMoney(), c.text)
		assert.Equal(t, c.payable, info.Payable(), c.text)
		info.Gone = true
		assert.False(t, info.Payable(), "its payee takes no vouchers")
	}
	assert.False(t, channel.Transfer{}.Pending())
	assert.True(t, channel.Transfer{Amount: voucher.Units(1)}.Pending())
}

// TestTerms: the terms of an offer are all that must not change but the price, and are shown in full.
func TestTerms(t *testing.T) {
	o := channel.Offer{
		Protocol: voucher.V2, ChainID: 42431, Escrow: common.Address{1}, Payee: common.Address{2}, Operator: common.Address{3},
		Token: common.Address{4}, UnitType: "chunk", Price: voucher.Units(5),
	}
	terms := o.Terms()
	assert.Equal(t, channel.Asset{ChainID: 42431, Token: common.Address{4}}, terms.Asset())
	pin := channel.Pin{Origin: "https://a.example:443", Terms: terms}
	for _, a := range []common.Address{{1}, {2}, {3}, {4}} {
		assert.Contains(t, terms.String(), a.String())
		assert.Contains(t, pin.String(), a.String())
	}
	assert.Contains(t, terms.String(), "chunk")
	assert.Contains(t, fmt.Sprint(terms.Asset()), "chain 42431")
	o.Price = voucher.Units(6)
	assert.Equal(t, terms, o.Terms(), "the price is no term")
	o.UnitType = "request"
	assert.NotEqual(t, terms, o.Terms())
}

// TestScopeHolds: a channel is of a scope only with all of its parties and its voucher key.
func TestScopeHolds(t *testing.T) {
	d := channel.Descriptor{Payer: common.Address{1}, Payee: common.Address{2}, Operator: common.Address{3}, Token: common.Address{4}, AuthorizedSigner: common.Address{5}}
	s := channel.Scope{Payer: common.Address{1}, Payee: common.Address{2}, Operator: common.Address{3}, Token: common.Address{4}, Signer: common.Address{5}}
	assert.True(t, s.Holds(d))
	for name, change := range map[string]func(*channel.Descriptor){
		"payer":    func(d *channel.Descriptor) { d.Payer[0]++ },
		"payee":    func(d *channel.Descriptor) { d.Payee[0]++ },
		"operator": func(d *channel.Descriptor) { d.Operator[0]++ },
		"token":    func(d *channel.Descriptor) { d.Token[0]++ },
		"signer":   func(d *channel.Descriptor) { d.AuthorizedSigner[0]++ },
	} {
		other := d
		change(&other)
		assert.False(t, s.Holds(other), name)
	}
	d.AuthorizedSigner = common.Address{}
	s.Signer = d.Payer
	assert.True(t, s.Holds(d), "without a key of its own the payer signs")
}

func TestParseOriginNamesWhatIsWrong(t *testing.T) {
	got, err := channel.ParseOrigin("HTTPS://B\u00fccher.example./x")
	require.NoError(t, err)
	assert.Equal(t, "https://xn--bcher-kva.example:443", got)
	_, err = channel.ParseOrigin("pay.example")
	assert.EqualError(t, err,
		`channel: "pay.example" is not an origin: it has no scheme or no host; write https://host or https://host:port`)
}
