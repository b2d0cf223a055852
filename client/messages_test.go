package client_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store"
)

// TestErrorsSayWhatToDo: an error that a newcomer meets names the setting, or what was left out.
func TestErrorsSayWhatToDo(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	id, channels := p.only().ID, p.session.Channels()

	_, err := p.in(client.WithLimits(t.Context(), channel.Limits{Price: u(1 << 40)}), "/data")
	require.ErrorIs(t, err, channel.ErrLimit)
	assert.ErrorContains(t, err, "Config.Raise")

	err = channels.Withdraw(t.Context(), id)
	require.ErrorContains(t, err, "no close was requested, or less than 15m0s ago")

	srv.OnRequest(func(clienttest.Request) clienttest.Fault {
		return clienttest.Fault{Refuse: http.StatusUnauthorized}
	})
	err = channels.Close(t.Context(), id)
	srv.OnRequest(nil)
	require.ErrorIs(t, err, client.ErrRejected)
	assert.ErrorContains(t, err, "(status 401); if it wants a key, give its header")
}

// TestErrorsNameListsAndUnits: what a list refuses names the list, and an amount its unit.
func TestErrorsNameListsAndUnits(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	other := common.Address{1}
	for says, policy := range map[string]client.Policy{
		"is not on the list of AllowHosts ([hosts] allow in a policy file): add it there":   client.AllowHosts("a.example"),
		"is denied by DenyHosts ([hosts] deny in a policy file)":                            client.DenyHosts("127.0.0.1"),
		"is not on the list of AllowPayees ([payees] allow in a policy file): add it there": client.AllowPayees(other),
		"is denied by DenyPayees ([payees] deny in a policy file)":                          client.DenyPayees(srv.Payee),
		"is not on the list of AllowTokens ([tokens] allow in a policy file): add it there": client.AllowTokens(other),
	} {
		p := newPayer(t, srv, func(c *client.Config) { c.Policy = policy })
		_, err := p.in(t.Context(), "/data")
		require.ErrorIs(t, err, client.ErrPolicy)
		require.ErrorContains(t, err, says)
		assert.ErrorContains(t, err, "price 0.0001 pathUSD")
	}
	p := newPayer(t, srv)
	err := p.session.Channels().Close(t.Context(), common.Hash{1})
	require.ErrorIs(t, err, store.ErrNotFound)
	assert.ErrorContains(t, err, "is not on record: Channels.All lists those that are, and Channels.Find looks for more on chain")
	for _, e := range []error{
		&client.Error{Op: "pay", Price: u(1), Cumulative: u(2), Err: client.ErrBehind},
		&channel.DesyncError{Required: u(2), Ours: u(1)}, &channel.ViolationError{Claimed: u(2), Bound: u(1)},
		&channel.LimitError{Limit: "Price", Wanted: u(2), Allowed: u(1)},
	} {
		assert.ErrorContains(t, e, " base units", "%T", e)
	}
}

// TestChannelThatIsNotOnRecord: every method that takes an id returns store.ErrNotFound, and a
// channel that is closed already closes without an error.
func TestChannelThatIsNotOnRecord(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	channels := p.session.Channels()
	for name, call := range map[string]func(context.Context, common.Hash) error{
		"Close":        channels.Close,
		"RequestClose": channels.RequestClose,
		"Withdraw":     channels.Withdraw,
		"Sync": func(ctx context.Context, id common.Hash) error {
			_, err := channels.Sync(ctx, id)
			return err
		},
		"RecoverFromPayee": func(ctx context.Context, id common.Hash) error {
			_, err := channels.RecoverFromPayee(ctx, id)
			return err
		},
		"AuthorizeManually": func(ctx context.Context, id common.Hash) error {
			_, err := channels.AuthorizeManually(ctx, id, u(1))
			return err
		},
	} {
		assert.ErrorIs(t, call(t.Context(), common.Hash{1}), store.ErrNotFound, name)
	}
	p.get("/data")
	id := p.only().ID
	require.NoError(t, channels.Close(t.Context(), id))
	assert.NoError(t, channels.Close(t.Context(), id), "it is closed already")
}

// TestLimitsComeBeforeThePolicy: the policy is not called for what the limits refuse.
func TestLimitsComeBeforeThePolicy(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	called := 0
	p := newPayer(t, srv, func(c *client.Config) {
		c.Limits.Price = u(99)
		c.Policy = func(context.Context, client.Proposal) error { called++; return nil }
	})
	p.over(p.in(t.Context(), "/data"))
	assert.Zero(t, called)
}
