// Package ledger keeps the channels of one session. It is the only holder of the store, the voucher
// key and the limits together, and so the only place that a voucher can come from.
//
// The gate is issue.go: decide (by package rule), store, sign, in that order. Its stream half is
// stream.go. A request holds a [Reservation] on a channel from the decision about its price until
// it ends. A [Budget] bounds what a group of requests may take, and the limits over time
// (package budget) bound what all of them may. What a request was charged goes back to its budgets if
// no voucher that covers it left (unsent.go).
package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/budget"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// ErrStore is returned if the store failed. Nothing was signed. It is not known whether the record
// was written; it is read again before the channel is used again.
var ErrStore = budget.ErrStore

// Ledger holds a session's channels. It is safe for concurrent use.
type Ledger struct {
	store   store.Store
	signer  voucher.Signer
	limits  channel.Limits
	name    string          // of this ledger among those that write the same records
	windows *budget.Budgets // the limits over time
	// OnNear is called when a limit over time is nearly used up. It must be set before the ledger
	// is used.
	OnNear func(Near)

	mu       sync.Mutex // guards what follows; held shortly
	accounts map[common.Hash]*Account
	funded   map[string]voucher.Amount    // by the record of limits over time for all payments
	left     map[[sha256.Size]byte]string // the funding transactions in funded, and where, by their bytes
	apart    map[common.Address]struct{}  // payees that refuse a voucher equal to the highest one
	risen    map[channel.Asset]voucher.Amount
	fees     map[string]heldFee // by their parts
}

// New returns a ledger over a store. It does not close the store.
func New(s store.Store, signer voucher.Signer, limits channel.Limits) *Ledger {
	name := sessionID()
	return &Ledger{
		store: s, signer: signer, limits: limits, name: name,
		windows:  budget.New(s, name),
		accounts: map[common.Hash]*Account{}, funded: map[string]voucher.Amount{}, left: map[[sha256.Size]byte]string{},
		apart: map[common.Address]struct{}{}, risen: map[channel.Asset]voucher.Amount{}, fees: map[string]heldFee{},
	}
}

// Limits returns the limits of the session.
func (l *Ledger) Limits() channel.Limits { return l.limits }

// Signer returns the address of the voucher key.
func (l *Ledger) Signer() common.Address { return l.signer.Address() }

// Account returns a channel by its id, read from the store if it is not in memory. The error is
// [store.ErrNotFound] if there is no record, [channel.ErrRecord], or [ErrStore].
func (l *Ledger) Account(ctx context.Context, id common.Hash) (*Account, error) {
	l.mu.Lock()
	a := l.accounts[id]
	l.mu.Unlock()
	if a != nil {
		return a, nil
	}
	places := rule.Places(id)
	place, data, rev, err := l.find(ctx, places, 0)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("client: channel %s is not on record: Channels.All lists those that are, "+
			"and Channels.Find looks for more on chain: %w", id, err)
	}
	if err != nil {
		return nil, unread(err)
	}
	s, err := rule.Decode(data)
	if err != nil {
		return nil, err
	}
	if s.ID != id {
		return nil, fmt.Errorf(
			"%w: %s holds channel %s", channel.ErrRecord, places[place], s.ID,
		)
	}
	return l.hold(places, place, s, rev), nil
}

// unread wraps the error of a read that failed, other than that there is no record or that the context ended.
func unread(err error) error {
	for _, plain := range []error{store.ErrNotFound, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, plain) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrStore, err)
}

// hold keeps one Account for each channel in memory.
func (l *Ledger) hold(places [3]string, place int, s rule.State, rev uint64) *Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.accounts[s.ID]; a != nil {
		return a
	}
	a := &Account{
		ledger: l, id: s.ID, places: places, at: place,
		domain: voucher.NewDomain(s.Protocol, s.ChainID, s.Escrow), turn: make(chan struct{}, 1),
		base: s, view: s, rev: rev, open: map[*Reservation]struct{}{},
		claims: budget.Claims{Budgets: l.windows}, leases: map[string]*budget.Lease{},
		pace: pace{door: make(chan struct{}, 1), wake: make(chan struct{}, 1), pause: firstPause, idle: true},
	}
	if _, ok := l.apart[s.Descriptor.Payee]; ok || unequal(s.Unequal) {
		a.pace.shares, a.pace.idle = sharesNone, false
		a.meet(false)
	}
	l.accounts[s.ID] = a
	return a
}

// alias is the stored record of a scope: the channel that it uses now.
type alias struct {
	Version   int           `json:"version"`
	Scope     channel.Scope `json:"scope"`
	ChannelID common.Hash   `json:"channelId"`
	// Unequal is when the payee refused a voucher for being equal to the highest one, in Unix
	// seconds; zero if it did not. A program that does not know the field drops it with the next
	// channel of the scope, and the payee's next refusal brings it back.
	Unequal int64 `json:"unequal,omitempty"`
}

