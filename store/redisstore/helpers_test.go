package redisstore_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// await waits until a condition holds.
func await(t testing.TB, done func() bool, what string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "not in a minute: %s", what)
	}
}

func split(t testing.TB, addr string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	return host, port
}
