package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Mem is a [Store] in the memory of this process. It is safe for concurrent use. Its records are lost
// when the process ends; channels that were not closed must then be recovered from the chain. Create one
// with [NewMem].
type Mem struct {
	mu      sync.RWMutex // guards records
	records map[string]record
}

type record struct {
	data []byte // immutable
	rev  uint64 // MovedRev if the record has moved away
}

// NewMem returns an empty store in memory.
func NewMem() *Mem { return &Mem{records: map[string]record{}} }

// Get implements [Store].
func (m *Mem) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	if err := check(ctx, key, nil); err != nil {
		return nil, 0, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, ok := m.records[key]
	if !ok || r.rev == MovedRev {
		return nil, 0, fmt.Errorf("%w: %s", ErrNotFound, key)
	}
	return slices.Clone(r.data), r.rev, nil
}

// Put implements [Store]. If it returns an error, nothing was written.
func (m *Mem) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if err := check(ctx, key, data); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if have := m.records[key].rev; have != rev || have == MovedRev {
		return 0, fmt.Errorf("%w: %s is at revision %d, not %d", ErrConflict, key, have, rev)
	}
	m.records[key] = record{data: slices.Clone(data), rev: rev + 1}
	return rev + 1, nil
}

// Move implements [Mover]. If it returns an error, nothing was moved.
func (m *Mem) Move(ctx context.Context, key string, rev uint64, to string) error {
	if err := errors.Join(check(ctx, key, nil), check(ctx, to, nil)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.records[key]
	if r.rev != rev || r.rev == MovedRev || r.rev == 0 {
		return fmt.Errorf("%w: %s is at revision %d, not %d", ErrConflict, key, r.rev, rev)
	}
	if _, used := m.records[to]; used {
		return fmt.Errorf("%w: %s is used already", ErrConflict, to)
	}
	m.records[to], m.records[key] = r, record{rev: MovedRev}
	return nil
}

// List implements [Store].
func (m *Mem) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		m.mu.RLock()
		keys := slices.Sorted(maps.Keys(m.records))
		m.mu.RUnlock()
		for _, key := range keys {
			if !strings.HasPrefix(key, prefix) {
				continue
			}
			data, rev, err := m.Get(ctx, key)
			if errors.Is(err, ErrNotFound) { // it moved away
				continue
			}
			if err != nil { // the context ended
				yield(Entry{}, err)
				return
			}
			if !yield(Entry{key, data, rev}, nil) {
				return
			}
		}
	}
}

func check(ctx context.Context, key string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return Check(key, data)
}
