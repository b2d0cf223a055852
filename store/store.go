// Package store defines the interface of stores for payment records, and implements one in memory.
//
// # Records
//
// A record is a blob of at most [MaxRecord] bytes under a key: for example the state of one
// channel, or the name by which a channel is found. A store does not interpret records. There is no
// Delete, because a record about money must never be lost; it changes its state instead.
//
// # Compare and swap
//
// Every record has a revision. Get returns it, and Put names the revision that it replaces. If
// several writers have read the same revision, one succeeds. The others get [ErrConflict] and must
// read and decide again. This holds between goroutines and between processes. Locks in a driver
// only save work.
//
// # Failed and unknown writes
//
// If Put returns [ErrConflict], [ErrKey], [ErrTooLarge] or [ErrCorrupt], nothing was written. After
// any other error the record may have been written or not: read it again before relying on either.
//
// It may also be written later. A write that was given up can arrive after the record was read
// again. It is harmless: it names the revision that it replaces. Either it replaces the revision
// that was read, and the next Put gets [ErrConflict] and decides on what it wrote; or another Put
// was quicker, and it conflicts itself and writes nothing.
//
// # Stores that were rolled back
//
// A restored backup, a failover to a copy that lags behind, or a command that empties a database removes
// acknowledged records, and vouchers were signed after them. A Store remembers the highest revision of
// each key that it has read or written ([Seen]), and reports [ErrCorrupt] for a record that is older, or
// gone. A Store that is opened later cannot detect it.
//
// # Stores
//
// Each of them is a [Mover] as well.
//
//   - [Mem]: in memory, for tests and for programs that can afford to lose a deposit.
//   - filestore: files in one directory, for one machine. It is the durable default.
//   - redisstore, pgstore: one Redis or PostgreSQL server, for many machines. They refuse a server
//     that could lose acknowledged writes, with an [UnsafeError].
//
// To write another one, implement [Store] and, if it can, [Mover], and test it with storetest.Run.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
)

const (
	// MaxKey is the maximum length of a key in bytes.
	MaxKey = 200
	// MaxRecord is the maximum length of a record in bytes.
	MaxRecord = 64 << 10
)

// Errors that callers distinguish. Stores wrap them, so compare with [errors.Is].
var (
	// ErrNotFound means that there is no record under the key.
	ErrNotFound = errors.New("store: no such record")
	// ErrConflict means that the stored revision is not the one that Put named; for revision 0,
	// that the record exists. Nothing was written. Get the record and decide again.
	ErrConflict = errors.New("store: record was changed by another writer, read it again")
	// ErrKey means that the key is empty, too long, or has a character outside [a-z0-9/._-].
	ErrKey = errors.New("store: key must be 1 to 200 characters of [a-z0-9/._-]")
	// ErrTooLarge means that the record is longer than [MaxRecord].
	ErrTooLarge = errors.New("store: record is larger than 64 KiB")
	// ErrCorrupt means that a record exists but cannot be read, or that it was rolled back or is
	// gone. It is never overwritten. Restore it from the newest copy, or move it away by hand.
	ErrCorrupt = errors.New("store: record is damaged")
)

// Entry is one record of a [Store.List].
type Entry struct {
	Key  string
	Data []byte // a copy for the caller
	Rev  uint64 // the revision for the next Put; never 0
}

