package ledger

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// machine names the kernel and the process namespace that process numbers belong to, or is empty if
// nothing tells them apart from those of all others. Host names do not: two machines can have one, and
// the first namespace of every kernel has the same number. Linux draws an id when it starts.
var machine = sync.OnceValue(func() string { return machineOf("/proc") })

func machineOf(proc string) string {
	boot, err := os.ReadFile(filepath.Join(proc, "sys/kernel/random/boot_id"))
	id := strings.TrimSpace(string(boot))
	space, err2 := os.Readlink(filepath.Join(proc, "self/ns/pid"))
	if err != nil || err2 != nil || len(id) < 32 || strings.ContainsAny(id, " \n") || space == "" {
		return ""
	}
	return id + " " + space
}

// sessionID returns a name for a session that no other has, and that tells where its process runs if
// that is known.
func sessionID() string { return nameOn(machine()) }

func nameOn(machine string) string {
	if machine == "" {
		return rand.Text()
	}
	return fmt.Sprintf("%s %d %s", machine, os.Getpid(), rand.Text())
}

// ended returns whether a session has ended as of now, in Unix seconds.
func ended(now int64) func(rule.Writer) bool {
	return func(w rule.Writer) bool { return max(now-w.At, w.At-now) > lapse || gone(w.Name) }
}

// gone reports whether a session's process is known to have ended.
func gone(name string) bool { return goneFrom(machine(), name) }

// goneFrom reports whether a process ran on the machine, which is this one, and its number is free. Of a
// machine that has no name, nothing is known.
func goneFrom(machine, name string) bool {
	if machine == "" {
		return false
	}
	rest, here := strings.CutPrefix(name, machine+" ")
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
