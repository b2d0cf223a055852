package filestore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
)

func TestChangedByteDetected(t *testing.T) {
	good := encode("channel/0x01", 7, []byte(`{"authorized":"100"}`))
	data, rev, err := decode("p", "channel/0x01", good)
	require.NoError(t, err)
	require.Equal(t, uint64(7), rev)
	require.Equal(t, `{"authorized":"100"}`, string(data))

	refused := func(raw []byte, what string, at int) {
		data, rev, err := decode("p", "channel/0x01", raw)
		assert.True(
			t, errors.Is(err, store.ErrCorrupt) || errors.Is(err, ErrVersion), "%s at %d: %v", what,
			at, err,
		)
		assert.Nil(t, data)
		assert.Zero(t, rev)
	}
	for i := range good {
		refused(good[:i], "cut", i)
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			refused(bad, "flipped", i)
		}
		refused(append(bytes.Clone(good[:i]), good[i+1:]...), "dropped", i)
		refused(append(append(bytes.Clone(good[:i]), ' '), good[i:]...), "inserted", i)
	}
	refused(append(bytes.Clone(good), '\n'), "appended", len(good))
	refused(make([]byte, 4096), "zeros", 0)
}

func TestDamageIsReportedAndKept(t *testing.T) {
	good := string(encode("k", 1, []byte("data")))
	for name, c := range map[string]struct {
		content string
		want    error
	}{
		"empty":        {"", store.ErrCorrupt},
		"cut":          {good[:len(good)-3], store.ErrCorrupt},
		"edited":       {strings.Replace(good, "data", "DATA", 1), store.ErrCorrupt},
		"rev edited":   {strings.Replace(good, "rev=1", "rev=2", 1), store.ErrCorrupt},
		"other's":      {string(encode("other", 1, []byte("data"))), store.ErrCorrupt},
		"rev 0":        {string(encode("k", 0, []byte("data"))), store.ErrCorrupt},
		"huge":         {string(encode("k", 1, make([]byte, store.MaxRecord+1))), store.ErrCorrupt},
		"no record":    {"{}\n", store.ErrCorrupt},
		"line endings": {strings.ReplaceAll(good, "\n", "\r\n"), store.ErrCorrupt},
		"newer":        {"tallystick record 2 whatever comes then\n", ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			s := openAt(t, t.TempDir())
			mustPut(t, s, "a", "before it", 0)
			mustPut(t, s, "z", "after it", 0)
			path := filepath.Join(s.dir, "k.rec")
			require.NoError(t, os.WriteFile(path, []byte(c.content), 0o600))

			_, _, err := s.Get(t.Context(), "k")
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, path)
			require.NotErrorIs(t, err, store.ErrNotFound)
			for rev := range uint64(3) {
				_, err = s.Put(t.Context(), "k", []byte("new"), rev)
				require.ErrorIs(t, err, c.want)
			}
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, c.content, string(text), "it is left as it is")

			got := map[string]error{}
			for e, err := range s.List(t.Context(), "") {
				got[e.Key] = err
			}
			assert.Len(t, got, 3, "one bad record does not hide the others")
			assert.NoError(t, got["a"])
			assert.NoError(t, got["z"])
			assert.ErrorIs(t, got["k"], c.want)
		})
	}
}

func TestCorruptErrorNamesTheFile(t *testing.T) {
	s := openAt(t, t.TempDir())
	path := filepath.Join(s.dir, "k.rec")
	require.NoError(t, os.Mkdir(path, 0o700))
	_, _, err := s.Get(t.Context(), "k")
	var damaged *CorruptError
	require.ErrorAs(t, err, &damaged)
	assert.Equal(t, path, damaged.Path)
	assert.Contains(t, err.Error(), "not a regular file")
}

func TestOldCopyDetected(t *testing.T) {
	s := openAt(t, t.TempDir())
	path := filepath.Join(s.dir, "k.rec")
	first := mustPut(t, s, "k", "signed up to 1", 0)
	old, err := os.ReadFile(path)
	require.NoError(t, err)
	second := mustPut(t, s, "k", "signed up to 2", first)
	current, err := os.ReadFile(path)
	require.NoError(t, err)

	for reason, putBack := range map[string]func() error{
		"an old copy":                   func() error { return os.WriteFile(path, old, 0o600) },
		"it had revision 2 and is gone": func() error { return os.Remove(path) },
	} {
		require.NoError(t, putBack())
		_, _, err = s.Get(t.Context(), "k")
		require.ErrorIs(t, err, store.ErrCorrupt)
		require.ErrorContains(t, err, reason)
		for _, rev := range []uint64{0, first, second} {
			_, err = s.Put(t.Context(), "k", []byte("x"), rev)
			require.ErrorIs(t, err, store.ErrCorrupt)
		}
	}
	require.NoError(t, os.WriteFile(path, current, 0o600))
	mustPut(t, s, "k", "signed up to 3", second)
}

func FuzzDecode(f *testing.F) {
	for _, data := range []string{"", "\n", `{"authorized":"1"}`, "\x00\xff"} {
		f.Add(encode("k", 1, []byte(data)))
		f.Add(encode("k", ^uint64(0), []byte(data)))
	}
	f.Add([]byte("tallystick record 2 k rev=1\n"))
	f.Add([]byte("tallystick record 1 k rev=+1 sha256=00\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		data, rev, err := decode("p", "k", raw)
		if err != nil {
			if data != nil || rev != 0 {
				t.Fatal("a refused record has content")
			}
			return
		}
		if again := encode("k", rev, data); !bytes.Equal(raw, again) {
			t.Fatalf("%q was read and is written %q", raw, again)
		}
	})
}
