package store

import (
	"fmt"
	"math/rand/v2"
	"sync"
)

// Seen remembers the highest revision that this process has seen of every key. With it, a driver
// detects that a database was rolled back, by a failover to a lagging copy or by a restored backup.
// Vouchers that were signed after that copy are then missing, so a rollback must be detected. The
// zero value is ready to use. A Seen is safe for concurrent use; a driver has one for each
// database.
type Seen struct {
	revs sync.Map // key -> uint64
}

// Rev returns the highest noted revision of a key, or 0. Call it before a read, so that a
// concurrent write is not mistaken for a rollback.
func (s *Seen) Rev(key string) uint64 {
	if v, ok := s.revs.Load(key); ok {
		return v.(uint64)
	}
	return 0
}

// Note notes a revision that was read or written. before is the result of Rev before the read, or 0
// for a write. The error is [ErrCorrupt] if rev is lower than before: the record was rolled back,
// or is gone (rev 0).
func (s *Seen) Note(key string, before, rev uint64) error {
	if rev < before {
		return fmt.Errorf("%w: %s was at revision %d and is at %d now (0 means gone): the server "+
			"lost acknowledged writes, by a failover or a restored backup", ErrCorrupt, key, before, rev)
	}
	if rev == 0 {
		return nil
	}
	for {
		have, loaded := s.revs.LoadOrStore(key, rev)
		if !loaded || rev <= have.(uint64) || s.revs.CompareAndSwap(key, have, rev) {
			return nil
		}
	}
}

// NextRev returns a revision to follow rev: higher by 1 to 2^20, at random. The random step makes
// the revisions after a rollback differ from the lost ones, so a stale writer gets [ErrConflict]
// instead of overwriting a record that it never read.
func NextRev(rev uint64) uint64 { return rev + 1 + rand.Uint64N(1<<20) }
