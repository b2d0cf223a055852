package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

type channelKey struct{}

// WithChannel returns a context whose requests are paid from the channel id and no other. It is the fast
// path for a caller that knows its channel: nothing is searched. The channel has to be in the store, or be
// a v1 channel that the chain knows, and fit the challenge; otherwise the request fails with
// [channel.ErrNotOurs] and nothing is signed.
func WithChannel(ctx context.Context, id common.Hash) context.Context {
	return context.WithValue(ctx, channelKey{}, id)
}

func channelFrom(ctx context.Context) (common.Hash, bool) {
	id, ok := ctx.Value(channelKey{}).(common.Hash)
	return id, ok
}

// named returns the channel that the caller named, if it is of the scope.
func (s *Session) named(ctx context.Context, id common.Hash, scope channel.Scope, place string) (*ledger.Account, error) {
	account, err := s.ledger.Account(ctx, id)
	if errors.Is(err, store.ErrNotFound) && scope.Protocol == voucher.V1 {
		return s.adopt(ctx, id, channel.Descriptor{}, scope, adoption{place: place})
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("%w: channel %s is not in the store; Session.Adopt takes it with its descriptor", channel.ErrNotOurs, id)
	}
	if err != nil {
		return nil, err
	}
	state := account.State()
	have := state.Scope
	have.Origin = scope.Origin // the caller says that it is for here
	if have != scope || !state.Payable() {
		return nil, fmt.Errorf("%w: channel %s is %s, and for payee %s, token %s, escrow %s on chain %d", channel.ErrNotOurs, id, state.Phase(), have.Payee, have.Token, have.Escrow, have.ChainID)
	}
	if state.Unbound() {
		state.Scope, state.URL = scope, place
		err = s.ledger.Bind(ctx, id, state)
	}
	return account, err
}

// Adopt takes a channel into the store that another program, another machine or a lost store opened, and uses it for the origin
// of rawurl from now on, in place of the one in use. The descriptor has to hash to the channel's id, belong to this session's payer and
// voucher key, and be open on chain; otherwise the error is [channel.ErrNotOurs]. What is signed starts at what
// the chain has settled; a server that holds a higher voucher of ours shows it in a snapshot. A v1 channel
// needs no descriptor but its id.
func (s *Session) Adopt(ctx context.Context, rawurl string, p voucher.Protocol, chainID uint64, escrowAddress common.Address, id common.Hash, d channel.Descriptor) error {
	origin, err := ParseOrigin(rawurl)
	if err != nil {
		return err
	}
	scope := channel.Scope{
		Origin: origin, Protocol: p, ChainID: chainID, Escrow: escrowAddress, Payee: d.Payee, Operator: d.Operator,
		Token: d.Token, Payer: s.payer, Signer: s.ledger.Signer(),
	}
	u, err := url.Parse(rawurl)
	if err != nil {
		return err
	}
	if _, err := s.adopt(ctx, id, d, scope, adoption{place: placeOf(u), replace: true}); err != nil {
		return &Error{Op: "adopt", Outcome: Refused, Origin: origin, ChannelID: id, Err: err}
	}
	s.dropAll(origin)
	s.announce(origin, id) // servers show a snapshot of the channel that a request names
	return nil
}

// adoption is how a channel is taken in.
type adoption struct {
	// snap is what a server said of it, nil where none did.
	snap *channel.Snapshot
	// place is where it will be closed.
	place string
	// now is the channel that the scope used until now and that cannot be paid from; nil where it has none. replace
	// takes the place of whatever channel the scope uses. The one before stays on record.
	now     *ledger.Account
	replace bool
}

