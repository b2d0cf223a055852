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

// TestChangedByteDetected changes every byte of a file of each format, and of one that was
// overwritten many times. None is read, least of all as an older revision.
func TestChangedByteDetected(t *testing.T) {
	s := openAt(t, t.TempDir())
	var rev uint64
	for range 5 {
		rev = mustPut(t, s, "k", `{"authorized":"100"}`, rev)
	}
	lived, err := os.ReadFile(s.path("k"))
	require.NoError(t, err)
	for name, good := range map[string][]byte{
		"format 1": encodeOld("k", 5, []byte(`{"authorized":"100"}`)),
		"new":      fileOf("k", 5, `{"authorized":"100"}`),
		"lived":    lived,
		"long":     fileOf("k", 5, strings.Repeat(`{"authorized":"100"}`, 100)),
	} {
		v, err := decode("p", "k", good)
		require.NoError(t, err, name)
		require.Equal(t, uint64(5), v.mark.rev)
		require.Contains(t, string(v.data), `{"authorized":"100"}`)

		refused := func(raw []byte, what string, at int) {
			v, err := decode("p", "k", raw)
			if !errors.Is(err, store.ErrCorrupt) && !errors.Is(err, ErrVersion) || v.mark.rev != 0 || v.data != nil {
				t.Errorf("%s %s at %d: %v", name, what, at, err)
			}
		}
		flipped := bytes.Clone(good)
		for i := range good {
			for bit := range 8 {
				if i > 3*sector && bit != i%8 {
					continue
				}
				flipped[i] ^= 1 << bit
				if low := flipped[i] | 0x20; low >= 'a' && low <= 'f' && flipped[i]^good[i] == 0x20 &&
					(i%sector >= payload+18) {
					flipped[i] ^= 1 << bit
					continue // a hexadecimal digit of the checksum in upper case is the same number
				}
				refused(flipped, "flipped", i)
				flipped[i] ^= 1 << bit
			}
		}
		for i := 0; i < len(good); i += 1 + len(good)/500 {
			refused(good[:i], "cut", i)
			refused(append(bytes.Clone(good[:i]), good[i+1:]...), "dropped", i)
			refused(append(append(bytes.Clone(good[:i]), ' '), good[i:]...), "inserted", i)
			zeros := bytes.Clone(good)
			end := min(len(good), i+sector)
			clear(zeros[i:end])
			if !bytes.Equal(zeros, good) {
				refused(zeros, "zeros", i)
			}
		}
		refused(append(bytes.Clone(good), '\n'), "appended", len(good))
		refused(append(bytes.Clone(good), good...), "twice", len(good))
		refused(make([]byte, len(good)), "zeros", 0)
	}
}

// TestLostRevisionIsMissed builds files of which an acknowledged revision is not there: it was durable
// before a later write began, or before it was noted to be.
func TestLostRevisionIsMissed(t *testing.T) {
	build := func(rev uint64) image {
		r := record{key: "k", born: 7, rev: rev, data: bytes.Repeat([]byte("x"), 1000)}
		return r.image()
	}
	five, six, seven := build(5), build(6), build(7)
	part := func(m image) func(raw []byte) { // of a write to the second slot
		return func(raw []byte) {
			sectors, at := m.sectors(1, block)
			copy(raw[at+sector:], sectors[sector:])
		}
	}
	noted := func(m mark) func(raw []byte) {
		return func(raw []byte) {
			sectors, at := label(m, 1, block)
			copy(raw[at:], sectors)
		}
	}
	for name, c := range map[string]struct {
		change func(raw []byte)
		reason string
	}{
		"the next write was cut":       {part(six), ""},
		"the write after it was cut":   {part(seven), "revision 6 is lost"},
		"it is noted":                  {noted(five.mark), ""},
		"the next one is noted":        {noted(six.mark), "revision 6 is lost"},
		"another one of its number is": {noted(mark{5, 1}), "its revision 5 is not the one that was written"},
		"an older one is noted":        {noted(mark{4, 1}), ""},
	} {
		raw := newFile(&five, block)
		c.change(raw)
		v, err := decode("p", "k", raw)
		if c.reason == "" {
			require.NoError(t, err, name)
			assert.Equal(t, uint64(5), v.mark.rev, name)
			continue
		}
		require.ErrorIs(t, err, store.ErrCorrupt, name)
		require.ErrorContains(t, err, c.reason, name)
	}
}

func TestDamageIsReportedAndKept(t *testing.T) {
	good, old := string(fileOf("k", 1, "data")), string(encodeOld("k", 1, []byte("data")))
	for name, c := range map[string]struct {
		content string
		want    error
	}{
		"empty":        {"", store.ErrCorrupt},
		"cut":          {good[:len(good)-3], store.ErrCorrupt},
		"edited":       {strings.Replace(good, "data", "DATA", 1), store.ErrCorrupt},
		"rev edited":   {strings.Replace(good, "rev=1", "rev=2", 1), store.ErrCorrupt},
		"other's":      {string(fileOf("other", 1, "data")), store.ErrCorrupt},
		"rev 0":        {string(fileOf("k", 0, "data")), store.ErrCorrupt},
		"old edited":   {strings.Replace(old, "data", "DATA", 1), store.ErrCorrupt},
		"old rev":      {strings.Replace(old, "rev=1", "rev=2", 1), store.ErrCorrupt},
		"old other's":  {string(encodeOld("other", 1, []byte("data"))), store.ErrCorrupt},
		"old rev 0":    {string(encodeOld("k", 0, []byte("data"))), store.ErrCorrupt},
		"old huge":     {string(encodeOld("k", 1, make([]byte, store.MaxRecord+1))), store.ErrCorrupt},
		"enormous":     {strings.Repeat("z", 2*maxSlot+1), store.ErrCorrupt},
		"old endings":  {strings.ReplaceAll(old, "\n", "\r\n"), store.ErrCorrupt},
		"no record":    {"{}\n", store.ErrCorrupt},
		"line endings": {strings.ReplaceAll(good, "\n", "\r\n"), store.ErrCorrupt},
		"newer":        {"tallystick record 3 whatever comes then\n", ErrVersion},
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
		for _, rev := range []uint64{1, ^uint64(0)} {
			f.Add(encodeOld("k", rev, []byte(data)))
			f.Add(fileOf("k", rev, data))
		}
	}
	f.Add([]byte("tallystick record 3 k rev=1\n"))
	f.Add([]byte("tallystick record 1 k rev=+1 sha256=00\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := decode("p", "k", raw)
		switch {
		case err != nil:
			if v.data != nil || v.mark.rev != 0 {
				t.Fatal("a refused record has content")
			}
		case v.old:
			if again := encodeOld("k", v.mark.rev, v.data); !bytes.Equal(raw, again) {
				t.Fatalf("%q was read and is written %q", raw, again)
			}
		default:
			m := v.image()
			if again, at := m.sectors(v.slot, v.size); !bytes.Equal(raw[at:at+int64(len(again))], again) {
				t.Fatalf("%q was read and is written %q", raw, again)
			}
		}
	})
}
