package model_test

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// base draws the choices of a history and logs it.
type base struct {
	t   *rapid.T
	log []entry
}

// draw returns a number below n. Histories shrink towards zero.
func (b *base) draw(n int, label string) int { return numbers(n).Draw(b.t, label) }

var allNumbers [2048]*rapid.Generator[int]

func numbers(n int) *rapid.Generator[int] {
	if allNumbers[n] == nil {
		allNumbers[n] = rapid.IntRange(0, n-1)
	}
	return allNumbers[n]
}

// entry is a line of the log. It is formatted only if the history fails.
type entry struct {
	text string
	args []any
}

func (b *base) logf(text string, args ...any) { b.log = append(b.log, entry{text, args}) }

// history returns the log so far.
func (b *base) history() string {
	var text strings.Builder
	for _, n := range b.log {
		fmt.Fprintf(&text, n.text+"\n", n.args...)
	}
	return text.String()
}

// violation is the panic of a history that broke a rule.
type violation struct{ what, detail string }

// fail ends the history as failed.
func (b *base) fail(what, detail string, args ...any) {
	panic(violation{what, b.history() + fmt.Sprintf(detail, args...)})
}