// Lookup returns the channel that a scope uses, or nil if it has none. The errors are [ErrStore] and
// [channel.ErrRecord].
func (l *Ledger) Lookup(ctx context.Context, scope channel.Scope) (*Account, error) {
	found, _, err := l.alias(ctx, scope)
	if err != nil || found.ChannelID == (common.Hash{}) {
		return nil, err
	}
	a, err := l.Account(ctx, found.ChannelID)
	if err == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.standApart(found.Unequal)
	}
	return a, err
}

func (l *Ledger) alias(ctx context.Context, scope channel.Scope) (a alias, rev uint64, err error) {
	data, rev, err := l.store.Get(ctx, rule.ScopeKey(scope))
	if errors.Is(err, store.ErrNotFound) {
		return alias{}, 0, nil
	}
	if err != nil {
		return alias{}, 0, unread(err)
	}
	if err := json.Unmarshal(data, &a); err == nil && a.Version > 1 {
		return alias{}, 0, fmt.Errorf(
			"%w: %s has version %d, this program reads version 1: use the program that wrote it",
			channel.ErrRecord, rule.ScopeKey(scope), a.Version)
	} else if err != nil || a.Version != 1 || a.Scope != scope {
		return alias{}, 0, fmt.Errorf("%w: %s is not this scope's record",
			channel.ErrRecord, rule.ScopeKey(scope))
	}
	return a, rev, nil
}

// Add stores a channel that is about to be opened, or was found, and makes it the one that its
// scope uses. The record is stored before the scope points to it, and both before Add returns, so
// that a transaction that is sent afterwards is never forgotten. replaces is the channel that the
// scope used until now, nil if it had none. A channel whose origin is not known gets no scope.
//
// If another process was quicker, Add returns that process's channel and added is false. The new
// one was never sent and is written off.
func (l *Ledger) Add(
	ctx context.Context, s rule.State, replaces *Account,
) (a *Account, added bool, err error) {
	data, err := s.Encode()
	if err != nil {
		return nil, false, err
	}
	places := rule.Places(s.ID)
	rev, err := l.store.Put(ctx, places[0], data, 0)
	switch {
	case err == nil:
		a = l.hold(places, 0, s, rev)
	case !errors.Is(err, store.ErrConflict):
		return nil, false, fmt.Errorf("%w: %w", ErrStore, err)
	default: // it is on record, maybe in the archive
		if a, err = l.Account(ctx, s.ID); err != nil {
			return nil, false, err
		}
	}
	if s.Scope.Origin == "" {
		return a, true, nil
	}
	for range maxConflicts {
		now, rev, err := l.alias(ctx, s.Scope)
		if err != nil {
			return nil, false, err
		}
		if now.ChannelID == s.ID {
			return a, true, nil
		}
		if now.ChannelID != (common.Hash{}) && (replaces == nil || now.ChannelID != replaces.id) {
			break
		}
		now.Version, now.Scope, now.ChannelID = 1, s.Scope, s.ID
		data, err := json.Marshal(now)
		if err != nil {
			return nil, false, err
		}
		if _, err = l.store.Put(ctx, rule.ScopeKey(s.Scope), data, rev); err == nil {
			return a, true, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return nil, false, fmt.Errorf("%w: %w", ErrStore, err)
		}
	}
	return l.overtaken(ctx, a, s)
}

// overtaken writes off a channel that was never sent, and returns the one that its scope uses.
func (l *Ledger) overtaken(
	ctx context.Context, a *Account, s rule.State,
) (other *Account, added bool, err error) {
	if s.Opening.Pending() {
		err = a.Update(ctx, rule.State.NeverSent)
		if err != nil {
			return nil, false, err
		}
	}
	other, err = l.Lookup(ctx, s.Scope)
	return other, false, err
}

// Funded returns what this session has put into channels so far, or is about to, in base units: in those
// that share limits with channels of a scope.
func (l *Ledger) Funded(scope channel.Scope) voucher.Amount {
	group := budget.For("", &scope)[0]
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.funded[group]
}

// Plan plans how a request is paid and counts what that puts into a channel, in one step, so that
// requests that race cannot pass Limits.Total together. What leaves is then counted by Leave; give
// back the rest with Unplan. The errors are those of [rule.PlanPayment] and [Ledger.Rooms], and
// [channel.ErrAsset] if the limits are for another asset.
func (l *Ledger) Plan(
	ctx context.Context, t Terms, scope channel.Scope,
	s *rule.State, req rule.Request, wish rule.Wish,
) (rule.Plan, error) {
	lim, err := l.Limited(ctx, t, scope, req.Price)
	if own := (channel.Asset{ChainID: scope.ChainID, Token: scope.Token}); err == nil && lim.Currency.Asset != own {
		err = lim.For(own)
	}
	if err != nil {
		return rule.Plan{}, err
	}
	group := budget.For("", &scope)[0]
	l.mu.Lock()
	defer l.mu.Unlock()
	p, err := rule.PlanPayment(s, req, wish, l.funded[group], lim)
	if err == nil {
		l.funded[group] = l.funded[group].AddCapped(p.Amount)
	}
	return p, err
}

