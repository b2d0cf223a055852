package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// section is a part of the table: a heading and its commands.
type section struct {
	id, title string
	commands  []func(*world) *cobra.Command
}

// sections is the table of the commands. The usage, tally help, what is suggested for a mistyped name, the completions
// and the man page are made from it. A command's constructor defines its flags with a text for each; the name of a
// flag's value says what completes it (see [values]).
var sections = []section{
	{"pay", "Pay:", []func(*world) *cobra.Command{quoteCommand, budgetCommand, spendCommand, ledgerCommand}},
	{"channels", "Channels:", []func(*world) *cobra.Command{
		channelsCommand, closeCommand, keepCommand, findCommand, importCommand,
	}},
	{"keys", "Keys and money:", []func(*world) *cobra.Command{keyCommand, balanceCommand, fundCommand}},
	{"rules", "Rules:", []func(*world) *cobra.Command{policyCommand, trustCommand}},
	{"help", "Help:", []func(*world) *cobra.Command{
		demoCommand, doctorCommand, completionCommand, manCommand, helpCommand,
	}},
}

// values are the names of the flags' values in the usage, and how a shell completes one: by the names of files or of
// directories, or by nothing.
var values = map[string]cobra.ShellCompDirective{
	"FILE":    cobra.ShellCompDirectiveDefault,
	"DIR":     cobra.ShellCompDirectiveFilterDirs,
	"ADDRESS": cobra.ShellCompDirectiveNoFileComp,
	"AMOUNT":  cobra.ShellCompDirectiveNoFileComp,
	"DATA":    cobra.ShellCompDirectiveDefault, // @FILE
	"LINE":    cobra.ShellCompDirectiveNoFileComp,
	"N":       cobra.ShellCompDirectiveNoFileComp,
	"DATE":    cobra.ShellCompDirectiveNoFileComp,
	"WHAT":    cobra.ShellCompDirectiveNoFileComp,
	"PORT":    cobra.ShellCompDirectiveNoFileComp,
	"METHOD":  cobra.ShellCompDirectiveNoFileComp,
	"SECONDS": cobra.ShellCompDirectiveNoFileComp,
	"TIME":    cobra.ShellCompDirectiveNoFileComp,
	"URL":     cobra.ShellCompDirectiveNoFileComp,

	"COMMAND": cobra.ShellCompDirectiveNoFileComp,
	"FORMAT":  cobra.ShellCompDirectiveNoFileComp,
	"TEXT":    cobra.ShellCompDirectiveNoFileComp,

	"OPERATION":         cobra.ShellCompDirectiveNoFileComp,
	"NAME:PASSWORD":     cobra.ShellCompDirectiveNoFileComp,
	"HOST:PORT:ADDRESS": cobra.ShellCompDirectiveNoFileComp,
}

// commands returns the table as a tree: tally URL, with the commands below it.
func commands(w *world) *cobra.Command {
	root := fetchCommand(w)
	for _, s := range sections {
		root.AddGroup(&cobra.Group{ID: s.id, Title: s.title})
		for _, command := range s.commands {
			cmd := command(w)
			cmd.GroupID = s.id
			root.AddCommand(cmd)
		}
	}
	w.policyFlag(root.PersistentFlags())
	w.keyFlags(root.PersistentFlags())
	root.SetHelpCommand(find(root, "help"))
	root.CompletionOptions.DisableDefaultCmd = true
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return fail(exitUsage, flagError(cmd, err)) })
	each(root, func(cmd *cobra.Command) {
		cmd.InitDefaultHelpFlag() // cobra adds it late, and the completions and the man page list it
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { complete(cmd, f) })
		completeArguments(cmd)
	})
	return root
}

// each calls do for a command and all below it, in the order of the table.
func each(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, below := range cmd.Commands() {
		each(below, do)
	}
}

// find returns the command of that name directly below cmd, or nil.
func find(cmd *cobra.Command, name string) *cobra.Command {
	for _, below := range cmd.Commands() {
		if below.Name() == name || below.HasAlias(name) {
			return below
		}
	}
	return nil
}

// complete has the shell complete the value of a flag as its name in the usage says.
func complete(cmd *cobra.Command, f *pflag.Flag) {
	name, _ := pflag.UnquoteUsage(f)
	how, ok := values[name]
	if !ok || f.NoOptDefVal != "" {
		return
	}
	if _, set := cmd.GetFlagCompletionFunc(f.Name); !set {
		_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(nil, how))
	}
}

