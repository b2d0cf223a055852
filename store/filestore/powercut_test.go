package filestore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
)

// disk is what a disk may hold after a power failure. It records what a Store writes, and which of
// it was synced. What was not synced is on the disk or not, sector by sector and name by name, in
// any combination: a disk reorders writes between two syncs.
type disk struct {
	files   map[string]*inode // by path below the directory: what is durable
	pending []change          // what is not, in the order of the calls
	now     map[string]*inode // what programs see
}

type inode struct{ data []byte }

// change is one sector of a file, or one name.
type change struct {
	file *inode
	at   int    // of the sector
	data []byte // nil for a rename
	from string // of the rename; "" for a creation
	to   string
}

// record makes s write to d as well.
func (d *disk) record(s *Store) {
	below := func(path string) string { return strings.TrimPrefix(path, s.dir+string(filepath.Separator)) }
	s.writeAt = func(f *os.File, b []byte, at int64) error {
		name := below(f.Name())
		file := d.now[name]
		if file == nil || strings.Contains(name, tmpPrefix) && at == 0 {
			file = &inode{}
			d.now[name] = file
			d.pending = append(d.pending, change{file: file, to: name})
		}
		for i := 0; i < len(b); i += sector {
			data := bytes.Clone(b[i:min(len(b), i+sector)])
			d.pending = append(d.pending, change{file: file, at: int(at) + i, data: data})
		}
		return writeAt(f, b, at)
	}
	s.sync = func(f *os.File) error {
		file := d.now[below(f.Name())]
		d.flush(func(c change) bool { return c.data != nil && c.file == file })
		return nil
	}
	s.writeBack = func(*os.File) error { return nil } // the cache of the disk loses it
	s.syncWhole = func(*os.File) error {
		d.flush(func(change) bool { return true })
		return nil
	}
	s.rename = func(from, to string) error {
		file := d.now[below(from)]
		delete(d.now, below(from))
		d.now[below(to)] = file
		d.pending = append(d.pending, change{file: file, from: below(from), to: below(to)})
		return os.Rename(from, to)
	}
	s.syncDir = func(dir string) error {
		d.flush(func(c change) bool { return c.data == nil && filepath.Dir(filepath.Join(s.dir, c.to)) == dir })
		return nil
	}
}

func (d *disk) flush(which func(change) bool) {
	d.pending = slices.DeleteFunc(d.pending, func(c change) bool {
		if !which(c) {
			return false
		}
		apply(d.files, c, nil)
		return true
	})
}

// apply makes a change to files. of maps the inodes that were copied.
func apply(files map[string]*inode, c change, of map[*inode]*inode) {
	file := c.file
	if copied := of[file]; copied != nil {
		file = copied
	} else if of != nil {
		file = &inode{bytes.Clone(file.data)}
		of[c.file] = file
	}
	if c.data != nil {
		if end := c.at + len(c.data); end > len(file.data) {
			file.data = append(file.data, make([]byte, end-len(file.data))...)
		}
		copy(file.data[c.at:], c.data)
		return
	}
	if c.from != "" && files[c.from] == file {
		delete(files, c.from)
	}
	files[c.to] = file
}

// after returns the files after a power failure at which the disk has those pending changes that
// kept says.
func (d *disk) after(kept func(i int) bool) map[string][]byte {
	files, of := map[string]*inode{}, map[*inode]*inode{}
	for name, file := range d.files {
		if of[file] == nil {
			of[file] = &inode{bytes.Clone(file.data)}
		}
		files[name] = of[file]
	}
	for i, c := range d.pending {
		if kept(i) {
			apply(files, c, of)
		}
	}
	out := map[string][]byte{}
	for name, file := range files {
		out[name] = file.data
	}
	return out
}

