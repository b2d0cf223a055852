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

// memory is a store that is quick: no locks (whoever writes has the turn, or runs in the middle of it), and what is asked
// often is found without decoding.
type memory struct {
	data map[string]store.Entry
}

func newMemory() *memory { return &memory{map[string]store.Entry{}} }

func (m *memory) state(g *gate, id common.Hash) rule.State {
	s, err := rule.Decode(m.data[rule.StateKey(id)].Data)
	if err != nil {
		g.broken("a record cannot be read", "%v", err)
	}
	return s
}

// authorized finds the ceiling in the text of a record.
func (m *memory) authorized(id common.Hash) voucher.Amount {
	_, rest, _ := bytes.Cut(m.data[rule.StateKey(id)].Data, []byte(`"authorized":"`))
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	a, err := voucher.ParseAmount(string(text))
	if err != nil {
		return voucher.Amount{}
	}
	return a
}

// plate is the store of one process.
type plate struct{ p *process }

func (s plate) Get(_ context.Context, key string) ([]byte, uint64, error) {
	if s.p.dead {
		return nil, 0, errDead
	}
	e, ok := s.p.g.disk.data[key]
	if !ok {
		return nil, 0, store.ErrNotFound
	}
	return e.Data, e.Rev, nil
}

func (s plate) Put(_ context.Context, key string, data []byte, rev uint64) (uint64, error) {
	p := s.p
	if p.dead {
		return 0, errDead
	}
	if do := p.atPut; do != nil {
		p.atPut = nil
		do()
	}
	p.puts++
	dies, fails := p.puts == p.diesAt, p.puts == p.failsAt
	if dies && !p.stored {
		p.die()
	}
	if fails && !p.stored {
		return 0, errDisk
	}
	if p.g.disk.data[key].Rev != rev {
		return 0, store.ErrConflict
	}
	p.g.disk.data[key] = store.Entry{Key: key, Data: data, Rev: rev + 1}
	if dies {
		p.die()
	}
	if fails {
		return 0, errDisk
	}
	return rev + 1, nil
}

func (p *process) die() {
	p.g.note("    %d dies", p.g.index(p))
	p.dead = true
	panic(p)
}

func (s plate) List(context.Context, string) iter.Seq2[store.Entry, error] {
	return func(func(store.Entry, error) bool) {}
}
