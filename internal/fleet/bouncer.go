package fleet

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Bouncer starts a pgbouncer in transaction mode before a PostgreSQL server, with one connection to it and the settings
// given, each as "name=value". Its ConnString leads to the server by way of it.
func Bouncer(t testing.TB, of *Server, settings ...string) *Server {
	t.Helper()
	path, _ := exec.LookPath("pgbouncer")
	if path == "" { // where Debian puts it, which is not in every user's PATH
		if _, err := os.Stat("/usr/sbin/pgbouncer"); err == nil {
			path = "/usr/sbin/pgbouncer"
		}
	}
	need(t, path, "pgbouncer")
	dir, port := directory(t), FreePort(t)
	uid, gid := servant(t)
	require.NoError(t, os.Chmod(dir, 0o755)) //nolint:gosec // the servant reads it
	host, to, err := net.SplitHostPort(of.Addr)
	require.NoError(t, err)
	file := filepath.Join(dir, "ini")
	text := fmt.Sprintf(`[databases]
postgres = host=%s port=%s user=tally dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
auth_type = any
pool_mode = transaction
default_pool_size = 1
unix_socket_dir =
%s
`, host, to, port, strings.Join(settings, "\n"))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644)) //nolint:gosec // no secret in it
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", port), Dir: dir, name: "pgbouncer"}
	s.command = func() *exec.Cmd {
		cmd := exec.Command(path, file)
		cmd.Dir, cmd.SysProcAttr = dir, attributes(uid, gid)
		return cmd
	}
	s.ready = func() error {
		c, err := net.DialTimeout("tcp", s.Addr, time.Second)
		if err == nil {
			err = c.Close()
		}
		return err
	}
	s.Start(t)
	t.Cleanup(func() { s.Kill(t) })
	return s
}
