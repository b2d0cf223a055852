package filestore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store/storetest"
)

const (
	roleEnv    = "FILESTORE_TEST_ROLE"
	dirEnv     = "FILESTORE_TEST_DIR"
	increments = 50
)

// TestMain runs the tests, or the given part in a process that a test started.
func TestMain(m *testing.M) {
	role := os.Getenv(roleEnv)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := play(role, os.Getenv(dirEnv)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func play(role, dir string) error {
	s, err := Open(dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	switch role {
	case "count": // adds one, many times
		for range increments {
			if err := storetest.Increment(ctx, s, "count"); err != nil {
				return err
			}
		}
		return nil
	case "write": // writes until it is killed, and says each revision that is durable
		_, rev, err := s.Get(ctx, "count")
		for err == nil {
			if rev, err = s.Put(ctx, "count", fmt.Appendf(nil, "%0*d", rev%4000, rev), rev); err == nil {
				fmt.Println(rev)
			}
		}
		return err
	case "hold": // stops in the middle of a write until its input ends
		s.writeAt = func(f *os.File, b []byte, at int64) error {
			half := len(b) / 2 / sector * sector
			err := writeAt(f, b[:half], at)
			fmt.Println("holding")
			_, _ = io.Copy(io.Discard, os.Stdin)
			return errors.Join(err, writeAt(f, b[half:], at+int64(half)))
		}
		_, rev, err := s.Get(ctx, "count")
		if err == nil {
			_, err = s.Put(ctx, "count", bytes.Repeat([]byte("held"), 500), rev)
		}
		return err
	default:
		return fmt.Errorf("no role %q", role)
	}
}

func child(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^$")
	cmd.Env = append(os.Environ(), roleEnv+"="+role, dirEnv+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestConcurrentProcessesLoseNoUpdate(t *testing.T) {
	const processes = 4
	dir := t.TempDir()
	var all []*exec.Cmd
	for range processes {
		cmd := child(t, "count", dir)
		require.NoError(t, cmd.Start())
		all = append(all, cmd)
	}
	for _, cmd := range all {
		require.NoError(t, cmd.Wait())
	}
	data, rev, err := openAt(t, dir).Get(t.Context(), "count")
	require.NoError(t, err)
	assert.Equal(t, strconv.Itoa(processes*increments), string(data))
	assert.Equal(t, uint64(processes*increments), rev, "one revision for one update")
}

// TestKilledAtAnyMoment kills a writer at random times. Its record must be readable and not older
// than the last durable revision, and its lock must be free.
func TestKilledAtAnyMoment(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	last := mustPut(t, s, "count", "", 0)
	acknowledged := 0
	for round := range 25 {
		cmd := child(t, "write", dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewReader(out)
		said := readRev(t, lines) // it has started
		time.Sleep(time.Duration(rand.Int64N(int64(20 * time.Millisecond))))

		_, seen, err := s.Get(t.Context(), "count") // while it writes
		require.NoError(t, err, "round %d", round)
		require.GreaterOrEqual(t, seen, said)

		require.NoError(t, cmd.Process.Kill())
		for rev := said; rev != 0; rev = readRev(t, lines) {
			said = rev
			acknowledged++
		}
		_ = cmd.Wait() // "killed"

		_, rev, err := s.Get(t.Context(), "count")
		require.NoError(t, err, "round %d", round)
		require.GreaterOrEqual(t, rev, said, "round %d: what was durable is gone", round)
		require.GreaterOrEqual(t, rev, seen, "round %d: what was read is gone", round)
		require.Greater(t, rev, last)
		last = mustPut(t, s, "count", "the parent's", rev) // the lock is free
	}
	t.Logf("%d writes acknowledged by 25 killed processes", acknowledged)
}

// readRev returns the revision in the next whole line of a writer, or 0 at the end. A partial line
// is ignored.
func readRev(t *testing.T, lines *bufio.Reader) uint64 {
	t.Helper()
	line, err := lines.ReadString('\n')
	if err != nil {
		require.ErrorIs(t, err, io.EOF)
		return 0
	}
	rev, err := strconv.ParseUint(line[:len(line)-1], 10, 64)
	require.NoError(t, err)
	return rev
}

// TestBusyHolderIsNamed stops a process in the middle of a write. Readers go on, and the error of a
// waiting writer names the process.
func TestBusyHolderIsNamed(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir)
	rev := mustPut(t, s, "count", "before", 0)
	cmd := child(t, "hold", dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = bufio.NewReader(out).ReadString('\n') // it is in the middle of its write
	require.NoError(t, err)

	mustPut(t, s, "other", "one lock a record", 0)
	data, _, err := s.Get(t.Context(), "count")
	require.NoError(t, err)
	assert.Equal(t, "before", string(data))
	s.wait = 50 * time.Millisecond
	_, err = s.Put(t.Context(), "count", []byte("after"), rev)
	var busy *BusyError
	require.ErrorAs(t, err, &busy)
	host, err := os.Hostname()
	require.NoError(t, err)
	assert.Equal(
		t, &BusyError{Key: "count", Host: host, PID: cmd.Process.Pid, Waited: s.wait}, busy,
	)
	assert.ErrorContains(t, busy, fmt.Sprintf("process %d on %s", cmd.Process.Pid, host))

	require.NoError(t, in.Close()) // let it go on
	require.NoError(t, cmd.Wait())
	s.wait = time.Minute
	_, rev, err = s.Get(t.Context(), "count")
	require.NoError(t, err)
	mustPut(t, s, "count", "after", rev)
}
