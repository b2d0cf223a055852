package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/policyfile"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
)

// fetch is one transfer: the flags of `tally URL`.
type fetch struct {
	*world
	wallet wallet
	request

	include, failHTTP, failWithBody, follow bool
	verbose, quiet, showError, compressed   bool
	remoteName, dryRun, version             bool
	output, dump, writeOut, report, asked   string
	maxTime, retryDelay                     seconds
	maxRedirs, retries                      int

	reader *os.File // of the report, if that is a pipe or a device
	known  facts
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
  tally --json '{"q":"tide"}' --max-price 0.01 https://api.example.com/ask
  tally -sSf -o data.json -w '%{payment_amount} %{payment_currency}\n' https://api.example.com/data
  tally --max-price 0.0001 --max-stream 0.05 https://api.example.com/stream`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && (f.asked != "" || f.version) {
				return nil
			}
			return destination(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.version {
				return f.printVersion()
			}
			w.silent = f.quiet && !f.showError
			if err := fromEnv(cmd.Flags(), w.env, settings...); err != nil {
				return err
			}
			ctx, err := w.rules.lower(cmd.Context(), w.env, cmd.Flags(), &f.wallet)
			if err != nil {
				return err
			}
			if len(args) > 0 {
				f.asked = args[0]
			}
			return f.run(ctx)
		},
	}
	cmd.SetUsageTemplate(cmd.UsageTemplate() +
		"{{if .HasParent}}\nExit statuses: see tally --help.\n{{else}}\n" + exitHelp() + "\n{{end}}") // commands inherit it
	flags := cmd.Flags()
	flags.SortFlags = false
	f.requestFlags(flags)
	f.flags(flags)
	f.wallet.connection.flags(flags)
	f.wallet.keyFlags(flags)
	f.wallet.limitFlags(flags)
	return cmd
}

// flags are those about the transfer and its output.
func (f *fetch) flags(flags *pflag.FlagSet) {
	flags.BoolVarP(&f.include, "include", "i", false, "write the status line and the headers before the body")
	flags.StringVarP(&f.output, "output", "o", "",
		"write the body to `FILE` instead of stdout; - is stdout, also for what is binary")
	flags.BoolVarP(&f.remoteName, "remote-name", "O", false,
		"write the body to a file that is named as the last part of the URL")
	flags.StringVarP(&f.dump, "dump-header", "D", "", "write the headers to `FILE`; - is stdout")
	flags.StringVarP(&f.writeOut, "write-out", "w", "",
		"write `FORMAT` to stdout afterwards: %{http_code}, %{payment_amount}, …; @FILE reads it")
	flags.StringVar(&f.report, "json-report", "",
		"write what became of the money to `FILE`, as JSON; - is stdout, with --output for the body")
	flags.BoolVarP(&f.failHTTP, "fail", "f", false, "no body and exit status 22 if the HTTP status is 400 or above")
	flags.BoolVar(&f.failWithBody, "fail-with-body", false, "the same, with the body")
	flags.BoolVarP(&f.follow, "location", "L", false, "follow redirects; another origin that one leads to is not paid")
	flags.IntVar(&f.maxRedirs, "max-redirs", 50, "how many redirects are followed, at most this `N`; -1: any")
	flags.BoolVar(&f.compressed, "compressed", false, "ask for a compressed body, and write it decompressed")
	flags.IntVar(&f.retries, "retry", 0,
		"try this `N` of times again after a timeout, 408, 429, 500, 502, 503 and 504; it is one payment")
	flags.Var(&f.retryDelay, "retry-delay",
		"wait `SECONDS` before each (default: 1, 2, 4 and so on, or what Retry-After says)")
	flags.VarP(&f.maxTime, "max-time", "m", "give up after this many `SECONDS`, all tries together (default 0: never)")
	flags.BoolVarP(&f.quiet, "silent", "s", false, "no summary and no errors on stderr")
	flags.BoolVarP(&f.showError, "show-error", "S", false, "show errors although -s is set")
	flags.BoolVarP(&f.verbose, "verbose", "v", false,
		"tell on stderr what is sent, received and paid; never keys or credentials")
	flags.BoolP("no-buffer", "N", true, "for those whose fingers know curl: output is never held back")
	_ = flags.MarkHidden("no-buffer") // it exists
	flags.BoolVar(&f.dryRun, "dry-run", false, "send the request unpaid, show what it would cost, and pay nothing")
	flags.VarP(&configFile{flags: flags, stdin: f.stdin}, "config", "K",
		"read flags from `FILE`, name = value on each line; - is stdin")
	flags.StringVar(&f.asked, "url", "", "the `URL`, for files of --config")
	flags.BoolVarP(&f.version, "version", "V", false, "print the version")
}

