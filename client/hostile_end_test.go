package client_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-5fe1f529/tallystick/client"
)

// end is how something ended. The zero value is that the content was served.
type end struct {
	err error
	// status is the answer that the caller is handed, and outcome what is said of its payment.
	status  int
	outcome client.Outcome
	// text is in the error's message: all that there is of an error that has no name.
	text string
}

func fails(err error) end                    { return end{err: err} }
func says(text string) end                   { return end{text: text} }
func hands(status int, o client.Outcome) end { return end{status: status, outcome: o} }
func at(n uint64) *uint64                    { return &n }

// String is how it ended, in a line.
func (e end) String() string {
	switch {
	case e.err != nil:
		return "the error " + e.err.Error()
	case e.text != "":
		return "an error with " + e.text
	case e.status != 0:
		return fmt.Sprintf("%d, %s", e.status, e.outcome)
	}
	return "served"
}

// matched fails the test where something ended otherwise than it should.
func (e end) matched(t testing.TB, got end, what string, args ...any) {
	t.Helper()
	ok := e == got
	if got.err != nil {
		ok = (e.err != nil || e.text != "") && (e.err == nil || errors.Is(got.err, e.err)) &&
			strings.Contains(got.err.Error(), e.text)
	}
	if !ok {
		t.Errorf("%s: want %s, got %s", fmt.Sprintf(what, args...), e, got)
	}
}
