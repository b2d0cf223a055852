package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// defect is one planted mistake.
type defect struct {
	// name is what it is called, breaks the rule that it breaks, in a line.
	name, breaks string
	// fn is changed, a function, method, variable or constant of pkg, which is a path in the module: the one place
	// in it that reads from reads to afterwards. A method has the name of its type and a dot before its own.
	pkg, fn, from, to string
	// tests are the packages whose tests must notice, by their paths in the module. They are run in this order, up
	// to the first that does.
	tests []string
	// run matches the names of those tests, as go test has it; empty means all.
	run string
	// flows are who must notice instead where it takes a peer that nobody here wrote: each of these subtests of
	// internal/interop's TestInterop.
	flows []string
}

// verdict is what became of a defect.
type verdict string

const (
	killed   verdict = "killed"
	survived verdict = "SURVIVED"
	unbuilt  verdict = "DID NOT BUILD"
)

// limit is how long the tests of one package may take. A defect that makes them hang is noticed by it.
const limit = "3m"

// try plants one defect in the copy at dir, runs its tests and takes it out again. by is what noticed.
func try(ctx context.Context, dir string, d defect) (v verdict, by string, err error) {
	path, source, wrong, err := newModule(dir).plant(d)
	if err != nil {
		return "", "", err
	}
	if err := os.WriteFile(path, wrong, 0o600); err != nil {
		return "", "", err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, source, 0o600)) }()
	if len(d.flows) > 0 {
		return meet(ctx, dir, d.flows)
	}
	for _, pkg := range d.tests {
		if v, by, err = notice(ctx, dir, "./"+pkg, d.run); err != nil || v != survived {
			return v, pkg + " " + by, err
		}
	}
	return survived, "", nil
}

// notice runs the tests of one package whose names match run. A test that fails once and not again was unlucky, on a
// machine with much to do, and has noticed nothing; the others are asked without it.
func notice(ctx context.Context, dir, pkg, run string) (v verdict, by string, err error) {
	binary := filepath.Join(dir, "mutant.test")
	out, failed, err := command(ctx, dir, "go", "test", "-c", "-trimpath", "-vet=off", "-ldflags=-s -w", "-o", binary, "./"+pkg)
	if err != nil || failed {
		return unbuilt, out, err
	}
	defer func() { err = errors.Join(err, os.Remove(binary)) }()
	at := filepath.Join(dir, filepath.FromSlash(pkg))
	skip := "^$"
	for range 4 {
		out, failed, err := command(ctx, at, binary,
			"-test.timeout="+limit, "-test.failfast", "-test.run="+run, "-test.skip="+skip)
		if err != nil {
			return "", "", err
		}
		if v, by = judge(out, failed); v != killed || !strings.HasPrefix(by, "Test") {
			return v, by, nil
		}
		if _, failed, err = command(ctx, at, binary, "-test.timeout="+limit, "-test.run=^"+by+"$"); err != nil || failed {
			return v, by, err
		}
		skip += "|^" + by + "$"
	}
	return survived, "", nil
}

// sound reports whether the tests pass as the tree is.
func sound(ctx context.Context, dir string, list []defect) error {
	for _, args := range selected(list) {
		out, failed, err := goTest(ctx, dir, args...)
		if err == nil && failed {
			err = fmt.Errorf("the tests fail without any defect:\n%s", out)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// selected returns the arguments of go test, once a package, for the tests that must notice the list.
func selected(list []defect) (all [][]string) {
	var packages, flows []string
	runs := map[string][]string{} // an empty one means all tests
	for _, d := range list {
		flows = append(flows, d.flows...)
		for _, pkg := range d.tests {
			if !slices.Contains(packages, pkg) {
				packages = append(packages, pkg)
			}
			runs[pkg] = append(runs[pkg], d.run)
		}
	}
	if len(flows) > 0 {
		return [][]string{{"-run=" + pattern(flows), "./" + peers}}
	}
	for _, pkg := range packages {
		run := strings.Join(runs[pkg], "|")
		if slices.Contains(runs[pkg], "") {
			run = ""
		}
		all = append(all, []string{"-run=" + run, "./" + pkg})
	}
	return all
}

// goTest runs go test; failed is what it says, err that it could not be run.
func goTest(ctx context.Context, dir string, more ...string) (out string, failed bool, err error) {
	// Without the path of the copy in them, the copies share what is built. Vet would call a condition that is always false
	// a fault of its own.
	args := append([]string{"test", "-trimpath", "-vet=off", "-count=1", "-timeout=" + limit}, more...)
	return command(ctx, dir, "go", args...)
}

// command runs a program in a directory; failed is that it says so by its status, err that it could not be run.
func command(ctx context.Context, dir, name string, args ...string) (out string, failed bool, err error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TALLYSTICK_TESTS=peers")
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return "", false, context.Cause(ctx)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(text), true, nil
	}
	return string(text), false, err
}

var (
	notBuilt   = regexp.MustCompile(`(?m)^FAIL\s.*\[(build|setup) failed\]$`)
	failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
)

// judge reads the output of go test.
func judge(out string, failed bool) (v verdict, by string) {
	switch name := failedTest.FindStringSubmatch(out); {
	case !failed:
		return survived, ""
	case notBuilt.MatchString(out):
		return unbuilt, out
	case name != nil:
		return killed, name[1]
	case strings.Contains(out, "panic: test timed out"):
		return killed, "(never ended)"
	default:
		return killed, "(panicked)"
	}
}

// copyTree copies the tracked files of the repository at root, as they are now.
func copyTree(ctx context.Context, root, to string) error {
	list := exec.CommandContext(ctx, "git", "ls-files", "-z")
	list.Dir = root
	names, err := list.Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(names), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted, and not yet committed
		}
		if err != nil {
			return err
		}
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
