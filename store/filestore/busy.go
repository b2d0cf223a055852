package filestore

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

// BusyError means that another process held a record for longer than a writer waits. Nothing was
// written. A write takes less than a millisecond, so most likely that process or its disk is blocked.
type BusyError struct {
	// Key is the key of the record.
	Key string
	// Host and PID identify the process that holds the record. They are empty and 0 if it is
	// unknown.
	Host string
	PID  int
	// Waited is how long this writer waited.
	Waited time.Duration
}

// Error names the record, the process and what to do.
func (e *BusyError) Error() string {
	who := "an unknown process"
	if e.PID != 0 {
		who = fmt.Sprintf("process %d on %s", e.PID, e.Host)
	}
	return fmt.Sprintf("filestore: %s has been locked for more than %v by %s: "+
		"check whether that process is blocked, and end or resume it", e.Key, e.Waited, who)
}

// holder is the size of the text in a lock file, in bytes. It is padded with spaces, so that it is
// written in one piece.
const holder = 128

// ours returns the text that this process writes into the lock files that it holds.
var ours = sync.OnceValue(func() []byte {
	host, _ := os.Hostname()
	line := fmt.Sprintf("%d %.100s", os.Getpid(), host)
	return fmt.Appendf(nil, "%-*s\n", holder-1, line)
})

// hold writes the holder into the locked file at path, if it is not there yet. The text is only for
// people, so errors of the write are ignored. On Windows the lock prevents it.
func hold(path string) error {
	f, err := open(path, os.O_RDWR)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	var have [holder]byte
	if n, err := f.ReadAt(have[:], 0); err != nil || !bytes.Equal(have[:n], ours()) {
		_, _ = f.WriteAt(ours(), 0)
	}
	return nil
}

// busy returns a BusyError that names the holder of the lock file at path.
func busy(key, path string, waited time.Duration) *BusyError {
	e := &BusyError{Key: key, Waited: waited}
	f, err := open(path, os.O_RDONLY)
	if err != nil {
		return e
	}
	defer f.Close()
	var text [holder]byte
	n, _ := f.ReadAt(text[:], 0)
	pid, host, _ := bytes.Cut(bytes.TrimSpace(text[:n]), []byte(" "))
	if n, err := strconv.Atoi(string(pid)); err == nil {
		e.PID, e.Host = n, string(host)
	}
	return e
}
