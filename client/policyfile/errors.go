package policyfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a policy file.
type Error struct {
	// Name is the name of the file.
	Name string
	// Line and Column are the place of the mistake. They count from 1, and columns count bytes.
	Line, Column int
	// Problem describes the mistake, Expected what should be written instead.
	Problem, Expected string
}

// Error returns the mistake as "name:line:column: problem; expected something".
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s; expected %s", e.Name, e.Line, e.Column, e.Problem, e.Expected)
}

// maxErrors is how many mistakes of one file are reported.
const maxErrors = 20

// together joins the mistakes of a file from top to bottom. It returns nil if there are none.
func together(name string, all []*Error) error {
	slices.SortStableFunc(all, func(a, b *Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	var errs []error
	for _, e := range all[:min(len(all), maxErrors)] {
		e.Name = name
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// oneOf returns a list of names for a message. The name that is most like the written one is
// suggested first.
func oneOf(written string, known []string) string {
	best, least := "", max(2, len(written)/3)+1
	for _, k := range known {
		if d := distance(written, k, least); d < least {
			best, least = k, d
		}
	}
	list := strings.Join(known, ", ")
	if len(known) > 1 {
		list = "one of " + list
	}
	if best != "" && len(known) > 1 {
		return best + " (" + list + ")"
	}
	return list
}

// distance returns how many letters have to be added, removed or changed to get from one name to
// the other. A distance above most is not exact.
func distance(a, b string, most int) int {
	if a, b := len(a), len(b); a > b+most || b > a+most {
		return most + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// shown quotes a text of the file, cut to a length that a person reads.
func shown(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return fmt.Sprintf("%q", s)
}
