package model_test

import (
	"bytes"
	"context"
	"iter"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// memoryStore is a fast store. It needs no locks, because one process runs at a time.
type memoryStore struct {
	data map[string]store.Entry
}

func newMemoryStore() *memoryStore { return &memoryStore{map[string]store.Entry{}} }

func (m *memoryStore) state(g *gate, id common.Hash) rule.State {
	s, err := rule.Decode(m.data[rule.StateKey(id)].Data)
	if err != nil {
		g.fail("an unreadable record", "%v", err)
	}
	return s
}

// authorized returns the authorized sum of a record. It is called at each signature, so it does not
// decode the record.
func (m *memoryStore) authorized(id common.Hash) voucher.Amount {
	_, rest, _ := bytes.Cut(m.data[rule.StateKey(id)].Data, []byte(`"authorized":"`))
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	a, err := voucher.ParseAmount(string(text))
	if err != nil {
		return voucher.Amount{}
	}
	return a
}

// gateStore is the store of one process.
type gateStore struct{ p *gateProcess }

func (s gateStore) Get(_ context.Context, key string) ([]byte, uint64, error) {
	if s.p.crashed {
		return nil, 0, errCrashed
	}
	e, ok := s.p.g.disk.data[key]
	if !ok {
		return nil, 0, store.ErrNotFound
	}
	return e.Data, e.Rev, nil
}

func (s gateStore) Put(_ context.Context, key string, data []byte, rev uint64) (uint64, error) {
	p := s.p
	if p.crashed {
		return 0, errCrashed
	}
	if do := p.atPut; do != nil {
		p.atPut = nil
		do()
	}
	p.puts++
	crashes, fails := p.puts == p.crashesAt, p.puts == p.failsAt
	if crashes && !p.stored {
		p.crash()
	}
	if fails && !p.stored {
		return 0, errStore
	}
	if p.g.disk.data[key].Rev != rev {
		return 0, store.ErrConflict
	}
	p.g.disk.data[key] = store.Entry{Key: key, Data: data, Rev: rev + 1}
	if crashes {
		p.crash()
	}
	if fails {
		return 0, errStore
	}
	return rev + 1, nil
}

func (p *gateProcess) crash() {
	p.g.logf("    %d crashes", p.g.index(p))
	p.crashed = true
	panic(p)
}

func (s gateStore) List(context.Context, string) iter.Seq2[store.Entry, error] {
	return func(func(store.Entry, error) bool) {}
}
