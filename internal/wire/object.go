package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Object is a JSON object that is being read. [Required], [Optional] and [Pointer] take its members; the
// first that does not fit is kept for [Object.Err], so that a whole document is read before its one error is
// looked at.
//
// encoding/json is not used for this: it takes "Amount" for "amount" and the last of two amounts, and a
// server that means to deceive must not get two readings of one document.
type Object struct {
	members []member
	err     error
}

type member struct {
	name  string
	value Value
}

// ParseObject reads one JSON object. Text that is not UTF-8, not JSON or not an object, a name that comes
// twice, and more than [MaxMembers] names or [MaxDepth] levels are [ErrMalformed]. The caller bounds the
// length of text.
func ParseObject(text []byte) (*Object, error) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, fmt.Errorf("%w: not JSON", ErrMalformed)
	}
	return readObject(strings.Trim(string(text), " \t\r\n"))
}

// readObject reads the members of s, which is valid JSON without space around it.
func readObject(s string) (*Object, error) {
	if s[0] != '{' {
		return nil, fmt.Errorf("%w: not a JSON object", ErrMalformed)
	}
	o := &Object{members: make([]member, 0, 12)}
	for i := skipSpace(s, 1); s[i] != '}'; i = skipSpace(s, i) {
		if s[i] == ',' {
			i = skipSpace(s, i+1)
		}
		end := skipString(s, i)
		name, err := Value(s[i:end]).Text()
		if err != nil {
			return nil, err
		}
		i = skipSpace(s, skipSpace(s, end)+1) // the colon
		if end = skipValue(s, i); end < 0 {
			return nil, fmt.Errorf("%w: JSON nested deeper than %d", ErrMalformed, MaxDepth)
		}
		if _, twice := o.get(name); twice {
			return nil, fmt.Errorf("%w: %s comes twice", ErrMalformed, shown(name))
		}
		if len(o.members) == MaxMembers {
			return nil, fmt.Errorf("%w: more than %d names in an object", ErrMalformed, MaxMembers)
		}
		o.members = append(o.members, member{name, Value(s[i:end])})
		i = end
	}
	return o, nil
}

func skipSpace(s string, i int) int {
	for s[i] == ' ' || s[i] == '\t' || s[i] == '\r' || s[i] == '\n' {
		i++
	}
	return i
}

// skipString returns the index after the string that begins at i.
func skipString(s string, i int) int {
	for i++; s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// skipValue returns the index after the value that begins at i, -1 where it is nested too deep.
func skipValue(s string, i int) int {
	for depth := 0; ; {
		switch s[i] {
		case '"':
			i = skipString(s, i)
		case '{', '[':
			if depth++; depth > MaxDepth {
				return -1
			}
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\t', '\r', '\n':
			i++
			continue
		default:
			for i < len(s) && !strings.ContainsRune(",:{}[] \t\r\n", rune(s[i])) {
				i++
			}
		}
		if depth == 0 {
			return i
		}
	}
}

func (o *Object) get(name string) (Value, bool) {
	for i := range o.members {
		if o.members[i].name == name {
			return o.members[i].value, true
		}
	}
	return "", false
}

// Has reports whether the object has a member of that name that is not null.
func (o *Object) Has(name string) bool {
	v, ok := o.get(name)
	return ok && v != "null"
}

// Err is the first member that did not fit, as [ErrMalformed] with its name; nil where all fit.
func (o *Object) Err() error { return o.err }

func (o *Object) fail(name string, err error) {
	if o.err == nil && err != nil {
		o.err = fmt.Errorf("%w: %s: %w", ErrMalformed, name, err)
	}
}

// Required reads a member that has to be there.
func Required[T any](o *Object, name string, read func(Value) (T, error)) T {
	v, _ := o.get(name)
	t, err := read(v)
	if v == "" {
		err = errMissing
	}
	o.fail(name, err)
	return t
}

// Optional reads a member; it is the zero value where it is missing or null.
func Optional[T any](o *Object, name string, read func(Value) (T, error)) (t T) {
	if o.Has(name) {
		t = Required(o, name, read)
	}
	return t
}

// Pointer reads a member; it is nil where it is missing or null.
func Pointer[T any](o *Object, name string, read func(Value) (T, error)) *T {
	if !o.Has(name) {
		return nil
	}
	t := Required(o, name, read)
	return &t
}
