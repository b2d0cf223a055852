package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	begin := time.Now()
	require.NoError(t, run(t.Context(), &out))
	assert.Less(t, time.Since(begin), 10*time.Second)
	text := out.String()
	t.Log("\n" + text)
	assert.Equal(t, 7, strings.Count(text, "GET "))
	assert.Contains(t, text, "25 messages, paid 0.00025 pathUSD by 10 vouchers")
	assert.Contains(t, text, "after 3 top-ups")
	assert.Contains(t, text, "used 0.00095 pathUSD, deposited 0.0012 pathUSD, fees 0.018722 pathUSD.")
}

// TestExplainFails: one base unit too few or too many, anywhere, is an error.
func TestExplainFails(t *testing.T) {
	u := voucher.Units
	good := accounts{
		before: balances{u(1000), u(50), u(7), u(3)}, open: balances{u(690), u(50), u(307), u(13)}, after: balances{u(890), u(150), u(7), u(20)},
		used: u(100), deposit: u(300),
	}
	require.NoError(t, explain(io.Discard, good))
	for i, change := range []func(*accounts) *voucher.Amount{
		func(a *accounts) *voucher.Amount { return &a.before.payer },
		func(a *accounts) *voucher.Amount { return &a.before.payee },
		func(a *accounts) *voucher.Amount { return &a.before.escrow },
		func(a *accounts) *voucher.Amount { return &a.before.fees },
		func(a *accounts) *voucher.Amount { return &a.open.payer },
		func(a *accounts) *voucher.Amount { return &a.open.payee },
		func(a *accounts) *voucher.Amount { return &a.open.escrow },
		func(a *accounts) *voucher.Amount { return &a.open.fees },
		func(a *accounts) *voucher.Amount { return &a.after.payer },
		func(a *accounts) *voucher.Amount { return &a.after.payee },
		func(a *accounts) *voucher.Amount { return &a.after.escrow },
		func(a *accounts) *voucher.Amount { return &a.used },
		func(a *accounts) *voucher.Amount { return &a.deposit },
	} {
		bad := good
		at := change(&bad)
		*at = at.AddCapped(u(1))
		require.Error(t, explain(io.Discard, bad), i)
		*at = at.SubFloor(u(2))
		require.Error(t, explain(io.Discard, bad), i)
	}
}