// cuts calls f with what the disk may hold if the power fails now: every combination of what is not
// synced, or if there are too many, a thousand of them.
func (d *disk) cuts(f func(files map[string][]byte)) {
	n := len(d.pending)
	if n <= 10 {
		for set := range 1 << n {
			f(d.after(func(i int) bool { return set>>i&1 == 1 }))
		}
		return
	}
	f(d.after(func(int) bool { return false }))
	f(d.after(func(int) bool { return true }))
	for one := range n {
		f(d.after(func(i int) bool { return i == one }))
		f(d.after(func(i int) bool { return i != one }))
		f(d.after(func(i int) bool { return i < one }))
		f(d.after(func(i int) bool { return i > one }))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		set := make([]bool, n)
		for i := range set {
			set[i] = random.Uint64()&1 == 1
		}
		f(d.after(func(i int) bool { return set[i] }))
	}
}

// content returns the files below dir, without the locks.
func content(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if name, _ := filepath.Rel(dir, path); !strings.HasPrefix(name, lockDir) {
			raw, err := os.ReadFile(path)
			files[name] = raw
			return err
		}
		return nil
	}))
	return files
}

// restore makes the files below dir those of a disk.
func restore(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	have := content(t, dir)
	for name := range have {
		if _, ok := files[name]; !ok {
			require.NoError(t, os.Remove(filepath.Join(dir, name)))
		}
	}
	for _, sub := range []string{movedDir, apartDir} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, sub), 0o700))
	}
	for name, raw := range files {
		if was, ok := have[name]; !ok || !bytes.Equal(was, raw) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), raw, 0o600))
		}
	}
}

func newDisk(files map[string][]byte) *disk {
	d := &disk{files: map[string]*inode{}}
	for name, raw := range files {
		d.files[name] = &inode{bytes.Clone(raw)}
	}
	d.now = maps.Clone(d.files)
	return d
}

// power runs act on a store with the given files and cuts the power before and after each of its
// steps. check gets a store with what the disk may then hold. acknowledged is whether act returned.
func power(
	t *testing.T, files map[string][]byte, act func(*Store) error,
	check func(s *Store, files map[string][]byte, acknowledged bool),
) {
	t.Helper()
	dir, cut := t.TempDir(), t.TempDir()
	restore(t, dir, files)
	s := openAt(t, dir)
	d := newDisk(files)
	d.record(s)
	seen := map[string]bool{}
	look := func(acknowledged bool) {
		d.cuts(func(files map[string][]byte) {
			id := fmt.Sprint(acknowledged)
			for _, name := range slices.Sorted(maps.Keys(files)) {
				if !strings.Contains(name, tmpPrefix) { // nobody reads these
					id += name + string(files[name])
				}
			}
			if seen[id] {
				return
			}
			seen[id] = true
			restore(t, cut, files)
			after, err := Open(cut)
			require.NoError(t, err)
			newDisk(nil).record(after) // its syncs do nothing
			check(after, files, acknowledged)
			if t.Failed() {
				t.FailNow()
			}
		})
	}
	// The power fails after each step, which includes before the next one.
	writeAt, sync, rename, syncDir := s.writeAt, s.sync, s.rename, s.syncDir
	s.writeAt = func(f *os.File, b []byte, at int64) error { defer look(false); return writeAt(f, b, at) }
	s.sync = func(f *os.File) error { defer look(false); return sync(f) }
	s.rename = func(a, b string) error { defer look(false); return rename(a, b) }
	s.syncDir = func(dir string) error { defer look(false); return syncDir(dir) }
	look(false)
	require.NoError(t, act(s))
	look(true)
	t.Logf("%d different disks", len(seen))
}

// state is what a check expects of one key.
type state struct {
	data string
	rev  uint64
}

func stateOf(t *testing.T, s *Store, key string) (state, error) {
	t.Helper()
	data, rev, err := s.Get(t.Context(), key)
	if err != nil {
		require.NotErrorIs(t, err, store.ErrCorrupt, "a power failure is no damage")
	}
	return state{string(data), rev}, err
}

func put1(t *testing.T, key, data string, rev uint64) func(*Store) error {
	return func(s *Store) error {
		_, err := s.Put(t.Context(), key, []byte(data), rev)
		return err
	}
}

