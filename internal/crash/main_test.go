package crash

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	kills  = flag.Int("kills", 500, "how many children TestKills kills at least; each point has one in any case")
	seed   = flag.Uint64("seed", 1, "what the random part of TestKills is drawn from")
	only   = flag.String("only", "", "the one plan that TestKills runs, as a failure names it")
	disk   = flag.Bool("disk", false, "keep the stores on the disk, and not in memory")
	update = flag.Bool("update", false, "write testdata/points.txt anew")
)

// childEnv is set in a process that a test started as its child.
const childEnv = "TALLYSTICK_CRASH_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	if err := beChild(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
