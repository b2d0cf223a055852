package policyfile

import (
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// agree reports contradictions: a limit that can never be reached because another one is lower, and
// an entry that is both allowed and denied.
func (d *decoder) agree() {
	f := d.file
	d.reachable("limits", keys, f.Limits, f.Limits, decimals)
	d.reachable("raise", keys, merged(f.Limits, f.Raise), f.Raise, decimals)
	for _, k := range keys {
		own, base := *k.field(&f.Raise), *k.field(&f.Limits)
		if !own.IsZero() && !base.Less(own) {
			d.fail(d.written["raise."+k.String()], "more, or no such line",
				"raise.%s is %s and raises nothing: limits.%s is %s",
				k, FormatAmount(own), k, FormatAmount(base))
		}
	}
	for _, o := range slices.Sorted(maps.Keys(d.origins)) {
		own, at := *d.origins[o], d.at(originTable(o))
		d.reachable(originTable(o), ofOrigin, merged(f.Limits, own), own, decimals)
		if covered(f.Hosts.Deny, o) {
			d.fail(at, "one of the two", "%s has limits, and [hosts] deny has it", o)
		} else if f.Hosts.Allow != nil && !slices.Contains(f.Hosts.Allow, o) {
			d.fail(at, "it on that list, or no such table",
				"%s has limits, and [hosts] allow does not have it", o)
		}
		switched := d.written[originTable(o)+"."+pieceByPiece]
		if f.Limits.PieceByPiece && !own.PieceByPiece && switched != (place{}) {
			d.fail(switched, "true, or no such line",
				"%s.%s is false and changes nothing: limits.%[2]s is true", originTable(o), pieceByPiece)
		}
		if own != (channel.Limits{}) {
			if f.Origins == nil {
				f.Origins = map[string]channel.Limits{}
			}
			f.Origins[o] = own
		}
	}
	for _, own := range f.Assets {
		d.reachable(assetTable(own.Currency.Token), below(""), own, own, int(own.Currency.Decimals))
	}
	both(d, "hosts", f.Hosts, covered)
	both(d, "payees", f.Payees, slices.Contains[[]common.Address])
}

// merged returns base with the limits that own sets in place of its own.
func merged(base, own channel.Limits) channel.Limits {
	out, _ := rule.Of(base).Override(own, own) // own allows own
	return out.Limits
}

// at returns the place of the first key of a table.
func (d *decoder) at(table string) place {
	first := place{1, 1}
	for name, p := range d.written {
		if len(name) > len(table) && name[:len(table)+1] == table+"." && (first == place{1, 1} ||
			p.line < first.line) {
			first = p
		}
	}
	return first
}

// covered reports whether entries of [hosts] cover a canonical origin.
func covered(entries []string, canonical string) bool {
	return slices.ContainsFunc(entries, func(text string) bool {
		e, err := origin.ParseEntry(text)
		return err == nil && e.Covers(canonical)
	})
}

// both refuses what is on both lists.
func both[T any](d *decoder, table string, l List[T], on func(list []T, one T) bool) {
	for _, one := range l.Allow {
		if on(l.Deny, one) {
			d.fail(d.written[table+".deny"], "it in one of the two lists",
				"[%s] allows and denies %v", table, one)
		}
	}
}

// reachable reports the limits of own, written in a table with these keys, that can never be
// reached because another limit is lower. l has all limits that apply there.
func (d *decoder) reachable(table string, of []key, l, own channel.Limits, decimals int) {
	for _, k := range of {
		amount := *k.field(&own)
		if amount.IsZero() {
			continue
		}
		for _, bound := range bounds(l, k.limit) {
			if bound.allowed.IsZero() || !bound.allowed.Less(amount) {
				continue
			}
			full := table + "." + k.String()
			if table != "limits" && table != "raise" {
				full = table + "." + k.name
			}
			d.fail(d.written[full], "at most that, or more of the other",
				"%s is %s and can never be reached: %s", full, amount.FormatTokens(decimals), bound.text(decimals))
			break
		}
	}
}

// bound is a limit that another limit cannot exceed. If it is not set itself, set is the limit that
// applies in its place.
type bound struct {
	name, set string
	allowed   voucher.Amount
}

func (b bound) text(decimals int) string {
	allowed := b.allowed.FormatTokens(decimals)
	if b.name == b.set {
		return fmt.Sprintf("%s is %s", b.name, allowed)
	}
	return fmt.Sprintf("%s is not set and so %s, as %s", b.name, allowed, b.set)
}

// bounds returns the limits that a limit cannot exceed.
func bounds(l channel.Limits, limit string) (out []bound) {
	add := func(name string) {
		at := name
		for {
			i := slices.IndexFunc(keys, func(k key) bool { return k.limit == at })
			if v := *keys[i].field(&l); !v.IsZero() || instead[at] == "" {
				out = append(out, bound{Key(name), Key(at), v})
				return
			}
			at = instead[at]
		}
	}
	for _, name := range within[limit] {
		add(name)
	}
	return out
}

var (
	// within has the limits that a limit cannot exceed, by limit.
	within = map[string][]string{
		"Price": {"Deposit"}, "Fund": {"Deposit"}, "Stream": {"Deposit"}, "Ahead": {"Deposit"},
		"Deposit": {"Total"}, "Step": {"Stream"},
		"All.Hour": {"All.Day"}, "All.Day": {"All.Month"},
		"Origin.Hour": {"Origin.Day", "All.Hour"}, "Origin.Day": {"Origin.Month", "All.Day"},
		"Origin.Month": {"All.Month"},
		"Payee.Hour":   {"Payee.Day", "All.Hour"}, "Payee.Day": {"Payee.Month", "All.Day"},
		"Payee.Month":      {"All.Month"},
		"Fees.Transaction": {"Fees.Hour"}, "Fees.Hour": {"Fees.Day", "All.Hour"},
		"Fees.Day": {"Fees.Month", "All.Day"}, "Fees.Month": {"All.Month"},
	}
	// instead has the limit that applies if one is not set.
	instead = map[string]string{
		"Total": "Deposit", "All.Hour": "All.Day", "All.Day": "All.Month", "All.Month": "Total",
		"Origin.Hour": "Origin.Day", "Origin.Day": "Origin.Month", "Origin.Month": "All.Month",
		"Payee.Hour": "Payee.Day", "Payee.Day": "Payee.Month", "Payee.Month": "All.Month",
		"Fees.Hour": "Fees.Day", "Fees.Day": "Fees.Month",
	}
)
