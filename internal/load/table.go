package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
)

// table writes one group of reports as a table in Markdown. It writes nothing if there is none.
func table(w io.Writer, group, title string, all []report) {
	first := true
	for _, r := range all {
		if r.Group != group {
			continue
		}
		if first {
			first = false
			_, _ = fmt.Fprintf(
				w,
				"\n### %s\n\n| cell | client | per second | of unpaid | sends "+
					"| p50 ms | p99 ms | p99/p50 | refused |\n"+
					"|---|---|---|---|---|---|---|---|---|\n",
				title,
			)
		}
		if r.Skipped != "" {
			_, _ = fmt.Fprintf(w, "| %s | skipped: %s | | | | | | | |\n", r.label(), r.Skipped)
			continue
		}
		for i, f := range r.Figures {
			label := ""
			if i == 0 {
				label = r.label()
			}
			_, _ = fmt.Fprintf(w, "| %s | %s\n", label, f.row())
		}
	}
}

// row is the rest of a row, from the client on.
func (f figures) row() string {
	if f.Requests == 0 {
		return fmt.Sprintf("%s: %s | | | | | | | |", f.Client, f.Skipped)
	}
	client := f.Client
	if f.Skipped != "" {
		client += ": " + f.Skipped
	}
	return fmt.Sprintf(
		"%s | %s | %s | %s | %s | %s | %s | %d of %d |",
		client,
		number(
			f.Rate,
			0,
		),
		number(f.Ratio, 2),
		number(f.Sends, 3),
		number(f.P50, 1),
		number(f.P99, 1),
		number(f.Spread, 1),
		f.Refused+f.Failed,
		f.Requests,
	)
}

// number formats a figure with at least three digits that matter, and at least so many decimals.
func number(x float64, decimals int) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return "–"
	}
	if size := math.Abs(x); size > 0 && size < 10 {
		decimals = max(decimals, 2-int(math.Floor(math.Log10(size))))
	}
	return strconv.FormatFloat(x, 'f', min(decimals, 4), 64)
}

// label describes a cell in words.
func (c cell) label() string {
	s := fmt.Sprintf("%s %s, HTTP/%d", c.Server, c.Protocol, c.Major)
	if c.RTT > 0 {
		s += ", " + c.RTT.String()
	}
	switch {
	case c.Group == "long":
		if c.Pause == 0 {
			return s + ", at full speed"
		}
		return s + ", " + c.Pause.String() + " before each piece"
	case c.Pieces > 0:
		return s + fmt.Sprintf(", %d streams", c.Goroutines)
	case c.Group == "processes":
		s += fmt.Sprintf(", processes: %d", c.Processes)
	}
	return s + fmt.Sprintf(", %d goroutines", c.Goroutines)
}
