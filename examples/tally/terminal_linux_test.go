package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// newTerminal is a terminal: what is written to the keyboard can be read at the screen's side.
func newTerminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { keyboard.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { screen.Close() })
	return keyboard, screen
}

// answers gives the user a terminal, at which the answer is typed when the question is shown.
func (s *shell) answers(answer string) (keyboard *os.File) {
	s.t.Helper()
	keyboard, s.stdin = newTerminal(s.t)
	s.asked = func() { _, _ = io.WriteString(keyboard, answer) }
	return keyboard
}

// watch types the answer when a question is shown. The function that it returns waits until the terminal is closed,
// and returns what was shown.
func watch(keyboard *os.File, answer string) (shown func() string) {
	all := make(chan string, 1)
	go func() {
		var text strings.Builder
		buf := make([]byte, 1<<10)
		for {
			n, err := keyboard.Read(buf)
			text.Write(buf[:n])
			if answer != "" && strings.Contains(text.String(), "[y/N] ") {
				_, _ = io.WriteString(keyboard, answer)
				answer = ""
			}
			if err != nil {
				all <- text.String()
				return
			}
		}
	}()
	return func() string { return <-all }
}

// TestStdinAnswersNothing: what comes from stdin is a body, and the question is asked at the terminal. If stdin is
// /dev/null nobody is asked.
func TestStdinAnswersNothing(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	policy := s.policy("limits = { price = '0.001', deposit = '0.1', ask = '99u' }")
	s.in = "y\n"
	for _, one := range []struct {
		answer string
		code   int
	}{{"n\n", exitApproval}, {"y\n", 0}} {
		keyboard, screen := newTerminal(t)
		s.tty, s.asked = screen, func() { _, _ = io.WriteString(keyboard, one.answer) }
		e := s.run("-d", "@-", "/data")
		assert.Equal(t, one.code, e.code, e.stderr)
		assert.Equal(t, 1, strings.Count(e.stderr, "[y/N] "), e.stderr)
	}
	s.books(100)
	s.tty, s.asked = nil, nil
	keyboard, screen := newTerminal(t)
	shown := watch(keyboard, "y\n")
	s.tty = screen
	e := s.paidGet(policy, s.srv.URL+"/data") // its stdin is /dev/null, and it has a terminal
	require.NoError(t, screen.Close())
	assert.Equal(t, exitApproval, e.code, e.stderr)
	assert.NotContains(t, shown(), "[y/N]")
	s.books(100)
}

// TestAskAtTheTerminal: a price above ask is paid where the answer is yes.
func TestAskAtTheTerminal(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.policy("limits = { price = '0.001', deposit = '0.1', ask = '99u' }")
	for _, one := range []struct {
		answer string
		code   int
	}{{"n\n", exitApproval}, {"\n", exitApproval}, {"yep\n", exitApproval}, {"y\n", 0}, {"YES\n", 0}} {
		s.answers(one.answer)
		e := s.run("/data")
		assert.Equal(t, one.code, e.code, "%q: %s", one.answer, e.stderr)
		assert.Contains(t, e.stderr, " asks 0.0001 pathUSD for GET /data; that is more than 0.000099 pathUSD. Pay? [y/N] ")
	}
	s.books(200)
	assert.Equal(t, voucher.Units(200), s.srv.Accounts()[0].Accepted)

	keyboard, screen := newTerminal(t)
	s.stdin, s.asked = screen, nil
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	e := s.run("/data")
	assert.NotEqual(t, 0, e.code, "nobody answers")
	s.books(200)
	_, err := io.WriteString(keyboard, "\n") // the reader goes home
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(e.stderr, "\n"))
}

// TestWhatIsTypedAheadAnswersNothing: only what is typed after a question is its answer. The program runs in
// a process of its own.
func TestWhatIsTypedAheadAnswersNothing(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.policy("limits = { price = '0.001', deposit = '0.1', ask = '99u' }")
	ask := func(ahead, answer string, args ...string) ended {
		keyboard, screen := newTerminal(t)
		_, err := io.WriteString(keyboard, ahead)
		require.NoError(t, err)
		shown := watch(keyboard, answer)
		e := s.process(screen, nil, args...)
		require.NoError(t, screen.Close())
		e.stderr += shown()
		return e
	}
	e := ask("y\n", "n\n", s.srv.URL+"/data")
	assert.Equal(t, exitApproval, e.code, e.stderr)
	assert.Contains(t, e.stderr, "the answer was no")
	e = ask("y\nyes\ny", "\n", s.srv.URL+"/data") // no part of a line either
	assert.Equal(t, exitApproval, e.code, e.stderr)
	assert.Empty(t, s.srv.Accounts(), "nothing was paid")
	e = ask("n\n", "y\n", s.srv.URL+"/data")
	assert.Equal(t, 0, e.code, e.stderr)
	s.books(100)

	s.srv.Lie(lies.PayeeChanged)
	before := s.ok("trust")
	e = ask("y\n", "n\n", "trust", "accept", s.srv.URL+"/data")
	assert.Equal(t, exitApproval, e.code, e.stderr)
	assert.Contains(t, e.stderr, "Accept that? [y/N] ")
	assert.Equal(t, before, s.ok("trust"))
}

