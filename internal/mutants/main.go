// Mutants plants defects in the money path, one at a time, and runs the tests that should notice. A
// defect that no test notices is a rule that nothing keeps.
//
//	go run ./internal/mutants              # all of them, some minutes
//	go run ./internal/mutants -run gate    # those whose names match
//	go run ./internal/mutants -peers       # those that only foreign software notices, with Node
//	go run ./internal/mutants -j 1         # one at a time
//
// The tracked files are copied aside as they are in the working tree, so nothing in the tree is changed. Each
// defect is one replacement in one function or other declaration of a package ([defect]); its text must be
// there exactly once, so the list cannot outlive the code it speaks of, and the package's own test looks at
// that on every run. The code may move to another file of its package. A defect is killed when a test of one of its packages fails, and fails again, and survives otherwise. One that does not build
// shows nothing and is an error. The status is 0 only where every defect was killed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"time"
)

func main() {
	pattern := flag.String("run", "", "try only the defects whose names match this regular expression")
	foreign := flag.Bool("peers", false, "try the defects that the flows of internal/interop must notice")
	together := flag.Int("j", 2, "how many defects are tried at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	list := defects()
	if *foreign {
		list = peerDefects()
	}
	err := run(ctx, os.Stdout, list, *pattern, max(*together, 1))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, list []defect, pattern string, together int) error {
	which, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	var chosen []defect
	for _, d := range list {
		if which.MatchString(d.name) {
			chosen = append(chosen, d)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no defect is called %q", pattern)
	}
	root, err := exec.CommandContext(ctx, "git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return fmt.Errorf("git rev-parse: %w", err)
	}
	began := time.Now()
	verdicts, err := tryAll(ctx, out, strings.TrimSpace(string(root)), chosen, together)
	if err != nil {
		return err
	}
	count := map[verdict]int{}
	var bad []string
	for i, v := range verdicts {
		if count[v]++; v != killed {
			bad = append(bad, fmt.Sprintf("%s: %s (%s, %s: %s)", v, chosen[i].name, chosen[i].pkg, chosen[i].fn, chosen[i].breaks))
		}
	}
	fmt.Fprintf(out, "%d defects: %d killed, %d survived, %d did not build, in %s\n",
		len(chosen), count[killed], count[survived], count[unbuilt], time.Since(began).Round(time.Second))
	if len(bad) > 0 {
		return errors.New("not all were killed:\n  " + strings.Join(bad, "\n  "))
	}
	return nil
}

// tryAll tries the defects on copies of the tree at root, as many together, and returns their verdicts in the order
// of the list. First the tests have to pass without a defect.
func tryAll(ctx context.Context, out io.Writer, root string, list []defect, together int) ([]verdict, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	copies := make([]string, min(together, len(list)))
	for i := range copies {
		dir, err := os.MkdirTemp("", "mutants")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		if err := copyTree(ctx, root, dir); err != nil {
			return nil, err
		}
		if len(list[0].flows) > 0 {
			if err := lendPeers(root, dir); err != nil {
				return nil, err
			}
		}
		copies[i] = dir
	}
	if err := sound(ctx, copies[0], list); err != nil {
		return nil, err
	}
	var (
		verdicts = make([]verdict, len(list))
		errs     = make([]error, len(copies))
		next     = make(chan int)
		mu       sync.Mutex // one line at a time
		all      sync.WaitGroup
	)
	for w, dir := range copies {
		all.Go(func() {
			for i := range next {
				began := time.Now()
				v, by, err := try(ctx, dir, list[i])
				if err != nil {
					errs[w] = fmt.Errorf("%s: %w", list[i].name, err)
					cancel()
					return
				}
				verdicts[i] = v
				mu.Lock()
				fmt.Fprintf(out, "%-13s %5.1fs  %-46s %s\n", v, time.Since(began).Seconds(), list[i].name, by)
				mu.Unlock()
			}
		})
	}
	for i := range list {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return verdicts, context.Cause(ctx)
}