func (f *fetch) printVersion() error {
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	_, err := fmt.Fprintf(f.stdout, "tally %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return fail(exitWrite, err)
	}
	return nil
}

func (f *fetch) run(ctx context.Context) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.dryRun {
		q := &quote{world: f.world, wallet: f.wallet, request: f.request}
		return q.run(ctx, f.asked)
	}
	if err := f.openReport(ctx); err != nil {
		return err
	}
	if f.reader != nil {
		defer f.reader.Close()
	}
	f.known.start = time.Now()
	err := f.transfer(ctx)
	f.known.end = time.Now()
	if f.known.answered { // what transactions were charged is known by now, as a rule
		f.summary()
	}
	return f.after(err)
}

// check finds mistakes in the flags, before anything is paid.
func (f *fetch) check() error {
	switch {
	case f.failHTTP && f.failWithBody:
		return fail(exitUsage, errors.New("--fail and --fail-with-body are two things: give one"))
	case f.report == "-" && (f.output == "" && !f.remoteName || f.output == "-"):
		return fail(exitUsage, errors.New("--json-report - and the body would both go to stdout: set --output"))
	case f.report != "" && f.report != "-" && (sameFile(f.report, f.bodyFile()) || sameFile(f.report, f.dump)):
		return fail(exitUsage, errors.New("--json-report would overwrite the body or the headers: name another file"))
	case f.retries < 0:
		return fail(exitUsage, errors.New("--retry: write a number from 0"))
	}
	if info, err := os.Stat(f.report); f.report != "-" && err == nil && !info.Mode().IsRegular() {
		return f.readFormat() // a pipe or a device: see openReport
	}
	if f.report != "" && f.report != "-" {
		file, err := os.OpenFile(f.report, os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return fail(exitWrite, fmt.Errorf("--json-report: %w", err))
		}
		if err := file.Close(); err != nil {
			return fail(exitWrite, err)
		}
	}
	return f.readFormat()
}

// readerWait is how long somebody who reads the report from a pipe is waited for.
const readerWait = 10 * time.Second

// openReport opens the pipe or the device that the report goes to, before anything is paid.
func (f *fetch) openReport(ctx context.Context) error {
	info, err := os.Stat(f.report)
	if f.report == "-" || err != nil || info.Mode().IsRegular() {
		return nil
	}
	wait := readerWait
	if f.maxTime > 0 {
		wait = min(wait, time.Duration(f.maxTime))
	}
	bounded, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	f.reader, err = await(bounded, func() (*os.File, error) { return os.OpenFile(f.report, os.O_WRONLY, 0) })
	switch {
	case ctx.Err() != nil:
		return stopped(ctx)
	case bounded.Err() != nil && f.reader == nil:
		return fail(exitWrite, fmt.Errorf("--json-report: nobody has opened %s to read it for %s", inline(f.report), wait))
	case err != nil:
		return fail(exitWrite, fmt.Errorf("--json-report: %w", err))
	}
	return nil
}

func (f *fetch) transfer(ctx context.Context) (err error) {
	if f.maxTime > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(f.maxTime))
		defer cancel()
		defer func() {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) && errors.Is(err, context.DeadlineExceeded) {
				f.late = fmt.Sprintf("--max-time: %s seconds are over", f.maxTime.String())
			}
		}()
	}
	defer f.end()
	req, err := f.build(f.traced(ctx), f.asked, f.world)
	if err != nil {
		return err
	}
	f.remember(req)
	if err := f.wallet.open(ctx, f.world, f.event); err != nil && !errors.Is(err, policyfile.ErrReadOnly) {
		return err
	}
	defer func() { err = errors.Join(err, f.wallet.close(ctx)) }()
	out, err := f.create(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	heads, err := f.heads(ctx, out)
	if err != nil {
		return err
	}
	if heads != out {
		defer func() { err = errors.Join(err, heads.close()) }()
	}
	resp, err := f.send(ctx, req)
	if err != nil {
		var e *client.Error
		if errors.As(err, &e) {
			f.noteChannel(ctx, e.ChannelID)
		}
		return f.afterPayment(ctx, err)
	}
	defer resp.Body.Close()
	f.note(ctx, resp)
	f.progress.hide()
	f.streaming(out, resp)
	err = f.write(out, heads, resp)
	f.progress.hide()
	_ = resp.Body.Close() // the journal has its line then
	f.note(ctx, resp)
	f.known.answered = true
	return errors.Join(err, f.verdict(resp))
}

