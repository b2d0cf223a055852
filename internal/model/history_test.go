package model_test

import (
	"fmt"
	"math/bits"
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

// even returns a number below n, each as often as the others. draw prefers small numbers, so of
// many it hardly ever returns the last. Histories shrink towards zero.
func (b *base) even(n int, label string) int {
	number := 0
	for range bits.Len(uint(n-1)) + 2 { // two more, so that what is left over does not matter
		number <<= 1
		if bit.Draw(b.t, label) {
			number++
		}
	}
	return number % n
}

var bit = rapid.Bool()

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
