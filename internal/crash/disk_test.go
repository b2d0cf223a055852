package crash

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// settled returns a world in which one child has paid and ended, and a flow goes on.
func settled(t *testing.T, flow string) *world {
	t.Helper()
	w, err := newWorld(flow)
	require.NoError(t, err)
	t.Cleanup(w.close)
	end := w.run(w.job, nil)
	require.Empty(t, end.died)
	require.Empty(t, end.failed)
	return w
}

// signatures counts what a child signed.
func (e ending) signatures() (n int) {
	for _, p := range e.points {
		if strings.HasPrefix(p, "sign ") {
			n++
		}
	}
	return n
}

// TestTornFiles: a record that a bad disk cut or changed is found out. Nothing is signed by it, no other channel is
// opened in its place, and the copy that is put back is gone on with.
func TestTornFiles(t *testing.T) {
	w := settled(t, "open/v2")
	files, err := filepath.Glob(filepath.Join(w.job.Dir, "*.rec"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	whole := map[string]string{"channel=": "", "scope=": "", "pin=": ""}
	for _, file := range files {
		name := filepath.Base(file)
		kind := name[:strings.Index(name, "=")+1]
		delete(whole, kind)
		good, err := os.ReadFile(file)
		require.NoError(t, err)
		for how, torn := range map[string][]byte{
			"empty":     {},
			"half":      good[:len(good)/2],
			"one short": good[:len(good)-1],
			"zeros":     make([]byte, len(good)),
			"a flip":    append(append([]byte{}, good[:len(good)/2]...), append([]byte{good[len(good)/2] ^ 1}, good[len(good)/2+1:]...)...),
		} {
			require.NoError(t, os.WriteFile(file, torn, 0o600))
			end := w.run(w.job, nil) // one more request
			assert.Zero(t, end.signatures(), "%s: %s", name, how)
			if assert.Len(t, end.failed, 1, "%s: %s", name, how) {
				assert.Contains(t, end.failed[0], name, "%s: it says which file", how)
			}
			still, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, torn, still, "%s: what cannot be read is left as it is", name)
		}
		require.NoError(t, os.WriteFile(file, good, 0o600))
	}
	assert.Empty(t, whole, "every kind of record was torn")
	w.succeed()
	assert.Empty(t, w.bad)
}

// TestReadOnlyDisk: nothing is signed that cannot be written down, and when the disk is back all goes on.
func TestReadOnlyDisk(t *testing.T) {
	for _, flow := range []string{"open/v2", "voucher/v2", "top-up/v2", "close/v2"} {
		w, err := newWorld(flow)
		require.NoError(t, err)
		t.Cleanup(w.close)
		j := w.job
		if flow != "open/v2" {
			opens := j
			opens.Flow = "open/v2"
			end := w.run(opens, nil)
			require.Empty(t, end.failed)
		}
		if j.Mount = mounts(t); j.Mount {
			end := w.run(j, nil)
			require.Empty(t, end.died, flow)
			assert.NotEmpty(t, end.failed, flow)
			for _, failed := range end.failed {
				assert.Contains(t, failed, "read-only file system", flow)
			}
			for _, p := range end.points {
				assert.NotContains(t, p, "sign voucher", flow)
				assert.NotContains(t, p, "http POST close", flow)
				assert.NotContains(t, p, "topUp", flow)
			}
		}
		w.judge()
		w.succeed()
		assert.Empty(t, w.bad, flow)
	}
}
