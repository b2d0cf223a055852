package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/policyfile"
	"github.com/seed-5fe1f529/tallystick/store"
)

// rules are those of the owner: the policy file, if there is one.
type rules struct {
	path string
	file *policyfile.File // nil before it is read, or if there is none
	own  channel.Limits   // the limits of the flags
}

func (w *world) policyFlag(f *pflag.FlagSet) {
	f.StringVar(&w.rules.path, "policy", "",
		"pay within the policy `FILE` (default: TALLY_POLICY); other flags lower limits, or raise as its [raise] allows")
}

// load reads the policy file, once.
func (r *rules) load(env func(string) string) (err error) {
	if r.path == "" {
		r.path = env("TALLY_POLICY")
	}
	if r.path != "" && r.file == nil {
		r.file, err = loadPolicy(r.path)
	}
	return err
}

func loadPolicy(path string) (*policyfile.File, error) {
	f, err := policyfile.Load(path)
	var file *fs.PathError
	switch {
	case errors.As(err, &file):
		return nil, fail(exitRead, fmt.Errorf("--policy %s: %w", path, file.Err))
	case err != nil:
		return nil, fail(exitUsage, err)
	}
	return f, nil
}

func (r *rules) readOnly() bool { return r.file != nil && r.file.Mode == policyfile.ReadOnly }

// mayPay returns policyfile.ErrReadOnly under a read-only policy.
func (r *rules) mayPay(env func(string) string) error {
	if err := r.load(env); err != nil {
		return err
	}
	if r.readOnly() {
		return fail(exitRefused, fmt.Errorf("%s: %w", r.path, policyfile.ErrReadOnly))
	}
	return nil
}

// apply sets the policy in the config in place of what the flags set. The limits of the flags are
// in the context then.
func (r *rules) apply(env func(string) string, cfg *client.Config) error {
	err := r.load(env)
	if err != nil || r.file == nil {
		return err
	}
	if cfg.Bootstrap && !r.file.Bootstrap {
		return fail(exitRefused, fmt.Errorf("--bootstrap: the policy %s does not allow it", r.path))
	}
	if cfg.Escrow != r.file.Escrow && cfg.Escrow.Cmp(client.Config{}.Escrow) != 0 {
		return fail(exitRefused, fmt.Errorf("--escrow: the policy %s does not name it", r.path))
	}
	r.file.Apply(cfg)
	return nil
}

// consents asks the policy, or the pins of the origin if there is no policy, and pins nothing.
func (r *rules) consents(ctx context.Context, p client.Proposal, s store.Store) error {
	cfg := client.Config{Store: reading{s}}
	if r.file != nil {
		r.file.Apply(&cfg)
	} else {
		cfg.Policy = client.PinFirstUse(cfg.Store)
	}
	return cfg.Policy(ctx, p)
}

// reading is a store that drops what is written.
type reading struct{ store.Store }

func (reading) Put(context.Context, string, []byte, uint64) (uint64, error) { return 1, nil }

// lower returns a context with the limits of the flags, which apply within those of the policy.
// Without a policy the flags are the limits of the session.
func (r *rules) lower(ctx context.Context, env func(string) string, flags *pflag.FlagSet,
	p *wallet,
) (context.Context, error) {
	err := r.load(env)
	if err != nil || r.file == nil {
		return ctx, err
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if a, ok := f.Value.(amount); ok && f.Changed && a.to.IsZero() {
			err = fail(exitUsage, fmt.Errorf("--%s is zero, which has no effect under a policy: "+
				"leave it out, or write a policy with mode = \"read-only\"", f.Name))
		}
	})
	if f := flags.Lookup("piece-by-piece"); f != nil && f.Changed && !p.limits.PieceByPiece && r.file.Limits.PieceByPiece {
		err = fail(exitUsage, fmt.Errorf("--piece-by-piece=false has no effect: the policy %s sets piece-by-piece", r.path))
	}
	if r.own = p.limits; r.own == (channel.Limits{}) {
		return ctx, err // limits of a context are for one asset, and those say nothing about any
	}
	return client.WithLimits(ctx, r.own), err
}

// explain returns the text of an error for a person at a terminal.
func (w *world) explain(err error) string {
	text := w.explainRules(err)
	const over = "context deadline exceeded"
	switch {
	case w.late == "":
		return text
	case strings.Contains(text, over):
		return strings.ReplaceAll(text, over, w.late)
	}
	first, rest, _ := strings.Cut(text, "\n")
	return strings.TrimSuffix(first+"; "+w.late+"\n"+rest, "\n")
}

// explainRules is explain for one who may have a policy.
func (w *world) explainRules(err error) string {
	var limit *channel.LimitError
	r := w.rules
	if r.file == nil || !errors.As(err, &limit) || policyfile.Key(limit.Limit) == "" {
		return speaker{w.currency}.explain(err).lines()
	}
	say := speaker{limit.Currency}
	flag, asked := flagOf[limit.Limit], r.own
	_ = asked.Set(limit.Limit, limit.Wanted)
	if flag != "" && asked == r.own { // what is too much is what the flag says
		return message{fmt.Sprintf("refused: %s is %s and the policy %s allows %s",
			flag, say.number(limit.Wanted), r.path, say.amount(limit.Allowed)), "nothing was signed", ""}.lines()
	}
	return message{fmt.Sprintf("refused: %s allows %s as %s and this needs %s", w.allowing(flag), say.number(limit.Allowed),
		policyfile.Key(limit.Limit), say.amount(limit.Wanted)), unsigned, ""}.lines()
}

// allowing returns what set a limit: the policy, or the flag that lowered it.
func (w *world) allowing(flag string) string {
	if flag == "" {
		return "the policy " + w.rules.path
	}
	return fmt.Sprintf("the policy %s, or %s,", w.rules.path, flag)
}

func policyCommand(w *world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Work on policy files",
		Args:  arguments(cobra.NoArgs),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "check FILE",
		Short: "Show what a policy file means, or what is wrong with it",
		Long: `Check reads a policy file and prints it with comments that describe each line, and
what applies if a key is not set. If the file has mistakes, check prints their lines and what was
expected there, and ends with status 2.`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := loadPolicy(args[0])
			if err != nil {
				return err
			}
			if _, err := fmt.Fprint(w.stdout, f); err != nil {
				return fail(exitWrite, err)
			}
			return nil
		},
	})
	return cmd
}
