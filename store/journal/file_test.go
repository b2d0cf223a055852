package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("JOURNAL_TEST_WRITER"); dir != "" {
		writer(dir, os.Getenv("JOURNAL_TEST_NAME"))
	}
	os.Exit(m.Run())
}

// writer is a process that writes lines until it is killed, and prints each acknowledged one.
func writer(dir, name string) {
	f, err := Open(dir, 4<<10)
	if err != nil {
		panic(err)
	}
	for n := range 100_000 {
		e := numbered(fmt.Sprintf("%s-%d", name, n))
		if n%50 == 0 {
			e.Kind = KindTopUp
		}
		if err := f.Append(context.Background(), e); err != nil {
			panic(err)
		}
		fmt.Println(e.Operation)
	}
	os.Exit(0)
}

func numbered(operation string) Entry {
	return Entry{
		Operation: operation, Kind: KindPay, Origin: "https://api.example.com:443",
		Price:   voucher.Units(100),
		Outcome: "accepted", Receipt: `{"method":"tempo"}`, Start: time.Unix(1, 0).UTC(),
		End: time.Unix(2, 0).UTC(),
	}
}

func open(t *testing.T, dir string, size int64) *File {
	t.Helper()
	f, err := Open(dir, size)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// read returns the operations in the journal and the errors.
func read(t *testing.T, dir string) (operations []string, bad []*LineError) {
	t.Helper()
	for e, err := range Read(t.Context(), dir) {
		var line *LineError
		switch {
		case errors.As(err, &line):
			bad = append(bad, line)
		default:
			require.NoError(t, err)
			operations = append(operations, e.Operation)
		}
	}
	return operations, bad
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	return list
}

func TestOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	f := open(t, dir, 0)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
	assert.Empty(t, files(t, dir), "nothing is written before the first line")
	operations, bad := read(t, filepath.Join(dir, "none"))
	assert.Empty(t, operations)
	assert.Empty(t, bad)

	require.NoError(t, f.Append(t.Context(), numbered("a")))
	info, err = os.Stat(name(dir, 1))
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	require.ErrorIs(t, f.Append(t.Context(), numbered("b")), os.ErrClosed)

	_, err = Open("", 0)
	require.ErrorContains(t, err, "no directory")
	_, err = Open(name(dir, 1), 0)
	require.Error(t, err)
}

// TestConcurrentFiles writes from many goroutines through several Files on one directory that
// rotate often. Each line must be there once.
func TestConcurrentFiles(t *testing.T) {
	dir := t.TempDir()
	const writers, routines, lines = 4, 4, 50
	var wg sync.WaitGroup
	want := map[string]bool{}
	for w := range writers {
		f := open(t, dir, 2<<10)
		for r := range routines {
			for n := range lines {
				want[fmt.Sprint(w, r, n)] = true
			}
			wg.Go(func() {
				for n := range lines {
					assert.NoError(t, f.Append(t.Context(), numbered(fmt.Sprint(w, r, n))))
				}
			})
		}
	}
	wg.Wait()
	operations, bad := read(t, dir)
	assert.Empty(t, bad)
	assert.Len(t, operations, len(want))
	for _, o := range operations {
		assert.True(t, want[o], o)
		delete(want, o)
	}
	assert.Empty(t, want, "every line is there, once")
	assert.Greater(t, len(files(t, dir)), 50)
}

// TestKilledProcesses kills processes that write one journal. Acknowledged lines must be there, and
// all errors must be fragments.
func TestKilledProcesses(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	for n := range 6 {
		wg.Go(func() {
			cmd := exec.Command(self)
			cmd.Env = append(
				os.Environ(), "JOURNAL_TEST_WRITER="+dir, "JOURNAL_TEST_NAME="+strconv.Itoa(n),
			)
			out, err := cmd.StdoutPipe()
			if !assert.NoError(t, err) || !assert.NoError(t, cmd.Start()) {
				return
			}
			var b strings.Builder
			buf := make([]byte, 64)
			for enough := 500 + rand.N(2000); b.Len() < enough; {
				k, err := out.Read(buf)
				if !assert.NoError(t, err, "it died by itself") {
					break
				}
				b.Write(buf[:k])
			}
			assert.NoError(t, cmd.Process.Kill())
			for { // its output before the kill
				k, err := out.Read(buf)
				if b.Write(buf[:k]); err != nil {
					break
				}
			}
			_ = cmd.Wait()
			words := strings.SplitAfter(b.String(), "\n")
			mu.Lock()
			defer mu.Unlock()
			for _, w := range words[:len(words)-1] {
				acknowledged[strings.TrimSpace(w)] = true
			}
		})
	}
	wg.Wait()
	require.Greater(t, len(acknowledged), 300)
	operations, bad := read(t, dir)
	for _, b := range bad {
		require.ErrorIs(t, b, ErrFragment)
	}
	assert.LessOrEqual(t, len(bad), 6)
	for _, o := range operations {
		delete(acknowledged, o)
	}
	assert.Empty(t, acknowledged, "a line that was acknowledged is gone")
}

// TestSyncs checks that a line about money on chain is synced before Append returns, and all lines
// before Close returns and before the next file is started.
func TestSyncs(t *testing.T) {
	f := open(t, t.TempDir(), 1<<10)
	syncs, refuse := 0, error(nil)
	f.sync = func(*os.File) error { syncs++; return refuse }
	for kind, durable := range map[Kind]bool{
		KindPay: false, KindStream: false, KindFound: false, KindProve: false,
		KindOpen: true, KindTopUp: true, KindClose: true, KindRequestClose: true,
		KindWithdraw: true,
	} {
		syncs = 0
		e := numbered("a")
		e.Kind, f.size = kind, 1<<20
		require.NoError(t, f.Append(t.Context(), e))
		assert.Equal(t, durable, syncs == 1, kind)
	}
	syncs, f.size = 0, 1
	require.NoError(t, f.Append(t.Context(), numbered("b")))
	assert.Equal(t, 1, syncs, "the file that is full")
	refuse = errors.New("no sync")
	e := numbered("c")
	e.Kind = KindOpen
	require.ErrorIs(t, f.Append(t.Context(), e), refuse)
	require.ErrorIs(t, f.Close(), refuse)
}

// TestRotation checks that a full file is followed by another, and that a new process continues the
// last one.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	for n := range 20 {
		f := open(t, dir, 1000)
		require.NoError(t, f.Append(t.Context(), numbered(strconv.Itoa(n))))
		require.NoError(t, f.Close())
	}
	list := files(t, dir)
	assert.Equal(t, name(dir, 1), list[0])
	for _, path := range list[:len(list)-1] {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, info.Size(), int64(1000))
		assert.Less(t, info.Size(), int64(2000))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes.jsonl"), []byte("mine"), 0o600))
	require.NoError(
		t, os.Rename(list[0], filepath.Join(t.TempDir(), "moved")), "a full file may be moved away",
	)
	operations, bad := read(t, dir)
	assert.Empty(t, bad)
	assert.Equal(t, "19", operations[len(operations)-1])
	assert.Less(t, len(operations), 20)
}