// lived returns a store whose record k was written several times.
func lived(t *testing.T, sizes ...int) (*Store, state) {
	s := unsynced(t, t.TempDir())
	var last state
	for i, n := range sizes {
		last.data = strings.Repeat(string(rune('a'+i)), n)
		last.rev = mustPut(t, s, "k", last.data, last.rev)
	}
	return s, last
}

// TestPowerCutDuringPut cuts the power at every moment of a Put and of a second Put after it. The
// record is the old or the new one, the new one if Put returned, and it can be written.
func TestPowerCutDuringPut(t *testing.T) {
	for name, c := range map[string]struct {
		before []int
		next   int
		twice  bool // cut the power again during the Put after it
	}{
		"one sector":         {[]int{100, 100}, 90, true},
		"the second one":     {[]int{100}, 100, true},
		"shorter":            {[]int{100, 1400, 100}, 700, true},
		"longer":             {[]int{1400, 100, 100}, 1400, true},
		"of equal size":      {[]int{900, 900, 900}, 900, true},
		"a full slot":        {[]int{3000, 3000, 3000}, 3000, false},
		"two blocks":         {[]int{5000, 5000, 5000}, 5000, false},
		"the largest":        {[]int{1 << 16, 1 << 16, 1 << 16}, 1 << 16, false},
		"into a new file":    {[]int{100, 3000}, 5000, true},
		"into a large file":  {[]int{100, 100}, 1 << 16, false},
		"empty into a large": {[]int{1 << 16, 1 << 16}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, old := lived(t, c.before...)
			next := state{strings.Repeat("N", c.next), old.rev + 1}
			power(t, content(t, s.dir), put1(t, "k", next.data, old.rev),
				func(s *Store, files map[string][]byte, acknowledged bool) {
					have, err := stateOf(t, s, "k")
					require.NoError(t, err)
					if have != next && (acknowledged || have != old) {
						t.Errorf("acknowledged %v: revision %d, %.10q", acknowledged, have.rev, have.data)
					}
					third := state{strings.Repeat("T", min(c.next+7, store.MaxRecord)), have.rev + 1}
					if !c.twice {
						mustPut(t, s, "k", third.data, have.rev)
						after, err := stateOf(t, s, "k")
						require.NoError(t, err)
						require.Equal(t, third, after)
						return
					}
					power(t, files, put1(t, "k", third.data, have.rev),
						func(s *Store, _ map[string][]byte, acknowledged bool) {
							after, err := stateOf(t, s, "k")
							require.NoError(t, err)
							if after != third && (acknowledged || after != have) {
								t.Errorf("acknowledged %v: revision %d, %.10q", acknowledged, after.rev, after.data)
							}
						})
				})
		})
	}
}

func TestPowerCutDuringCreation(t *testing.T) {
	for _, n := range []int{0, 100, 3000, 1 << 16} {
		s := unsynced(t, t.TempDir())
		next := state{strings.Repeat("N", n), 1}
		power(t, content(t, s.dir), put1(t, "k", next.data, 0),
			func(s *Store, _ map[string][]byte, acknowledged bool) {
				have, err := stateOf(t, s, "k")
				if !acknowledged && errors.Is(err, store.ErrNotFound) {
					mustPut(t, s, "k", "x", 0)
					return
				}
				require.NoError(t, err)
				require.Equal(t, next, have)
				mustPut(t, s, "k", "x", 1)
			})
	}
}

