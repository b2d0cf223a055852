package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// maxConfig bounds a file of -K, in bytes.
const maxConfig = 1 << 20

// configFile is the flag -K: a file of flags, in curl's form, which count as if they stood in its place.
type configFile struct {
	flags *pflag.FlagSet
	stdin io.Reader
	depth int
}

// Set implements pflag.Value.
func (c *configFile) Set(name string) error {
	if c.depth++; c.depth > 8 {
		return fmt.Errorf("%s: files name one another without end", name)
	}
	defer func() { c.depth-- }()
	var text []byte
	var err error
	if name == "-" {
		text, err = io.ReadAll(io.LimitReader(c.stdin, maxConfig))
	} else {
		text, err = readSmall(name, maxConfig)
	}
	if err != nil {
		return &configError{err}
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if err := c.line(strings.TrimSpace(line)); err != nil {
			return &configError{fmt.Errorf("%s:%d: %w", name, n, err)}
		}
	}
	return nil
}

// configError is a line of a file of -K that cannot be used.
type configError struct{ error }

// line sets what one line says. The error has no value in it: it may be a password.
func (c *configFile) line(line string) error {
	if line == "" || line[0] == '#' {
		return nil
	}
	name, value := line, ""
	short := len(line) > 1 && line[0] == '-' && line[1] != '-'
	switch at := strings.IndexAny(line, " \t=:"); {
	case short && len(line) > 2 && at != 2: // -XPOST
		name, value = line[:2], line[2:]
	case at > 0:
		name, value = line[:at], strings.TrimLeft(line[at:], " \t")
		if value != "" && (value[0] == '=' || value[0] == ':') {
			value = strings.TrimLeft(value[1:], " \t")
		}
	}
	value, err := configValue(value)
	if err != nil {
		return err
	}
	name = strings.TrimLeft(name, "-")
	f := c.flags.Lookup(name)
	if short && len(name) == 1 {
		f = c.flags.ShorthandLookup(name)
	}
	if f == nil {
		if near := nearFlags(c.flags, name); len(near) > 0 {
			return fmt.Errorf("there is no flag %q; did you mean %s?", name, strings.Join(near, " or "))
		}
		return fmt.Errorf("there is no flag %q", name)
	}
	if value == "" && f.NoOptDefVal != "" {
		value = f.NoOptDefVal
	}
	if c.flags.Set(f.Name, value) != nil {
		return fmt.Errorf("--%s does not take that value", f.Name)
	}
	return nil
}

// configValue reads a value, which may be in quotes, with escapes.
func configValue(s string) (string, error) {
	if !strings.HasPrefix(s, `"`) {
		word, _, _ := strings.Cut(s, " ")
		if word != s && !strings.HasPrefix(strings.TrimSpace(s[len(word):]), "#") {
			return s, nil // curl warns of it, and takes all of it
		}
		return word, nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), nil
		case s[i] == '\\' && i+1 < len(s):
			i++
			if plain := strings.IndexByte("tnrv", s[i]); plain >= 0 {
				b.WriteByte("\t\n\r\v"[plain])
			} else {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return "", fmt.Errorf("the quotes do not end")
}

// String implements pflag.Value.
func (*configFile) String() string { return "" }

// Type implements pflag.Value.
func (*configFile) Type() string { return "FILE" }
