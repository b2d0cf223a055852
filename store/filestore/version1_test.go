package filestore

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
)

var errVersion1 = errors.New("refused by the program of format 1")

// version1 reads a record as the program of format 1 did, with its checks in their order.
func version1(dir, key string) (state, error) {
	text, err := os.ReadFile(filepath.Join(dir, marker))
	if err != nil {
		return state{}, err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	digits, ok := strings.CutPrefix(string(line), "tallystick store ")
	if v, err := strconv.ParseUint(digits, 10, 32); !ok || err != nil || v != 1 {
		return state{}, errVersion1
	}
	return version1Record(filepath.Join(dir, fileName(key, recordExt)), key)
}

// version1Record is the part of it that a program ran that had the directory open already.
func version1Record(path, key string) (state, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return state{}, err
	}
	raw = raw[:min(len(raw), 512+store.MaxRecord+1)]
	line, body, ok := bytes.Cut(raw, []byte("\n"))
	words := strings.Fields(string(line[:min(len(line), 512)]))
	if !ok || len(words) != 6 || strings.Join(words[:4], " ") != "tallystick record 1 "+key {
		return state{}, errVersion1
	}
	rev, err := strconv.ParseUint(strings.TrimPrefix(words[4], "rev="), 10, 64)
	data, whole := bytes.CutSuffix(body, []byte("\n"))
	head := fmt.Sprintf("tallystick record 1 %s rev=%d sha256=", key, rev)
	sum := sha256.Sum256(append([]byte(head), data...))
	if err != nil || !whole || !bytes.Equal(raw, fmt.Appendf(nil, "%s%x\n%s\n", head, sum, data)) {
		return state{}, errVersion1
	}
	return state{string(data), rev}, nil
}

// TestStoreOfVersion1 reads a store that a program of format 1 wrote, without writing to it, and
// converts it record by record.
func TestStoreOfVersion1(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "wallet")
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/version1")))
	before := content(t, dir)
	records := map[string]state{}
	s := openAt(t, dir)
	for e, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		old, err := version1(dir, e.Key)
		require.NoError(t, err)
		require.Equal(t, old, state{string(e.Data), e.Rev})
		records[e.Key] = old
	}
	assert.Len(t, records, 5)
	assert.Equal(t, before, content(t, dir))

	for key, old := range records {
		before := content(t, dir)
		mustPut(t, s, key, old.data+" ", old.rev)
		for name, raw := range content(t, dir) {
			if name != fileName(key, recordExt) && name != marker {
				assert.Equal(t, before[name], raw, "a Put converts its own record")
			}
		}
		_, err := version1(dir, key)
		require.ErrorIs(t, err, errVersion1)
		_, err = version1Record(s.path(key), key)
		require.ErrorIs(t, err, errVersion1)
	}
	again := openAt(t, dir)
	for e, err := range again.List(t.Context(), "") {
		require.NoError(t, err)
		assert.Equal(t, state{records[e.Key].data + " ", records[e.Key].rev + 1}, state{string(e.Data), e.Rev})
	}
}

// TestBothFormatsInUse lets a program of format 1 that has the directory open write a record that
// was not converted: the new program goes on with it.
func TestBothFormatsInUse(t *testing.T) {
	s := oldStore(t, map[string]string{"a": "1", "b": "1"})
	mustPut(t, s, "a", "2", 7)
	_, rev, err := s.Get(t.Context(), "b")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.path("b"), encodeOld("b", rev+1, []byte("2")), 0o600))
	have, err := stateOf(t, s, "b")
	require.NoError(t, err)
	assert.Equal(t, state{"2", rev + 1}, have)
	_, err = s.Put(t.Context(), "b", []byte("3"), rev)
	require.ErrorIs(t, err, store.ErrConflict)
	mustPut(t, s, "b", "3", rev+1)
}
