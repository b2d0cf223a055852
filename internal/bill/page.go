package bill

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

//go:embed page.css
var style string

//go:embed page.html
var body string

// policy lets the page use its own style, and nothing else: no script, image, font, frame, form or address.
func policy() string {
	hash := sha256.Sum256([]byte(style))
	return "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-" +
		base64.StdEncoding.EncodeToString(hash[:]) + "'"
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="` + policy() + `">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>What was paid</title>
<style>` + style + `</style>
</head>
<body>
{{template "body" .}}
</body>
</html>
` + body))

// mostRows is how many origins, payees and locked channels are listed by name.
const mostRows = 20

// Write writes the page. Nothing is written if the page cannot be made. It is called once, when all is added.
func (b *Book) Write(w io.Writer) error {
	b.takeFees()
	v := view{
		Lines: b.lines, Now: b.now.Format("2006-01-02 15:04 MST"), Most: Newest,
		Budgets: b.budgetRows(), Assets: b.assetViews(), Newest: b.operations(),
	}
	v.Locked, v.MoreLocked = b.lockedRows()
	var out bytes.Buffer
	if err := page.Execute(&out, v); err != nil {
		return err
	}
	_, err := w.Write(append(bytes.TrimSpace(out.Bytes()), '\n'))
	return err
}

// view is what the page's template shows: text and coordinates, and no amounts to compute with.
type view struct {
	Lines, Most int
	Now         string
	Budgets     []budgetRow
	Assets      []assetView
	Locked      []lockedRow
	MoreLocked  int
	Newest      []operation
}

type budgetRow struct {
	Name, In, Used, Left, Allowed string
	Percent                       int
	Near                          bool
	Parts                         []part
}

type assetView struct {
	Title, Token, Spent, Locked, Elsewhere string
	Fees, Reserved                         string
	Operations, Channels                   int
	Step, First, Last, Highest, Before     string
	Width                                  int
	Bars                                   []bar
	Origins, Payees                        groups
}

type bar struct {
	X, Y, Width, Height int
	FeeY, FeeHeight     int // the fees are above what was spent
	Label, Spent, Fees  string
	Shown               bool
	Operations          int
}

type groups struct {
	Caption, Head string
	Rows          []group
}

type group struct {
	Name, Spent, Fees string
	Operations        int
	Parts             []part
}

type lockedRow struct {
	Origin, ID, Phase, Asset, Coming, Takable, Rest string
	Parts                                           []part
}

type operation struct {
	Time, Kind, Outcome, Problem, Origin, Channel, Spent, Moved, Fee string
}

// part is a piece of a bar that is whole at 1000.
type part struct {
	Class       string
	From, Width int
}

// thousandths returns how much a is of whole, 0 to 1000. What is not nothing is at least 4, to be seen.
func thousandths(a, whole voucher.Amount) int {
	switch {
	case a.IsZero() || whole.IsZero():
		return 0
	case !a.Less(whole):
		return 1000
	}
	n := new(big.Int).Mul(a.Big(), big.NewInt(1000))
	return max(4, int(n.Div(n, whole.Big()).Int64()))
}

// shares returns what was spent and the fees as parts of a bar that is whole.
func shares(s sum, whole voucher.Amount) []part {
	spent, fees := thousandths(s.spent, whole), thousandths(s.fees, whole)
	if spent = min(spent, 1000-fees); fees == 0 {
		return []part{{"bar", 0, spent}}
	}
	return []part{{"bar", 0, spent}, {"fee", spent, fees}}
}

func (b *Book) budgetRows() (rows []budgetRow) {
	for _, one := range b.budgets {
		r, in := one.room, one.currency
		row := budgetRow{
			Name: nameOf(r.Rule), In: in.Symbol, Used: number(in, r.Used), Left: number(in, r.Left()), Allowed: number(in, r.Rule.Allowed),
			Near: channel.Room{Rule: r.Rule}.Near(r.Used),
		}
		share := thousandths(r.Used, r.Rule.Allowed)
		class := "bar"
		if row.Near {
			class = "near"
		}
		row.Percent, row.Parts = share/10, []part{{class, 0, share}}
		rows = append(rows, row)
	}
	return rows
}

// nameOf returns how far a budget looks back, and whether it is for fees only.
func nameOf(r channel.BudgetRule) string {
	if strings.HasPrefix(r.Name, "Fees.") {
		return within(r.Length) + ", fees"
	}
	return within(r.Length)
}

func within(d time.Duration) string {
	switch {
	case d <= time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case d <= 24*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func (b *Book) assetViews() (views []assetView) {
	var all []channel.Asset
	for a := range b.assets {
		all = append(all, a)
	}
	slices.SortFunc(all, func(x, y channel.Asset) int {
		if n := b.assets[y].all.all().Cmp(b.assets[x].all.all()); n != 0 {
			return n
		}
		if n := cmp.Compare(x.ChainID, y.ChainID); n != 0 {
			return n
		}
		return x.Token.Cmp(y.Token)
	})
	for _, a := range all {
		s, in := b.assets[a], b.currency(a)
		v := assetView{
			Title: "Spending", Spent: in.Format(s.all.spent), Fees: in.Format(s.all.fees), Locked: in.Format(s.locked),
			Operations: s.all.operations, Channels: len(s.channels), Token: b.asset(a),
			Origins: groupsOf("Origin", s.origins, s.all, in), Payees: groupsOf("Payee", s.payees, s.all, in),
		}
		if !s.reserved.IsZero() {
			v.Reserved = in.Format(s.reserved)
		}
		if a == (channel.Asset{}) {
			v.Title, v.Token = "Spending from channels without a record", ""
		}
		if !s.elsewhere.IsZero() {
			v.Elsewhere = in.Format(s.elsewhere)
		}
		b.chart(&v, s, in)
		views = append(views, v)
	}
	return views
}

// number writes an amount where another place says what it is in.
func number(in channel.Currency, a voucher.Amount) string {
	if in.Symbol == "" {
		return a.String()
	}
	return a.FormatTokens(int(in.Decimals))
}

// asset returns an asset for a reader: its address, and its symbol if that is known.
func (b *Book) asset(a channel.Asset) string {
	name := fmt.Sprintf("%s on chain %d", a.Token.Hex(), a.ChainID)
	if c := b.currency(a); c.Symbol != "" {
		name = c.Symbol + ", " + name
	}
	return name
}

// barWidth is how wide one bar of the chart is, with the gap beside it.
const barWidth = 10

func (b *Book) chart(v *assetView, s *sums, in channel.Currency) {
	bars, step, before := periods(s.quarters, b.now.Location())
	if len(bars) == 0 {
		return
	}
	most := highest(bars)
	v.Step, v.First, v.Last, v.Highest = step, bars[0].label, bars[len(bars)-1].label, in.Format(most)
	v.Width = barWidth * max(len(bars), 8) // few bars do not get as wide as the page
	if !before.all().IsZero() {
		v.Before = in.Format(before.all())
	}
	for i, p := range bars {
		height, fees := thousandths(p.spent, most)/10, thousandths(p.fees, most)/10
		if p.operations > 0 {
			height = max(height, 1)
		}
		if !p.fees.IsZero() {
			fees = max(fees, 1)
		}
		height = min(height, 100-fees)
		v.Bars = append(v.Bars, bar{
			X: barWidth*i + 1, Y: 100 - height, Width: barWidth - 2, Height: height, FeeY: 100 - height - fees, FeeHeight: fees,
			Label: p.label, Spent: number(in, p.spent), Fees: number(in, p.fees), Operations: p.operations,
			Shown: p.operations > 0 || !p.fees.IsZero(),
		})
	}
}

// groupsOf returns the sums with the highest first. Those above mostRows are one row.
func groupsOf(head string, by map[string]sum, all sum, in channel.Currency) groups {
	var names []string
	for name := range by {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int {
		if n := by[y].all().Cmp(by[x].all()); n != 0 {
			return n
		}
		return strings.Compare(x, y)
	})
	g := groups{Caption: "The bars are shares of all spending and fees, “in” counts operations.", Head: head}
	row := func(name string, s sum) {
		g.Rows = append(g.Rows, group{
			Name: name, Spent: number(in, s.spent), Fees: number(in, s.fees), Operations: s.operations,
			Parts: shares(s, all.all()),
		})
	}
	var rest sum
	for i, name := range names {
		if i < mostRows {
			row(plain(name), by[name])
		} else {
			rest.plus(by[name])
		}
	}
	if n := len(names) - mostRows; n > 0 {
		row(fmt.Sprintf("%d others", n), rest)
	}
	return g
}

// lockedRows returns the channels that hold the most, and how many more there are.
func (b *Book) lockedRows() (rows []lockedRow, more int) {
	list := slices.Clone(b.locked)
	slices.SortFunc(list, func(x, y channel.Info) int {
		if n := locked(y).Cmp(locked(x)); n != 0 {
			return n
		}
		return x.ID.Cmp(y.ID)
	})
	if more = len(list) - mostRows; more > 0 {
		list = list[:mostRows]
	}
	for _, c := range list {
		in := b.currency(assetOf(c))
		whole, payee := locked(c), takable(c)
		share := thousandths(payee, whole)
		row := lockedRow{
			Origin: plain(nameOr(c.Scope.Origin, "origin not known")), ID: short(c.ID), Phase: c.Phase.String(),
			Takable: in.Format(payee), Rest: in.Format(whole.SubFloor(payee)),
		}
		if !whole.IsZero() {
			row.Parts = []part{{"bar", 0, share}, {"rest", share, 1000 - share}}
		}
		if len(b.assets) > 1 {
			row.Asset = "token " + b.asset(assetOf(c))
		}
		if c.ToppingUp.Pending() {
			row.Coming = in.Format(c.ToppingUp.Amount)
		}
		rows = append(rows, row)
	}
	return rows, max(0, more)
}

func (b *Book) operations() (rows []operation) {
	for i := range b.newest {
		e := b.newest[(b.next+len(b.newest)-1-i)%len(b.newest)]
		c := b.known[e.ChannelID]
		in := b.currency(assetOf(c))
		at := e.End.In(b.now.Location())
		row := operation{
			Time: at.Format(time.DateTime),
			Kind: strings.ReplaceAll(plain(string(e.Kind)), "_", " "), Outcome: strings.ReplaceAll(plain(e.Outcome), "_", " "),
			Problem: plain(e.Problem), Origin: plain(nameOr(e.Origin, "origin not known")), Spent: in.Format(e.Raised), Fee: b.fee(e.Fee, c.ChainID),
		}
		if e.ChannelID != (common.Hash{}) {
			row.Channel = short(e.ChannelID)
		}
		if !e.Amount.IsZero() {
			row.Moved = in.Format(e.Amount)
		}
		rows = append(rows, row)
	}
	return rows
}

// fee returns the fee of a line for a reader, empty if it has none.
func (b *Book) fee(f journal.Fee, chainID uint64) string {
	in := b.currency(channel.Asset{ChainID: chainID, Token: f.Token})
	switch {
	case f == journal.Fee{}:
		return ""
	case f.Sponsored:
		return "fee paid by the payee"
	case f.Known:
		return "fee " + in.Format(f.Charged)
	}
	return "fee of at most " + in.Format(f.Max)
}

// short is a channel id as it is shown: enough of it to tell channels apart.
func short(id common.Hash) string { return id.Hex()[:10] }

// mostText bounds a text that a server may have chosen, in characters.
const mostText = 120

// plain returns text in which whatever cannot be seen, or turns the direction of writing, is written as an escape, so
// that no text looks like another. The template escapes the rest.
func plain(text string) string {
	var b strings.Builder
	for n := 0; len(text) > 0; n++ {
		if n == mostText {
			b.WriteString("…")
			break
		}
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
		text = text[size:]
	}
	return b.String()
}
