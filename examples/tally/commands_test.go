package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
)

// TestTable: each command and flag has the texts of which the help, the completions and the man page are made, and each
// value of a flag has a name that says what completes it.
func TestTable(t *testing.T) {
	w := &world{env: func(string) string { return "" }}
	names := map[string]bool{}
	each(commands(w), func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		assert.False(t, names[path], "%s is there twice", path)
		names[path] = true
		assert.NotEmpty(t, cmd.Short, path)
		assert.False(t, strings.HasSuffix(cmd.Short, "."), path)
		assert.True(t, cmd.Runnable(), path)
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			assert.NotEmpty(t, f.Usage, "%s --%s", path, f.Name)
			value, text := pflag.UnquoteUsage(f)
			if _, ok := f.Value.(interface{ IsBoolFlag() bool }); ok {
				assert.Empty(t, value, "%s --%s", path, f.Name)
				return
			}
			assert.Contains(t, values, value, "%s --%s: its value has a name in capitals that is in values", path, f.Name)
			assert.NotContains(t, text, "`", "%s --%s", path, f.Name)
		})
	})
	for _, name := range []string{"tally", "tally channels", "tally policy check", "tally help"} {
		assert.True(t, names[name], name)
	}
}

// TestMistypedCommand is not taken for a host: nothing is looked up or sent.
func TestMistypedCommand(t *testing.T) {
	s := &shell{t: t, ctx: t.Context(), env: map[string]string{"HOME": t.TempDir()}}
	for _, one := range []struct {
		args, says string
	}{
		{"chanels", "did you mean tally channels?"},
		{"clsoe", "did you mean tally close?"},
		{"Close", "did you mean tally close?"},
		{"chan", "did you mean tally channels?"},
		{"intranet", "write https://intranet); see tally --help"},
		{"-d secret poilcy check", "did you mean tally policy?"},
		{"policy chekc", "did you mean tally policy check?"},
		{"trust acept https://x.invalid", "did you mean tally trust accept?"},
		{"help clsoe", "did you mean tally close?"},
		{"help policy x", `tally policy has no command "x"; see tally policy --help`},
		{"--max-prise 1 https://x.invalid", "did you mean --max-price?"},
		{"close --orign https://x.invalid", "did you mean --origin?"},
		{"--qqqqqq https://x.invalid", "unknown flag: --qqqqqq; see tally --help"},
		{"-q https://x.invalid", "unknown shorthand flag: 'q' in -q; see tally --help"},
	} {
		e := s.run(strings.Fields(one.args)...)
		assert.Equal(t, exitUsage, e.code, "%s: %s", one.args, e.stderr)
		assert.Contains(t, e.stderr, one.says, one.args)
		assert.Empty(t, e.stdout, one.args)
	}
	for _, host := range []string{"localhost:1", "127.0.0.1:1", "[::1]:1", "localhost/x", "http://chanels"} {
		assert.True(t, like(host), host)
	}
}

// TestHelp: tally help CMD and tally CMD --help are one text, on stdout.
func TestHelp(t *testing.T) {
	s := &shell{t: t, ctx: t.Context(), env: map[string]string{}}
	for _, path := range []string{"", "channels", "policy check", "trust accept"} {
		words := strings.Fields(path)
		text := s.ok(append([]string{"help"}, words...)...)
		assert.Equal(t, s.ok(append(words, "--help")...), text)
		assert.Contains(t, text, "--help")
	}
	text := s.ok("help")
	for _, part := range sections {
		assert.Contains(t, text, "\n"+part.title+"\n")
	}
}
