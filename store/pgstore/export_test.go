package pgstore

import "time"

// SetWriteBound replaces the bound of writes of stores that are opened afterwards.
func SetWriteBound(d time.Duration) (restore func()) {
	was := writeBound
	writeBound = d
	return func() { writeBound = was }
}

// Lifetime returns how long a connection is used.
func (s *Store) Lifetime() time.Duration { return s.db.Config().MaxConnLifetime }
