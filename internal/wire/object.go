package wire

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Object is a parsed JSON object. [Required], [Optional] and [Pointer] read its members. The object
// keeps the first error for [Object.Err], so that a document can be read without checking every
// member.
//
// encoding/json is not used because it accepts "Amount" for "amount" and the last of two amounts. A
// malicious server must not be able to write a document that two programs read differently.
type Object struct {
	members []member
	err     error
}

type member struct {
	name  string
	value Value
}

// ParseObject reads one JSON object. The error is [ErrMalformed] if text is not UTF-8, not JSON or
// not an object, if a name is duplicate, or if there are more than [MaxMembers] names or [MaxDepth]
// levels. The caller must bound the length of text.
func ParseObject(text []byte) (*Object, error) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, malformed("not JSON")
	}
	return readObject(strings.Trim(string(text), " \t\r\n"))
}

// readObject reads the members of s, which is valid JSON without surrounding space.
func readObject(s string) (*Object, error) {
	if s[0] != '{' {
		return nil, malformed("not a JSON object")
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
			return nil, malformed("JSON is nested deeper than %d levels", MaxDepth)
		}
		if _, twice := o.get(name); twice {
			return nil, malformed("duplicate name %s", shown(name))
		}
		if len(o.members) == MaxMembers {
			return nil, malformed("object with more than %d names", MaxMembers)
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

// skipValue returns the index after the value that begins at i, or -1 if it is nested too deeply.
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

// Err returns the first error of a member that was read, or nil. It is [ErrMalformed] and names the
// member.
func (o *Object) Err() error { return o.err }

func (o *Object) fail(name string, err error) {
	if o.err == nil && err != nil {
		o.err = inField(name, err)
	}
}

// Required reads a member that must be present.
func Required[T any](o *Object, name string, read func(Value) (T, error)) T {
	v, _ := o.get(name)
	t, err := read(v)
	if v == "" {
		err = errMissing
	}
	o.fail(name, err)
	return t
}

// Optional reads a member. It returns the zero value if the member is missing or null.
func Optional[T any](o *Object, name string, read func(Value) (T, error)) (t T) {
	if o.Has(name) {
		t = Required(o, name, read)
	}
	return t
}

// Pointer reads a member. It returns nil if the member is missing or null.
func Pointer[T any](o *Object, name string, read func(Value) (T, error)) *T {
	if !o.Has(name) {
		return nil
	}
	t := Required(o, name, read)
	return &t
}
