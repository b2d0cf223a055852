// Package store says what a place for payment records has to promise, and holds such a place in
// memory.
//
// # What is kept here
//
// A record is an opaque blob of at most [MaxRecord] bytes under a key: the state of one channel, or
// the name by which a channel is found. What stands in it is the business of the writer. A record of
// money is never forgotten, it changes state; so there is no Delete.
//
// # Compare and swap
//
// Every record has a revision. Get returns it, Put names the one that it replaces. Of several
// writers that read the same revision one wins, and the others get [ErrConflict], read again and
// decide again. That holds between goroutines and between processes; locks in a driver only save
// work.
//
// # Failed and unknown
//
// After [ErrConflict], [ErrKey], [ErrTooLarge] and [ErrCorrupt] from Put, nothing was written. After
// any other error the record may or may not have been written: read again before relying on either.
//
// # Stores
//
//   - [Mem]: in memory, for tests and for programs that may lose a deposit when they end.
//   - filestore: plain files in one directory, for one machine; the durable default.
//   - redisstore, pgstore: one Redis or PostgreSQL server, for many machines. They refuse a server that may forget what
//     it acknowledged, with an [UnsafeError].
//
// To write another, satisfy [Store] and run storetest.Run on it.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

const (
	// MaxKey is the largest length of a key in bytes.
	MaxKey = 200
	// MaxRecord is the largest length of a record in bytes.
	MaxRecord = 64 << 10
)

// Errors that a caller decides by. Stores wrap them, so compare with [errors.Is].
var (
	// ErrNotFound: there is no record under the key.
	ErrNotFound = errors.New("store: no such record")
	// ErrConflict: the stored revision is not the one named (or, for revision 0, the record exists).
	// Nothing was written. Get the record again and decide again.
	ErrConflict = errors.New("store: record was changed by another writer, read it again")
	// ErrKey: the key is empty, too long, or has a character outside [a-z0-9/._-].
	ErrKey = errors.New("store: key must be 1 to 200 characters of [a-z0-9/._-]")
	// ErrTooLarge: the record is longer than [MaxRecord].
	ErrTooLarge = errors.New("store: record is larger than 64 KiB")
	// ErrCorrupt: a record is there but cannot be read. It is never overwritten; restore it from a
	// copy, or move it away by hand. A store that cannot have such records never returns it.
	ErrCorrupt = errors.New("store: record is damaged")
)

// Entry is one record of a [Store.List].
type Entry struct {
	Key  string
	Data []byte // the caller's own copy
	Rev  uint64 // for the next Put; never 0
}

// Store keeps records. All methods are safe for concurrent use by many goroutines, and several
// processes may use one place at once.
//
// An implementer checks arguments with [Check], neither keeps nor changes the slices it is given,
// and gives slices away that it never touches again. Every method returns soon after its context
// ends; an error caused by that wraps the context's error.
type Store interface {
	// Get returns the record under key and its revision, which is at least 1. It never waits for a
	// writer. What it returns is durable: not even a power cut takes it back, whoever wrote it. When
	// that cannot be made sure, Get returns an error.
	//
	// The error is ErrNotFound when there is no record, ErrKey for a bad key, ErrCorrupt for a
	// record that is there and cannot be read; ErrCorrupt is never reported as ErrNotFound.
	Get(ctx context.Context, key string) (data []byte, rev uint64, err error)

	// Put writes the record under key in place of revision rev, and returns the new revision, which
	// is higher than every one this key ever had. rev 0 means that the record must not exist yet.
	// When Put returns nil the record is durable: it survives the death of the process and of the
	// machine.
	//
	// The error is ErrConflict when the stored revision is not rev (also when rev is not 0 and there
	// is no record), ErrKey, ErrTooLarge, or ErrCorrupt when the record in place cannot be read. In
	// these cases nothing was written. After any other error, a context's included, it is unknown
	// whether the record was written: Get it again.
	Put(ctx context.Context, key string, data []byte, rev uint64) (newRev uint64, err error)

	// List yields the records whose keys start with prefix, in ascending byte order of their keys;
	// an empty prefix means all. Every record that exists during the whole iteration is yielded once.
	// Entries are durable, as with Get.
	//
	// An error about one record comes with its Entry.Key set, and the iteration goes on after it, so
	// that one damaged record does not hide the others. An error with an empty Key is the end.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
}

// Check returns ErrKey or ErrTooLarge, wrapped, when a record of data under key would break the
// rules that all stores share. Pass nil data where there is only a key.
func Check(key string, data []byte) error {
	if len(key) == 0 || len(key) > MaxKey {
		return fmt.Errorf("%w: it has %d", ErrKey, len(key))
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
