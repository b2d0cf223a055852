package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/seed-5fe1f529/tallystick/client"
)

// approve asks at the terminal about a price above the limit called ask.
func (w *world) approve(ctx context.Context, a client.Quote) error {
	yes, err := w.confirm(ctx, fmt.Sprintf("%s asks %s for %s; that is more than %s. Pay?", a.Origin, a.Offer.Currency.Format(a.Decision.Wanted), a.Route, a.Offer.Currency.Format(a.Decision.Allowed)))
	if err == nil && !yes {
		err = fmt.Errorf("%w: the answer was no", errApproval)
	}
	if errors.Is(err, errNoTerminal) {
		err = fmt.Errorf("%w: %w: run it at one, or let the owner raise ask in the policy", errApproval, err)
	}
	return err
}

// maxAnswer bounds an answer in bytes.
const maxAnswer = 1 << 10

// confirm asks a question at the terminal and reports whether the answer is yes. What was typed before the
// question is no answer. The error is that there is no terminal, or the context's.
func (w *world) confirm(ctx context.Context, question string) (bool, error) {
	c, err := w.terminal()
	if err != nil {
		return false, err
	}
	defer c.close()
	if err := discardInput(c.in); err != nil {
		return false, err
	}
	fmt.Fprintf(c.out, "tally: %s [y/N] ", inline(question))
	a, err := await(ctx, func() (string, error) {
		line, _ := bufio.NewReader(io.LimitReader(c.in, maxAnswer)).ReadString('\n')
		return strings.ToLower(strings.TrimSpace(line)), nil
	})
	if err != nil {
		fmt.Fprintln(c.out)
	}
	return a == "y" || a == "yes", err
}

// discardInput discards what was typed before a question is shown: it was no answer to that question.
func discardInput(f *os.File) error {
	if err := flushInput(f); err != nil {
		return fmt.Errorf("what was typed before the question cannot be discarded: %w", err)
	}
	return nil
}
