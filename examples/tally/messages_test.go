package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

var pathUSD, _ = channel.Dollar(channel.Asset{ChainID: escrow.Moderato, Token: escrow.PathUSD})

// TestMessages: whatever went wrong is told in three lines at most, with amounts in tokens, and none of the secrets that
// a URL may have.
func TestMessages(t *testing.T) {
	units := voucher.Units
	causes := []error{
		&channel.LimitError{Limit: "Price", Wanted: units(1_234_567), Allowed: units(7_654_321)},
		&channel.LimitError{Limit: "Fees.Day", Wanted: units(7_654_321), Allowed: units(1_234_567), Fee: units(1_234_567)},
		&channel.LimitError{Limit: "Origin.Day", Wanted: units(1_234_567), Allowed: units(7_654_321)},
		&channel.LimitError{Limit: channel.LimitBudget, Wanted: units(1_234_567), Allowed: units(7_654_321)},
		&channel.DesyncError{Required: units(7_654_321), Ours: units(1_234_567)},
		&channel.ViolationError{What: "more was spent", Claimed: units(7_654_321), Bound: units(1_234_567)},
		&escrow.BalanceError{Token: escrow.PathUSD, Have: units(1_234_567), Want: units(7_654_321)},
		&escrow.RevertError{Kind: escrow.ErrWouldRevert, Reason: "CloseNotReady"},
		client.ErrNoChain, client.ErrEscrow, client.ErrPolicy, client.ErrProof, client.ErrBehind, channel.ErrSpent,
		fmt.Errorf("top up of channel 0x12 by %d base units: %w", 1_234_567, client.ErrPending),
		fmt.Errorf("%w: the receipt says %d base units were accepted, sent were %d base units", client.ErrClose, 7_654_321, 1_234_567),
		&url.Error{Op: "Get", URL: "https://a.example/?key=secret", Err: errors.New("broken")},
	}
	for _, cause := range causes {
		all := []error{cause, fail(exitState, cause)}
		for _, o := range []client.Outcome{
			client.OutcomeNone, client.OutcomeRefused, client.OutcomeNotSent, client.OutcomeUnknown,
			client.OutcomeRejected, client.OutcomeAccepted, client.OutcomeAcceptedNoContent,
		} {
			e := &client.Error{
				Op: "pay", Outcome: o, Origin: "https://a.example", ChannelID: common.HexToHash("0x12"),
				Price: units(1_234_567), Cumulative: units(7_654_321), Err: cause,
			}
			all = append(all, e, &url.Error{Op: "Get", URL: "https://a.example/?key=secret", Err: e})
		}
		for _, err := range all {
			text := speaker{pathUSD}.explain(err).lines()
			assert.LessOrEqual(t, strings.Count(text, "\n"), 2, text)
			for _, word := range []string{"base units", "1234567", "7654321", "secret", "\n\n"} {
				assert.NotContains(t, text, word)
			}
			assert.NotRegexp(t, `(^|: |\n)(client|channel|escrow): `, text)
			assert.NotRegexp(t, `\d\.\d+\.\d`, text, "an amount that is converted twice")
			assert.NotEmpty(t, text)
			assert.Equal(t, strings.ReplaceAll(text, " pathUSD", ""), strings.ReplaceAll(
				strings.ReplaceAll(speaker{}.explain(err).lines(), " tokens", ""), " pathUSD", ""), "without the symbol")
		}
	}
	assert.Equal(t, "--fund is 1 tokens, above --max-deposit, which is 0.1 tokens",
		speaker{}.plain(errors.New("client: Limits.Fund is 1000000 base units, above Limits.Deposit, which is 100000 base units")))
	assert.Equal(t, "--per-hour, --per-day and --per-month allows 0.2 tokens an hour, 0.1 tokens a day and 0.3 tokens a month",
		speaker{}.plain(errors.New("client: Limits.All allows 200000 base units an hour, 100000 base units a day and 300000 base units a month")))
	assert.Equal(t, "two\nclosing failed: refused here; nothing was signed for it", speaker{}.explain(errors.Join(
		errors.New("two"), &client.Error{Op: "close", Outcome: client.OutcomeRefused, Err: errors.New("refused here")})).lines())
}
