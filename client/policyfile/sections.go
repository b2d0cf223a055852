package policyfile

import (
	"fmt"
	"strings"

	"github.com/seed-5fe1f529/tallystick/channel"
)

// section is a table of the file: its keys, and a function that sets one.
type section struct {
	name string // as in messages; empty at the top
	keys []string
	set  func(key, full string, v value)
}

// tables are the sections below the top.
var tables = []string{"limits", "raise", "origin", "asset", "hosts", "payees", "tokens"}

// section returns a table by its path. It returns nil if there is no such table, which is reported
// once.
func (d *decoder) section(path []string, at place) *section {
	id := strings.Join(path, "\x00")
	s, seen := d.sections[id]
	if !seen {
		s = d.open(path, at)
		d.sections[id] = s
	}
	return s
}

func (d *decoder) open(path []string, at place) *section {
	switch {
	case len(path) == 0:
		return &section{"", []string{"mode", "pin", "bootstrap", "escrow"}, d.top}
	case len(path) == 1 && path[0] == "limits":
		return d.limits(path[0], below(""), &d.file.Limits)
	case len(path) == 1 && path[0] == "raise":
		return d.amounts(path[0], below(""), &d.file.Raise)
	case len(path) == 2 && (path[0] == "limits" || path[0] == "raise"):
		if of := below(path[1]); path[1] != "" && of != nil {
			limits := &d.file.Limits
			if path[0] == "raise" {
				limits = &d.file.Raise
			}
			return d.amounts(dotted(path), of, limits)
		}
		d.fail(at, oneOf(path[1], subs[1:]), "there is no table [%s]",
			dotted(path))
		return nil
	case len(path) == 1 && (path[0] == "origin" || path[0] == "asset"):
		return &section{name: path[0]}
	case len(path) == 2 && path[0] == "asset":
		return d.assetSection(path, at)
	case len(path) == 2 && path[0] == "origin":
		return d.originSection(path, at)
	case len(path) == 1 && path[0] == "hosts":
		return &section{path[0], []string{"allow", "deny"}, d.hosts}
	case len(path) == 1 && path[0] == "payees":
		return &section{path[0], []string{"allow", "deny"}, d.payees}
	case len(path) == 1 && path[0] == "tokens":
		return &section{path[0], []string{"allow"}, func(_, full string,
			v value,
		) {
			d.file.Tokens = listed(d, full, v, d.address)
		}}
	}
	d.fail(at, oneOf(path[0], tables), "there is no table [%s]", dotted(path))
	return nil
}

// amounts returns a section of amounts.
func (d *decoder) amounts(name string, of []key, to *channel.Limits) *section {
	return &section{name, names(of), func(name, full string, v value) {
		for _, k := range of {
			if k.name == name {
				*k.field(to) = d.amount(full, v, decimals)
			}
		}
	}}
}

// limits returns a section of limits that also has the switches.
func (d *decoder) limits(name string, of []key, to *channel.Limits) *section {
	s := d.amounts(name, of, to)
	amounts := s.set
	s.keys = append(s.keys, pieceByPiece)
	s.set = func(name, full string, v value) {
		if name != pieceByPiece {
			amounts(name, full, v)
			return
		}
		to.PieceByPiece = d.boolean(full, v)
	}
	return s
}

func (d *decoder) originSection(path []string, at place) *section {
	o, ok := d.origin("the name of the table", path[1], anOrigin, at)
	if !ok {
		return nil
	}
	if d.origins[o] != nil {
		d.fail(at, "one table an origin", "%s is written twice", dotted(path))
		return nil
	}
	own := new(channel.Limits)
	d.origins[o] = own
	return d.limits(originTable(o), ofOrigin, own)
}

// originTable returns the name of the section of an origin for messages.
func originTable(origin string) string { return fmt.Sprintf("origin.%q", origin) }

func (d *decoder) top(name, full string, v value) {
	switch name {
	case "mode":
		const modes = `"pay" or "read-only"`
		if text, ok := d.text(full, modes, v); ok {
			switch m := Mode(text); m {
			case Pay, ReadOnly:
				d.file.Mode = m
			default:
				d.fail(v.at, modes, "mode is %s", shown(text))
			}
		}
	case "pin":
		d.file.Pin = d.boolean(full, v)
	case "bootstrap":
		d.file.Bootstrap = d.boolean(full, v)
	case "escrow":
		d.file.Escrow, _ = d.address(full, v)
	}
}

func (d *decoder) hosts(name, full string, v value) {
	var texts []string
	for _, e := range listed(d, full, v, d.host) {
		if name == "allow" {
			e = e.Narrowest()
		}
		texts = append(texts, e.String())
	}
	if name == "allow" {
		d.file.Hosts.Allow = texts
	} else {
		d.file.Hosts.Deny = texts
	}
}

func (d *decoder) payees(name, full string, v value) {
	list := listed(d, full, v, d.address)
	if name == "allow" {
		d.file.Payees.Allow = list
	} else {
		d.file.Payees.Deny = list
	}
}

// dotted returns a path for messages.
func dotted(path []string) string {
	var out []string
	for _, p := range path {
		if strings.Trim(p,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" || p == "" ||
			len(p) > 64 {
			p = shown(p)
		}
		out = append(out, p)
	}
	if len(out) == deep {
		out = append(out[:deep-1], "…")
	}
	return strings.Join(out, ".")
}
