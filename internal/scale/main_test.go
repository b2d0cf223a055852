package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestSmall checks that what is measured works: the session pays from a channel that it finds, the
// keeper reads the open channels and no others, and the listings have them all.
func TestSmall(t *testing.T) {
	const open, closed = 20, 60
	srv := clienttest.New(t, clienttest.Config{})
	payer := srv.Payer()
	key, err := voucher.ParseKey(payer.Hex)
	require.NoError(t, err)
	dir := t.TempDir()
	files, err := filestore.Open(dir)
	require.NoError(t, err)
	defer files.Close()
	require.NoError(t, fill(t.Context(), files, key, open, closed))

	j := job{Key: payer.Hex, RPC: srv.RPCURL, URL: srv.URL + "/data?deposit=1000000", Dir: dir, Requests: 3}
	for range 2 {
		r, err := measure(t.Context(), j)
		require.NoError(t, err)
		assert.Len(t, r.Later, 2)
		assert.Positive(t, r.First)
		assert.Positive(t, r.Heap)
	}
	assert.Len(t, srv.Accounts(), 1, "the second session found the channel of the first")
	_, reads, err := sweep(t.Context(), files, key)
	require.NoError(t, err)
	assert.Equal(t, open+1, reads)
	n, _, err := list(t.Context(), files, key, false)
	require.NoError(t, err)
	assert.Equal(t, open+1, n)
	n, _, err = list(t.Context(), files, key, true)
	require.NoError(t, err)
	assert.Equal(t, open+closed+1, n)
}
