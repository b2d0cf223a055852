package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// demo is `tally demo`.
type demo struct {
	*world
	port uint16
	keep string

	srv *clienttest.Server
	url string // of the server, without a slash at the end
	dir string // of the files
}

// play is the demo's money.
var play = channel.Currency{Symbol: "pathUSD", Decimals: decimals}

// demoFunds is what the demo's faucet gives at a time.
var demoFunds = voucher.Units(100_000_000)

func demoCommand(w *world) *cobra.Command {
	d := &demo{world: w}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a chain and a paid server with play money, to try everything against",
		Long: `Demo runs a chain in memory and a server that wants to be paid on it, and prints what to type in another
terminal. It listens on 127.0.0.1 only, asks nobody else, and runs until Ctrl-C. The money is play money: the chain,
its tokens and the key that demo makes exist nowhere else and are gone at the end. The chain has the id and the token of
the testnet Moderato, so that everything works as there; it is not connected to it.

The files of the demo (the key, the settings, a store of channels) are in a directory of its own, which is removed at
the end unless --keep names one. Your own key, store and settings are not touched.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Uint16Var(&d.port, "port", 4020, "listen on this `PORT` of 127.0.0.1, or on any free one if it is 0")
	flags.StringVar(&d.keep, "keep", "", "keep the files in the new directory `DIR`")
	return cmd
}

func (d *demo) run(ctx context.Context) (err error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP) // the terminal is closed, and the files are removed
	defer stop()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", d.port))
	if err != nil {
		return fail(exitUsage, fmt.Errorf("--port: %w (another demo? --port 0 takes a free one)", err))
	}
	defer listener.Close()
	d.url = "http://" + listener.Addr().String()
	if d.srv, err = clienttest.Start(clienttest.Config{
		Realm: "demo", WallClock: true, NoSockets: true, BaseFee: 20_000_000_000,
	}); err != nil {
		return err
	}
	defer d.srv.Close()
	d.routes()
	if err := d.files(); err != nil {
		return fail(exitWrite, err)
	}
	if d.keep == "" {
		defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	}
	server := &http.Server{Handler: d.handler(), ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	var serving sync.WaitGroup
	defer serving.Wait()
	defer func() { _ = server.Close() }()
	serving.Go(func() { _ = server.Serve(listener) })
	if err := d.greet(); err != nil {
		return fail(exitWrite, err)
	}
	d.srv.OnRequest(d.told)
	<-ctx.Done()
	d.srv.OnRequest(nil)
	return d.farewell()
}

// handler serves the paid routes, and a node of the chain under /rpc.
func (d *demo) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", d.srv.Handler())
	mux.Handle("POST /rpc", faucet{d.srv.Chain, d.srv.Node.Handler()})
	return mux
}

// routes adds those of the demo to the server's own.
func (d *demo) routes() {
	terms := clienttest.Terms{Price: voucher.Units(10), Unit: "word", Deposit: voucher.Units(10_000)}
	d.srv.Handle("/words", d.srv.Metered(terms, recite))
	d.srv.Handle("POST /advance", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		d.srv.Chain.Advance(15 * time.Minute)
		fmt.Fprintln(w, "The chain's clock is 15 minutes further.")
	}))
}

// verse is what /words serves, a word at a time.
const verse = "A tally is a stick that is split in two when something is lent: each side keeps its half, the notches " +
	"run over both, and neither can add one alone."

// recite sends the verse as somebody speaks.
func recite(m *clienttest.Meter, r *http.Request) error {
	for word := range strings.FieldsSeq(verse) {
		if err := m.Charge(1); err != nil {
			return err
		}
		if err := m.Send(word); err != nil {
			return err
		}
		select {
		case <-r.Context().Done():
			return r.Context().Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// files makes the directory with the key and the settings.
func (d *demo) files() (err error) {
	if d.dir = d.keep; d.keep == "" {
		d.dir, err = os.MkdirTemp("", "tally-demo-")
	} else if err = os.Mkdir(d.keep, 0o700); errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("--keep: %w: it has to be a new directory", err)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(d.dir)
		}
	}()
	if d.dir, err = filepath.Abs(d.dir); err != nil {
		return err
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	if err := d.write("key.hex", keyText(key)); err != nil {
		return err
	}
	d.srv.Chain.Fund(crypto.PubkeyToAddress(key.PublicKey), demoFunds)
	return d.write(d.settings(), d.environment())
}

func (d *demo) write(name, text string) error {
	return os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600)
}

func keyText(key *ecdsa.PrivateKey) string { return hexutil.Encode(crypto.FromECDSA(key)) + "\n" }

// settings is the name of the file that sets the environment, in the language of the system's shell.
func (d *demo) settings() string {
	if runtime.GOOS == "windows" {
		return "env.ps1"
	}
	return "env"
}

// plainPath are the characters of a path that no shell takes for something else.
const plainPath = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/\\:._-"

// quoted is a text as one word of the system's shell.
func quoted(text string) string {
	quote := `'\''`
	if runtime.GOOS == "windows" {
		quote = "''"
	}
	return "'" + strings.ReplaceAll(text, "'", quote) + "'"
}

// assignment is a line that sets a variable in the system's shell.
func assignment(name, value string) string {
	if runtime.GOOS == "windows" {
		return "$env:" + name + " = " + quoted(value)
	}
	return "export " + name + "=" + quoted(value)
}

// environment is the text of that file.
func (d *demo) environment() string {
	var text strings.Builder
	for _, one := range [][2]string{
		{"KEY_FILE", filepath.Join(d.dir, "key.hex")},
		{"RPC_URL", d.url + "/rpc"},
		{"STORE", filepath.Join(d.dir, "store")},
		{"MAX_PRICE", "0.001"},
		{"MAX_DEPOSIT", "1"}, // and so 0.25 of fees in a month: some fifteen openings
		{"MAX_STREAM", "0.01"},
	} {
		text.WriteString(assignment("TALLY_"+one[0], one[1]) + "\n")
	}
	return text.String()
}

// greet prints what to type.
func (d *demo) greet() error {
	path := filepath.Join(d.dir, d.settings())
	if strings.ContainsFunc(path, func(r rune) bool { return !strings.ContainsRune(plainPath, r) }) {
		path = quoted(path)
	}
	var try strings.Builder
	t := tabwriter.NewWriter(&try, 0, 0, 4, ' ', 0)
	for _, one := range [][2]string{
		{"quote URL/data", "what a request would cost"},
		{"URL/data", "a GET: opens a channel and pays from it"},
		{"-d 'q=tide' URL/data", "a POST, from the same channel"},
		{"URL/words", "a stream, paid word by word"},
		{"URL/who", "asks who pays before it names a price"},
		{"channels", "what the channel holds"},
		{"ledger", "what was paid"},
		{"close", "the rest comes back"},
	} {
		fmt.Fprintf(t, "  tally %s\t%s\n", strings.ReplaceAll(one[0], "URL", d.url), one[1])
	}
	_ = t.Flush() // to a strings.Builder
	_, err := fmt.Fprintf(d.stdout, `A chain and a paid server run at %[1]s until Ctrl-C. The money is play money.

In another terminal, set a key with %[3]s, a node, an empty store and limits, for that terminal only:

  . %[2]s

Then try:

%[4]s
The settings:

  %[5]s

Without the payee, tally close --force takes 15 minutes. To skip them: curl -X POST %[1]s/advance

What the server sees:

`, d.url, path, written(play, demoFunds), try.String(), strings.ReplaceAll(strings.TrimSpace(d.environment()), "\n", "\n  "))
	return err
}

// told prints a request as the server sees it.
func (d *demo) told(r clienttest.Request) clienttest.Fault {
	text := inline(r.Method + " " + r.Path)
	switch id := short(r.ChannelID); r.Action {
	case "open":
		text += fmt.Sprintf(": opens channel %s, with a voucher of %s", id, written(play, r.Cumulative))
	case "voucher":
		text += fmt.Sprintf(": channel %s, a voucher of %s", id, written(play, r.Cumulative))
	case "topUp":
		text += fmt.Sprintf(": channel %s, a top-up of %s", id, written(play, r.Additional))
	case "close":
		text += fmt.Sprintf(": closes channel %s at %s", id, written(play, r.Cumulative))
	case "proof":
		text += ": proves who pays, for nothing"
	}
	fmt.Fprintf(d.stdout, "%s  %s\n", time.Now().Format(time.TimeOnly), text)
	return clienttest.Fault{}
}

// farewell prints what came of it.
func (d *demo) farewell() error {
	var spent voucher.Amount
	open, all := 0, d.srv.Accounts()
	for _, a := range all {
		spent = spent.AddCapped(a.Spent)
		if d.srv.Chain.Channel(a.ChannelID).Exists {
			open++
		}
	}
	text := fmt.Sprintf("\nThe demo has ended. The server was paid %s. Channels: %d, of which open: %d.\n",
		written(play, spent), len(all), open)
	if d.keep != "" {
		text += "The files are in " + d.dir + "; the chain is gone.\n"
	}
	if _, err := io.WriteString(d.stdout, text); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}

// faucet is a node that gives play money away, as the testnet's public node does (tempo_fundAddress).
type faucet struct {
	chain *clienttest.Chain
	node  http.Handler
}

// maxCall bounds a call of JSON-RPC, in bytes.
const maxCall = 1 << 20

// ServeHTTP implements http.Handler.
func (f faucet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCall))
	if err != nil {
		http.Error(w, "the call is too long", http.StatusRequestEntityTooLarge)
		return
	}
	var call struct {
		ID     json.RawMessage  `json:"id"`
		Method string           `json:"method"`
		Params []common.Address `json:"params"`
	}
	if json.Unmarshal(text, &call) == nil && call.Method == "tempo_fundAddress" && len(call.Params) == 1 {
		f.chain.Fund(call.Params[0], demoFunds)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": call.ID, "result": []string{}})
		return
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	f.node.ServeHTTP(w, r)
}
