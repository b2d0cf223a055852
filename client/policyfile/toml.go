package policyfile

import (
	"errors"
	"slices"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// place is a line and a column. They count from 1, and columns count bytes.
type place struct{ line, column int }

// entry is the name of a table, or a key with its value, whether it was written below a header,
// dotted or inline.
type entry struct {
	path  []string
	at    place // of the key
	value value
}

// value is the right side of a key.
type value struct {
	kind  unstable.Kind
	text  string
	items []value // of an array
	at    place
}

// entries reads TOML. The decoder of go-toml checks that it is TOML and that no key is written
// twice; its parser then yields the places.
func entries(text []byte) ([]entry, *Error) {
	var whole map[string]any
	if err := toml.Unmarshal(text, &whole); err != nil {
		return nil, syntax(err)
	}
	r := reader{text: text}
	r.parser.Reset(text)
	var table []string
	for r.parser.NextExpression() {
		e := r.parser.Expression()
		if e.Kind == unstable.KeyValue {
			r.pair(table, e)
			continue
		}
		path, at := r.key(nil, e)
		table = path
		r.out = append(r.out, entry{path, at, value{kind: e.Kind, at: at}})
	}
	if err := r.parser.Error(); err != nil {
		return nil, syntax(err)
	}
	return r.out, nil
}

func syntax(err error) *Error {
	e := &Error{
		Line: 1, Column: 1, Problem: err.Error(),
		Expected: `TOML 1.0: key = "value", with amounts, addresses and origins in quotes, ` +
			"every key once",
	}
	var at *toml.DecodeError
	if errors.As(err, &at) {
		e.Line, e.Column = at.Position()
	}
	return e
}

type reader struct {
	text   []byte
	parser unstable.Parser
	out    []entry
	lines  []int // the offsets at which they begin
}

// deep is how many parts of a path are kept. It is one more than any key of a policy has.
const deep = 4

// pair reads one key = value, and the pairs of an inline table.
func (r *reader) pair(table []string, n *unstable.Node) {
	path, at := r.key(table, n)
	v := r.value(n.Value(), at)
	r.out = append(r.out, entry{path, at, v})
	if v.kind != unstable.InlineTable || len(path) == deep {
		return
	}
	for it := n.Value().Children(); it.Next(); {
		if it.Node().Kind == unstable.KeyValue {
			r.pair(path, it.Node())
		}
	}
}

// key returns the path of a table or a pair, and the place of its last part.
func (r *reader) key(table []string, n *unstable.Node) (path []string, at place) {
	path = slices.Clone(table)
	for it := n.Key(); it.Next(); {
		if len(path) < deep {
			path = append(path, string(it.Node().Data))
		}
		at = r.place(it.Node(), at)
	}
	return path, at
}

func (r *reader) value(n *unstable.Node, near place) value {
	v := value{kind: n.Kind, text: string(n.Data), at: r.place(n, near)}
	if n.Kind != unstable.Array {
		return v
	}
	for it := n.Children(); it.Next(); {
		if it.Node().Kind != unstable.Comment {
			v.items = append(v.items, r.value(it.Node(), v.at))
		}
	}
	return v
}

// place returns the place of a node, or near if the parser does not know it.
func (r *reader) place(n *unstable.Node, near place) place {
	if n.Raw.Length == 0 {
		return near
	}
	if r.lines == nil {
		r.lines = []int{0}
		for i, c := range r.text {
			if c == '\n' {
				r.lines = append(r.lines, i+1)
			}
		}
	}
	offset := int(n.Raw.Offset)
	line, exact := slices.BinarySearch(r.lines, offset)
	if exact {
		line++
	}
	return place{line, offset - r.lines[line-1] + 1}
}
