package fleet

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// SafeRedis are the settings under which redisstore takes a server; a later one replaces an earlier one of the
// same name.
var SafeRedis = []string{"--appendonly", "yes", "--appendfsync", "always"}

// Redis starts a redis-server with the settings given, as on its command line. Without any it has redis-server's
// defaults, which lose the last seconds.
func Redis(t testing.TB, settings ...string) *Server {
	t.Helper()
	path, _ := exec.LookPath("redis-server")
	need(t, path, "redis-server")
	dir, port := directory(t), FreePort(t)
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", port), Dir: dir, name: "redis-server"}
	s.command = func() *exec.Cmd {
		cmd := exec.Command(path, append([]string{
			"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--databases", "512",
		}, settings...)...)
		cmd.SysProcAttr = attributes(0, 0)
		return cmd
	}
	s.ready = func() error { return ping(s.Addr) }
	s.Start(t)
	t.Cleanup(func() { s.Kill(t) })
	return s
}

// Sentinel starts a Sentinel, which is a redis-server in another mode, that watches a server under the name tally
// and fails over from it after half a second, alone.
func Sentinel(t testing.TB, master *Server) *Server {
	t.Helper()
	path, _ := exec.LookPath("redis-server")
	need(t, path, "redis-server")
	dir, port := directory(t), FreePort(t)
	host, of, err := net.SplitHostPort(master.Addr)
	require.NoError(t, err)
	file := filepath.Join(dir, "sentinel.conf")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `port %s
bind 127.0.0.1
dir %s
sentinel monitor tally %s %s 1
sentinel down-after-milliseconds tally 500
sentinel failover-timeout tally 5000
`, port, dir, host, of), 0o600))
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", port), Dir: dir, name: "sentinel"}
	s.command = func() *exec.Cmd {
		cmd := exec.Command(path, file, "--sentinel")
		cmd.SysProcAttr = attributes(0, 0)
		return cmd
	}
	s.ready = func() error { return ping(s.Addr) }
	s.Start(t)
	t.Cleanup(func() { s.Kill(t) })
	return s
}

// ping asks a Redis without a driver; a server that still loads its file says so instead of PONG.
func ping(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer := make([]byte, 64)
	n, err := c.Read(answer)
	if err != nil {
		return err
	}
	if text := string(answer[:n]); text != "+PONG\r\n" && text[:min(7, n)] != "-NOAUTH" {
		return errors.New(text)
	}
	return nil
}
