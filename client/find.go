package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

type channelKey struct{}

// WithChannel returns a context whose requests are paid from the channel id and no other; no other
// is opened for them. The channel must be in the store, or be a v1 channel that the chain knows, or a v2
// channel whose snapshot the payee's challenge shows, and must fit the challenge; otherwise the
// request fails with [channel.ErrNotOurs] and nothing is signed. The requests name the channel to
// the payee. The budgets of the request's own origin apply too.
//
// What is signed on a channel that was not in the store starts at what is proved: by our own
// voucher in the payee's snapshot, or by what the chain has settled. If the payee holds a higher
// voucher and does not show it, the request is rejected with [ErrBehind] as the reason; see there.
func WithChannel(ctx context.Context, id common.Hash) context.Context {
	return context.WithValue(ctx, channelKey{}, id)
}

// named returns the channel that the caller named, if it is of the scope.
func (s *Session) named(ctx context.Context, id common.Hash, c *challenge, place string) (*ledger.Account, error) {
	scope := c.scope
	account, err := s.ledger.Account(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		if err = s.adoptNamed(ctx, id, c, place); err == nil {
			account, err = s.ledger.Account(ctx, id) // the scope may use another one, and go on with it
		}
	}
	if err != nil {
		return nil, err
	}
	state := account.State()
	have := state.Scope
	have.Origin = scope.Origin // the caller says that it is for this origin
	if have != scope || !state.Payable() {
		return nil, fmt.Errorf("%w: channel %s is %s, and for payee %s, token %s, escrow %s on chain %d", channel.ErrNotOurs, id, state.Phase(), have.Payee, have.Token, have.Escrow, have.ChainID)
	}
	if state.Unbound() {
		state.Scope, state.URL = scope, place
		err = s.ledger.Bind(ctx, id, state)
	}
	return account, err
}

// adoptNamed takes in the channel that the caller named.
func (s *Session) adoptNamed(ctx context.Context, id common.Hash, c *challenge, place string) error {
	snap := c.offer.Snapshot
	shown := snap != nil && snap.ChannelID == id && fits(*snap, c.scope)
	v1 := c.scope.Protocol == voucher.V1
	if shown {
		_, err := s.adopt(ctx, id, snap.Descriptor, c.scope, adoption{snap: snap, place: place})
		if err == nil || !v1 {
			return err
		}
	}
	if v1 {
		_, err := s.adopt(ctx, id, channel.Descriptor{}, c.scope, adoption{place: place})
		return err
	}
	return fmt.Errorf("%w: channel %s is not in the store, and the payee shows no snapshot of it; import it with its descriptor (Channels.Import)", channel.ErrNotOurs, id)
}

// search looks for a channel of ours that no scope uses: one that the challenge names, one that the
// payee showed when it asked who the payer is, or, if may is set, one that it shows for a
// zero-dollar proof by HEAD. The scope has none that can be paid from: nothing that a server says
// replaces one. A channel that is not ours is passed over. If it cannot be read or recorded, the search
// fails: another one in its place would be a second deposit.
func (a *attempt) search(ctx context.Context, may bool) purchase.Event {
	o := a.challenge.offer
	var hints *channel.Snapshot
	if o.Hints != nil {
		hints = &channel.Snapshot{ChannelID: o.ChannelID, Report: *o.Hints}
	}
	e := purchase.Event{Kind: purchase.Searched}
	found, err := a.searchShown(ctx, hints)
	if found == nil && err == nil && a.s.cfg.Bootstrap && may {
		found, e.Proof, err = a.searchByProof(ctx, hints)
	}
	if err != nil {
		a.s.proofs.pardon(a.origin.Text)
		return purchase.Event{Kind: purchase.Failed, Err: err}
	}
	if found == nil {
		return e
	}
	a.use(ctx, found)
	a.absorb(ctx, o)
	e.Channel, e.Standing = found.ID(), standingOf(found.State())
	return e
}

// searchShown tries the channels that the payee has shown: in its challenge, and for a proof, the one of
// this request or of an earlier one.
func (a *attempt) searchShown(ctx context.Context, hints *channel.Snapshot) (*ledger.Account, error) {
	o := a.challenge.offer
	found, err := a.trySnapshot(ctx, o.Snapshot)
	if found == nil && err == nil && o.ChannelID != zeroHash {
		found, err = a.try(ctx, o.ChannelID, channel.Descriptor{}, hints)
	}
	if found == nil && err == nil && a.who != nil {
		found, err = a.tryProved(ctx, shownChannel{a.who.snap, a.who.channel, hints})
	}
	if kept := a.s.proofs.kept(a.origin.Text); found == nil && err == nil && kept != nil {
		found, err = a.tryProved(ctx, *kept)
	}
	return found, err
}

