package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil &&
		!errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // exitAfterDefer: the process ends
	}
}

func run(ctx context.Context, args []string, in io.Reader, out, progress io.Writer) error {
	if len(args) == 1 && args[0] == childArg {
		return child(in, out)
	}
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(progress)
	small := flags.Bool("quick", false, "run small cells for correctness only")
	list := flags.Bool("list", false, "print the names of the cells")
	match := flags.String("run", "", "run only the cells whose names match this regular expression")
	times := flags.Int("rounds", 0, "rounds of each cell (default: as planned, 5)")
	mppx := flags.String("mppx", mppxIfThere, "run the cells of mppx: if-there, never or always")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*match)
	if err != nil {
		return fmt.Errorf("load: -run: %w", err)
	}
	cells := plan()
	if *small {
		cells = quick()
	}
	var chosen []cell
	for _, c := range cells {
		if *times > 0 {
			c.Rounds = *times
		}
		if wanted.MatchString(c.name()) {
			chosen = append(chosen, c)
		}
	}
	if *list {
		for _, c := range chosen {
			_, _ = fmt.Fprintln(out, c.name())
		}
		return nil
	}
	if len(chosen) == 0 {
		return errors.New("load: no cell has such a name; -list prints them")
	}
	return measureAll(ctx, chosen, *mppx, *small, out, progress)
}

// measureAll runs the cells and writes the tables, also of an interrupted run.
func measureAll(
	ctx context.Context, cells []cell, mppx string, small bool, out, progress io.Writer,
) error {
	b, err := newBench(mppx)
	if err != nil {
		return err
	}
	defer b.close()
	if b.noMppx != nil {
		_, _ = fmt.Fprintf(progress, "load: mppx is skipped: %v\n", b.noMppx)
	}
	begin := time.Now()
	var reports []report
	var errs []error
	for i, c := range cells {
		if ctx.Err() != nil {
			errs = append(errs, ctx.Err())
			break
		}
		from := time.Now()
		r, err := b.run(ctx, c)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.name(), err))
		}
		reports = append(reports, r)
		_, _ = fmt.Fprintf(
			progress,
			"%d of %d: %s, %.1f s%s\n",
			i+1,
			len(cells),
			c.name(),
			time.Since(from).Seconds(),
			outcome(r, err),
		)
	}
	if small {
		_, _ = fmt.Fprintf(
			out,
			"load: %d cells in %s\n",
			len(reports),
			time.Since(begin).Round(100*time.Millisecond),
		)
		return errors.Join(errs...)
	}
	_, _ = fmt.Fprintf(out, "%d processors, %s, %s/%s. Ahead is %d requests.\n",
		runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, aheadRequests)
	for _, g := range groups {
		table(out, g.name, g.title, reports)
	}
	return errors.Join(errs...)
}

func outcome(r report, err error) string {
	switch {
	case err != nil:
		return ": " + err.Error()
	case r.Skipped != "":
		return ": skipped: " + r.Skipped
	}
	return ""
}