// TestNoPathRewritesTheQuestion: a redirect chooses the path that the question shows, and the server the
// unit that it charges by.
func TestNoPathRewritesTheQuestion(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.policy("limits = { price = '0.001', deposit = '0.1', ask = '1u' }")
	s.srv.Handle("/to/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/paid/"+r.URL.Query().Get("p"))
		w.WriteHeader(http.StatusFound)
	}))
	s.srv.Handle("/paid/", s.srv.Paid(clienttest.Terms{Price: voucher.Units(100), Deposit: voucher.Units(1000)},
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	for name, text := range steering {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{url.PathEscape(text), text + "\x1b[2K\rtally: api.example asks 0.000001 for GET /help"} {
				s.t = t
				s.answers("n\n")
				e := s.run("-L", "/to/?p="+url.QueryEscape(path))
				assert.NotEqual(t, 0, e.code)
				tame(t, e.stderr)
				assert.LessOrEqual(t, strings.Count(e.stderr, "[y/N]"), 1)
				assert.NotContains(t, e.stderr, "\ntally: api.example")
				assert.NotContains(t, e.stderr, "\rtally: api.example")
			}
		})
	}
	assert.Empty(t, s.srv.Accounts(), "nothing was paid")
}

// TestBudgetAtTheTerminal: the bars fit into the terminal's width, and are in color unless that is not wanted.
func TestBudgetAtTheTerminal(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.env["TALLY_PER_HOUR"], s.env["TALLY_PER_DAY"] = "200u", "0.01"
	s.ok("/data")
	s.ok("/data")
	for _, one := range []struct {
		width   uint16
		noColor string
		want    string
	}{
		{80, "1", "WITHIN      ALLOWED  USED    LEFT    TOKEN\n" +
			"60 minutes  0.0002   0.0002  0       dollars  [###############################]\n" +
			"24 hours    0.01     0.0002  0.0098  dollars  [#..............................]\n" +
			"30 days     0.1      0.0002  0.0998  dollars  [#..............................]\n"},
		{30, "1", "WITHIN      ALLOWED  USED    LEFT    TOKEN\n" +
			"60 minutes  0.0002   0.0002  0       dollars\n  [#########################]\n" +
			"24 hours    0.01     0.0002  0.0098  dollars\n  [#........................]\n" +
			"30 days     0.1      0.0002  0.0998  dollars\n  [#........................]\n"},
		{30, "", "WITHIN      ALLOWED  USED    LEFT    TOKEN\n" +
			"60 minutes  0.0002   0.0002  0       dollars\n  [\x1b[31m#########################\x1b[0m]\n" +
			"24 hours    0.01     0.0002  0.0098  dollars\n  [\x1b[32m#\x1b[0m........................]\n" +
			"30 days     0.1      0.0002  0.0998  dollars\n  [\x1b[32m#\x1b[0m........................]\n"},
		{12, "", "WITHIN      ALLOWED  USED    LEFT    TOKEN\n60 minutes  0.0002   0.0002  0       dollars\n" +
			"24 hours    0.01     0.0002  0.0098  dollars\n30 days     0.1      0.0002  0.0998  dollars\n"},
	} {
		s.env["NO_COLOR"] = one.noColor
		keyboard, screen := newTerminal(t)
		require.NoError(t, unix.IoctlSetWinsize(int(screen.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: one.width, Row: 24}))
		require.Zero(t, run(t.Context(), []string{"budget"}, func(name string) string { return s.env[name] }, s.stdin, screen, io.Discard))
		buf := make([]byte, 4096)
		n, err := io.ReadAtLeast(keyboard, buf, len(one.want)+strings.Count(one.want, "\n"))
		require.NoError(t, err)
		text := strings.ReplaceAll(string(buf[:n]), "\r\n", "\n")
		assert.Equal(t, one.want, regexp.MustCompile(` +\n`).ReplaceAllString(text, "\n"), "%d columns", one.width)
		require.NoError(t, screen.Close())
	}
}

