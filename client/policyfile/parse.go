package policyfile

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// MaxSize is how long a policy file may be, in bytes.
const MaxSize = 64 << 10

// Load reads a policy file. A file that anybody may write to is refused, where the system has such bits. The errors are those
// of the file system and of [Parse].
func Load(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("policyfile: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("policyfile: %w", err)
	}
	// Windows keeps access lists, which these bits do not show.
	if mode := info.Mode(); mode.IsRegular() && mode.Perm()&0o002 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("policyfile: %s: anybody may write to it (mode %#o): run chmod o-w on it", path, mode.Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("policyfile: %w", err)
	}
	return Parse(path, text)
}

// Parse reads the text of a policy file; name is for the errors. They are all that is wrong, the first twenty, each an
// [*Error] with its line, joined.
func Parse(name string, text []byte) (*File, error) {
	if len(text) > MaxSize {
		return nil, together(name, []*Error{{Line: 1 + bytes.Count(text[:MaxSize], []byte("\n")), Column: 1, Problem: "the file goes on", Expected: fmt.Sprintf("at most %d bytes", MaxSize)}})
	}
	all, bad := entries(text)
	if bad != nil {
		return nil, together(name, []*Error{bad})
	}
	d := decoder{
		file:     &File{Mode: Pay, Pin: true},
		sections: map[string]*section{},
		origins:  map[string]*channel.Limits{},
		written:  map[string]place{},
	}
	for _, e := range all {
		d.entry(e)
	}
	if len(d.errs) == 0 {
		d.agree()
	}
	if len(d.errs) > 0 {
		return nil, together(name, d.errs)
	}
	return d.file, nil
}

// decoder makes a File of entries.
type decoder struct {
	file     *File
	sections map[string]*section        // by path, nil where it is refused
	origins  map[string]*channel.Limits // by origin
	written  map[string]place           // where each key is, by its full name
	errs     []*Error
}

func (d *decoder) fail(at place, expected, problem string, args ...any) {
	d.errs = append(d.errs, &Error{Line: at.line, Column: at.column, Problem: fmt.Sprintf(problem, args...), Expected: expected})
}

// section is a table of the file: which keys it has, and what each does.
type section struct {
	name string // as in messages; empty at the top
	keys []string
	set  func(key, full string, v value)
}

// entry takes a table's name, or a key and its value.
func (d *decoder) entry(e entry) {
	switch e.value.kind {
	case unstable.ArrayTable:
		d.fail(e.at, "the table once, in single brackets", "[[%s]] is a list of tables", dotted(e.path))
		d.sections[strings.Join(e.path, "\x00")] = nil // its keys say nothing more
		return
	case unstable.Table, unstable.InlineTable:
		d.section(e.path, e.at)
		return
	}
	last := len(e.path) - 1
	s := d.section(e.path[:last], e.at)
	if s == nil {
		return
	}
	name := e.path[last]
	full := name
	if s.name != "" {
		full = s.name + "." + name
	}
	if slices.Contains(s.keys, name) {
		d.written[full] = e.at
		s.set(name, full, e.value)
		return
	}
	where := "[" + s.name + "]"
	if s.name == "" {
		where = "the top of the file"
		if slices.Contains(tables, name) {
			d.fail(e.at, "["+name+"] and its keys below", "%s is a table, not a value", name)
			return
		}
	}
	if len(s.keys) == 0 {
		d.fail(e.at, `[origin."https://api.example.com"] and its keys below`, "%s has no keys of its own", where)
		return
	}
	d.fail(e.at, oneOf(name, s.keys), "%s has no key %s", where, shown(name))
}

// tables are the sections below the top.
var tables = []string{"limits", "raise", "origin", "hosts", "payees", "tokens"}

// section finds a table by its path, nil where there is none such; that is told once.
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
		return d.amounts(path[0], below(""), &d.file.Limits)
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
		d.fail(at, oneOf(path[1], []string{"origin", "payee"}), "there is no table [%s]", dotted(path))
		return nil
	case len(path) == 1 && path[0] == "origin":
		return &section{name: "origin"}
	case len(path) == 2 && path[0] == "origin":
		return d.origin(path, at)
	case len(path) == 1 && path[0] == "hosts":
		return &section{path[0], []string{"allow", "deny"}, d.hosts}
	case len(path) == 1 && path[0] == "payees":
		return &section{path[0], []string{"allow", "deny"}, d.payees}
	case len(path) == 1 && path[0] == "tokens":
		return &section{path[0], []string{"allow"}, func(_, full string, v value) { d.file.Tokens = listed(d, full, v, d.address) }}
	}
	d.fail(at, oneOf(path[0], tables), "there is no table [%s]", dotted(path))
	return nil
}

// amounts is a section of limits.
func (d *decoder) amounts(name string, of []key, to *channel.Limits) *section {
	return &section{name, names(of), func(name, full string, v value) {
		for _, k := range of {
			if k.name == name {
				*k.field(to) = d.amount(full, v)
			}
		}
	}}
}

func (d *decoder) origin(path []string, at place) *section {
	origin, ok := d.parseOrigin("the name of the table", path[1], at)
	if !ok {
		return nil
	}
	if d.origins[origin] != nil {
		d.fail(at, "one table an origin", "%s is written twice", dotted(path))
		return nil
	}
	own := new(channel.Limits)
	d.origins[origin] = own
	return d.amounts(originTable(origin), ofOrigin, own)
}

// originTable is the name of an origin's section in messages.
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
	list := listed(d, full, v, d.host)
	if name == "allow" {
		d.file.Hosts.Allow = list
	} else {
		d.file.Hosts.Deny = list
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

func (d *decoder) amount(full string, v value) (a voucher.Amount) {
	const expected = `an amount above zero in quotes: tokens ("0.25") or base units ("250000u")`
	text, ok := d.text(full, expected, v)
	if !ok {
		return a
	}
	a, err := ParseAmount(text)
	switch {
	case err != nil:
		d.fail(v.at, expected, "%s: %s", full, err)
	case a.IsZero():
		// A zero limit is one that is not set, which for some means more than zero.
		d.fail(v.at, expected+`; to pay nothing write mode = "read-only", to pay an origin nothing put it under [hosts] deny`, "%s is zero", full)
	}
	return a
}

// dotted is a path for people.
func dotted(path []string) string {
	var out []string
	for _, p := range path {
		if strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" || p == "" {
			p = shown(p)
		}
		out = append(out, p)
	}
	if len(out) == deep {
		out = append(out[:deep-1], "…")
	}
	return strings.Join(out, ".")
}
