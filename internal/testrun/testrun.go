// Package testrun says which tests run. The variable TALLYSTICK_TESTS decides:
//
//	unset    what needs Go alone; the long tests in a small size
//	peers    also what needs other people's software: Node with mppx, Redis, PostgreSQL, nginx, HAProxy, Chromium
//	long     the long tests in full: the crash matrix (in CI a third of it each day), all histories
//	all      both
//
// With peers or all, software that is missing fails the tests that need it.
package testrun

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// Variable is the name of the environment variable.
const Variable = "TALLYSTICK_TESTS"

// Long reports whether the long tests run in full.
func Long() bool {
	long, _ := chosen()
	return long
}

// Peers reports whether the tests that need other people's software run.
func Peers() bool {
	_, peers := chosen()
	return peers
}

// chosen panics where the variable is something else: a typing error must not skip anything.
func chosen() (long, peers bool) {
	switch setting := os.Getenv(Variable); setting {
	case "":
		return false, false
	case "peers":
		return false, true
	case "long":
		return true, false
	case "all":
		return true, true
	default:
		panic(fmt.Sprintf("%s is %q: use peers, long or all, or unset it", Variable, setting))
	}
}

// Size returns all when the long tests run in full, and some otherwise.
func Size[T any](some, all T) T {
	if Long() {
		return all
	}
	return some
}

// NeedPeer skips the test unless tests with other people's software run. Then it fails the test if missing, which
// says what is not installed, is not nil.
func NeedPeer(t testing.TB, missing error) {
	t.Helper()
	switch {
	case !Peers():
		t.Skipf("needs other people's software: %s=peers runs it", Variable)
	case missing != nil:
		t.Fatal(missing)
	}
}

// OnlyPeers is called by TestMain of a package whose tests all need other people's software, before it runs them.
// Without that software no test is left, and the go command says "[no tests to run]" beside the package, also
// without -v. What was asked for by -run stays.
func OnlyPeers() {
	flag.Parse()
	if run := flag.Lookup("test.run"); !Peers() && run.Value.String() == "" {
		_ = run.Value.Set("^$")
	}
}
