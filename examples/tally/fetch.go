package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/policyfile"
)

// fetch is one transfer: the flags of `tally URL`.
type fetch struct {
	*world
	wallet wallet
	request

	include, failHTTP, follow, verbose, quiet, showError bool
	output                                               string
	maxTime                                              seconds
}

func fetchCommand(w *world) *cobra.Command {
	f := &fetch{world: w}
	cmd := &cobra.Command{
		Use:   "tally URL",
		Short: "curl for paid APIs",
		Long: `Tally fetches a URL like curl. If the answer is 402 it pays from a payment channel: it opens one,
uses it again the next time, tops it up, and keeps a paid stream going. How much it may spend is up
to the flags; without them it pays nothing.

The body goes to stdout and nothing else does. An AMOUNT is in tokens (0.25) or in base units (250000u).
The environment can set the payment flags: TALLY_MAX_PRICE is --max-price. TALLY_KEY is the key itself,
as hex digits, and TALLY_PASSWORD the password of a keystore file.`,
		Example: `  tally --key-file key.json --rpc-url https://rpc.example --max-price 0.001 --max-deposit 1 https://api.example.com/data
  tally -d '{"q":"tide"}' -H 'Content-Type: application/json' --max-price 0.01 https://api.example.com/ask
  tally --max-price 0.0001 --max-stream 0.05 https://api.example.com/stream`,
		Args: destination,
		RunE: func(cmd *cobra.Command, args []string) error {
			w.silent = f.quiet && !f.showError
			if err := fromEnv(cmd.Flags(), w.env, settings...); err != nil {
				return err
			}
			ctx, err := w.rules.lower(cmd.Context(), w.env, cmd.Flags(), &f.wallet)
			if err != nil {
				return err
			}
			return f.run(ctx, args[0])
		},
	}
	cmd.SetUsageTemplate(cmd.UsageTemplate() + "\n" + exitHelp() + "\n")
	flags := cmd.Flags()
	flags.SortFlags = false
	f.requestFlags(flags)
	flags.BoolVarP(&f.include, "include", "i", false, "write the status line and the headers before the body")
	flags.StringVarP(&f.output, "output", "o", "", "write the body to `FILE` instead of stdout")
	flags.BoolVarP(&f.failHTTP, "fail", "f", false, "no body and exit status 22 where the HTTP status is 400 or above")
	flags.BoolVarP(&f.follow, "location", "L", false, "follow redirects; each origin is paid on its own terms")
	flags.VarP(&f.maxTime, "max-time", "m", "give up after this many `SECONDS` (default 0: never)")
	flags.BoolVarP(&f.quiet, "silent", "s", false, "no summary and no errors on stderr")
	flags.BoolVarP(&f.showError, "show-error", "S", false, "show errors although -s is set")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "tell on stderr what is paid; never keys or credentials")
	flags.BoolP("no-buffer", "N", true, "for those whose fingers know curl: output is never held back")
	_ = flags.MarkHidden("no-buffer") // it exists
	f.wallet.keyFlags(flags)
	f.wallet.limitFlags(flags)
	return cmd
}

func (f *fetch) run(ctx context.Context, rawurl string) (err error) {
	if f.maxTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(f.maxTime))
		defer cancel()
	}
	req, err := f.build(ctx, rawurl, f.stdin)
	if err != nil {
		return err
	}
	if err := f.wallet.open(ctx, f.world, f.event); err != nil && !errors.Is(err, policyfile.ErrReadOnly) {
		return err
	}
	defer func() { err = errors.Join(err, f.wallet.close(ctx)) }()
	out, err := f.create(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.close()) }()

	resp, err := f.client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	err = f.write(out, resp)
	f.summary(ctx, resp)
	return errors.Join(err, f.verdict(resp))
}

// client pays where there is a key.
func (f *fetch) client() *http.Client {
	c := &http.Client{Transport: f.wallet.base}
	if f.wallet.session != nil {
		c = f.wallet.session.Client()
	}
	if !f.follow {
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		return c
	}
	c.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return fail(exitRedirects, fmt.Errorf("more than %d redirects", maxRedirects))
		}
		return nil
	}
	return c
}

// maxRedirects is how many redirects are followed.
const maxRedirects = 10

// write writes the answer as it comes.
func (f *fetch) write(out *output, resp *http.Response) error {
	if f.verbose {
		fmt.Fprintf(f.stderr, "< %s %s\n", resp.Proto, strings.TrimSpace(resp.Status))
	}
	if f.failHTTP && resp.StatusCode >= http.StatusBadRequest {
		return nil
	}
	if err := out.begin(); err != nil {
		return err
	}
	if f.include {
		if err := writeHeader(out, resp); err != nil {
			return err
		}
	}
	_, err := io.Copy(out, resp.Body)
	return err
}

// verdict is what the status of the answer means for the exit status.
func (f *fetch) verdict(resp *http.Response) error {
	paid := client.PaymentOf(resp)
	switch {
	case paid != nil && paid.Outcome == client.OutcomeRejected && paid.Err != nil:
		return fail(exitRejected, fmt.Errorf("the payment was rejected with status %d %s: %w; here: tally close %s --force, then tally keep",
			resp.StatusCode, paid.Problem, paid.Err, short(paid.ChannelID)))
	case paid != nil && paid.Outcome == client.OutcomeRejected:
		return fail(exitRejected, fmt.Errorf("the payment was rejected with status %d %s; -v shows what was paid", resp.StatusCode, paid.Problem))
	case resp.StatusCode == http.StatusPaymentRequired && f.rules.readOnly():
		return fail(exitRefused, fmt.Errorf("payment is required and the policy %s is read-only", f.rules.path))
	case paid != nil && (errors.Is(paid.Err, client.ErrProof) || errors.Is(paid.Err, client.ErrAuthorization)):
		return paid.Err
	case resp.StatusCode == http.StatusPaymentRequired && f.wallet.session == nil:
		return fail(exitKey, errors.New("payment is required and there is no key to pay with: set --key-file or TALLY_KEY"))
	case resp.StatusCode == http.StatusPaymentRequired:
		return fail(exitNothing, errNothing)
	case paid != nil && paid.Outcome == client.OutcomeAcceptedNoContent && resp.StatusCode >= http.StatusBadRequest:
		return fail(exitNoContent, fmt.Errorf("the payment was accepted, and the answer is an error: status %d", resp.StatusCode))
	case f.failHTTP && resp.StatusCode >= http.StatusBadRequest:
		return fail(exitHTTP, fmt.Errorf("the server answered with status %d", resp.StatusCode))
	}
	return nil
}

// errNothing means that the offers of a 402 are not for us.
var errNothing = errors.New("payment is required, and in no way that tally can pay: tally -i shows what is offered")
