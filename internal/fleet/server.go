package fleet

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/testrun"
)

// patience bounds every wait for a server. It is long because the machine may be busy.
const patience = time.Minute

// Server is a database server in a process of its own. It is not safe for concurrent use.
type Server struct {
	// Addr is where it listens: 127.0.0.1 and a port that stays the same when it is started again.
	Addr string
	// Dir is where its files are.
	Dir string

	name    string
	command func() *exec.Cmd // the server, in the foreground
	ready   func() error     // nil when it can be used
	limit   int              // of a file's size, in bytes; 0 is none

	settings []string // of PostgreSQL, for the next start

	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
}

// need ends the test unless tests with servers run and this one is installed.
func need(t testing.TB, path, name string) {
	t.Helper()
	var missing error
	if path == "" {
		missing = fmt.Errorf("%s is missing: run internal/fleet/install.sh", name)
	}
	testrun.NeedPeer(t, missing)
}

// directory makes an empty directory, whose parents others may enter, as t.TempDir's may not be.
func directory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tallystick-fleet-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// FreePort returns a port that was free just now. It is below those that systems give to whoever asks for any,
// as servers of tests do that run at the same time: one of them may get it before the server that it is for does, or
// while that one is down.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20_000 + rand.IntN(12_000)) //nolint:gosec // no secret
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			require.NoError(t, l.Close())
			return port
		}
	}
	t.Fatal("fleet: no port is free")
	return ""
}

// Start starts the server and waits until it can be used. It must not run.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(s.Dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(t, err)
	defer log.Close()
	cmd := s.prepared()
	cmd.Stdout, cmd.Stderr = log, log
	started, exited := make(chan error), make(chan struct{})
	go func() {
		defer close(exited)
		runtime.LockOSThread() // the server dies with the thread that started it, so that one stays
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	require.NoError(t, <-started)
	s.cmd, s.exited = cmd, exited
	for end := time.Now().Add(patience); ; {
		err := s.ready()
		if err == nil {
			return
		}
		select {
		case <-exited:
			t.Fatalf("fleet: %s ended at its start: %s", s.name, s.Log())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(end) {
			t.Fatalf("fleet: %s does not get ready: %v: %s", s.name, err, s.Log())
		}
	}
}

// Kill ends the server and its children with SIGKILL, all at once, as if the machine had taken them, and waits
// until they are gone. A server that has ended already is no error.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	pids := append(children(s.cmd.Process.Pid), s.cmd.Process.Pid)
	for _, pid := range pids {
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill()
		}
	}
	s.Wait(t)
	require.Eventually(t, func() bool {
		for _, pid := range pids[:len(pids)-1] {
			if alive(pid) {
				return false
			}
		}
		return true
	}, patience, 5*time.Millisecond, "fleet: %s has children that do not end", s.name)
}

// Wait waits until the server has ended.
func (s *Server) Wait(t testing.TB) {
	t.Helper()
	select {
	case <-s.exited:
	case <-time.After(patience):
		t.Fatalf("fleet: %s does not end: %s", s.name, s.Log())
	}
}

// Log is the end of what the server wrote.
func (s *Server) Log() string {
	data, err := os.ReadFile(filepath.Join(s.Dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-2000):])
}

// Limit makes the server, from its next start on, unable to let a file grow above size bytes, as on a full disk;
// 0 takes the limit away. Unix only.
func (s *Server) Limit(size int) { s.limit = size }

// prepared is the command that starts the server.
func (s *Server) prepared() *exec.Cmd {
	cmd := s.command()
	if s.limit > 0 {
		script := fmt.Sprintf(`trap "" XFSZ; ulimit -f %d; exec "$@"`, s.limit/512)
		cmd.Args = append([]string{"sh", "-c", script, "sh", cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
	}
	return cmd
}
