package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
)

// Seen remembers the highest revision that this process has seen of every key. With it, a driver detects
// that a database was rolled back, by a failover to a lagging copy, by a restored backup or by a command
// that empties it. Vouchers that were signed after that copy are then missing, so it must be detected.
// The zero value is ready to use. A Seen is safe for concurrent use; a driver has one for each database.
type Seen struct {
	mu    sync.Mutex // guards what follows
	kinds map[string]map[string]sighting
	moved map[string]struct{} // keys that records have left
	lists uint64              // listings that have begun
}

// sighting is the highest revision of a key, and how many listings had begun when any revision of
// it was noted last. Sightings are kept by the first part of their keys, so that a listing of one
// kind of records does not look at the others.
type sighting struct{ rev, lists uint64 }

func kind(key string) string {
	first, _, _ := strings.Cut(key, "/")
	return first
}

// Rev returns the highest noted revision of a key, or 0. Call it before a read, so that a concurrent
// write is not mistaken for a rollback. Call it before a Put as well: a Put of a lower revision can
// succeed only on a database that was rolled back.
func (s *Seen) Rev(key string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.moved[key]; ok {
		return MovedRev
	}
	return s.kinds[kind(key)][key].rev
}

// Note notes a revision that was read or written and is durable. before is the result of Rev before
// the read, or 0 for a write. The error is [ErrCorrupt] if rev is lower than before: the record was
// rolled back, or is gone (rev 0).
func (s *Seen) Note(key string, before, rev uint64) error {
	if rev < before {
		return fmt.Errorf("%w: %s was at revision %d and is at %d now (0 means gone): the server "+
			"lost acknowledged writes, by a failover or a restored backup", ErrCorrupt, key, before, rev)
	}
	if rev == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.moved[key]; ok {
		return nil
	}
	if s.kinds == nil {
		s.kinds, s.moved = map[string]map[string]sighting{}, map[string]struct{}{}
	}
	keys := s.kinds[kind(key)]
	if rev == MovedRev {
		delete(keys, key)
		s.moved[key] = struct{}{}
		return nil
	}
	if keys == nil {
		keys = map[string]sighting{}
		s.kinds[kind(key)] = keys
	}
	keys[key] = sighting{max(rev, keys[key].rev), s.lists}
	return nil
}

// Listing begins a listing, and returns what Missing needs at its end.
func (s *Seen) Listing() (begun uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists++
	return s.lists
}

// Met notes that a listing yielded an error about a key, so that Missing does not return it as well.
func (s *Seen) Met(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.kinds[kind(key)][key]; ok {
		s.kinds[kind(key)][key] = sighting{at.rev, s.lists}
	}
}

// Missing returns the keys with a prefix, in order, that were noted before a listing began and not
// again since: a complete listing lacks them. Read each of them again. Keys whose record has moved
// away ([MovedRev]) are left out.
func (s *Seen) Missing(prefix string, begun uint64) (missing []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, keys := range s.kinds {
		if !strings.HasPrefix(name, kind(prefix)) {
			continue
		}
		for key, at := range keys {
			if at.lists < begun && strings.HasPrefix(key, prefix) {
				missing = append(missing, key)
			}
		}
	}
	slices.Sort(missing)
	return missing
}

// NextRev returns a revision to follow rev: higher by 1 to 2^20, at random. The random step makes
// the revisions after a rollback differ from the lost ones, so a stale writer gets [ErrConflict]
// instead of overwriting a record that it never read.
func NextRev(rev uint64) uint64 { return rev + 1 + rand.Uint64N(1<<20) }