// searchByProof asks the payee by HEAD, with a zero-dollar proof.
func (a *attempt) searchByProof(ctx context.Context, hints *channel.Snapshot) (*ledger.Account, bool, error) {
	snap, id, given := a.prove(ctx)
	if snap == nil && id != zeroHash && a.challenge.offer.Protocol == voucher.V2 {
		snap = a.lookFor(ctx, id)
	}
	account, err := a.tryProved(ctx, shownChannel{snap, id, hints})
	return account, given, err
}

// tryProved is tryShown for what an answer to a proof showed. If that cannot be read or recorded now, it
// is kept for the next request of the origin.
func (a *attempt) tryProved(ctx context.Context, f shownChannel) (*ledger.Account, error) {
	account, err := a.tryShown(ctx, f.snap, f.id, f.hints)
	if err != nil {
		a.s.proofs.keep(a.origin.Text, f)
	} else if f.snap != nil || f.id != zeroHash {
		a.s.proofs.drop(a.origin.Text)
	}
	return account, err
}

// lookFor sends the request once more without a credential, names a channel with it, and returns
// the snapshot of that channel in the answer; nil if there is none. On v2 an id is not enough to
// use one.
func (a *attempt) lookFor(ctx context.Context, id common.Hash) *channel.Snapshot {
	ctx, cancel := context.WithTimeout(ctx, headWait)
	defer cancel()
	status, h, err := a.look(ctx, id.Hex())
	if err != nil {
		return nil
	}
	return a.snapshotIn(ctx, status, h, id)
}

// tryShown takes in what an answer to a proof shows: a snapshot, or else the channel that it names.
// hints are what the challenge reports of a channel; they count if it is the same.
func (a *attempt) tryShown(ctx context.Context, snap *channel.Snapshot, id common.Hash, hints *channel.Snapshot) (*ledger.Account, error) {
	found, err := a.trySnapshot(ctx, snap)
	if found != nil || err != nil || id == zeroHash || id == a.challenge.offer.ChannelID {
		return found, err // the one that the challenge names was tried
	}
	if hints != nil && hints.ChannelID != id {
		hints = nil
	}
	return a.try(ctx, id, channel.Descriptor{}, hints)
}

// trySnapshot takes in the channel of a snapshot, if it is for the scope and can be used.
func (a *attempt) trySnapshot(ctx context.Context, snap *channel.Snapshot) (*ledger.Account, error) {
	if snap == nil || !fits(*snap, a.challenge.scope) {
		return nil, nil
	}
	return a.try(ctx, snap.ChannelID, snap.Descriptor, snap)
}

// try takes in a channel that the server named, if it can be used. A v2 channel without a
// descriptor must be on record.
func (a *attempt) try(ctx context.Context, id common.Hash, d channel.Descriptor, snap *channel.Snapshot) (*ledger.Account, error) {
	scope := a.challenge.scope
	used, err := a.s.ledger.Account(ctx, id)
	switch known := err == nil; {
	case known && !free(used.State(), scope):
		return nil, nil // one channel has one name
	case known && d == channel.Descriptor{}:
		d = used.State().Descriptor
	case scope.Protocol == voucher.V2 && d == channel.Descriptor{}:
		return nil, nil
	}
	account, err := a.s.adopt(ctx, id, d, scope, adoption{snap: snap, place: placeOf(a.out.at), now: a.account})
	if err != nil || account == nil || !account.State().Payable() {
		a.s.log.DebugContext(ctx, "a channel that the server named is not used", "origin", scope.Origin, "channel", id, "error", err)
		if err == nil || errors.Is(err, channel.ErrNotOurs) || errors.Is(err, ErrNoChain) {
			return nil, nil
		}
		return nil, fmt.Errorf("client: taking in channel %s, which the server shows: %w", id, err)
	}
	a.s.tell(ctx, Event{Kind: EventFound, Origin: scope.Origin, ChannelID: id, Deposit: account.State().Deposit})
	return account, nil
}

// free reports whether a channel on record may be used for the scope: it is of it, or of none, and
// can be paid from. One that has ended by the record is used if the chain shows it all the same.
func free(have rule.State, scope channel.Scope) bool {
	if have.Unbound() {
		have.Scope.Origin = scope.Origin
	}
	return have.Scope == scope && (have.Payable() || have.Phase() == channel.Closed)
}

// fits reports whether a snapshot is for the escrow and the chain of the scope, and of a channel
// that can be used. The rest is checked against the chain.
func fits(snap channel.Snapshot, scope channel.Scope) bool {
	return snap.Escrow == scope.Escrow && snap.ChainID == scope.ChainID && snap.CloseRequestedAt == 0 && !snap.Deposit.Less(snap.Settled)
}
