package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// listed calls do for each command and flag of the table that is not hidden. flag is empty for the command itself.
func listed(do func(path []string, flag string)) {
	each(commands(&world{env: func(string) string { return "" }}), func(cmd *cobra.Command) {
		path := strings.Fields(cmd.CommandPath())[1:]
		do(path, "")
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				do(path, f.Name)
			}
		})
	})
}

// TestManPage: each command, flag, variable and exit status is on the man page, and man reads it without a warning.
func TestManPage(t *testing.T) {
	s, dir := newUser(t)
	text := s.process(nil, nil, "man").stdout
	plain := strings.ReplaceAll(text, `\-`, "-")
	listed(func(path []string, flag string) {
		switch {
		case flag == "":
			assert.Contains(t, plain, "\n.B "+strings.Join(append([]string{"tally"}, path...), " "))
		case flag != "help":
			assert.Contains(t, plain, `\fB--`+flag+`\fR`)
		}
	})
	for _, name := range settings {
		assert.Contains(t, plain, ".B "+variable(name)+"\n")
	}
	for _, e := range exits {
		assert.Contains(t, plain, fmt.Sprintf(".B %d\n%s.\n", e.code, e.text))
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, ".") {
			assert.Regexp(t, `^\.(TH|SH|SS|TP|PP|B|br|nf|fi)\b`, line)
		}
	}
	man, err := exec.LookPath("man")
	if err != nil {
		t.Log("man is not installed")
		return
	}
	file := filepath.Join(dir, "tally.1")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	cmd := exec.CommandContext(t.Context(), man, "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", file)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "MANROFFSEQ=")
	var warned strings.Builder
	cmd.Stderr = &warned
	if _, err := cmd.Output(); err != nil {
		t.Logf("this man does not take these flags: %v", err)
	}
	assert.NotContains(t, warned.String(), "warning")
	if lint, err := exec.LookPath("mandoc"); err == nil {
		out, _ := exec.CommandContext(t.Context(), lint, "-T", "lint", "-W", "warning", file).CombinedOutput()
		for line := range strings.Lines(string(out)) {
			assert.Contains(t, line, "missing date") // so that the page is the same whenever it is made
		}
	}
}

// TestCompletions: a shell is offered each command and each flag, files where a flag takes one, and channels that hold
// money.
func TestCompletions(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	var below, flags string
	listed(func(path []string, flag string) {
		if flag != "" {
			assert.Contains(t, flags, "\n--"+flag+"\t", path)
			return
		}
		ask := append([]string{"__complete"}, path...)
		flags = "\n" + s.ok(append(ask, "--")...)
		if n := len(path); n == 0 {
			below = "\n" + s.ok("__complete", "")
		} else if n == 1 {
			assert.Contains(t, below, "\n"+path[0]+"\t")
		} else {
			assert.Contains(t, "\n"+s.ok(append(ask[:n], "")...), "\n"+path[n-1]+"\t", path)
		}
	})
	s.ok("/data")
	id := short(s.srv.Accounts()[0].ChannelID)
	for _, one := range []struct{ args, says string }{
		{"close ", id + "\topen, 0.01 pathUSD at http://127.0.0.1"},
		{"close 0x", id + "\t"},
		{"--store ", ":16\n"},
		{"--key-file ", ":0\n"},
		{"--max-price ", ":4\n"},
		{"policy check ", ":0\n"},
		{"channels ", ":4\n"},
		{"completion ", "bash\nfish\npowershell\nzsh\n"},
		{"help po", "policy\t"},
	} {
		assert.Contains(t, s.ok(append([]string{"__complete"}, strings.Split(one.args, " ")...)...), one.says, one.args)
	}
	none := filepath.Join(t.TempDir(), "none")
	assert.NotContains(t, s.ok("__complete", "close", "--store", none, ""), id)
	assert.NoDirExists(t, none, "completion makes no store")

	for shell := range shells {
		text := s.ok("completion", shell)
		assert.Contains(t, text, "__complete", shell)
		path, err := exec.LookPath(shell)
		if err != nil || shell == "powershell" {
			t.Logf("%s is not installed", shell)
			continue
		}
		cmd := exec.CommandContext(t.Context(), path, "-n")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "%s: %s", shell, out)
	}
	e := s.run("completion", "tcsh")
	assert.Equal(t, exitUsage, e.code)
}

// TestBashCompletes what is typed, with the program itself and without the package bash-completion.
func TestBashCompletes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	s, dir := newUser(t)
	program := fmt.Sprintf("#!/bin/sh\n%s=1 exec '%s' \"$@\"\n", asTally, os.Args[0])
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tally"), []byte(program), 0o700))
	script := s.ok("completion", "bash") + `
COMP_LINE="tally close --for" COMP_POINT=17 COMP_TYPE=9 COMP_WORDS=(tally close --for) COMP_CWORD=2
__start_tally
echo "${COMPREPLY[*]}"
`
	cmd := exec.CommandContext(t.Context(), bash, "--norc", "-c", script)
	cmd.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.Output()
	require.NoError(t, err)
	assert.Equal(t, "--force\n", string(out))
}
