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

// lapse is how long a session that writes nothing is taken to be alive, in seconds. What one that was killed had in
// flight is free after that, or at once where the process is known to be gone. What a living one has in flight for
// longer may be freed too early: the payee then refuses the next voucher as too low, and the one after it makes
// up for it.
const lapse int64 = 600

// place names the machine, and on Linux the process namespace, that process numbers are of.
var place = sync.OnceValue(func() string {
	host, _ := os.Hostname()
	space, _ := os.Readlink("/proc/self/ns/pid")
	return host + " " + space
})

// seat is a name for a session that no other has, and that says where its process runs.
func seat() string { return fmt.Sprintf("%s %d %s", place(), os.Getpid(), rand.Text()) }

// ended tells the sessions that are no more as of now, in Unix seconds.
func ended(now int64) func(rule.Writer) bool {
	return func(w rule.Writer) bool { return max(now-w.At, w.At-now) > lapse || gone(w.Name) }
}

// gone reports whether a session's process is known to have ended: it ran here, and its number is free.
func gone(name string) bool {
	rest, here := strings.CutPrefix(name, place()+" ")
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
