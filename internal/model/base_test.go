package model_test

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// base is what draws a history and tells it.
type base struct {
	t     *rapid.T
	story []note
}

// draw is a number below n. Zero is what a history shrinks to.
func (b *base) draw(n int, label string) int { return dice(n).Draw(b.t, label) }

var allDice [2048]*rapid.Generator[int]

func dice(n int) *rapid.Generator[int] {
	if allDice[n] == nil {
		allDice[n] = rapid.IntRange(0, n-1)
	}
	return allDice[n]
}

// note is a line of the story, written only when it is told.
type note struct {
	text string
	args []any
}

func (b *base) note(text string, args ...any) { b.story = append(b.story, note{text, args}) }

// tell is the story so far.
func (b *base) tell() string {
	var text strings.Builder
	for _, n := range b.story {
		fmt.Fprintf(&text, n.text+"\n", n.args...)
	}
	return text.String()
}

// violation is something that must hold and does not.
type violation struct{ what, detail string }

// broken ends the history.
func (b *base) broken(what, detail string, args ...any) {
	panic(violation{what, b.tell() + fmt.Sprintf(detail, args...)})
}
