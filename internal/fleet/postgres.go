package fleet

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// Postgres makes a new cluster with PostgreSQL's defaults and starts it with the settings given, each as
// "name=value". The superuser is tally, the database postgres, and nobody needs a password.
func Postgres(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := cluster(t, settings)
	runAs(t, s, "initdb", "--no-sync", "--auth=trust", "--username=tally", "--encoding=UTF8", "--locale=C", "--pgdata="+data(s))
	s.Start(t)
	return s
}

// Standby makes a copy of a running cluster and starts it as a standby that follows it.
func Standby(t testing.TB, of *Server) *Server {
	t.Helper()
	s := cluster(t, nil)
	host, port, err := net.SplitHostPort(of.Addr)
	require.NoError(t, err)
	runAs(t, s, "pg_basebackup", "--no-sync", "--checkpoint=fast", "--write-recovery-conf", "--username=tally", "--host="+host, "--port="+port, "--pgdata="+data(s))
	s.Start(t)
	return s
}

// Set replaces the settings that a PostgreSQL server is started with, from its next start on.
func (s *Server) Set(settings ...string) { s.settings = settings }

// Promote makes a standby a primary.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	runAs(t, s, "pg_ctl", "promote", "--wait", "--pgdata="+data(s))
}

// ConnString is for pgx: the superuser on the server that Postgres made.
func (s *Server) ConnString() string {
	return "postgres://tally@" + s.Addr + "/postgres?sslmode=disable"
}

func data(s *Server) string { return filepath.Join(s.Dir, "data") }

func cluster(t testing.TB, settings []string) *Server {
	t.Helper()
	need(t, bin("postgres"), "PostgreSQL")
	dir, port := directory(t), FreePort(t)
	uid, gid := servant(t)
	if uid != 0 {
		require.NoError(t, os.Chown(dir, int(uid), int(gid)))
	}
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", port), Dir: dir, name: "postgres"}
	s.Set(settings...)
	s.command = func() *exec.Cmd {
		args := []string{"-D", data(s), "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="}
		for _, setting := range s.settings {
			args = append(args, "-c", setting)
		}
		cmd := exec.Command(bin("postgres"), args...)
		cmd.Dir, cmd.SysProcAttr = dir, attributes(uid, gid)
		return cmd
	}
	s.ready = func() error {
		out, err := exec.Command(bin("pg_isready"), "--host=127.0.0.1", "--port="+port, "--timeout=1").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	t.Cleanup(func() {
		if s.cmd != nil {
			s.Kill(t)
		}
	})
	return s
}

// runAs runs one of PostgreSQL's programs as the user that the server runs as.
func runAs(t testing.TB, s *Server, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(bin(name), args...)
	cmd.Dir, cmd.SysProcAttr = s.Dir, attributes(servant(t))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", name, out)
}

// bin is the path of one of PostgreSQL's programs, empty where there is none. Debian keeps them apart from
// PATH, a folder a version.
func bin(name string) string {
	if all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(all) > 0 {
		version := func(path string) int {
			n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
			return n
		}
		return slices.MaxFunc(all, func(a, b string) int { return version(a) - version(b) })
	}
	path, _ := exec.LookPath(name)
	return path
}

// servant is the user that root runs PostgreSQL as; zeros stand for the user of the test.
func servant(t testing.TB) (uid, gid uint32) {
	t.Helper()
	if os.Geteuid() != 0 {
		return 0, 0
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	require.NoError(t, err)
	number := func(text string) uint32 {
		n, err := strconv.ParseUint(text, 10, 32)
		require.NoError(t, err)
		return uint32(n)
	}
	return number(u.Uid), number(u.Gid)
}