// remember notes what is sent.
func (f *fetch) remember(req *http.Request) {
	f.known.method, f.known.url = req.Method, withoutUser(req.URL.String())
	if o, err := origin.Of(req.URL); err == nil {
		f.known.origin = o.Text
	}
	f.known.sent = max(0, req.ContentLength)
	if f.compressed && req.Header.Get("Accept-Encoding") == "" {
		req.Header.Set("Accept-Encoding", "gzip, deflate")
	}
	if f.retries > 0 && req.Header.Get("Idempotency-Key") == "" {
		req.Header.Set("Idempotency-Key", rand.Text()) // all tries are one purchase
	}
	if f.verbose {
		fmt.Fprintf(f.stderr, "> %s %s\n", req.Method, req.URL.RequestURI())
		f.showHeaders(">", req.Header)
	}
}

// traced returns a context that has the connection noted, for --write-out.
func (f *fetch) traced(ctx context.Context) context.Context {
	if f.writeOut == "" {
		return ctx
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			f.known.setRemote(info.Conn.RemoteAddr().String())
		},
		GotFirstResponseByte: func() { f.known.setFirst(time.Now()) },
	})
}

// client pays where there is a key.
func (f *fetch) client(req *http.Request) (*http.Client, error) {
	c := &http.Client{Transport: f.wallet.base}
	if f.wallet.session != nil {
		c = f.wallet.session.Client()
	}
	jar, err := f.jar(req.URL)
	if err != nil {
		return nil, err
	}
	if jar != nil {
		c.Jar = jar
	}
	c.CheckRedirect = f.redirected
	return c, nil
}

// redirected decides about a redirect. What was meant for one origin is not sent to another.
func (f *fetch) redirected(req *http.Request, via []*http.Request) error {
	if !f.follow {
		return http.ErrUseLastResponse
	}
	if f.maxRedirs >= 0 && len(via) > f.maxRedirs {
		return fail(exitRedirects, fmt.Errorf("more than %d redirects", f.maxRedirs))
	}
	f.known.redirects = len(via)
	f.known.url = withoutUser(req.URL.String())
	from, err := origin.Of(via[0].URL)
	to, bad := origin.Of(req.URL)
	if err != nil || bad != nil || from.Text != to.Text {
		req.Header.Del("Authorization")
		req.Header.Del("Cookie")
	}
	if !strings.HasSuffix(f.referer, ";auto") && f.referer == "" && via[0].Header.Get("Referer") == "" {
		req.Header.Del("Referer") // net/http sets it
	}
	return nil
}

// write writes the answer as it comes.
func (f *fetch) write(out, heads *output, resp *http.Response) error {
	if f.verbose {
		fmt.Fprintf(f.stderr, "< %s %s\n", resp.Proto, strings.TrimSpace(resp.Status))
		f.showHeaders("<", resp.Header)
	}
	if heads != nil {
		if err := heads.begin(); err != nil {
			return err
		}
		if err := writeHeader(heads, resp); err != nil {
			return err
		}
	}
	if f.failHTTP && resp.StatusCode >= http.StatusBadRequest {
		return nil
	}
	if heads != out {
		if err := out.begin(); err != nil {
			return err
		}
	}
	if f.include || f.head {
		if err := writeHeader(out, resp); err != nil {
			return err
		}
	}
	return f.copy(out, resp)
}

// copy writes the body. What is binary goes to no terminal: it is saved if it was paid, since it is not sent twice.
func (f *fetch) copy(out *output, resp *http.Response) error {
	body, coded := f.decoded(resp)
	counted := &counter{from: body}
	defer func() { f.known.received = counted.n }()
	_, err := io.Copy(out, counted)
	switch {
	case errors.Is(err, errBinary):
		return errors.Join(fail(exitWrite, f.save(counted)), coded)
	case err != nil:
		return err
	}
	return coded
}

// save saves the rest of a body that a terminal cannot show, and returns an error that says where.
func (f *fetch) save(from *counter) error {
	file, err := os.CreateTemp("", "tally-body-")
	if err != nil {
		return fmt.Errorf("%w, and cannot be saved: %w", errBinary, err)
	}
	_, err = io.Copy(file, io.MultiReader(strings.NewReader(string(from.last)), from))
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("%w, and cannot be saved: %w", errBinary, err)
	}
	return fmt.Errorf("%w and is not written to the terminal: it was saved as %s; "+
		"--output FILE saves it elsewhere, --output - writes it", errBinary, file.Name())
}

