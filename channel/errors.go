package channel

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Errors for errors.Is. Nothing was signed for what one of them refuses. What was signed for the same
// request or stream before that is in client.Error.
var (
	// ErrOffer: a tempo/session challenge that cannot be paid.
	ErrOffer = errors.New("channel: the offer cannot be paid")
	// ErrNotSession: the challenge is for another method or intent.
	ErrNotSession = errors.New("channel: not a tempo/session challenge")
	// ErrExpired: the challenge has expired. An expiry that cannot be parsed counts as expired.
	ErrExpired = errors.New("channel: the challenge has expired")
	// ErrNotPayable: the channel is closing or closed, or was never opened.
	ErrNotPayable = errors.New("channel: not open for payments")
	// ErrDeposit: the deposit does not cover the request.
	ErrDeposit = errors.New("channel: the deposit does not cover this")
	// ErrSpent: the payee refused the highest voucher that this request may be paid with.
	ErrSpent = errors.New("channel: the payee says that all of the authorized amount is spent")
	// ErrRaised: the price of this request was authorized on another channel already, and nothing
	// that is authorized on this channel is left for it.
	ErrRaised = errors.New("channel: the price of this request was authorized elsewhere already")
	// ErrOverAuthorized: a voucher above the authorized amount was requested.
	ErrOverAuthorized = errors.New("channel: above the authorized amount")
	// ErrLimit: a limit refused; every [LimitError] matches it.
	ErrLimit = errors.New("channel: refused by a limit")
	// ErrAsset: there are no limits for the asset of a payment or of its fee. It is neither a known
	// dollar token ([Dollars]) nor named with limits of its own.
	ErrAsset = errors.New("channel: there are no limits for this asset")
	// ErrNotOurs: a channel that a server names cannot be used: its descriptor does not hash to its
	// id, it belongs to another payer, payee, token, signer, escrow or chain, or it is not open.
	// The error tells which.
	ErrNotOurs = errors.New("channel: the named channel cannot be used")
	// ErrRecord: a stored record cannot be read: it is damaged, or a newer version wrote it. It is
	// left as it is.
	ErrRecord = errors.New("channel: stored record cannot be read")
	// ErrServerReport: every [ViolationError] and [DesyncError] matches it.
	ErrServerReport = errors.New("channel: the server reported amounts that do not fit ours")
)

// LimitBudget is the Limit of a [LimitError] about the budget of one run (client.WithBudget).
const LimitBudget = "WithBudget"

// LimitError tells which limit refused, what was wanted and what is allowed. Nothing was signed for
// what it refused. A voucher may have left before: for earlier pieces of a stream, or at a price that
// the payee then raised. The Cumulative of client.Error is that voucher.
type LimitError struct {
	// Limit is the field of [Limits] that refused, for example "Price" or "Origin.Day", or
	// [LimitBudget].
	Limit string
	// Wanted and Allowed are in base units; for a budget both count what was authorized before.
	// Left is what the limit leaves.
	Wanted, Allowed, Left voucher.Amount
	// Enough is what to raise a limit on deposits or on fees to, in base units. It lasts for more than
	// the one request or transaction that needs Wanted, so that not each request is funded by itself.
	// Zero for other limits: Wanted is enough.
	Enough voucher.Amount
	// Fee is set if a fee was refused: the most that its transaction can be charged. It is part of
	// Wanted.
	Fee voucher.Amount
	// Currency is what they are in. It has no symbol if that is not known.
	Currency Currency
}

func (e *LimitError) Error() string {
	if !e.Fee.IsZero() {
		return e.aboutFee()
	}
	if e.Limit == LimitBudget {
		return fmt.Sprintf("channel: the budget of this run: wanted %s in all, "+
			"allowed %s, left %s: start the run with a larger budget to allow this",
			e.Currency.Format(e.Wanted), e.Currency.Format(e.Allowed), e.Currency.Format(e.Left))
	}
	if e.Wanted.Less(e.Enough) {
		return fmt.Sprintf("channel: limit %s: wanted %s, allowed %s: set Limits.%s to %s base units to allow "+
			"this and what follows; %s allows this only, and each further opening or top-up costs a fee",
			e.Limit, e.Currency.Format(e.Wanted), e.Currency.Format(e.Allowed), e.Limit, e.Enough, e.Wanted)
	}
	return fmt.Sprintf("channel: limit %s: wanted %s, allowed %s: "+
		"set Limits.%s to at least %s base units to allow this",
		e.Limit, e.Currency.Format(e.Wanted), e.Currency.Format(e.Allowed), e.Limit, e.Wanted)
}

func (e *LimitError) aboutFee() string {
	limit, allow := "limit "+e.Limit, fmt.Sprintf("set Limits.%s to at least %s base units", e.Limit, e.Enough.Max(e.Wanted))
	if e.Limit == LimitBudget {
		limit, allow = "the budget of this run", "start the run with a larger budget"
	}
	return fmt.Sprintf("channel: %s: this transaction can cost a fee of %s: wanted %s in all, allowed %s, left %s: %s to allow it",
		limit, e.Currency.Format(e.Fee), e.Currency.Format(e.Wanted), e.Currency.Format(e.Allowed), e.Currency.Format(e.Left), allow)
}

// Is reports whether target is [ErrLimit].
func (e *LimitError) Is(target error) bool { return target == ErrLimit }

// ViolationError reports that a receipt, snapshot or frame contains impossible amounts. Our own
// amounts are unchanged, and the paid response is not lost.
type ViolationError struct {
	ChannelID common.Hash
	// What describes the amount that is impossible.
	What string
	// Claimed is the server's amount, Bound the most that it can be, in base units of Currency.
	Claimed, Bound voucher.Amount
	Currency       Currency
}

func (e *ViolationError) Error() string {
	return fmt.Sprintf(
		"channel: %s: the server reports that %s: %s, at most %s is possible; "+
			"our own amounts are unchanged",
		e.ChannelID, e.What, e.Currency.Format(e.Claimed), e.Currency.Format(e.Bound),
	)
}

// Is reports whether target is [ErrServerReport].
func (e *ViolationError) Is(target error) bool { return target == ErrServerReport }

// DesyncError reports that the server requires a voucher above what our callers agreed to. Nothing
// was signed.
type DesyncError struct {
	ChannelID common.Hash
	// Required is the server's amount, Ours the most that our own amounts allow, in base units of
	// Currency.
	Required, Ours voucher.Amount
	Currency       Currency
}

func (e *DesyncError) Error() string {
	return fmt.Sprintf(
		"channel: %s: the server requires a voucher of %s, we agreed to at most %s; "+
			"nothing was signed (Limits.Step or Limits.Ahead allow larger steps)",
		e.ChannelID, e.Currency.Format(e.Required), e.Currency.Format(e.Ours),
	)
}

// Is reports whether target is [ErrServerReport].
func (e *DesyncError) Is(target error) bool { return target == ErrServerReport }
