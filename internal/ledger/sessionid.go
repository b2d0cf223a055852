package ledger

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// lapse is how long a session counts as alive after its last write, in seconds. After that, or at
// once if the process is known to be gone, a report counts what it had in flight. If it is alive
// all the same, too little may be claimed: the payee then refuses the next voucher as too low, and
// the one after it makes up for it.
const lapse int64 = 600

// machine names the computer, and on Linux the process namespace, that process numbers belong to.
var machine = sync.OnceValue(func() string {
	host, _ := os.Hostname()
	space, _ := os.Readlink("/proc/self/ns/pid")
	return host + " " + space
})

// sessionID returns a name for a session that no other has, and that tells where its process runs.
func sessionID() string { return fmt.Sprintf("%s %d %s", machine(), os.Getpid(), rand.Text()) }

// ended returns whether a session has ended as of now, in Unix seconds.
func ended(now int64) func(rule.Writer) bool {
	return func(w rule.Writer) bool { return max(now-w.At, w.At-now) > lapse || gone(w.Name) }
}

// gone reports whether a session's process is known to have ended: it ran here, and its number is
// free.
func gone(name string) bool {
	rest, here := strings.CutPrefix(name, machine()+" ")
	number, _, _ := strings.Cut(rest, " ")
	pid, err := strconv.Atoi(number)
	if !here || err != nil || pid <= 0 {
		return false
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return true
	}
	defer func() { _ = p.Release() }()
	return errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
