package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Config holds the settings of a [Session]. Signer and Limits are required. A zero value of any other
// field has the meaning that is given at the field.
type Config struct {
	// Signer is the voucher key. It signs every voucher. Required.
	Signer voucher.Signer
	// Payer is the funding key. It signs openings, top-ups and withdrawals, and zero-dollar proofs
	// if it is a [voucher.ProofSigner]: with Bootstrap, and for a payee that names a price only to a
	// payer that proves who it is. It may be the same value as Signer. If Payer is nil, no channel
	// is funded: only existing channels are used, and they must belong to Signer's address.
	Payer voucher.TransactionSigner
	// Chain reads channels and prepares transactions; [escrow.Dial] returns one. The session does not
	// close it. If Chain is nil, no channel can be opened, topped up or checked.
	Chain Chain
	// Base sends the requests of [Session.Client], closes, and the requests of a [Transport] that has
	// no Base of its own. Nil means [http.DefaultTransport].
	Base http.RoundTripper
	// Store keeps the channels, so that the next run pays from those of this one. Nil keeps them in
	// memory: deposits are then forgotten when the process ends, so that [Session.Close] closes what the
	// session opened; use store/filestore for real money. The session does not close it.
	Store store.Store
	// Limits bound what may be spent. The zero value pays nothing.
	Limits channel.Limits
	// Assets are limits of tokens that are not among the known dollar tokens ([channel.Dollars]),
	// each with its Currency. Origins and Raise do not apply to them. A token that has no limits here is not paid in, and no fee
	// is paid in it: the error is [channel.ErrAsset]. Before the first payment in one, its symbol
	// and decimals are compared with those on Chain, and stored; if they differ, or cannot be read,
	// nothing is paid.
	Assets []channel.Limits
	// Origins overrides Limits for single origins, written as scheme://host or scheme://host:port.
	// Fields that are not zero replace those of Limits, higher or lower. All and Total must be zero.
	Origins map[string]channel.Limits
	// Raise bounds how far [WithLimits] may raise each limit. A limit that is zero here can only be
	// lowered.
	Raise channel.Limits
	// Approve decides about a price above Limits.Ask. It is called before anything is signed, once
	// for each set of terms and sum that a request would agree to, and only if the limits and
	// budgets allow the price. It may take long, must obey the context, and must be safe for
	// concurrent use. An error refuses the request with [ErrPolicy]. If Approve is nil, such prices
	// are refused, and [New] refuses a Limits.Ask below Limits.Price.
	Approve func(context.Context, Quote) error
	// Policy decides with whom to deal. Nil means [PinFirstUse] over Store.
	Policy Policy
	// Escrow is trusted instead of the canonical escrow of the chain and protocol. Zero trusts the
	// canonical one only.
	Escrow common.Address
	// Bootstrap asks every server for a channel of ours with a zero-dollar proof before a new one is
	// opened: two HEAD requests, at most once per origin in ten minutes. It needs a Payer that is a
	// [voucher.ProofSigner].
	Bootstrap bool
	// FundAsNeeded makes openings and top-ups put in what the server suggests, or what the request
	// needs if it suggests nothing, when a request needs it. That locks less, and costs more fees and
	// more waiting: it is for those who pay many origins a few times each. If neither it nor Limits.Fund
	// is set, an opening puts in at least the price of 20 requests and 100 times the fee of a top-up, as
	// far as the limits allow it, and a top-up as much as the channel holds. A top-up is made beside the
	// requests, and the policy asked beside them, when two of them left less than a quarter.
	FundAsNeeded bool
	// CloseChannels makes [Session.Close] close every channel that this session opened. A nil Store sets
	// it: nobody could pay from them later. With a Store the deposits stay for the next run, which then
	// pays for no opening.
	CloseChannels bool
	// Retries is how many times a request is sent again after its first payment. Zero means 3.
	Retries int
	// Spool is how many bytes of a body without GetBody are kept in memory so that it can be sent
	// again. Zero means 1 MiB; -1 keeps none.
	Spool int64
	// Stall bounds how long a stream may deliver nothing after it was paid, its first piece included,
	// or after other requests of the channel may have used up what was paid for its next piece. It
	// also bounds how long each voucher and top-up of a stream may take. Zero means a minute.
	Stall time.Duration
	// Journal receives one line for every operation that could cost money, for example a
	// [journal.File]. Nil keeps none. The session does not close it.
	Journal journal.Appender
	// Evidence keeps in each line of Journal about a payment what package channel/evidence shows others:
	// the challenge, the voucher that was presented and the digest of the body, 1.5 KB more. Such a journal
	// holds vouchers: that package says who can redeem one, and for how much.
	Evidence bool
	// Route names the route of a paid request in the journal, for example by the pattern of its path
	// ("GET /users/{id}"), for [Session.Spending]. What it returns is stored as it is, so it must have
	// no secret in it: paths can have. It must be safe for concurrent use and must not read the body.
	// Nil names none.
	Route func(*http.Request) string
	// Log receives events at debug level, refusals at info level, and what somebody has to look at as
	// warnings: [EventViolation], [EventBehind], [EventGone], [EventNotSeen], [EventUnmined],
	// [EventBudget], [EventJournal], [EventDelayed] and [EventCostly]. A line has the fields that mean
	// something for its event. Credentials, receipts and URL queries are never logged. Nil logs nothing.
	Log *slog.Logger
	// OnEvent is called for every [Event], on the goroutine that caused it and outside all locks: by
	// several at once if requests, streams or top-ups run side by side. Nil means no hook.
	OnEvent func(Event)
}

