package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/policyfile"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestRun: programs that know nothing of payment are served, what the policy refuses is a 502 and a
// warning, and the service ends when it is told to, with what it paid on disk.
func TestRun(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	target, err := url.Parse(srv.URL)
	require.NoError(t, err)
	key, err := voucher.ParseKey(srv.Payer().Hex)
	require.NoError(t, err)
	limits := "limits.price = '0.001'\nlimits.deposit = '0.1'\nlimits.stream = '0.01'"
	policy, err := policyfile.Parse("policy.toml", []byte(limits))
	require.NoError(t, err)
	on, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)

	var warnings bytes.Buffer
	s := service{
		target: target, node: srv.RPCURL, dir: filepath.Join(t.TempDir(), "store"), key: key, policy: policy,
		log: slog.New(slog.NewTextHandler(&warnings, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx, on) }()

	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	get := func(path string) (int, string) {
		resp, err := (&http.Client{Transport: transport}).Get("http://" + on.Addr().String() + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	status, body := get("/data")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, `"ok":true`)
	status, body = get("/stream/3/10")
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, `{"i":2,"of":3}`)
	status, _ = get("/data?price=1001")
	assert.Equal(t, http.StatusBadGateway, status)

	stop()
	require.NoError(t, <-ended)
	assert.Contains(t, warnings.String(), "limit Price: wanted 0.001001 pathUSD, allowed 0.001")
	require.Len(t, srv.Accounts(), 1)
	assert.Equal(t, voucher.Units(130), srv.Accounts()[0].Spent)
}
