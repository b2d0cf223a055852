package main

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// chainID and escrow are where the channels of the fill are. Nobody asks a chain about them, except
// the keeper one that knows them all.
const chainID = 42431

var escrowAddress = common.Address{0x4d}

// fill puts open and closed channels of a payer into a store. Each has an origin of its own, and was
// paid from on 20 days: the open ones of this month, the closed ones of the year before.
func fill(ctx context.Context, s store.Store, key voucher.Signer, open, closed int) error {
	const writers = 16
	books := ledger.New(s, key, limits)
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, writers)
	for w := range writers {
		all.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= open+closed {
					return
				}
				errs[w] = put(ctx, s, books, i, i >= open)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// put writes the record of one channel, and of an open one the alias of its scope.
func put(ctx context.Context, s store.Store, books *ledger.Ledger, i int, closed bool) error {
	st, err := state(books.Signer(), i, closed)
	if err != nil {
		return err
	}
	if !closed {
		_, _, err = books.Add(ctx, st, nil)
		return err
	}
	data, err := st.Encode()
	if err != nil {
		return err
	}
	_, err = s.Put(ctx, rule.Places(st.ID)[1], data, 0)
	return err
}

var limits = channel.Limits{
	Price: voucher.Units(1000), Deposit: voucher.Units(1 << 40), Total: voucher.Units(1 << 60),
	All: windows, Origin: windows, Payee: windows,
}

var windows = channel.Windows{
	Hour: voucher.Units(1 << 50), Day: voucher.Units(1<<50 + 1), Month: voucher.Units(1<<50 + 2),
}

// state returns the i-th channel of a payer.
func state(payer common.Address, i int, closed bool) (rule.State, error) {
	d := channel.Descriptor{
		Payer: payer, Payee: common.Address{1, byte(i), byte(i >> 8), byte(i >> 16)}, Token: escrow.PathUSD,
		AuthorizedSigner: payer,
	}
	binary.BigEndian.PutUint64(d.Salt[:], uint64(i+1)) //nolint:gosec // not negative
	scope := channel.Scope{
		Origin:   "https://" + common.Bytes2Hex(d.Payee[1:4]) + ".example:443",
		Protocol: voucher.V2, ChainID: chainID, Escrow: escrowAddress,
		Payee: d.Payee, Token: d.Token, Payer: payer, Signer: payer,
	}
	deposit := rule.Funding{Amount: voucher.Units(1_000_000)}
	s, err := rule.New(voucher.V2, chainID, escrowAddress, d, scope, deposit)
	if err != nil {
		return s, err
	}
	at := time.Now().Add(-29 * 24 * time.Hour)
	if closed {
		at = at.Add(-365 * 24 * time.Hour)
	}
	s.CreatedAt, s.URL, s.Confirmed = at.UTC().Truncate(time.Second), scope.Origin+"/data", true
	for range 20 {
		at = at.Add(24 * time.Hour)
		raised, _, due, err := s.Authorize(rule.Request{Price: voucher.Units(100)}, rule.Of(limits))
		if err != nil {
			return s, err
		}
		s = raised.Noted(s, scope.Origin, at.Unix())
		s.Signed, s.Voucher = due, make([]byte, 65)
		s.Accepted, s.Spent = due, due
	}
	if closed {
		s = s.Settle(rule.OnChain{Finalized: true})
	}
	return s, nil
}
