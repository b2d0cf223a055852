package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/store/records"
)

// shells are those that there are completions for, with what writes them.
var shells = map[string]func(*cobra.Command, io.Writer) error{
	"bash": func(root *cobra.Command, to io.Writer) error {
		if err := root.GenBashCompletionV2(to, true); err != nil {
			return err
		}
		_, err := io.WriteString(to, withoutPackage)
		return err
	},
	"zsh":        (*cobra.Command).GenZshCompletion,
	"fish":       func(root *cobra.Command, to io.Writer) error { return root.GenFishCompletion(to, true) },
	"powershell": (*cobra.Command).GenPowerShellCompletionWithDesc,
}

// withoutPackage makes the script for bash work where the package bash-completion is not installed.
const withoutPackage = `
__tally_init_completion() {
    COMPREPLY=()
    if declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
        _get_comp_words_by_ref "$@" cur prev words cword
        return
    fi
    words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
    cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
}
if ! declare -F _filedir >/dev/null 2>&1; then
    _filedir() {
        local IFS=$'\n'
        COMPREPLY=($(compgen -d -- "$cur"))
    }
fi
`

func completionCommand(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Write the completions for bash, zsh, fish or powershell",
		Long: `Completion writes a script for a shell, which then completes commands, flags, the names of files where a flag
takes one, and the ids of channels. Install it once, with one of these lines:

  tally completion bash > ~/.local/share/bash-completion/completions/tally
  tally completion zsh > "${fpath[1]}/_tally"
  tally completion fish > ~/.config/fish/completions/tally.fish
  tally completion powershell >> $PROFILE

Without the package bash-completion, source the first file in ~/.bashrc.`,
		Args:      arguments(cobra.ExactArgs(1)),
		ValidArgs: []string{"bash", "fish", "powershell", "zsh"},
		RunE: func(cmd *cobra.Command, args []string) error {
			write, ok := shells[args[0]]
			if !ok {
				return fail(exitUsage, errors.New("completions are for bash, zsh, fish and powershell"))
			}
			return generate(w, func(to io.Writer) error { return write(cmd.Root(), to) })
		},
	}
}

func manCommand(w *world) *cobra.Command {
	return &cobra.Command{
		Use:   "man",
		Short: "Write the man page",
		Long: `Man writes the man page tally(1), which has the help of all commands. Install it, or read it at once, with one
of these lines:

  tally man > ~/.local/share/man/man1/tally.1
  tally man | man -l -`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return generate(w, func(to io.Writer) error {
				_, err := io.WriteString(to, manual(cmd.Root()))
				return err
			})
		},
	}
}

// generate writes text of our own to stdout as it is.
func generate(w *world, write func(io.Writer) error) error {
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return err
	}
	if _, err := text.WriteTo(w.body); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}

// completeArguments has the shell complete arguments of a command by the names of files, if it takes one, and by
// nothing otherwise.
func completeArguments(cmd *cobra.Command) {
	if cmd.ValidArgsFunction != nil || cmd.ValidArgs != nil {
		return
	}
	how := cobra.ShellCompDirectiveNoFileComp
	for name := range strings.FieldsSeq(cmd.Use) {
		if name == "FILE" || name == "PATH" {
			how = cobra.ShellCompDirectiveDefault
		}
	}
	cmd.ValidArgsFunction = cobra.FixedCompletions(nil, how)
}

// completeChannels completes the id of a channel that holds money. It makes no store where there is none.
func completeChannels(w *world) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		var p wallet
		if f := cmd.Flags().Lookup("store"); f != nil && f.Changed {
			p.dir = f.Value.String()
		} else {
			p.dir = w.env("TALLY_STORE")
		}
		if p.dir == "" {
			p.dir, _ = stateDir(w.env)
		}
		if _, err := os.Stat(p.dir); err != nil || len(args) > 0 || p.openStore(w) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer p.files.Close()
		_ = w.rules.load(w.env) // it has the symbols of tokens: ids can be completed without
		var ids []string
		for s, err := range records.Live(cmd.Context(), p.files) {
			if err == nil && s.HoldsMoney() && strings.HasPrefix(s.ID.Hex(), begun) {
				about := fmt.Sprintf("%s, %s at %s", phase(s), written(w.in(s), s.Deposit), s.Scope.Origin)
				ids = append(ids, short(s.ID)+"\t"+inline(about))
			}
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}
