package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/seed-5fe1f529/tallystick/channel"
)

func budgetCommand(w *world) *cobra.Command {
	var p wallet
	cmd := &cobra.Command{
		Use:   "budget",
		Short: "Show what is left of the hour, the day and the month",
		Long: `Budget prints what may be authorized in any 60 minutes, 24 hours and 30 days by all payments of the store together, what
was, and what is left: in dollars, for all known dollar tokens, and in each token that the policy names under [asset]. It
sends nothing and needs no key. What is signed ahead counts, too: a payee could take it. So do the fees of transactions;
what is left of their own limits follows once there were any. What is allowed is what the flags and the policy say: limits
that a Go program sets itself are not in the store. A terminal also shows a bar for each, in color unless
NO_COLOR is set.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := fromEnv(cmd.Flags(), w.env, settings...); err != nil {
				return err
			}
			p.keyless, p.rpcURLs = true, nil
			ctx, err := w.rules.lower(cmd.Context(), w.env, cmd.Flags(), &p)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, p.close(ctx)) }()
			return p.budget(ctx, w)
		},
	}
	cmd.Flags().SortFlags = false
	p.storeFlag(cmd.Flags())
	p.limitFlags(cmd.Flags())
	return cmd
}

func (p *wallet) budget(ctx context.Context, w *world) error {
	if err := p.look(ctx, w); err != nil {
		return err
	}
	all, err := p.budgets(ctx, w)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	var rooms []channel.Room
	t := newTable(&text)
	t.row("WITHIN", "ALLOWED", "USED", "LEFT", "TOKEN")
	for _, one := range all {
		in := one.currency
		for _, r := range one.rooms {
			t.row(within(r.Rule), number(in, r.Rule.Allowed), number(in, r.Used), number(in, r.Left()), in.Symbol)
		}
		rooms = append(rooms, one.rooms...)
	}
	if err := t.end(); err != nil {
		return fail(exitWrite, err)
	}
	if _, err := io.WriteString(w.body, barred(text.String(), rooms, screenOf(w))); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}

// budgets are the limits over time of what shares them: of the known dollar tokens, or of another token.
type budgets struct {
	currency channel.Currency
	rooms    []channel.Room // the shortest comes first
}

// dollars is what limits are in that the known dollar tokens share.
var dollars = channel.Currency{Symbol: "dollars", Decimals: decimals}

// budgets returns those of the dollars and of each token that the policy names, if flags leave any of that.
func (p *wallet) budgets(ctx context.Context, w *world) (all []budgets, err error) {
	currencies := []channel.Currency{dollars}
	if w.rules.file != nil {
		for _, own := range w.rules.file.Assets {
			currencies = append(currencies, own.Currency)
		}
	}
	for _, c := range currencies {
		rooms, err := p.session.BudgetsIn(ctx, c.Asset)
		switch {
		case errors.Is(err, channel.ErrAsset): // limits of the flags are for dollars
			continue
		case err != nil:
			return nil, err
		}
		slices.Reverse(rooms)
		fees, err := p.session.FeeBudgetsIn(ctx, c.Asset)
		if err != nil {
			return nil, err
		}
		for _, r := range slices.Backward(fees) {
			if !r.Used.IsZero() { // before the first transaction they are of no interest
				rooms = append(rooms, r)
			}
		}
		all = append(all, budgets{c, rooms})
	}
	return all, nil
}

// within is how long a rule looks back, and whether it is for fees only.
func within(r channel.BudgetRule) string {
	if strings.HasPrefix(r.Name, "Fees.") {
		r.Name = ""
		return within(r) + ", fees"
	}
	d := r.Length
	if d <= time.Hour {
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	if d <= 24*time.Hour {
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// screen is what the terminal of stdout shows. The zero screen is no terminal.
type screen struct {
	width int // in characters
	color bool
}

// screenOf returns the terminal that stdout is, if it is one. See https://no-color.org for NO_COLOR.
func screenOf(w *world) screen {
	f, ok := w.body.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return screen{}
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	plain := w.env("NO_COLOR") != "" || w.env("TERM") == "dumb" || runtime.GOOS == "windows"
	return screen{width, !plain}
}

// The least and the most characters of a bar, without its ends.
const leastBar, mostBar = 10, 40

// barred adds bars to a table of budgets, which has a line for its head and one for each: at the end of the line
// if the terminal is wide enough, or else on a line below. The table is text of our own, so nothing in it is escaped.
func barred(table string, rooms []channel.Room, on screen) string {
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	widest := 0
	for _, line := range lines {
		widest = max(widest, len(line))
	}
	lead := 2
	length := min(mostBar, on.width-widest-lead-len("[]")-1)
	below := length < leastBar
	if below {
		length = min(mostBar, on.width-lead-len("[]")-1)
	}
	if length < leastBar {
		return table
	}
	var out strings.Builder
	out.WriteString(lines[0] + "\n")
	for i, r := range rooms {
		line := lines[i+1]
		if below {
			line += "\n"
		} else {
			line += strings.Repeat(" ", widest-len(line))
		}
		out.WriteString(line + strings.Repeat(" ", lead) + bar(r, length, on.color) + "\n")
	}
	return out.String()
}

// bar draws how much of a budget is used. What is not nothing has one mark at least, and only what is used up has no
// dot.
func bar(r channel.Room, length int, color bool) string {
	n := 0
	switch used, allowed := r.Used.Big(), r.Rule.Allowed.Big(); {
	case used.Cmp(allowed) >= 0:
		n = length
	case used.Sign() > 0:
		share := new(big.Int).Mul(used, big.NewInt(int64(length)))
		n = min(max(1, int(share.Div(share, allowed).Int64())), length-1)
	}
	marks, start, end := strings.Repeat("#", n), "", ""
	if color && n > 0 {
		start, end = "\x1b[32m", "\x1b[0m" // green
		if (channel.Room{Rule: r.Rule}).Near(r.Used) {
			start = "\x1b[33m" // yellow: more than 80% is used
		}
		if n == length {
			start = "\x1b[31m" // red
		}
	}
	return "[" + start + marks + end + strings.Repeat(".", length-n) + "]"
}
