package policyfile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
)

// String returns the policy as a file, with comments that describe each line and what applies if a
// key is not set. [Parse] reads it back as the same policy.
func (f *File) String() string {
	p := &printer{}
	p.pair("mode", string(f.Mode), "nothing is ever signed", f.Mode != Pay)
	p.line("pin", fmt.Sprint(f.Pin),
		"another payee, token, chain, escrow or unit of an origin is refused until it is accepted",
		f.Pin)
	p.line("bootstrap", fmt.Sprint(f.Bootstrap),
		"servers get a zero-dollar proof, to find existing channels", f.Bootstrap)
	if f.Escrow == (common.Address{}) {
		p.note("escrow: the chain's canonical one and no other")
	} else {
		p.pair("escrow", f.Escrow.Hex(), "this one and no other", true)
	}
	for _, sub := range subs {
		p.limits("limits", sub, f.Limits, true)
	}
	raise := f.Raise
	raise.PieceByPiece = false // it is no key there
	for _, sub := range subs {
		p.limits("raise", sub, raise, false)
	}
	for _, origin := range slices.Sorted(maps.Keys(f.Origins)) {
		own := f.Origins[origin]
		p.amounts(originTable(origin), ofOrigin, own, false)
	}
	for _, own := range slices.SortedFunc(slices.Values(f.Assets), byToken) {
		p.asset(own)
	}
	texts := func(in []common.Address) (out []string) {
		for _, a := range in {
			out = append(out, a.Hex())
		}
		return out
	}
	p.lists("hosts", f.Hosts.Allow, f.Hosts.Deny)
	p.lists("payees", texts(f.Payees.Allow), texts(f.Payees.Deny))
	p.lists("tokens", texts(f.Tokens), nil)
	return p.String()
}

type printer struct{ strings.Builder }

func (p *printer) note(text string) { fmt.Fprintf(p, "# %s\n", text) }

// line writes key = value, with the comment if said is true.
func (p *printer) line(key, value, comment string, said bool) {
	text := key + " = " + value
	if said {
		text = fmt.Sprintf("%-22s # %s", text, comment)
	}
	p.WriteString(text + "\n")
}

func (p *printer) pair(key, value, comment string, said bool) {
	p.line(key, fmt.Sprintf("%q", value), comment, said)
}

func (p *printer) limits(table, sub string, l channel.Limits, unset bool) {
	name := table
	if sub != "" {
		name += "." + sub
	}
	p.amounts(name, below(sub), l, unset)
}

// amounts writes a table of limits. If unset is true, comments describe what is not set; otherwise
// an empty table is left out.
func (p *printer) amounts(table string, of []key, l channel.Limits, unset bool) {
	if !unset && !l.PieceByPiece &&
		!slices.ContainsFunc(of, func(k key) bool { return !k.field(&l).IsZero() }) {
		return
	}
	fmt.Fprintf(p, "\n[%s]\n", table)
	p.limitsOf(of, l, unset, decimals)
}

// asset writes the table of an asset.
func (p *printer) asset(l channel.Limits) {
	fmt.Fprintf(p, "\n[%s]\n", assetTable(l.Currency.Token))
	p.line("chain", fmt.Sprint(l.Currency.ChainID), "the id of the chain that the token is on", true)
	p.pair("symbol", l.Currency.Symbol, "as it is on the chain", true)
	p.line("decimals", fmt.Sprint(l.Currency.Decimals), "of an amount", true)
	p.limitsOf(below(""), l, true, int(l.Currency.Decimals))
}

// limitsOf writes amounts, and if unset is true comments that describe what is not set.
func (p *printer) limitsOf(of []key, l channel.Limits, unset bool, decimals int) {
	for _, k := range of {
		if v := *k.field(&l); !v.IsZero() {
			p.pair(k.name, v.FormatTokens(decimals), k.means, true)
		} else if unset {
			p.note(fmt.Sprintf("%s: %s", k.name, k.unset))
		}
		if k.limit != "Stream" {
			continue
		}
		if l.PieceByPiece {
			p.line(pieceByPiece, "true", "a stream waits for a voucher for each piece", true)
		} else if unset {
			p.note(pieceByPiece + ": false; a quarter of what a stream delivered is signed ahead")
		}
	}
}

func (p *printer) lists(table string, allow, deny []string) {
	if allow == nil && deny == nil {
		return
	}
	fmt.Fprintf(p, "\n[%s]\n", table)
	for _, l := range []struct {
		key  string
		list []string
	}{{"allow", allow}, {"deny", deny}} {
		if l.list == nil {
			continue
		}
		fmt.Fprintf(p, "%s = [\n", l.key)
		for _, one := range l.list {
			fmt.Fprintf(p, "  %q,\n", one)
		}
		p.WriteString("]\n")
	}
}