// destination takes the argument of tally URL. A word that is no URL, such as a mistyped command, is refused: it would
// be looked up as a host, and what follows be sent there. After -- everything is a URL.
func destination(cmd *cobra.Command, args []string) error {
	if len(args) > 0 && cmd.ArgsLenAtDash() != 0 && !like(args[0]) {
		return fail(exitUsage, unknown(cmd, args[0],
			fmt.Sprintf("%q is neither a command nor a URL (for a host of that name, write https://%s)", args[0], args[0])))
	}
	return arguments(cobra.ExactArgs(1))(cmd, args)
}

// like reports whether a word is meant as a URL: it has a dot, a colon or a slash, or is localhost.
func like(word string) bool {
	return strings.ContainsAny(word, ".:/") || strings.EqualFold(word, "localhost") || word == ""
}

// unknown is the error for a word that is no command below cmd, with those that are like it.
func unknown(cmd *cobra.Command, word, text string) error {
	var names []string
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() || below.Name() == "help" {
			names = append(names, below.Name())
		}
	}
	near := nearest(word, names)
	for i := range near {
		near[i] = cmd.CommandPath() + " " + near[i]
	}
	return suggestion(cmd, text, near)
}

// suggestion adds to a text what may have been meant, and where to read on.
func suggestion(cmd *cobra.Command, text string, near []string) error {
	if len(near) == 0 {
		return fmt.Errorf("%s; see %s --help", text, cmd.CommandPath())
	}
	return fmt.Errorf("%s; did you mean %s? See %s --help", text, strings.Join(near, " or "), cmd.CommandPath())
}

// flagError adds to the error about a flag that there is not what may have been meant.
func flagError(cmd *cobra.Command, err error) error {
	var none *pflag.NotExistError
	var wrong *pflag.InvalidValueError
	switch {
	case errors.As(err, &wrong) && errors.As(err, new(*configError)):
		return fmt.Errorf("--config: %w", wrong.Unwrap())
	case errors.As(err, &wrong) && errors.Is(err, strconv.ErrSyntax), errors.As(err, &wrong) && errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("--%s: write a whole number", wrong.GetFlag().Name)
	case !errors.As(err, &none):
		return err
	}
	if len(none.GetSpecifiedName()) < 2 {
		return suggestion(cmd, err.Error(), nil)
	}
	return suggestion(cmd, err.Error(), nearFlags(cmd.Flags(), none.GetSpecifiedName()))
}

// nearFlags returns the flags that may have been meant by a name.
func nearFlags(flags *pflag.FlagSet, name string) []string {
	var names []string
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	near := nearest(name, names)
	for i := range near {
		near[i] = "--" + near[i]
	}
	return near
}

// nearest returns the names that differ from a word by two changes at most and by less than half of its letters, the
// nearest first, or else those that begin with it.
func nearest(word string, names []string) (near []string) {
	word = strings.ToLower(word)
	far := map[string]int{}
	for _, name := range names {
		if far[name] = distance(word, name); far[name] <= min(2, (len(word)-1)/2) {
			near = append(near, name)
		}
	}
	if near == nil {
		for _, name := range names {
			if len(word) > 1 && strings.HasPrefix(name, word) {
				near = append(near, name)
			}
		}
	}
	slices.SortStableFunc(near, func(a, b string) int { return far[a] - far[b] })
	return near[:min(3, len(near))]
}

// distance is how many letters have to be changed, added, left out or swapped with the next to get from one word to the
// other.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(change, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// arguments is a cobra.PositionalArgs whose error is a usage error.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		switch {
		case err == nil:
			return nil
		case cmd.HasAvailableSubCommands() && len(args) > 0:
			return fail(exitUsage, unknown(cmd, args[0], fmt.Sprintf("%s has no command %q", cmd.CommandPath(), args[0])))
		}
		return fail(exitUsage, fmt.Errorf("write %s (%s); see %s --help", synopsis(cmd), given(len(args)), cmd.CommandPath()))
	}
}

// synopsis is a command with the names of its arguments.
func synopsis(cmd *cobra.Command) string { return strings.TrimSuffix(cmd.UseLine(), " [flags]") }

// given says how many arguments there were.
func given(n int) string {
	switch n {
	case 0:
		return "nothing was given"
	case 1:
		return "1 argument was given"
	}
	return fmt.Sprintf("%d arguments were given", n)
}

func helpCommand(*world) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		Long:  `Help shows what a command does and what its flags are, as the command does with --help.`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			at, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, below := range at.Commands() {
				if below.IsAvailableCommand() {
					names = append(names, below.Name()+"\t"+below.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			at := cmd.Root()
			for _, name := range args {
				below := find(at, name)
				if below == nil {
					return fail(exitUsage, unknown(at, name, fmt.Sprintf("%s has no command %q", at.CommandPath(), name)))
				}
				at = below
			}
			return at.Help()
		},
	}
}