// PlanTopUp is like [Ledger.Plan] for a top-up by an amount that the owner names.
func (l *Ledger) PlanTopUp(t Terms, s *rule.State, amount voucher.Amount) (rule.Plan, error) {
	lim := rule.Limits{Limits: t.Limits}
	if err := lim.For(channel.Asset{ChainID: s.ChainID, Token: s.Descriptor.Token}); err != nil {
		return rule.Plan{}, err
	}
	group := budget.For("", &s.Scope)[0]
	l.mu.Lock()
	defer l.mu.Unlock()
	p, err := rule.PlanTopUp(s, amount, l.funded[group], lim)
	if err == nil {
		l.funded[group] = l.funded[group].AddCapped(p.Amount)
	}
	return p, err
}

// Rooms is what the limits over time leave: see [budget.Rooms].
type Rooms = budget.Rooms

// Rooms returns what the limits over time leave for a scope now. The errors are [ErrStore], and
// [channel.ErrRecord] if what was used of them is not known.
func (l *Ledger) Rooms(ctx context.Context, t Terms, scope channel.Scope) (Rooms, error) {
	lease := budget.For(t.Origin, &scope)
	if err := l.windows.Read(ctx, &t.Limits, lease); err != nil {
		return Rooms{}, err
	}
	l.windows.Lock()
	defer l.windows.Unlock()
	rooms, _ := l.windows.Rooms(&t.Limits, lease, time.Now().Unix())
	return rooms, nil
}

// Limited returns the limits with what the limits over time and the request's own budgets leave for
// a scope now. If that is less than price as far as is known, what other sessions did is read first.
// The errors are those of [Ledger.Rooms].
func (l *Ledger) Limited(
	ctx context.Context, t Terms, scope channel.Scope, price voucher.Amount,
) (rule.Limits, error) {
	lim, lease := rule.Limits{Limits: t.Limits}, budget.For(t.Origin, &scope)
	for fresh := false; ; fresh = true {
		l.windows.Lock()
		rooms, known := l.windows.Rooms(&t.Limits, lease, time.Now().Unix())
		l.windows.Unlock()
		short := slices.ContainsFunc(rooms[:], func(r channel.Room) bool { return r.Rule.Allowed.SubFloor(r.Used).Less(price) })
		if fresh || known && !short {
			if lim.Rooms = rooms[:]; t.Charge != nil {
				lim = t.Charge.within(lim)
			}
			return lim, nil
		}
		if err := l.windows.Read(ctx, &t.Limits, lease); err != nil {
			return lim, err
		}
	}
}

// Unplan gives back an amount that was planned for a channel of a scope and not sent.
func (l *Ledger) Unplan(scope channel.Scope, amount voucher.Amount) {
	group := budget.For("", &scope)[0]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.funded[group] = l.funded[group].SubFloor(amount)
}

// Leave counts a funding transaction that is about to leave for a channel of a scope, in place of what
// was planned for it. One transaction counts once, however often it is presented, and also if another
// process stored it.
func (l *Ledger) Leave(scope channel.Scope, f rule.Funding, planned voucher.Amount) {
	key, group := sha256.Sum256(f.Raw), budget.For("", &scope)[0]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.funded[group] = l.funded[group].SubFloor(planned)
	if _, ok := l.left[key]; !ok {
		l.left[key] = group
		l.funded[group] = l.funded[group].AddCapped(f.Amount)
	}
}

// Unmined takes back a funding transaction that can never be mined, if it was counted here.
func (l *Ledger) Unmined(f rule.Funding) {
	key := sha256.Sum256(f.Raw)
	l.mu.Lock()
	defer l.mu.Unlock()
	if group, ok := l.left[key]; ok {
		delete(l.left, key)
		l.funded[group] = l.funded[group].SubFloor(f.Amount)
	}
}

// Correct takes back the funding transactions that the chain has shown to be dead between two
// states of a channel. An opening that the payee acknowledged may have been mined and closed since,
// so it goes on counting.
func (l *Ledger) Correct(before, after rule.State) {
	closed := after.Phase() == channel.Closed
	decided := before.ToppingUp.Pending() && !after.ToppingUp.Pending()
	if decided && !closed && !before.ToppingUp.Before.Less(after.Deposit) {
		l.Unmined(before.ToppingUp)
	}
	if closed && before.Opening.Pending() && !after.Confirmed {
		l.Unmined(before.Opening)
	}
}