// TestPowerCutWithLateSync cuts the power while another Store goes on with a revision whose writer
// died before it was durable. That Store reads it first or not, alone or with many others.
func TestPowerCutWithLateSync(t *testing.T) {
	listed := func(alone int32) func(*testing.T, *Store) (state, error) {
		return func(t *testing.T, s *Store) (state, error) {
			s.alone = alone
			for e, err := range s.List(t.Context(), "") {
				return state{string(e.Data), e.Rev}, err
			}
			return state{}, store.ErrNotFound
		}
	}
	for name, reads := range map[string]func(*testing.T, *Store) (state, error){
		"not read": nil,
		"got":      func(t *testing.T, s *Store) (state, error) { return stateOf(t, s, "k") },
		"listed":   listed(-1), "listed with others": listed(0),
	} {
		s, old := lived(t, 1400, 1400, 1400)
		next := state{strings.Repeat("N", 1400), old.rev + 1}
		third := state{strings.Repeat("T", 1400), old.rev + 2}
		var read bool
		power(t, content(t, s.dir), func(s *Store) error {
			b := newStore(s.dir)
			b.info = s.info
			b.format.Store(format)
			b.writeAt, b.rename, b.syncDir, b.sync = s.writeAt, s.rename, s.syncDir, s.sync
			b.writeBack, b.syncWhole = s.writeBack, s.syncWhole
			s.sync = func(*os.File) error { panic("killed") }
			func() {
				defer func() { _ = recover() }()
				_, _ = s.Put(t.Context(), "k", []byte(next.data), old.rev)
			}()
			if reads != nil {
				have, err := reads(t, b)
				require.NoError(t, err)
				require.Equal(t, next, have)
				read = true
			}
			_, err := b.Put(t.Context(), "k", []byte(third.data), next.rev)
			return err
		}, func(s *Store, _ map[string][]byte, acknowledged bool) {
			have, err := stateOf(t, s, "k")
			require.NoError(t, err)
			if have != third && (acknowledged || have != next && (read || have != old)) {
				t.Errorf("%s: acknowledged %v, read %v: revision %d", name, acknowledged, read, have.rev)
			}
		})
	}
}

// TestPowerCutWhileListing cuts the power while a List syncs many records together and another writer
// goes on, and dies. What the List returned stays.
func TestPowerCutWhileListing(t *testing.T) {
	for name, before := range map[string]bool{"written before the sync": true, "after it": false} {
		s, old := lived(t, 1400, 1400, 1400)
		next := state{strings.Repeat("N", 1400), old.rev + 1}
		third := state{strings.Repeat("T", 1400), old.rev + 2}
		kept := old // the newest that was returned
		power(t, content(t, s.dir), func(s *Store) error {
			dies := func(data string, rev uint64, syncs int) { // after so many syncs
				w := newStore(s.dir)
				w.info = s.info
				w.format.Store(format)
				w.writeAt, w.syncDir = s.writeAt, s.syncDir
				w.sync = func(f *os.File) error {
					if syncs--; syncs < 0 {
						panic("killed")
					}
					return s.sync(f)
				}
				defer func() { _ = recover() }()
				_, _ = w.Put(t.Context(), "k", []byte(data), rev)
			}
			dies(next.data, old.rev, 0)
			syncWhole := s.syncWhole
			s.syncWhole = func(f *os.File) error {
				if before {
					dies(third.data, next.rev, 1) // it syncs what it found
				}
				err := syncWhole(f)
				if !before {
					dies(third.data, next.rev, 1)
				}
				return err
			}
			s.alone = 0
			for e, err := range s.List(t.Context(), "") {
				require.NoError(t, err)
				require.Equal(t, third, state{string(e.Data), e.Rev}, name)
				kept = third
			}
			return nil
		}, func(s *Store, _ map[string][]byte, _ bool) {
			have, err := stateOf(t, s, "k")
			require.NoError(t, err)
			require.GreaterOrEqual(t, have.rev, kept.rev, name)
		})
	}
}

// TestPowerCutDuringFailedPut cuts the power after a Put whose sync failed, which nobody must have
// read as the new record.
func TestPowerCutDuringFailedPut(t *testing.T) {
	s, old := lived(t, 1400, 1400, 1400)
	next := strings.Repeat("N", 1400)
	power(t, content(t, s.dir), func(s *Store) error {
		sync, failed := s.sync, false
		s.sync = func(f *os.File) error {
			if !failed {
				failed = true
				return errors.New("the disk failed")
			}
			return sync(f)
		}
		_, err := s.Put(t.Context(), "k", []byte(next), old.rev)
		require.ErrorContains(t, err, "the disk failed")
		have, err := stateOf(t, s, "k")
		require.Equal(t, old, have)
		return err
	}, func(s *Store, _ map[string][]byte, _ bool) {
		have, err := stateOf(t, s, "k")
		require.NoError(t, err)
		require.Contains(t, []state{old, {next, old.rev + 1}}, have, "its outcome is unknown")
	})
}

