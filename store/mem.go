package store

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Mem is a [Store] in the memory of this process. Its records are lost when the process ends;
// channels that were not closed must then be recovered from the chain. Create one with [NewMem].
type Mem struct {
	mu      sync.RWMutex // guards records
	records map[string]record
}

type record struct {
	data []byte // immutable
	rev  uint64
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
	if !ok {
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
	if have := m.records[key].rev; have != rev {
		return 0, fmt.Errorf("%w: %s is at revision %d, not %d", ErrConflict, key, have, rev)
	}
	m.records[key] = record{data: slices.Clone(data), rev: rev + 1}
	return rev + 1, nil
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
