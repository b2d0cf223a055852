package crash

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var (
	kills  = flag.Int("kills", 500, "how many children TestKills kills at least; each point has one in any case")
	seed   = flag.Uint64("seed", 1, "what the random part of TestKills is drawn from")
	only   = flag.String("only", "", "the one plan that TestKills runs, as a failure names it")
	among  = flag.String("flow", "", "TestKills plays only the flows whose names contain this")
	disk   = flag.Bool("disk", false, "keep the stores on the disk, and not in memory")
	update = flag.Bool("update", false, "write testdata/points.txt anew")
)

// childEnv is set in a process that a test started as its child.
const childEnv = "TALLYSTICK_CRASH_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := beChild(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if raceEnabled {
		if plain := plainBinary(); plain != "" {
			os.Exit(instead(plain))
		}
	}
	os.Exit(m.Run())
}

// raceEnabled is set where this binary has the race detector. It makes children three times as slow to start and
// the parent twice as slow, and it watches nothing here that is not watched by other tests: the client runs in
// the children, one or two goroutines at a time.
var raceEnabled bool

// plainBinary makes these tests without the race detector. It is empty where that cannot be made.
func plainBinary() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	plain := filepath.Join(filepath.Dir(self), "crash.plain")
	if err := exec.Command("go", "test", "-c", "-o", plain, ".").Run(); err != nil {
		return "" // without the go command
	}
	return plain
}

// instead runs another binary of these tests in place of this one.
func instead(program string) (status int) {
	cmd := exec.Command(program, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}
