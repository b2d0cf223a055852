package policyfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong with a policy file.
type Error struct {
	// Name is that of the file.
	Name string
	// Line and Column are where it is, from 1 on, columns in bytes.
	Line, Column int
	// Problem says what is wrong, Expected what should be there instead.
	Problem, Expected string
}

// Error is name:line:column: what is wrong; expected what.
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s; expected %s", e.Name, e.Line, e.Column, e.Problem, e.Expected)
}

// mostErrors is how many errors of one file are told.
const mostErrors = 20

// together is all that is wrong with a file, from its top to its bottom, or nil.
func together(name string, all []*Error) error {
	slices.SortStableFunc(all, func(a, b *Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	var errs []error
	for _, e := range all[:min(len(all), mostErrors)] {
		e.Name = name
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// oneOf is a list of names for people, the one nearest to what was written first.
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

// distance is by how many letters, added, left out or changed, two names differ; too much where that is more than most.
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

// shown quotes what a file has, cut to what a person reads.
func shown(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return fmt.Sprintf("%q", s)
}