// counter counts what is read, and has what was read last.
type counter struct {
	from io.Reader
	n    int64
	last []byte
}

// Read implements io.Reader.
func (c *counter) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	c.n += int64(n)
	c.last = append(c.last[:0], b[:n]...)
	return n, err
}

// decoded is the body without its content coding, with --compressed. A coding that cannot be read is an error, and the
// body is there as it came: it was paid, and is not sent twice.
func (f *fetch) decoded(resp *http.Response) (io.Reader, error) {
	if !f.compressed {
		return resp.Body, nil
	}
	coding := strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding")))
	if coding == "" || coding == "identity" {
		return resp.Body, nil
	}
	body := bufio.NewReader(resp.Body)
	if _, err := body.Peek(1); err == io.EOF { // nothing, as after HEAD, has no coding
		return body, nil
	}
	var r io.Reader
	var err error
	from := &reread{from: body}
	switch coding {
	case "gzip", "x-gzip":
		r, err = gzip.NewReader(from)
	case "deflate":
		r, err = zlib.NewReader(from)
	default:
		err = fmt.Errorf("the coding %q is not read", coding)
	}
	if err != nil {
		return io.MultiReader(&from.kept, body), fail(exitEncoding, fmt.Errorf("--compressed: %w: the body is written as it came", err))
	}
	from.off, from.kept = true, bytes.Buffer{}
	return r, nil
}

// reread keeps what is read until it is off.
type reread struct {
	from io.Reader
	kept bytes.Buffer
	off  bool
}

// Read implements io.Reader.
func (r *reread) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	if !r.off {
		r.kept.Write(b[:n])
	}
	return n, err
}

// verdict is what the status of the answer means for the exit status.
func (f *fetch) verdict(resp *http.Response) error {
	paid := client.PaymentOf(resp)
	switch {
	case paid != nil && paid.Outcome == client.OutcomeRejected:
		return fail(exitRejected, f.rejected(resp, paid))
	case resp.StatusCode == http.StatusPaymentRequired && f.rules.readOnly():
		return fail(exitRefused, message{
			fmt.Sprintf("payment is required and the policy %s is read-only", f.rules.path), "nothing was signed", "",
		})
	case paid != nil && explained(paid.Err):
		return paid.Err
	case resp.StatusCode >= http.StatusBadRequest && f.unknown(): // of this try, or of an earlier one
		return f.afterPayment(resp.Request.Context(), fmt.Errorf("the server answered with status %d", resp.StatusCode))
	case resp.StatusCode == http.StatusPaymentRequired && f.wallet.session == nil:
		return fail(exitKey, message{
			"payment is required and there is no key to pay with", "nothing was paid", "set --key-file or TALLY_KEY",
		})
	case resp.StatusCode == http.StatusPaymentRequired:
		return fail(exitNothing, errNothing)
	case paid != nil && paid.Outcome == client.OutcomeAcceptedNoContent && resp.StatusCode >= http.StatusBadRequest:
		return fail(exitNoContent, message{
			fmt.Sprintf("the payment was accepted, and the answer is an error: status %d", resp.StatusCode),
			speaker{f.currency}.amount(paid.Cost()) + " was paid", "",
		})
	case (f.failHTTP || f.failWithBody) && resp.StatusCode >= http.StatusBadRequest:
		return fail(exitHTTP, fmt.Errorf("the server answered with status %d", resp.StatusCode))
	}
	return nil
}

// explained reports whether an error says more about an answer than its status.
func explained(err error) bool {
	for _, one := range []error{client.ErrProof, client.ErrAuthorization, client.ErrPaidBefore} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// errNothing means that the offers of a 402 are not for us.
var errNothing = message{
	"payment is required, and in no way that tally can pay", "nothing was signed", "tally -i URL shows what is offered",
}

// rejected is what to say of a payment that the payee rejected.
func (f *fetch) rejected(resp *http.Response, paid *client.Payment) message {
	m := message{
		what: strings.TrimSpace(fmt.Sprintf("the payment was rejected with status %d %s", resp.StatusCode, paid.Problem)),
		money: "the payee can take what was signed until the channel is closed (" +
			speaker{f.currency}.amount(paid.Price) + ")",
		todo: "-v shows what was signed; to get the rest of the deposit back: tally close " + short(paid.ChannelID),
	}
	if paid.Err != nil {
		m.what += ": " + speaker{f.currency}.plain(paid.Err)
		m.todo = "tally close " + short(paid.ChannelID) + " --force, then tally keep, gets the rest of the deposit back"
	}
	return m
}
