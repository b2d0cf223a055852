package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store"
)

// TestRetryable is never true if the payee may have been paid, or was, whatever the cause, and not
// for what only a change of the config can help.
func TestRetryable(t *testing.T) {
	causes := []error{
		errors.New("broken"), io.ErrUnexpectedEOF, context.DeadlineExceeded, client.ErrPending,
		client.ErrStalled,
		client.ErrRejected, client.ErrStream, client.ErrBehind, client.ErrStore, channel.ErrExpired,
		nil,
	}
	final := []error{
		channel.ErrLimit, &channel.LimitError{Limit: "Price"}, client.ErrPolicy, client.ErrBody,
		client.ErrInsecure,
		client.ErrRedirect, client.ErrEscrow, client.ErrNoChain, client.ErrNoPayer, client.ErrTwice,
		client.ErrPaidBefore, client.ErrKeyReused, client.ErrOpenings,
		channel.ErrNotOurs, channel.ErrRecord, store.ErrCorrupt,
		errors.Join(client.ErrPolicy, errors.New("not today")),
	}
	for _, outcome := range []client.Outcome{
		client.OutcomeUnknown, client.OutcomeAccepted, client.OutcomeAcceptedNoContent, "",
		client.OutcomeRefunded, "an outcome of the future",
	} {
		for _, cause := range append(causes, final...) {
			e := &client.Error{Outcome: outcome, Err: cause}
			assert.False(t, e.Retryable(), "%s, %v", outcome, cause)
		}
	}
	for _, outcome := range []client.Outcome{
		client.OutcomeRefused, client.OutcomeNotSent, client.OutcomeRejected, client.OutcomeNone,
	} {
		for _, cause := range final {
			e := &client.Error{Outcome: outcome, Err: fmt.Errorf("somewhere: %w", cause)}
			assert.False(t, e.Retryable(), "%s, %v", outcome, cause)
		}
		assert.True(
			t, (&client.Error{Outcome: outcome, Err: io.ErrUnexpectedEOF}).Retryable(), outcome,
		)
	}
}
