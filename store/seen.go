package store

import (
	"fmt"
	"math/rand/v2"
	"sync"
)

// Seen remembers the highest revision of every key that one process has seen in a place that other hands can set
// back: a database that failed over to a copy that lagged behind, or was restored from a backup. What was signed
// since stands nowhere then, so it must not pass unnoticed. The zero value is ready, and safe for concurrent use; a
// driver has one for each place.
type Seen struct{ revs sync.Map } // key -> uint64

// Rev is the highest revision that was noted for a key, 0 where there is none. A reader asks for it before it
// reads, so that a writer beside it is no fault.
func (s *Seen) Rev(key string) uint64 {
	if v, ok := s.revs.Load(key); ok {
		return v.(uint64)
	}
	return 0
}

// Note notes a revision that was read or written. before is what Rev returned before the read, or 0 for a write. The
// error is ErrCorrupt, wrapped, where rev is lower: the record went back, or away (rev 0).
func (s *Seen) Note(key string, before, rev uint64) error {
	if rev < before {
		return fmt.Errorf("%w: %s was at revision %d here and is at %d now (0 is gone); the server lost what it had acknowledged, by a failover or an old copy", ErrCorrupt, key, before, rev)
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

// NextRev is a revision to follow rev: higher by 1 to 2^20, at random. A place that was set back then comes to other
// revisions than those that were lost, so a writer that still holds a lost one gets ErrConflict where it would have
// replaced what it never saw.
func NextRev(rev uint64) uint64 { return rev + 1 + rand.Uint64N(1<<20) }
