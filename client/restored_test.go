package client_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
)

// TestRestoredUnderARunningSession: an operator puts a copy of a record back while a session runs, and
// another session goes on with the copy, until the record is at the revision that the first one holds
// and beyond. The first session signs and writes nothing more: its record would be below what the
// other one has signed.
func TestRestoredUnderARunningSession(t *testing.T) {
	for _, beyond := range []int{-1, 0, 1, 3} {
		srv := clienttest.New(t, clienttest.Config{})
		dir := filepath.Join(t.TempDir(), "store")
		a := newPayer(t, srv)
		a.onFiles(dir)
		a.get("/data")
		id := a.only().ID
		revision := func() (rule.State, uint64) {
			files, err := filestore.Open(dir) // nobody's memory
			require.NoError(t, err)
			defer files.Close()
			data, rev, err := files.Get(t.Context(), rule.StateKey(id))
			require.NoError(t, err)
			s, err := rule.Decode(data)
			require.NoError(t, err)
			return s, rev
		}
		record := filepath.Join(dir, "channel="+id.Hex()+".rec")
		backup, err := os.ReadFile(record)
		require.NoError(t, err)
		for range 3 {
			a.get("/data")
		}
		_, held := revision()
		require.NoError(t, os.WriteFile(record, backup, 0o600))

		b := *a
		b.onFiles(dir)
		for rev := uint64(0); rev < held+uint64(beyond); _, rev = revision() {
			if resp, err := b.do("GET", "/data?price=900", nil); err == nil { // it has to catch up first
				require.NoError(t, resp.Body.Close())
			}
		}
		before, at := revision()

		for range 2 {
			_, err = a.do("GET", "/data?price=10", nil)
			require.ErrorIs(t, err, store.ErrCorrupt, "%d beyond", beyond)
		}
		after, still := revision()
		assert.Equal(t, before, after)
		assert.Equal(t, at, still)
		b.get("/data?price=900")
	}
}
