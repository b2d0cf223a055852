package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestPlainNodeNeedsAFlag: a node of another machine over http:// is asked only if that is allowed.
func TestPlainNodeNeedsAFlag(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	loopback := s.env["TALLY_RPC_URL"]
	for _, plain := range []string{
		"http://192.0.2.1:8545/secret", "HTTP://192.0.2.1", "http://node.invalid",
		"http://127.0.0.1.:1", "http://localhost.evil.invalid",
		"http://[2001:db8::1]:8545", "http://10.0.0.1", "http://user:secret@192.0.2.1/",
	} {
		for _, args := range [][]string{
			{s.srv.URL + "/data"},
			{"quote", s.srv.URL + "/data"},
			{"keep"},
			{"find"},
			{"close", "--all"},
			{"ledger", "--check"},
			{"trust", "accept", s.srv.URL + "/data"},
		} {
			for _, urls := range []string{plain, loopback + " " + plain} {
				s.env["TALLY_RPC_URL"] = urls
				// A node that is asked does not answer: that fails here and at once, and nowhere else.
				var stop context.CancelFunc
				s.ctx, stop = context.WithTimeout(t.Context(), 10*time.Second)
				e := s.run(args...)
				stop()
				require.Equal(t, exitUsage, e.code, "%s %v: %s", plain, args, e.stderr)
				assert.Contains(t, e.stderr, "--insecure-rpc", "%s %v", plain, args)
				assert.NotContains(t, e.stderr, "secret")
			}
		}
	}
	assert.Empty(t, s.srv.Requests(), "nothing was sent")
	s.ctx = t.Context()
	for _, good := range []string{
		loopback, "https://192.0.2.1 https://node.invalid", "http://[::1]:1 http://localhost:1",
	} {
		s.env["TALLY_RPC_URL"] = good
		assert.NotContains(t, s.run("/free").stderr, "--insecure-rpc", good)
	}
	s.env["TALLY_RPC_URL"] = "http://192.0.2.1"
	e := s.process(nil, nil, s.srv.URL+"/free")
	assert.Equal(t, exitUsage, e.code, e.stderr)
	e = s.process(nil, nil, "--insecure-rpc", s.srv.URL+"/free")
	assert.Equal(t, 0, e.code, e.stderr)
	s.env["TALLY_INSECURE_RPC"] = "true"
	e = s.process(nil, nil, s.srv.URL+"/free")
	assert.Equal(t, 0, e.code, e.stderr)
}

// TestNodeThatIsNoURL: a node is named by a URL with a host, for every command, and what was given instead is not
// shown: it may be a key.
func TestNodeThatIsNoURL(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	for _, wrong := range []string{
		"secret", "localhost:8545", "ftp://secret", "http://", "https:secret", "http://[::1", "/run/secret.ipc",
	} {
		s.env["TALLY_RPC_URL"] = wrong
		for _, args := range [][]string{
			{s.srv.URL + "/data"},
			{"balance"},
			{"quote", s.srv.URL + "/data"},
			{"keep"},
			{"find"},
			{"close", "--all"},
			{"ledger", "--check"},
		} {
			e := s.run(args...)
			assert.Equal(t, exitUsage, e.code, "%s %v: %s", wrong, args, e.stderr)
			assert.Contains(t, e.stderr, "begin with https://", "%s %v", wrong, args)
			assert.NotContains(t, e.stderr, "secret")
		}
	}
	assert.Empty(t, s.srv.Requests())
}
