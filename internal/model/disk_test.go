package model_test

import (
	"context"
	"errors"
	"iter"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// disk is the store of one life: the common one, which can break and in whose writes the life can end.
type disk struct{ l *life }

var errDisk = errors.New("model: the disk is broken")

func (d disk) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	if d.l.dead {
		return nil, 0, errDead
	}
	if d.l.gets++; d.l.gets == d.l.failsAtGet {
		return nil, 0, errDisk
	}
	return d.l.w.disk.Get(ctx, key)
}

func (d disk) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	l := d.l
	if l.dead {
		return 0, errDead
	}
	l.puts++
	dies, fails := l.puts == l.diesAtPut, l.puts == l.failsAtPut
	if dies && !l.afterwards {
		l.die()
	}
	if fails && !l.stored {
		return 0, errDisk
	}
	next, err := l.w.disk.Put(ctx, key, data, rev)
	if dies {
		l.die()
	}
	if fails {
		return 0, errDisk
	}
	return next, err
}

func (d disk) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return d.l.w.disk.List(ctx, prefix)
}

// record is what the disk holds of a channel.
func (w *world) record(id [32]byte) (rule.State, bool) {
	data, _, err := w.disk.Get(context.Background(), rule.StateKey(id))
	if err != nil {
		return rule.State{}, false
	}
	s, err := rule.Decode(data)
	if err != nil {
		w.broken("a record cannot be read", "%v", err)
	}
	return s, true
}

// records are all channels on the disk.
func (w *world) records() (all []rule.State) {
	for e, err := range w.disk.List(context.Background(), "channel/") {
		if err != nil {
			w.t.Fatal(err)
		}
		s, err := rule.Decode(e.Data)
		if err != nil {
			w.broken("a record cannot be read", "%s: %v", e.Key, err)
		}
		all = append(all, s)
	}
	return all
}

// pen is the payer's key in one life. It signs nothing above what the disk holds, and notes all that it signs.
type pen struct {
	*voucher.KeySigner
	l *life
}

var errPen = errors.New("model: the key is locked")

func (p pen) fails() error {
	if p.l.dead {
		return errDead
	}
	if p.l.signatures++; p.l.signatures == p.l.failsAtSignature {
		return errPen
	}
	return nil
}

func (p pen) SignVoucher(ctx context.Context, d *voucher.Domain, v voucher.Voucher) ([]byte, error) {
	if err := p.fails(); err != nil {
		return nil, err
	}
	w := p.l.w
	s, ok := w.record(v.ChannelID)
	if !ok {
		w.broken("a voucher before its channel is on record", "%s", v.ChannelID)
	}
	if s.Authorized().Less(v.Cumulative) {
		w.broken("a signature above what the store holds", "%s above %s", v.Cumulative, s.Authorized())
	}
	sig, err := p.KeySigner.SignVoucher(ctx, d, v)
	if err == nil {
		w.made[v] = true
		if h, ok := w.highest[v.ChannelID]; !ok || h.Cumulative.Less(v.Cumulative) {
			w.highest[v.ChannelID] = voucher.Signed{Voucher: v, Signature: sig}
		}
	}
	return sig, err
}

func (p pen) SignTransaction(ctx context.Context, tx voucher.Transaction) ([]byte, error) {
	if err := p.fails(); err != nil {
		return nil, err
	}
	return p.KeySigner.SignTransaction(ctx, tx)
}

func (p pen) SignProof(ctx context.Context, proof voucher.Proof) ([]byte, error) {
	if err := p.fails(); err != nil {
		return nil, err
	}
	return p.KeySigner.SignProof(ctx, proof)
}
