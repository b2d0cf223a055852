//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// demonstrate runs tally demo as a process of its own, and returns a user who did what it says in another terminal.
// stop ends it as Ctrl-C does, and returns what else it wrote.
func demonstrate(t *testing.T, args ...string) (s *shell, at string, stop func() string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"demo"}, args...)...)
	cmd.Env = append(os.Environ(), asTally+"=1", "TMPDIR="+t.TempDir())
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	s = &shell{t: t, ctx: t.Context(), env: map[string]string{}}
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadString('\n')
		require.NoError(t, err, "the demo ended: %s", &stderr)
		if strings.HasPrefix(line, "  . ") {
			text, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", line+"env").Output()
			require.NoError(t, err)
			for _, one := range regexp.MustCompile(`(?m)^(TALLY_\w+)=(.*)$`).FindAllStringSubmatch(string(text), -1) {
				s.env[one[1]] = one[2]
			}
		}
		if strings.HasPrefix(line, "What the server sees") {
			break
		}
	}
	at = strings.TrimSuffix(s.env["TALLY_RPC_URL"], "/rpc")
	return s, at, func() string {
		t.Helper()
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		rest, err := io.ReadAll(lines)
		require.NoError(t, err)
		require.NoError(t, cmd.Wait(), &stderr)
		assert.Empty(t, stderr.String())
		return string(rest)
	}
}

// TestDemo: what the demo prints works with no flag, on this machine only, and nothing is left of it at the end.
func TestDemo(t *testing.T) {
	s, at, stop := demonstrate(t, "--port", "0")
	u, err := url.Parse(at)
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1", u.Hostname())
	if others, err := net.InterfaceAddrs(); assert.NoError(t, err) {
		for _, other := range others {
			ip, _, err := net.ParseCIDR(other.String())
			require.NoError(t, err)
			if ip.To4() == nil || ip.IsLoopback() {
				continue
			}
			_, err = net.Dial("tcp", net.JoinHostPort(ip.String(), u.Port()))
			assert.Error(t, err, "it listens on %s", ip)
		}
	}
	assert.Contains(t, s.ok("quote", at+"/data"), "on chain 42431 (v2)")
	assert.Contains(t, s.ok(at+"/data"), `"ok":true`)
	assert.Contains(t, s.ok("-d", "q=tide", at+"/data"), "q=tide")
	assert.Contains(t, s.ok(at+"/who"), `"ok":true`)
	e := s.run("--max-stream", "30u", at+"/words")
	assert.Equal(t, exitRefused, e.code, e.stderr)
	assert.Equal(t, "event: message\ndata: A\n\nevent: message\ndata: tally\n\nevent: message\ndata: is\n\n", e.stdout)
	s.ok("close", "--force")
	resp, err := http.Post(at+"/advance", "", nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Contains(t, s.ok("close", "--withdraw"), "closed")
	assert.NotContains(t, s.ok("channels"), "0x")

	second := s.run("demo", "--port", u.Port())
	assert.Equal(t, exitUsage, second.code)
	assert.Contains(t, second.stderr, "--port 0 takes a free one")

	log := stop()
	assert.Regexp(t, `GET /data: opens channel 0x\w{8}, with a voucher of 0\.0001 pathUSD\n`, log)
	assert.Contains(t, log, "GET /who: proves who pays, for nothing\n")
	assert.Contains(t, log, "The server was paid 0.00033 pathUSD. Channels: 1, of which open: 0.\n")
	assert.NoDirExists(t, filepath.Dir(s.env["TALLY_STORE"]))
}

// TestDemoKeeps its files in a new directory, where the user asks for it.
func TestDemoKeeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's kept")
	s, at, stop := demonstrate(t, "--port", "0", "--keep", dir)
	s.ok("-d", "q=tide", at+"/data")
	assert.Contains(t, stop(), "The files are in "+dir+"; the chain is gone.\n")
	assert.Contains(t, s.ok("ledger"), "0.0001")
	e := s.run("demo", "--keep", dir, "--port", "0")
	assert.Equal(t, exitWrite, e.code)
	assert.Contains(t, e.stderr, "it has to be a new directory")
	assert.FileExists(t, filepath.Join(dir, "env"))
	for _, name := range []string{"key.hex", "env"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, "-rw-------", fmt.Sprint(info.Mode()))
	}
}