// Store stores records. All methods are safe for concurrent use, and several processes may use the same
// place (a directory, a database) at the same time.
//
// An implementation must check the arguments of each method with [Check]. It must not keep or change the
// slices it gets, and must not touch the slices it returned. Every method must return soon after its
// context ends, with an error that wraps the error of the context.
type Store interface {
	// Get returns the record under key and its revision, which is at least 1. It never waits for a
	// writer. The result is durable: it survives a power failure, whoever wrote it. If that cannot
	// be ensured, Get returns an error.
	//
	// The error is ErrNotFound if there is no record, ErrKey for an invalid key, and ErrCorrupt for
	// a record that exists but cannot be read, and for one that this Store has seen at a higher
	// revision. An unreadable record must never be reported as ErrNotFound, nor must one that this
	// Store has seen.
	Get(ctx context.Context, key string) (data []byte, rev uint64, err error)

	// Put replaces revision rev of the record under key and returns the new revision, which is
	// higher than all before. If rev is 0, the record must not exist yet. If Put returns nil, the
	// record is durable: it survives a crash of the process and of the machine.
	//
	// The error is ErrConflict if the stored revision is not rev (also if rev is not 0 and there is
	// no record), ErrKey, ErrTooLarge, or ErrCorrupt if the stored record cannot be read. In these
	// cases nothing was written. After any other error, also one of the context, it is unknown
	// whether the record was written, or will be: Get it again.
	//
	// If this Store has seen a revision that is higher than rev, Put returns ErrConflict, or
	// ErrCorrupt if the record is not there any more at that revision or a higher one. It never
	// writes.
	Put(ctx context.Context, key string, data []byte, rev uint64) (newRev uint64, err error)

	// List yields the records whose keys start with prefix, in ascending byte order of their keys;
	// an empty prefix means all. It yields every record that exists during the whole iteration
	// exactly once. Entries are durable, as with Get.
	//
	// An error about one record is yielded with its Entry.Key, and the iteration continues, so that one
	// damaged record does not hide the others. An error with an empty Key ends the iteration. A record
	// that this Store has seen before the iteration and that is gone is yielded with its Key and
	// [ErrCorrupt], after the others. A caller may stop early.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
}

// Mover is a [Store] that moves a record to another key in one step. With it, the records of closed
// channels leave the listing of the others.
type Mover interface {
	Store

	// Move moves revision rev of the record under key to the key to. The record keeps its data and
	// its revision. There is no moment at which it is under both keys or under neither. If Move
	// returns nil, the move is durable, as a Put is.
	//
	// The key that a record has left is not used again: Get returns ErrNotFound for it, List does not
	// yield it, and Put and Move return ErrConflict for it, at every revision and for ever, as they do
	// for a key that holds another record. A process that read the record there before must not report it
	// as lost.
	//
	// A listing that is under way when a record moves may yield it or not. To miss none, list the place
	// that records leave, and after its end the place that they move to; that may yield a record twice.
	// The time of a List must not depend on the records under other prefixes, nor on the keys that
	// records have left: most records of an old store are of closed channels.
	//
	// The error is ErrConflict if the stored revision is not rev, or if a record is or was under to;
	// ErrKey; or ErrCorrupt if a stored record cannot be read. In these cases nothing was moved. It
	// is an error that wraps [errors.ErrUnsupported], and nothing was moved, if this is a wrapper of
	// a Store that is no Mover. After any other error, also one of the context, it is unknown whether
	// the record was moved: Get both.
	Move(ctx context.Context, key string, rev uint64, to string) error
}

// MovedRev is the revision that drivers store or remember for a key whose record has moved away (see
// [Mover]). It is above those of all records, so a [Seen] that noted it reports a record that comes
// back under the key as rolled back.
const MovedRev = math.MaxInt64

// Check returns an error that wraps [ErrKey] or [ErrTooLarge] if key or data breaks the rules that
// are common to all stores. Pass nil data to check a key only.
func Check(key string, data []byte) error {
	if len(key) == 0 || len(key) > MaxKey {
		return fmt.Errorf("%w: this key has %d", ErrKey, len(key))
	}
	for i := range len(key) {
		switch c := key[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '/', c == '.', c == '_', c == '-':
		default:
			return fmt.Errorf("%w: found %q in %q", ErrKey, c, key)
		}
	}
	if len(data) > MaxRecord {
		return fmt.Errorf("%w: %d bytes for %q", ErrTooLarge, len(data), key)
	}
	return nil
}