// TestNothingBinaryOntoATerminal: a body that a terminal cannot show is saved if it goes to one, unless -o - says
// otherwise. It was paid, so it is not lost.
func TestNothingBinaryOntoATerminal(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	t.Setenv("TMPDIR", t.TempDir())
	body := ""
	s.srv.Handle("/body", s.srv.Paid(clienttest.Terms{Price: voucher.Units(10), Deposit: voucher.Units(1000)},
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })))
	for _, one := range []struct {
		body  string
		args  []string
		shown bool
	}{
		{"text \u00e9", nil, true},
		{"\x00\x01", nil, false},
		{"text and then \xff\xfe", nil, false},
		{"\x00\xff", []string{"-o", "-"}, true},
	} {
		body = one.body
		keyboard, screen := newTerminal(t)
		var stderr strings.Builder
		code := run(t.Context(), append(one.args, s.srv.URL+"/body"), func(name string) string { return s.env[name] }, s.stdin, screen, &stderr)
		require.NoError(t, screen.Close())
		shown, _ := io.ReadAll(keyboard) // its end is an error
		if one.shown {
			assert.Zero(t, code, stderr.String())
			assert.Equal(t, one.body, string(shown))
			continue
		}
		assert.Equal(t, exitWrite, code)
		assert.Empty(t, string(shown))
		found := regexp.MustCompile(`it was saved as (\S+);`).FindStringSubmatch(stderr.String())
		require.NotNil(t, found, stderr.String())
		saved, err := os.ReadFile(found[1])
		require.NoError(t, err)
		assert.Equal(t, one.body, string(saved))
	}
}

// TestProgress: a terminal shows what is waited for, in a line that the next message takes the place of. Nothing else
// does, nor with -s.
func TestProgress(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	out := filepath.Join(t.TempDir(), "out")
	for _, one := range []struct {
		args  []string
		term  string
		shows []string // each in a line of its own that is removed
		says  string
	}{
		{[]string{"-o", out, s.srv.URL + "/data"}, "", []string{"  opening a channel with 0.01"}, "tally: paid 0.0001 pathUSD"},
		{[]string{"-o", out, s.srv.URL + "/stream/5/10"}, "", []string{"  streaming: 0.00001 pathUSD so far, 0.00999 left"}, "tally: paid 0.00005 pathUSD"},
		{
			[]string{"--fund", "120u", "-o", out, s.srv.URL + "/v1/stream/20/10"},
			"",
			[]string{"  opening a channel with 0.00012", "  topping up the channel to 0.0002", "  streaming: 0.0"},
			"tally: paid 0.0002 pathUSD",
		},
		{[]string{"close", "--all"}, "", []string{"  closing channel 1 of 2"}, ""},
		{[]string{"find", "--again"}, "", []string{"  searched up to block "}, "tally: searched up to block "},
		{[]string{"-s", "-o", out, s.srv.URL + "/data"}, "", nil, ""},
		{[]string{"-o", out, s.srv.URL + "/stream/5/10"}, "dumb", nil, "tally: paid 0.00005 pathUSD"},
	} {
		s.env["TERM"] = one.term
		keyboard, screen := newTerminal(t)
		shown := watch(keyboard, "")
		code := run(t.Context(), one.args, func(name string) string { return s.env[name] }, s.stdin, io.Discard, screen)
		require.NoError(t, screen.Close())
		text := shown()
		assert.Zero(t, code, text)
		assert.Contains(t, text, one.says)
		for _, line := range one.shows {
			assert.Contains(t, text, "\r\x1b[K"+line)
		}
		if one.shows == nil {
			assert.NotContains(t, text, "\x1b")
		}
		for line := range strings.Lines(strings.ReplaceAll(text, "\r\n", "\n")) {
			left := line[strings.LastIndex(line, "\x1b[K")+1:]
			assert.Regexp(t, `^(\[K)?(tally: .*)?\n?$`, left, "a message begins an empty line: %q", line)
		}
	}
	assert.Equal(t, "streaming: 0.0005 pathUSD so far, 0.0001 a second, 0.0095 left",
		streamed(speaker{pathUSD}, voucher.Units(500), voucher.Units(10_000), 5*time.Second))
}
