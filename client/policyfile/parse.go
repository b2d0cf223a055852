package policyfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/safefile"
)

// MaxSize is the maximum length of a policy file in bytes.
const MaxSize = 64 << 10

// Load reads a policy file. Except on Windows it refuses a file that others may change: its mode lets
// the group or everybody write, or they may write to a directory on the way to it and put another file
// in its place. It refuses what is not a regular file, and never waits for one. The other errors are
// those of the file system and of [Parse].
func Load(path string) (*File, error) {
	text, info, err := safefile.Read(path, MaxSize)
	if errors.Is(err, safefile.ErrTooLong) {
		return Parse(path, text)
	}
	if err != nil {
		return nil, fmt.Errorf("policyfile: %w", err)
	}
	if err := safefile.Guarded(path, info); err != nil {
		return nil, fmt.Errorf("policyfile: %s: %w", path, err)
	}
	return Parse(path, text)
}

// Parse parses the text of a policy file. The name is only used in errors. The error joins the mistakes
// of the file, at most twenty, each an [*Error].
func Parse(name string, text []byte) (*File, error) {
	if len(text) > MaxSize {
		return nil, together(name, []*Error{{
			Line:   1 + bytes.Count(text[:MaxSize], []byte("\n")),
			Column: 1, Problem: "the file is too long", Expected: fmt.Sprintf("at most %d bytes",
				MaxSize),
		}})
	}
	all, bad := entries(text)
	if bad != nil {
		return nil, together(name, []*Error{bad})
	}
	d := decoder{
		file:     &File{Mode: Pay, Pin: true},
		sections: map[string]*section{},
		origins:  map[string]*channel.Limits{},
		assets:   map[common.Address]*asset{},
		written:  map[string]place{},
	}
	for _, e := range all {
		d.entry(e)
	}
	d.finishAssets()
	if len(d.errs) == 0 {
		d.agree()
	}
	if len(d.errs) > 0 {
		return nil, together(name, d.errs)
	}
	return d.file, nil
}

// decoder turns entries into a File.
type decoder struct {
	file     *File
	sections map[string]*section        // by path; nil if there is no such section
	origins  map[string]*channel.Limits // by origin
	assets   map[common.Address]*asset  // by token
	written  map[string]place           // the place of each key, by its full name
	errs     []*Error
}

func (d *decoder) fail(at place, expected, problem string, args ...any) {
	d.errs = append(d.errs, &Error{Line: at.line, Column: at.column, Problem: fmt.Sprintf(problem,
		args...), Expected: expected})
}

// entry reads the name of a table, or a key and its value.
func (d *decoder) entry(e entry) {
	switch e.value.kind {
	case unstable.ArrayTable:
		d.fail(e.at, "the table once, in single brackets", "[[%s]] is a list of tables",
			dotted(e.path))
		d.sections[strings.Join(e.path, "\x00")] = nil // its keys are not reported, too
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
		below := `[origin."https://api.example.com"] and its keys below`
		if s.name == "asset" {
			below = `[asset."0x…"] and its keys below`
		}
		d.fail(e.at, below, "%s has no keys of its own", where)
		return
	}
	d.fail(e.at, oneOf(name, s.keys), "%s has no key %s", where, shown(name))
}
