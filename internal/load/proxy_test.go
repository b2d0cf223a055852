package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listen serves one connection and returns the address.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			defer c.Close()
			serve(c)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

func dial(t *testing.T, p *proxy) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", p.address())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// TestProxyDelaysBothWays: an echo takes twice the delay at least, and the bytes come back in order
// with the end behind them.
func TestProxyDelaysBothWays(t *testing.T) {
	const each = 30 * time.Millisecond
	to := listen(t, func(c net.Conn) { _, _ = io.Copy(c, c) })
	p, err := startProxy(to, each)
	require.NoError(t, err)
	defer p.close()
	c := dial(t, p)
	sent := make([]byte, 3<<20)
	_, _ = rand.Read(sent)
	begin := time.Now()
	go func() {
		_, _ = c.Write(sent)
		_ = c.CloseWrite()
	}()
	first := make([]byte, 1)
	_, err = io.ReadFull(c, first)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, time.Since(begin), 2*each)
	rest, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(sent, append(first, rest...)), "other bytes, or in another order")
}

// TestProxyDoesNotLimitBandwidth: it takes far more than sockets hold while nothing is due.
func TestProxyDoesNotLimitBandwidth(t *testing.T) {
	to := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	p, err := startProxy(to, time.Hour)
	require.NoError(t, err)
	c := dial(t, p)
	_, err = c.Write(make([]byte, 64<<20)) // would block for ever
	require.NoError(t, err)
	p.close() // does not wait for the hour
	_, err = io.ReadAll(c)
	assert.True(t, err == nil || isReset(err), "%v", err)
}

func isReset(err error) bool {
	var reset *net.OpError
	return errors.As(err, &reset)
}

// TestProxyPassesDisconnectOn: whichever side ends, the other one notices.
func TestProxyPassesDisconnectOn(t *testing.T) {
	ended := make(chan error, 1)
	to := listen(t, func(c net.Conn) {
		_, err := io.ReadAll(c)
		ended <- err
	})
	p, err := startProxy(to, time.Millisecond)
	require.NoError(t, err)
	defer p.close()
	c := dial(t, p)
	require.NoError(t, c.CloseWrite())
	require.NoError(t, <-ended)
	_, err = io.ReadAll(c)
	require.NoError(t, err)
}

func TestProxyWithoutServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	to := l.Addr().String()
	require.NoError(t, l.Close())
	p, err := startProxy(to, 0)
	require.NoError(t, err)
	defer p.close()
	_, err = io.ReadAll(dial(t, p))
	assert.True(t, err == nil || isReset(err), "the connection ends: %v", err)
}
