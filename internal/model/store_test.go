package model_test

import (
	"context"
	"errors"
	"iter"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// faultyStore is the shared store as one process sees it. Its reads and writes can fail, and the
// process can crash in a write.
type faultyStore struct{ proc *process }

var errStore = errors.New("model: the store failed")

func (d faultyStore) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	if d.proc.gone {
		return nil, 0, errCrashed
	}
	if d.proc.gets++; d.proc.gets == d.proc.failsAtGet {
		return nil, 0, errStore
	}
	return d.proc.w.disk.Get(ctx, key)
}

func (d faultyStore) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	proc := d.proc
	if proc.gone {
		return 0, errCrashed
	}
	proc.puts++
	crashes, fails := proc.puts == proc.crashesAtPut, proc.puts == proc.failsAtPut
	if crashes && !proc.after {
		proc.crash()
	}
	if fails && !proc.stored {
		return 0, errStore
	}
	next, err := proc.w.disk.Put(ctx, key, data, rev)
	if crashes {
		proc.crash()
	}
	if fails {
		return 0, errStore
	}
	return next, err
}

func (d faultyStore) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return d.proc.w.disk.List(ctx, prefix)
}

// record returns the stored record of a channel.
func (w *world) record(id [32]byte) (rule.State, bool) {
	data, _, err := w.disk.Get(context.Background(), rule.StateKey(id))
	if err != nil {
		return rule.State{}, false
	}
	s, err := rule.Decode(data)
	if err != nil {
		w.fail("an unreadable record", "%v", err)
	}
	return s, true
}

// records returns the stored records of all channels.
func (w *world) records() (all []rule.State) {
	for e, err := range w.disk.List(context.Background(), "channel/") {
		if err != nil {
			w.t.Fatal(err)
		}
		s, err := rule.Decode(e.Data)
		if err != nil {
			w.fail("an unreadable record", "%s: %v", e.Key, err)
		}
		all = append(all, s)
	}
	return all
}

// signer is the payer's key in one process. It records all signatures, and fails the test if asked
// to sign more than the store holds.
type signer struct {
	*voucher.KeySigner
	proc *process
}

var errKey = errors.New("model: the key is locked")

func (p signer) fails() error {
	if p.proc.gone {
		return errCrashed
	}
	if p.proc.signatures++; p.proc.signatures == p.proc.failsAtSignature {
		return errKey
	}
	return nil
}

func (p signer) SignVoucher(
	ctx context.Context,
	d *voucher.Domain,
	v voucher.Voucher,
) ([]byte, error) {
	if err := p.fails(); err != nil {
		return nil, err
	}
	w := p.proc.w
	s, ok := w.record(v.ChannelID)
	if !ok {
		w.fail("a voucher for a channel without a record", "%s", v.ChannelID)
	}
	if s.Authorized().Less(v.Cumulative) {
		w.fail("a signature above the stored sum", "%s above %s", v.Cumulative, s.Authorized())
	}
	sig, err := p.KeySigner.SignVoucher(ctx, d, v)
	if err == nil {
		w.vouchers[v] = true
		if h, ok := w.highest[v.ChannelID]; !ok || h.Cumulative.Less(v.Cumulative) {
			w.highest[v.ChannelID] = voucher.Signed{Voucher: v, Signature: sig}
		}
	}
	return sig, err
}

func (p signer) SignTransaction(ctx context.Context, tx voucher.Transaction) ([]byte, error) {
	if err := p.fails(); err != nil {
		return nil, err
	}
	return p.KeySigner.SignTransaction(ctx, tx)
}

func (p signer) SignProof(ctx context.Context, proof voucher.Proof) ([]byte, error) {
	if err := p.fails(); err != nil {
		return nil, err
	}
	return p.KeySigner.SignProof(ctx, proof)
}
