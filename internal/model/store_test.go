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

func (d faultyStore) Put(ctx context.Context, key string, data []byte, rev uint64) (next uint64, err error) {
	err = d.write(func() error {
		next, err = d.proc.w.disk.Put(ctx, key, data, rev)
		return err
	})
	if err != nil {
		return 0, err
	}
	return next, nil
}

func (d faultyStore) Move(ctx context.Context, key string, rev uint64, to string) error {
	return d.write(func() error { return d.proc.w.disk.Move(ctx, key, rev, to) })
}

// write makes a write, which may fail or be the last thing that the process does.
func (d faultyStore) write(do func() error) error {
	proc := d.proc
	if proc.gone {
		return errCrashed
	}
	proc.puts++
	crashes, fails := proc.puts == proc.crashesAtPut, proc.puts == proc.failsAtPut
	if crashes && !proc.after {
		proc.crash()
	}
	if fails && !proc.stored {
		return errStore
	}
	err := do()
	if crashes {
		proc.crash()
	}
	if fails {
		return errStore
	}
	return err
}

func (d faultyStore) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return d.proc.w.disk.List(ctx, prefix)
}

// record returns the stored record of a channel.
func (w *world) record(id [32]byte) (rule.State, bool) {
	for _, key := range rule.Places(id) {
		data, _, err := w.disk.Get(context.Background(), key)
		if err != nil {
			continue
		}
		s, err := rule.Decode(data)
		if err != nil {
			w.fail("an unreadable record", "%v", err)
		}
		return s, true
	}
	return rule.State{}, false
}

// records returns the stored records of all channels.
func (w *world) records() (all []rule.State) {
	for _, prefix := range []string{rule.ChannelKeys, rule.ArchiveKeys} {
		for e, err := range w.disk.List(context.Background(), prefix) {
			if err != nil {
				w.t.Fatal(err)
			}
			s, err := rule.Decode(e.Data)
			if err != nil {
				w.fail("an unreadable record", "%s: %v", e.Key, err)
			}
			all = append(all, s)
		}
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
