package clienttest

import (
	"bytes"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// account is the server's account of one channel. The book's mutex guards all mutable fields.
type account struct {
	id common.Hash
	p  voucher.Protocol
	d  devchain.Descriptor

	accepted  voucher.Amount
	signature []byte // of accepted
	spent     voucher.Amount
	reserved  voucher.Amount // by streams, for the next messages
	units     uint64

	deposit, settled voucher.Amount // on chain, when last read
	closing          bool           // a close request of the payer was seen
	finalized        bool           // closed by this server
	unmined          bool           // not on chain: a lie created the account
	changed          chan struct{}  // closed and replaced at every change
}

// credit returns the part of the vouchers that is neither spent nor reserved.
func (a *account) credit() voucher.Amount {
	return a.accepted.SubFloor(a.spent).SubFloor(a.reserved)
}

// charge books units that cost amount together. The caller has checked the credit.
func (a *account) charge(amount voucher.Amount, units uint64) {
	a.spent = a.spent.AddCapped(amount)
	a.units += units
	a.touch()
}

// touch wakes the streams that wait for a change.
func (a *account) touch() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// accept stores a voucher that is above the highest one.
func (a *account) accept(v voucher.Signed) {
	if a.accepted.Less(v.Cumulative) || a.signature == nil {
		a.accepted, a.signature = v.Cumulative, v.Signature
	}
	a.touch()
}

// holds reports whether v is the highest voucher, which was verified when it came.
func (a *account) holds(v voucher.Signed) bool {
	return v.Cumulative == a.accepted && len(v.Signature) > 0 && bytes.Equal(v.Signature, a.signature)
}

// open returns nil, or a refusal if the account cannot be charged.
func (a *account) open() error {
	switch {
	case a.finalized:
		return message.ChannelFinalized("the channel is finalized").On(a.id)
	case a.closing:
		return message.ChannelFinalized("the payer has requested to close the channel").On(a.id)
	}
	return nil
}

// book holds all accounts. Its mutex is also held while a channel is closed on chain, so that
// nothing is charged meanwhile; the chain is in memory.
type book struct {
	mu    sync.Mutex
	byID  map[common.Hash]*account
	order []common.Hash // in the order of opening
}

// find returns the account or a refusal. The caller holds b.mu.
func (b *book) find(id common.Hash) (*account, error) {
	if a, ok := b.byID[id]; ok {
		return a, nil
	}
	return nil, message.ChannelNotFound("this server does not know the channel").On(id)
}

// add returns the account of the channel, and creates it with the state on chain if there is none.
// The caller holds b.mu.
func (b *book) add(
	id common.Hash,
	p voucher.Protocol,
	d devchain.Descriptor,
	state ChannelState,
) *account {
	a, ok := b.byID[id]
	if !ok {
		a = &account{id: id, p: p, d: d, spent: state.Settled, changed: make(chan struct{})}
		b.byID[id] = a
		b.order = append(b.order, id)
	}
	a.deposit, a.settled = state.Deposit, state.Settled
	return a
}

// drop deletes the account. The caller holds b.mu.
func (b *book) drop(id common.Hash) {
	a, ok := b.byID[id]
	if !ok {
		return
	}
	delete(b.byID, id)
	for i, one := range b.order {
		if one == id {
			b.order = append(b.order[:i:i], b.order[i+1:]...)
			break
		}
	}
	a.finalized = true // for streams that still use it
	a.touch()
}

// other returns an account that is not a: an older one of the same payer, or else another payer's;
// nil if there is none. The caller holds b.mu.
func (b *book) other(a *account) (found *account) {
	for _, id := range b.order {
		one := b.byID[id]
		if one == a {
			continue
		}
		if one.d.Payer == a.d.Payer {
			return one
		}
		found = one
	}
	return found
}

// newest returns the usable account of payer and payee that was opened last, or nil. The caller
// holds b.mu.
func (b *book) newest(p voucher.Protocol, payee, payer common.Address) *account {
	for i := len(b.order) - 1; i >= 0; i-- {
		if a := b.byID[b.order[i]]; a.p == p && a.d.Payee == payee && a.d.Payer == payer &&
			!a.finalized {
			return a
		}
	}
	return nil
}
