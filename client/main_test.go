package client_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain runs the tests. With the race detector it runs them in several processes, one after another, because
// the detector slows down while a process ages: all tests in one process take twice as long.
func TestMain(m *testing.M) {
	flag.Parse()
	if raceDetector && plainRun() {
		os.Exit(inParts(slices.Collect(slices.Chunk(tests(), 50)), os.Stdout))
	}
	os.Exit(m.Run())
}

// plainRun reports whether nothing says which tests run, and nothing is measured.
func plainRun() bool {
	for _, name := range []string{
		"test.run", "test.skip", "test.list", "test.bench", "test.fuzz", "test.coverprofile", "test.cpuprofile",
		"test.memprofile", "test.blockprofile", "test.mutexprofile", "test.trace", "test.shuffle",
	} {
		if f := flag.Lookup(name); f.Value.String() != f.DefValue {
			return false
		}
	}
	return true
}

// tests are the names of all tests, examples and fuzz tests of this binary.
func tests() (names []string) {
	out, err := exec.Command(os.Args[0], "-test.list=.").Output()
	if err != nil {
		panic(err)
	}
	return strings.Fields(string(out))
}

// inParts runs each part in a process of its own. The status is not 0 if one of them failed.
func inParts(parts [][]string, out io.Writer) (status int) {
	for _, names := range parts {
		only := "-test.run=^(" + strings.Join(names, "|") + ")$"
		cmd := exec.Command(os.Args[0], append(os.Args[1:], only)...)
		cmd.Stdout, cmd.Stderr = out, out
		err := cmd.Run()
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit) && exit.Exited():
			status = max(status, exit.ExitCode())
		case err != nil:
			_, _ = fmt.Fprintln(out, err)
			status = 1
		}
	}
	return status
}

// TestPartsFail: a part that fails is not lost.
func TestPartsFail(t *testing.T) {
	if os.Getenv("TALLYSTICK_FAIL") != "" {
		t.Fatal("as it was told")
	}
	t.Setenv("TALLYSTICK_FAIL", "1")
	require.Equal(t, 1, inParts([][]string{{"TestPartsFail"}, {"ExampleError"}}, io.Discard))
	require.Zero(t, inParts([][]string{{"ExampleError"}}, io.Discard))
}