// adopt checks a channel against the chain and puts it into the ledger.
func (s *Session) adopt(ctx context.Context, id common.Hash, d channel.Descriptor, scope channel.Scope, how adoption) (*ledger.Account, error) {
	if s.cfg.Chain == nil {
		return nil, ErrNoChain
	}
	if how.replace {
		s.cfg.Chain.Forget(id) // the caller means it as it is now
	}
	c, err := s.cfg.Chain.State(ctx, escrow.Ref{Protocol: scope.Protocol, ChainID: scope.ChainID, Escrow: scope.Escrow, ChannelID: id})
	if err != nil {
		return nil, err
	}
	if scope.Protocol == voucher.V1 && scope.Payee == (common.Address{}) {
		scope.Payee, scope.Token = c.Payee, c.Token
	}
	state, err := rule.Find(scope.Protocol, scope.ChainID, scope.Escrow, id, d, scope, rule.OnChain(c))
	if err != nil {
		return nil, err
	}
	state.CreatedAt, state.URL = time.Now().UTC(), how.place
	if snap := how.snap; snap != nil {
		if snap.Voucher == nil && state.Settled.Less(snap.Report.Accepted) {
			return nil, fmt.Errorf("%w: the server says that it accepted %s and shows no voucher of ours for it; the chain proves %s", channel.ErrNotOurs, snap.Report.Accepted, state.Settled)
		}
		if snap.Voucher != nil {
			if state, err = state.Recover(*snap.Voucher); err != nil {
				return nil, err
			}
		}
		if state, err = state.Reconcile(snap.Report, voucher.Amount{}); err != nil {
			return nil, fmt.Errorf("%w: %w", channel.ErrNotOurs, err)
		}
	}
	if how.replace {
		if how.now, err = s.ledger.Lookup(ctx, state.Scope); err != nil {
			return nil, err
		}
	}
	known, missing := s.ledger.Account(ctx, id)
	if missing == nil && known.State().Unbound() {
		before := known.State()
		if err := s.ledger.Bind(ctx, id, state); err != nil {
			return nil, err
		}
		s.recordProof(ctx, known.State(), ledger.Rise{}.Plus(before.Authorized(), known.State().Authorized()))
	}
	account, added, err := s.ledger.Add(ctx, state, how.now)
	if err == nil && added && errors.Is(missing, store.ErrNotFound) {
		s.recordFound(ctx, state)
	}
	return account, err
}

// find looks for a channel of ours that no scope uses: one that the challenge names, or one that the
// server gives for a zero-dollar proof. now is the channel that the scope has and that cannot be paid from, nil
// where it has none. Nothing that a server says here replaces a channel that can, and whatever cannot be used is
// passed over: nil means that a channel has to be opened.
func (s *Session) find(ctx context.Context, p *payment, scope channel.Scope, o channel.Offer, now *ledger.Account) *ledger.Account {
	try := func(id common.Hash, d channel.Descriptor, snap *channel.Snapshot) *ledger.Account {
		if used, err := s.ledger.Account(ctx, id); err == nil && !free(used.State(), scope) {
			return nil // one channel has one name
		}
		account, err := s.adopt(ctx, id, d, scope, adoption{snap: snap, place: placeOf(p.out.req.URL), now: now})
		if err != nil || account == nil {
			s.log.DebugContext(ctx, "a channel that the server named is not used", "origin", scope.Origin, "channel", id, "error", err)
			return nil
		}
		s.tell(ctx, Event{Kind: EventFound, Origin: scope.Origin, ChannelID: id, Deposit: account.State().Deposit})
		return account
	}
	if snap := o.Snapshot; snap != nil && s.fits(*snap, scope) {
		if a := try(snap.ChannelID, snap.Descriptor, snap); a != nil {
			return a
		}
	}
	if o.ChannelID != zeroHash && scope.Protocol == voucher.V1 {
		var snap *channel.Snapshot
		if o.Hints != nil {
			snap = &channel.Snapshot{ChannelID: o.ChannelID, Report: *o.Hints}
		}
		if a := try(o.ChannelID, channel.Descriptor{}, snap); a != nil {
			return a
		}
	}
	if s.cfg.Bootstrap {
		if snap := s.bootstrap(ctx, p, o); snap != nil && s.fits(*snap, scope) {
			return try(snap.ChannelID, snap.Descriptor, snap)
		}
	}
	return nil
}

// free reports whether a channel on record may be found for the scope: it is of it, or of none, and can be paid from.
func free(have rule.State, scope channel.Scope) bool {
	if have.Unbound() {
		have.Scope.Origin = scope.Origin
	}
	return have.Scope == scope && have.Payable()
}

// fits reports whether a snapshot is for the escrow and the chain of the scope, and of a channel that can be
// used. The rest is checked against the chain.
func (s *Session) fits(snap channel.Snapshot, scope channel.Scope) bool {
	return snap.Escrow == scope.Escrow && snap.ChainID == scope.ChainID && snap.CloseRequestedAt == 0 && !snap.Deposit.Less(snap.Settled)
}

// placeOf is a URL without what may be secret: no user, query or fragment.
func placeOf(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func (s *Session) noteOpened(id common.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.opened, id) {
		s.opened = append(s.opened, id)
	}
}
