package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/store/records"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// doctor is `tally doctor`.
type doctor struct {
	*world
	wallet wallet

	// What the checks have found so far.
	nodes   *nodes // nil if none answers
	chainID uint64 // 0 if no node answers
	payer   common.Address
	opened  bool     // the store could be
	first   *symptom // that is bad
	bad     int

	given map[string]bool // the flags of the command line
}

// symptom is what one check found. It is good if there is nothing to do, and bad if it has an exit status.
type symptom struct {
	code           int
	name, text, do string
}

func doctorCommand(w *world) *cobra.Command {
	d := &doctor{world: w}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check whether everything is there to pay, and say what to do",
		Long: `Doctor checks the policy, the limits, the nodes, the clock, the key, its funds, the store, the channels, the
journal and the budgets, with the same flags and environment as a payment. It prints a line for each: "ok", "note" where
something should be looked at, or "BAD", and what to do then. It ends with status 0 if nothing is bad, or else with
the status of the first that is. Nothing is signed.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			d.given = map[string]bool{}
			cmd.Flags().Visit(func(f *pflag.Flag) { d.given[f.Name] = true })
			settingsErr := fromEnv(cmd.Flags(), w.env, settings...)
			if settingsErr == nil {
				ctx, settingsErr = w.rules.lower(ctx, w.env, cmd.Flags(), &d.wallet)
			}
			return d.run(ctx, settingsErr)
		},
	}
	cmd.Flags().SortFlags = false
	d.wallet.keyFlags(cmd.Flags())
	d.wallet.limitFlags(cmd.Flags())
	return cmd
}

func (d *doctor) run(ctx context.Context, settingsErr error) error {
	if settingsErr != nil {
		const do = "correct the flag, the variable or the policy"
		if err := d.say(symptom{status(settingsErr), "settings", d.explain(settingsErr), do}); err != nil {
			return err
		}
		return d.verdict() // nothing else would be as it is for a payment
	}
	for _, check := range []func(context.Context) []symptom{
		d.limits, d.node, d.clock, d.key, d.funds, d.records, d.journal, d.budgets,
	} {
		for _, s := range check(ctx) {
			if err := d.say(s); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return stopped(ctx)
		}
	}
	return d.verdict()
}

// say prints what a check found.
func (d *doctor) say(s symptom) error {
	mark := "ok  "
	switch {
	case s.code != 0:
		mark = "BAD "
		d.bad++
		if d.first == nil {
			d.first = &s
		}
	case s.do != "":
		mark = "note"
	}
	text := fmt.Sprintf("%s  %-8s  %s\n", mark, s.name, inline(s.text))
	if s.do != "" {
		text += "                to do: " + inline(s.do) + "\n"
	}
	if _, err := fmt.Fprint(d.stdout, text); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}

func (d *doctor) verdict() error {
	if d.first == nil {
		return nil
	}
	return fail(d.first.code, fmt.Errorf("%d bad; the first: %s", d.bad, d.first.name))
}

// limits looks at what may be paid at all.
func (d *doctor) limits(context.Context) []symptom {
	l, by := d.wallet.limits, "the flags"
	if f := d.rules.file; f != nil {
		l, by = f.Limits, "the policy "+d.rules.path
	}
	text, do := "", ""
	switch {
	case d.rules.readOnly():
		text, do = by+" is read-only: nothing is paid", `set mode = "pay" in it, to pay`
	case l.Price.IsZero():
		text = by + " allow no price: nothing is paid"
		do = "set --max-price, --max-deposit and, for streams, --max-stream (or TALLY_MAX_PRICE, …)"
	case l.Deposit.IsZero():
		text, do = by+" allow no deposit: no channel is opened", "set --max-deposit, or TALLY_MAX_DEPOSIT"
	default:
		if d.rules.file == nil {
			by = d.setBy()
		}
		in := l.Currency
		if in == (channel.Currency{}) {
			in = dollars
		}
		text = fmt.Sprintf("%s a request, %s a channel, %s a stream, by %s",
			written(in, l.Price), written(in, l.Deposit), written(in, l.Stream), by)
	}
	return []symptom{{0, "limits", text, do}}
}

// setBy names the flags and variables that set the limits.
func (d *doctor) setBy() string {
	var names []string
	for _, name := range []string{"max-price", "max-deposit", "max-stream"} {
		switch {
		case d.given[name]:
			names = append(names, "--"+name)
		case d.env(variable(name)) != "":
			names = append(names, variable(name))
		}
	}
	return strings.Join(names, ", ")
}

// node asks each node for its chain and its newest block.
func (d *doctor) node(ctx context.Context) (found []symptom) {
	if _, err := d.wallet.nodes(); err != nil {
		const do = "set --rpc-url or TALLY_RPC_URL to a node of the chain you pay on"
		return []symptom{{status(err), "node", err.Error(), do}}
	}
	for i, one := range d.wallet.rpcURLs {
		n := &nodes{urls: []string{one}}
		s, id := d.oneNode(ctx, n)
		if s.name = "node"; i > 0 {
			s.name = fmt.Sprintf("node %d", i+1)
		}
		if d.nodes == nil && s.code == 0 {
			d.nodes, d.chainID = n, id
		}
		found = append(found, s)
	}
	return found
}

// oneNode asks one node.
func (d *doctor) oneNode(ctx context.Context, n *nodes) (s symptom, chainID uint64) {
	id, err := n.chainID(ctx)
	age, ageErr := n.age(ctx)
	switch {
	case err != nil || ageErr != nil:
		s.code, s.text = exitBusy, cmp.Or(err, ageErr).Error()
		s.do = "check the URL, the network and the node, or take another node"
	case d.nodes != nil && id != d.chainID:
		s.code, s.text = exitRefused, fmt.Sprintf("is on %s, and the first on %s", chainName(id), chainName(d.chainID))
		s.do = "take it out of --rpc-url"
	case age > oldBlock:
		s.text = fmt.Sprintf("%s, whose newest block is %s old", chainName(id), age)
		s.do = "wait until the node has caught up, or take another node"
	case id != escrow.Mainnet && id != escrow.Moderato:
		s.text, s.do = chainName(id)+", which tally does not know", "make sure that it is the chain you mean"
	default:
		s.text = chainName(id)
	}
	return s, id
}

// oldBlock is how old the newest block of a node may be. A Tempo chain has one every second.
const oldBlock = time.Minute

// age returns how old the newest block is, by the node's own clock.
func (n *nodes) age(ctx context.Context) (time.Duration, error) {
	var head *struct{ Timestamp hexutil.Uint64 }
	if err := n.call(ctx, &head, "eth_getBlockByNumber", "latest", false); err != nil {
		return 0, err
	}
	if head == nil {
		return 0, errors.New("the node has no newest block: is it still syncing?")
	}
	if n.date.IsZero() {
		return 0, nil
	}
	return max(0, n.date.Sub(time.Unix(int64(min(uint64(head.Timestamp), 1<<40)), 0))), nil
}

// clock compares this machine's clock with the node's.
func (d *doctor) clock(ctx context.Context) []symptom {
	if d.nodes == nil || d.nodes.date.IsZero() {
		return []symptom{{0, "clock", "there is no node to compare it with", "set --rpc-url"}}
	}
	began := time.Now()
	if _, err := d.nodes.chainID(ctx); err != nil {
		return []symptom{{0, "clock", "there is no node to compare it with: " + err.Error(), "try again"}}
	}
	return []symptom{clockSymptom(began.Sub(d.nodes.date), time.Since(began)+time.Second)}
}

// clockSymptom judges by how much this machine's clock is ahead of the node's, give or take what the answer took.
func clockSymptom(ahead, give time.Duration) symptom {
	off := max(ahead, -ahead)
	word := "ahead of"
	if ahead < 0 {
		word = "behind"
	}
	text := fmt.Sprintf("%s %s that of the node", off.Round(time.Second), word)
	const do = "set the clock (NTP): it decides when prices expire and which budget a payment counts in"
	switch {
	case off-give > 30*time.Second:
		return symptom{exitState, "clock", text, do}
	case off-give > 5*time.Second:
		return symptom{0, "clock", text, do}
	}
	return symptom{0, "clock", "agrees with that of the node", ""}
}

// key finds the key that pays.
func (d *doctor) key(ctx context.Context) []symptom {
	if d.rules.readOnly() {
		return []symptom{{0, "key", "not looked at: the policy is read-only", ""}}
	}
	key, err := d.mustKey(ctx, d.wallet.keyFile)
	if err != nil {
		const do = "tally key new FILE makes one; then set --key-file or TALLY_KEY_FILE"
		return []symptom{{status(err), "key", err.Error(), do}}
	}
	d.payer = key.Address()
	return []symptom{{0, "key", d.payer.Hex(), ""}}
}

// funds looks at what the key holds.
func (d *doctor) funds(ctx context.Context) []symptom {
	if d.nodes == nil || d.payer == (common.Address{}) {
		return []symptom{{0, "funds", "not looked at", "see the node and the key first"}}
	}
	all, err := d.nodes.hold(ctx, d.payer, d.known(d.chainID))
	if err != nil {
		return []symptom{{exitBusy, "funds", err.Error(), "try again, or take another node"}}
	}
	all = slices.DeleteFunc(all, func(h holding) bool { return h.Balance.IsZero() })
	if len(all) == 0 {
		do := "send USDC.e to " + d.payer.Hex()
		if d.chainID != escrow.Mainnet {
			do = "tally fund, or send tokens to " + d.payer.Hex()
		}
		return []symptom{{exitFunds, "funds", "none of the known tokens: no channel can be opened", do}}
	}
	text := ""
	for _, h := range all {
		text += ", " + h.amount(h.Balance) + " " + h.Symbol
	}
	return []symptom{{0, "funds", text[2:], ""}}
}

// records reads the store and looks for channels that need their owner.
func (d *doctor) records(ctx context.Context) []symptom {
	p := &wallet{dir: d.wallet.dir}
	if err := p.openStore(d.world); err != nil {
		const do = "set --store or TALLY_STORE to a directory that is yours alone"
		return []symptom{{status(err), "store", err.Error(), do}}
	}
	d.wallet.dir, d.opened = p.dir, true
	defer p.files.Close()
	c := census{locked: map[channel.Currency]voucher.Amount{}}
	for s, err := range records.Live(ctx, p.files) {
		c.count(s, err, d)
	}
	return c.symptoms(p.dir)
}

// census counts channels by what has to be done about them.
type census struct {
	open, other, gone, ready, unseen, pending int
	locked                                    map[channel.Currency]voucher.Amount
	unread                                    error
}

func (c *census) count(s channel.Info, err error, d *doctor) {
	switch {
	case err != nil:
		c.unread = errors.Join(c.unread, err)
		return
	case !s.HoldsMoney():
		return
	case d.payer != (common.Address{}) && s.Scope.Payer != d.payer, d.chainID != 0 && s.ChainID != d.chainID:
		c.other++
		return
	}
	c.open++
	in := d.in(s)
	c.locked[in] = c.locked[in].AddCapped(s.Deposit.SubFloor(s.Settled))
	switch {
	case s.Phase == channel.NotSeen:
		c.unseen++
	case s.Phase == channel.Closing && s.CloseRequestedAt != 0 &&
		time.Now().After(time.Unix(int64(s.CloseRequestedAt), 0).Add(escrow.GracePeriod)):
		c.ready++
	case s.Phase == channel.Opening, s.Phase == channel.Closing, s.ToppingUp.Pending():
		c.pending++
	case s.Gone:
		c.gone++
	}
}

func (c *census) symptoms(dir string) (found []symptom) {
	if c.unread != nil {
		const do = "see docs/recovery.md; do not delete a record that may hold money"
		found = append(found, symptom{exitState, "store", c.unread.Error(), do})
	} else {
		found = append(found, symptom{0, "store", dir, ""})
	}
	held := "none holds money"
	if c.unread != nil {
		held = "none of those that can be read holds money"
	}
	if c.open > 0 {
		var each []string
		for in, locked := range c.locked {
			each = append(each, written(in, locked))
		}
		slices.Sort(each)
		held = fmt.Sprintf("%d hold %s", c.open, strings.Join(each, ", "))
	}
	found = append(found, symptom{0, "channels", held, ""})
	for _, one := range []struct {
		n        int
		text, do string
	}{
		{c.ready, "can be withdrawn", "tally keep"},
		{c.pending, "are being opened, topped up or closed", "tally keep"},
		{c.gone, "are refused by their payee", "tally close ID, or tally close ID --force"},
		{c.unseen, "are not seen on the chain", "tally keep --once, with another node too"},
		{c.other, "more are of another key, or on another chain", "use their key and node (tally channels --json)"},
	} {
		if one.n > 0 {
			found = append(found, symptom{0, "channels", fmt.Sprintf("%d %s", one.n, one.text), one.do})
		}
	}
	return found
}

// journal reads all lines.
func (d *doctor) journal(ctx context.Context) []symptom {
	if !d.opened {
		return []symptom{{0, "journal", "not looked at", "see the store first"}}
	}
	lines, fragments := 0, 0
	var bad error
	for _, err := range journal.Read(ctx, journalDir(d.wallet.dir)) {
		switch {
		case errors.Is(err, journal.ErrFragment):
			fragments++
		case err != nil:
			bad = errors.Join(bad, err)
		default:
			lines++
		}
	}
	switch {
	case bad != nil:
		return []symptom{{exitState, "journal", bad.Error(), "keep the file, and see docs/recovery.md"}}
	case fragments > 0:
		text := fmt.Sprintf("%d lines, and %d that are not whole: a program was killed", lines, fragments)
		return []symptom{{0, "journal", text, "tally ledger --check"}}
	}
	return []symptom{{0, "journal", fmt.Sprintf("%d lines", lines), ""}}
}

// budgets looks at what the limits over time leave.
func (d *doctor) budgets(ctx context.Context) []symptom {
	if !d.opened {
		return []symptom{{0, "budgets", "not looked at", "see the store first"}}
	}
	p := &wallet{dir: d.wallet.dir, limits: d.wallet.limits, escrow: d.wallet.escrow}
	defer func() { _ = p.close(ctx) }()
	bad := func(err error) []symptom {
		return []symptom{{cmp.Or(status(err), exitState), "budgets", d.explain(err), "tally budget shows them"}}
	}
	// Budgets are those of the store: whose key it is does not matter, and none is decrypted again.
	if err := p.look(ctx, d.keyless()); err != nil {
		return bad(err)
	}
	all, err := p.budgets(ctx, d.keyless())
	if err != nil {
		return bad(err)
	}
	var found []symptom
	for _, one := range all {
		found = append(found, one.symptoms()...)
	}
	if len(found) == 0 {
		found = []symptom{{0, "budgets", "each has more than a fifth left", ""}}
	}
	return found
}

// symptoms are what is worth a look in the tightest of the budgets, if anything is.
func (b *budgets) symptoms() []symptom {
	for _, r := range b.rooms {
		text := fmt.Sprintf("%s of %s are left within %s", number(b.currency, r.Left()), written(b.currency, r.Rule.Allowed), within(r.Rule))
		switch {
		case r.Rule.Allowed.IsZero():
			return []symptom{{0, "budgets", b.currency.Symbol + ": none, see the limits", ""}}
		case r.Left().IsZero():
			return []symptom{{0, "budgets", text, "wait, or raise the limit (tally budget)"}}
		case (channel.Room{Rule: r.Rule}).Near(r.Used):
			return []symptom{{0, "budgets", text, "look at what is spent (tally ledger)"}}
		}
	}
	return nil
}

// keyless is the same world without a key, for sessions that only read: none is read, decrypted or asked for.
func (w *world) keyless() *world {
	other := *w
	other.keys = keySource{fd: -1}
	other.env = func(name string) string {
		if strings.HasPrefix(name, "TALLY_KEY") {
			return ""
		}
		return w.env(name)
	}
	return &other
}