// TestPowerCutDuringMove cuts the power at every moment of a Move: the record is under one of the
// keys, under the new one if Move returned, and the Move can be made again.
func TestPowerCutDuringMove(t *testing.T) {
	for _, target := range []string{"to", apart + "to"} {
		powerCutDuringMove(t, target)
	}
}

func powerCutDuringMove(t *testing.T, target string) {
	for name, s := range map[string]*Store{
		"format 1":        oldStore(t, map[string]string{"k": "data"}),
		"format 1, large": oldStore(t, map[string]string{"k": large}),
		"created":         func() *Store { s, _ := lived(t, 1000); return s }(),
		"lived":           func() *Store { s, _ := lived(t, 1000, 200, 1000); return s }(),
	} {
		t.Run(name+" to "+target, func(t *testing.T) {
			files := content(t, s.dir)
			was, err := stateOf(t, s, "k")
			require.NoError(t, err)
			moved := func(t *testing.T, s *Store, acknowledged bool) (moved bool) {
				here, errHere := stateOf(t, s, "k")
				there, errThere := stateOf(t, s, target)
				if errThere == nil {
					require.ErrorIs(t, errHere, store.ErrNotFound, "it is under both")
					require.Equal(t, was, there)
					_, err := s.Put(t.Context(), "k", nil, 0)
					require.ErrorIs(t, err, store.ErrConflict)
					mustPut(t, s, target, "next", was.rev)
					return true
				}
				require.False(t, acknowledged)
				require.NoError(t, errHere, "it is under neither")
				require.ErrorIs(t, errThere, store.ErrNotFound)
				require.Equal(t, was, here)
				return false
			}
			move := func(s *Store) error { return s.Move(t.Context(), "k", was.rev, target) }
			power(t, files, move, func(s *Store, files map[string][]byte, acknowledged bool) {
				if moved(t, s, acknowledged) {
					return
				}
				power(t, files, move, func(s *Store, _ map[string][]byte, acknowledged bool) {
					if !moved(t, s, acknowledged) {
						mustPut(t, s, "k", "stays", was.rev)
						rev := mustPut(t, s, target, "another", 0)
						for rev < was.rev+3 {
							rev = mustPut(t, s, target, "another", rev)
						}
						fresh, err := Open(s.dir)
						require.NoError(t, err)
						have, err := stateOf(t, fresh, "k")
						require.NoError(t, err, "a note of a move that was cut short")
						require.Equal(t, state{"stays", was.rev + 1}, have)
					}
				})
			})
		})
	}
}

// TestPowerCutDuringConversion cuts the power while the first Put converts a record of format 1, and
// reads the result with the program of format 1 as well.
func TestPowerCutDuringConversion(t *testing.T) {
	for name, data := range map[string]string{"small": "data", "large": large} {
		t.Run(name, func(t *testing.T) {
			s := oldStore(t, map[string]string{"k": data, "other": "stays"})
			old, next := state{data, 7}, state{"N" + data, 8}
			power(t, content(t, s.dir), put1(t, "k", next.data, 7),
				func(s *Store, files map[string][]byte, acknowledged bool) {
					have, err := stateOf(t, s, "k")
					require.NoError(t, err)
					if have != next && (acknowledged || have != old) {
						t.Errorf("acknowledged %v: %v", acknowledged, have)
					}
					other, err := stateOf(t, s, "other")
					require.NoError(t, err)
					require.Equal(t, state{"stays", 7}, other)

					converted := have == next
					if got, err := version1(s.dir, "k"); err == nil && (converted || got != old) ||
						err != nil && !converted && bytes.HasPrefix(files[marker], []byte("tallystick store 1")) {
						t.Errorf("the program of format 1 read %v, %v instead of %v", got, err, have)
					}
					if converted {
						require.Contains(t, string(files[marker]), "tallystick store 2")
					}
					mustPut(t, s, "k", "third", have.rev)
				})
		})
	}
}
