package filestore

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

// BusyError says who held a record for longer than a writer may wait. Nothing was written. A write takes about a
// millisecond, so that process was most likely stopped, or its disk is.
type BusyError struct {
	// Key is the record's.
	Key string
	// Host and PID name the process that holds it; they are empty and 0 where it did not come to say so.
	Host string
	PID  int
	// Waited is how long this writer has waited.
	Waited time.Duration
}

// Error names the record, the process and what to do.
func (e *BusyError) Error() string {
	who := "a process that is not known"
	if e.PID != 0 {
		who = fmt.Sprintf("process %d on %s", e.PID, e.Host)
	}
	return fmt.Sprintf("filestore: another writer holds %s for more than %v: %s; see whether it was stopped, and end or continue it", e.Key, e.Waited, who)
}

// holder is the longest text in a lock file, in bytes; the rest is spaces, so that it is written in one piece.
const holder = 128

// ours is what this process writes into the lock files that it holds.
var ours = sync.OnceValue(func() []byte {
	host, _ := os.Hostname()
	line := fmt.Sprintf("%d %.100s", os.Getpid(), host)
	return fmt.Appendf(nil, "%-*s\n", holder-1, line)
})

// hold notes in the locked file at path who holds it. It is for people, so it need not work; on Windows it does not,
// because the lock is in the way.
func hold(path string) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	_, _ = f.WriteAt(ours(), 0)
	_ = f.Close()
}

// busy tells who holds the lock file at path.
func busy(key, path string, waited time.Duration) *BusyError {
	e := &BusyError{Key: key, Waited: waited}
	text, err := os.ReadFile(path)
	if err != nil {
		return e
	}
	pid, host, _ := bytes.Cut(bytes.TrimSpace(text[:min(len(text), holder)]), []byte(" "))
	if n, err := strconv.Atoi(string(pid)); err == nil {
		e.PID, e.Host = n, string(host)
	}
	return e
}
