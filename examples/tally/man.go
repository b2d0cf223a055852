package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manual returns the man page of all commands, for man(1).
func manual(root *cobra.Command) string {
	var m page
	m.line(`.TH TALLY 1`)
	m.line(".SH NAME")
	m.text("tally - " + root.Short)
	m.line(".SH SYNOPSIS")
	m.usage("tally [FLAG]... URL")
	m.line(".br")
	m.usage("tally COMMAND [FLAG]... [ARGUMENT]...")
	m.line(".SH DESCRIPTION")
	m.long(root.Long)
	m.line(".SH OPTIONS")
	m.text("These are the flags of tally URL. A command has those that are listed with it, and --help.")
	m.flags(root)
	m.line(".SH COMMANDS")
	for _, group := range root.Groups() {
		m.line(".SS " + plain(strings.TrimSuffix(group.Title, ":")))
		for _, cmd := range root.Commands() {
			if cmd.GroupID == group.ID {
				each(cmd, m.command)
			}
		}
	}
	m.line(".SH ENVIRONMENT")
	m.term("TALLY_KEY", "The key that pays, as hex digits, if --key-file is not set.")
	m.term("TALLY_PASSWORD", "The password of the keystore, which is asked for at the terminal otherwise.")
	m.term("TALLY_POLICY", "The policy file, if --policy is not set.")
	names := slices.Clone(settings)
	slices.Sort(names)
	for _, name := range names {
		m.term(variable(name), "What --"+name+" is if it is not given.")
	}
	m.term("NO_COLOR", "No color, if it is set.")
	m.line(".SH EXIT STATUS")
	for _, e := range exits {
		m.term(fmt.Sprint(e.code), e.text+".")
	}
	m.line(".SH EXAMPLES")
	m.long(root.Example)
	return m.b.String()
}

// page is a man page that is being written.
type page struct {
	b     strings.Builder
	began bool // a section: its first paragraph needs no .PP
}

func (m *page) line(text string) {
	if text != ".PP" || !m.began {
		m.b.WriteString(text + "\n")
	}
	m.began = strings.HasPrefix(text, ".S")
}

// text writes one paragraph.
func (m *page) text(text string) { m.line(safe(plain(text))) }

// term writes a term and what it means.
func (m *page) term(term, text string) {
	m.line(".TP")
	m.line(".B " + dashes(plain(term)))
	m.text(text)
}

func (m *page) usage(text string) { m.line(".B " + dashes(plain(text))) }

// long writes paragraphs, and as they are those whose lines are indented.
func (m *page) long(text string) {
	for i, part := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if i > 0 {
			m.line(".PP")
		}
		if !strings.HasPrefix(part, "  ") {
			m.text(strings.ReplaceAll(part, "\n", " "))
			continue
		}
		m.line(".nf")
		for line := range strings.SplitSeq(part, "\n") {
			m.line(safe(dashes(plain(line))))
		}
		m.line(".fi")
	}
}

// command writes what one command does, and its flags.
func (m *page) command(cmd *cobra.Command) {
	m.line(".PP")
	m.usage(cmd.UseLine())
	m.line(".br")
	m.text(cmd.Short + ".")
	if cmd.Long != "" {
		m.line(".PP")
		m.long(cmd.Long)
	}
	if cmd.Example != "" {
		m.line(".PP")
		m.long(cmd.Example)
	}
	m.flags(cmd)
}

// flags writes the flags of a command, and those that are as with tally URL by their names.
func (m *page) flags(cmd *cobra.Command) {
	var as []string
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		above := cmd.Root().LocalFlags().Lookup(f.Name)
		switch {
		case f.Hidden, f.Name == "help":
			return
		case cmd != cmd.Root() && above != nil && above.Usage == f.Usage:
			as = append(as, `\fB`+dashes("--"+f.Name)+`\fR`)
			return
		}
		value, text := pflag.UnquoteUsage(f)
		m.line(".TP")
		name := `\fB` + dashes("--"+f.Name) + `\fR`
		if f.Shorthand != "" {
			name = `\fB` + dashes("-"+f.Shorthand) + `\fR, ` + name
		}
		if value != "" {
			name += ` \fI` + plain(value) + `\fR`
		}
		m.line(name)
		m.text(text)
	})
	if as != nil {
		m.line(".PP")
		m.line("As above: " + strings.Join(as, ", ") + ".")
	}
}

// plain is a text in which nothing is for roff.
func plain(text string) string { return strings.ReplaceAll(text, `\`, `\e`) }

// dashes are those of flags, which a reader copies.
func dashes(text string) string { return strings.ReplaceAll(text, "-", `\-`) }

// safe is a line that is no request of roff.
func safe(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}
