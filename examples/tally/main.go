// Tally is curl for paid APIs: it fetches a URL, and where the answer is 402 it pays from a channel,
// under limits that are zero until they are set.
//
//	tally --key-file key.json --rpc-url https://rpc.example --max-price 0.001 --max-deposit 1 https://api.example.com/data
//	tally --policy policy.toml https://api.example.com/data
//	tally quote https://api.example.com/data
//	tally demo
//	tally key new key.json
//	tally doctor
//	tally channels
//	tally close --all
//	tally find
//	tally keep
//
// The body goes to stdout, everything else to stderr. tally --help has the rest.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/seed-5fe1f529/tallystick/channel"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a closed stdout is then an error of the write, and the books are still written
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second Ctrl-C kills
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program. It returns the exit status.
func run(ctx context.Context, args []string, env func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	return (&world{env: env, stdin: stdin, console: openConsole}).run(ctx, args, stdout, stderr)
}

// run runs a command.
func (w *world) run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	w.progress = newProgress(stderr, w.env)
	defer w.progress.end()
	text, messages := &visible{w: stdout}, &visible{w: w.progress, messages: true}
	w.body, w.stdout, w.stderr = stdout, text, messages
	root := commands(w)
	root.SetArgs(args)
	root.SetIn(w.stdin)
	root.SetOut(text)
	root.SetErr(messages)
	err := root.ExecuteContext(ctx)
	w.progress.hide()
	if endErr := text.end(); endErr != nil && err == nil {
		err = fail(exitWrite, endErr)
	}
	if err == nil {
		return 0
	}
	if !w.silent {
		fmt.Fprintln(messages, "tally:", w.explain(err))
	}
	return status(err)
}

// world is what the program touches, so that tests can hand it another.
type world struct {
	env   func(string) string
	stdin io.Reader
	// console opens the terminal, if there is one.
	console func() (*console, error)
	body    io.Writer // stdout as it is: for bodies only
	silent  bool      // no errors on stderr
	late    string    // says that the time that a flag allows is over
	rules   rules
	keys    keySource
	// progress is stderr, with a line at its end while something is waited for.
	progress *progress
	// currency is what is paid with, once that is known.
	currency channel.Currency
	// stdout and stderr write nothing that steers a terminal.
	stdout, stderr io.Writer
}

// fromEnv sets the flags that the command line does not, each from TALLY_ and its name: TALLY_MAX_PRICE
// is --max-price.
func fromEnv(flags *pflag.FlagSet, env func(string) string, names ...string) error {
	for _, name := range names {
		key := variable(name)
		text := env(key)
		if f := flags.Lookup(name); f == nil || f.Changed || text == "" {
			continue
		}
		if err := flags.Set(name, text); err != nil {
			return fail(exitUsage, fmt.Errorf("the environment's %s: %w", key, err))
		}
	}
	return nil
}

// variable is the name of the variable that sets a flag.
func variable(flag string) string {
	return "TALLY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}
