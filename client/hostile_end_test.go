package client_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-5fe1f529/tallystick/client"
)

// end describes how a request or close ended. The zero value means that the content was served.
type end struct {
	err error
	// status is the status of a response that the caller gets, and outcome the outcome of its
	// payment.
	status  int
	outcome client.Outcome
	// text is part of the error's message, for errors without a sentinel.
	text string
}

func fails(err error) end                    { return end{err: err} }
func says(text string) end                   { return end{text: text} }
func hands(status int, o client.Outcome) end { return end{status: status, outcome: o} }
func at(n uint64) *uint64                    { return &n }

// String returns the end in one line.
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

// matched fails the test if got differs from the expected end.
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