// Chain is the part of [escrow.Client] that a [Session] uses. Implementations must be safe for
// concurrent use and return the errors of [escrow.Client]. They must call Agree of the parameters before they
// sign a transaction, and Record before they send one.
type Chain interface {
	ChainID(ctx context.Context) (uint64, error)
	Currency(ctx context.Context, asset channel.Asset) (channel.Currency, error)
	State(ctx context.Context, ref escrow.Ref) (escrow.State, error)
	States(ctx context.Context, refs []escrow.Ref) ([]escrow.State, error)
	Forget(id common.Hash)
	Confirm(ctx context.Context, tx common.Hash) (r escrow.Receipt, found bool, err error)
	Closes(ctx context.Context, q escrow.CloseSearch) ([]escrow.Ref, error)
	Search(ctx context.Context, s escrow.Search) iter.Seq2[escrow.Stretch, error]
	PrepareOpen(ctx context.Context, p escrow.OpenParams) (*escrow.Opening, error)
	PrepareTopUp(ctx context.Context, p escrow.TopUpParams) (*escrow.TopUp, error)
	RequestClose(ctx context.Context, p escrow.CloseParams) (escrow.Receipt, error)
	Withdraw(ctx context.Context, p escrow.CloseParams) (escrow.Receipt, error)
}

const (
	defaultRetries = 3
	defaultSpool   = 1 << 20
	defaultStall   = time.Minute
)

// check returns what is wrong with the config, naming the field and how to set it.
func (c *Config) check() error {
	for name, value := range map[string]any{"Signer": c.Signer, "Payer": c.Payer, "Chain": c.Chain, "Store": c.Store, "Journal": c.Journal, "Base": c.Base} {
		if typedNil(value) {
			return fmt.Errorf("client: Config.%s holds a nil pointer (%T): leave it unset, or set it to a value", name, value)
		}
	}
	switch {
	case c.Signer == nil:
		return errors.New("client: Config.Signer is nil: set it to the voucher key, for example from voucher.ParseKey")
	case c.Signer.Address() == common.Address{}:
		return errors.New("client: Config.Signer has the zero address")
	case c.Retries < 0:
		return fmt.Errorf("client: Config.Retries is %d; must be >= 0 (0 means the default, %d)", c.Retries, defaultRetries)
	case c.Stall < 0:
		return fmt.Errorf("client: Config.Stall is %s; must be >= 0 (0 means the default, %s)", c.Stall, defaultStall)
	}
	if _, ok := c.Payer.(voucher.ProofSigner); c.Bootstrap && !ok {
		return errors.New("client: Config.Bootstrap needs a Config.Payer that can sign a zero-dollar proof (a voucher.ProofSigner)")
	}
	return c.checkLimits()
}

func (c *Config) checkLimits() error {
	for name, lim := range map[string]channel.Limits{"Limits": c.Limits, "Raise": c.Raise} {
		if lim.Currency != (channel.Currency{}) {
			return fmt.Errorf("client: Config.%s names %s: it is for the known dollar tokens; limits for another token go into Config.Assets", name, lim.Currency)
		}
	}
	for _, lim := range append([]channel.Limits{c.Limits}, c.Assets...) {
		if err := c.checkOne(lim); err != nil {
			return err
		}
	}
	return nil
}

// checkOne returns what is wrong with the limits of one currency.
func (c *Config) checkOne(lim channel.Limits) error {
	written := lim.Currency.Format
	switch {
	case lim.Deposit.Less(lim.Fund):
		return fmt.Errorf("client: Limits.Fund is %s, above Limits.Deposit, which is %s", written(lim.Fund), written(lim.Deposit))
	case lim.Ask.Less(lim.Price) && !lim.Ask.IsZero() && c.Approve == nil:
		return fmt.Errorf("client: Limits.Ask is %s, below Limits.Price, and Config.Approve is nil: set Approve, or leave Ask unset", written(lim.Ask))
	}
	if all, _, _ := rule.Of(lim).Budgets(); all[0].Allowed.Less(all[1].Allowed) || all[1].Allowed.Less(all[2].Allowed) {
		return fmt.Errorf("client: Limits.All allows %s an hour, %s a day and %s a month; a longer window must allow at least as much as a shorter one (an unset month is Limits.Total, or Deposit)",
			written(all[2].Allowed), written(all[1].Allowed), written(all[0].Allowed))
	}
	return nil
}

// complete fills in the defaults.
func (c *Config) complete() {
	if c.Store == nil {
		c.Store, c.CloseChannels = store.NewMem(), true
	}
	if c.Base == nil {
		c.Base = http.DefaultTransport
	}
	if c.Policy == nil {
		c.Policy = PinFirstUse(c.Store)
	}
	if c.Retries == 0 {
		c.Retries = defaultRetries
	}
	if c.Spool == 0 {
		c.Spool = defaultSpool
	}
	if c.Stall == 0 {
		c.Stall = defaultStall
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// typedNil reports whether v is an interface that holds a nil pointer, func or map: it is not nil, and
// calling it would panic.
func typedNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Chan, reflect.Slice:
		return r.IsNil()
	default:
		return false
	}
}
