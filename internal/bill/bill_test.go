package bill

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

var noonOfThe30th = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

var pathUSD = common.HexToAddress("0x20c0000000000000000000000000000000000000")

// currency is that of a known dollar token, or of none.
func currency(a channel.Asset) channel.Currency {
	c, _ := channel.Dollar(a)
	return c
}

var dollars = channel.Currency{Symbol: "dollars", Decimals: 6}

func paidFrom(n byte, origin string, deposit, authorized uint64) channel.Info {
	d := channel.Descriptor{Payee: common.Address{19: n}, Token: pathUSD}
	return channel.Info{
		ID: common.Hash{n}, ChainID: 4217, Phase: channel.Open, Descriptor: d, Scope: channel.Scope{Origin: origin},
		Deposit: voucher.Units(deposit), Authorized: voucher.Units(authorized),
	}
}

func line(n byte, origin string, raised uint64, end time.Time) journal.Entry {
	return journal.Entry{
		Kind: journal.KindPay, Origin: origin, ChannelID: common.Hash{n}, Raised: voucher.Units(raised), Outcome: "accepted", End: end,
	}
}

// sample is a month of an agent that pays three origins.
func sample() *Book {
	b := New(noonOfThe30th, currency)
	names := []string{"https://api.example.com:443", "https://models.example.org:8443", "https://a-rather-long-name-of-a-host.region-1.data.example.net:443"}
	for i, name := range names {
		b.Channel(paidFrom(byte(i+1), name, 10_000_000, uint64(2_000_000*(i+1))))
	}
	b.Budget(dollars, channel.Room{Rule: channel.BudgetRule{Length: time.Hour, Allowed: voucher.Units(500_000)}})
	b.Budget(dollars, channel.Room{Rule: channel.BudgetRule{Length: 24 * time.Hour, Allowed: voucher.Units(2_000_000)}, Used: voucher.Units(1_750_000)})
	b.Budget(dollars, channel.Room{Rule: channel.BudgetRule{Length: 30 * 24 * time.Hour, Allowed: voucher.Units(20_000_000)}, Used: voucher.Units(11_200_000)})
	for i, at := range []int{-29, -12, 0} {
		open := line(1, names[0], 0, noonOfThe30th.AddDate(0, 0, at))
		open.Kind, open.Amount, open.Transaction = journal.KindOpen, voucher.Units(10_000_000), common.Hash{byte(i)}
		open.Fee = journal.Fee{Token: pathUSD, Max: voucher.Units(8_400)}
		b.Entry(open)
		if i == 0 {
			open.Kind, open.Fee.Charged, open.Fee.Known = journal.KindFee, voucher.Units(5_600), true
			b.Entry(open)
		}
	}
	for i := range 400 {
		e := line(byte(i%7%3+1), names[i%7%3], uint64(1000+i*i%7919*11), noonOfThe30th.Add(time.Duration(i-400)*100*time.Minute))
		if i%50 == 49 {
			e.Outcome, e.Problem, e.Kind = "accepted_no_content", "verification-failed", journal.KindStream
		}
		b.Entry(e)
	}
	return b
}

func written(t *testing.T, b *Book) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, b.Write(&out))
	return out.String()
}

// nodes returns the elements of a page, and its text.
func nodes(t *testing.T, page string) (elements []*html.Node, text string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	for n := range root.Descendants() {
		switch n.Type {
		case html.ElementNode:
			elements = append(elements, n)
		case html.TextNode:
			text += n.Data + "\n"
		}
	}
	return elements, text
}

// TestSums: what was spent is shown in all, by time, by origin and by payee; what is locked is split.
func TestSums(t *testing.T) {
	b := New(noonOfThe30th, currency)
	b.Channel(paidFrom(1, "https://one.example:443", 1000, 300))
	b.Channel(paidFrom(2, "https://two.example:443", 500, 900)) // more than the deposit cannot be taken
	settled := paidFrom(3, "https://three.example:443", 1000, 400)
	settled.Settled = voucher.Units(350)
	b.Channel(settled)
	closed := paidFrom(4, "https://four.example:443", 1000, 400)
	closed.Phase = channel.Closed
	b.Channel(closed)
	b.Entry(line(1, "https://one.example:443", 100, noonOfThe30th.Add(-50*time.Hour)))
	b.Entry(line(1, "https://one.example:443", 200, noonOfThe30th))
	b.Entry(line(2, "https://two.example:443", 900, noonOfThe30th))
	b.Entry(line(4, "https://four.example:443", 0, noonOfThe30th)) // presented what was signed before
	found := line(4, "https://four.example:443", 400, noonOfThe30th.Add(-time.Hour))
	found.Kind = journal.KindFound
	b.Entry(found)

	views := b.assetViews()
	require.Len(t, views, 1)
	v := views[0]
	assert.Equal(t, []string{"0.0016 pathUSD", "0.0004 pathUSD", "0.00215 pathUSD"}, []string{v.Spent, v.Elsewhere, v.Locked})
	assert.Equal(t, []int{4, 3}, []int{v.Operations, v.Channels})
	assert.Equal(t, []group{
		{"https://two.example:443", "0.0009", "0", 1, []part{{"bar", 0, 562}}},
		{"https://four.example:443", "0.0004", "0", 1, []part{{"bar", 0, 250}}},
		{"https://one.example:443", "0.0003", "0", 2, []part{{"bar", 0, 187}}},
	}, v.Origins.Rows)
	assert.Equal(t, common.Address{19: 2}.Hex(), v.Payees.Rows[0].Name)
	assert.Equal(t, "day", v.Step)
	require.Len(t, v.Bars, 3)
	assert.Equal(t, bar{X: 1, Y: 94, Width: 8, Height: 6, FeeY: 94, Label: "2026-11-28", Spent: "0.0001", Fees: "0", Shown: true, Operations: 1}, v.Bars[0])
	assert.Zero(t, v.Bars[1].Height)
	assert.Equal(t, "0.0015", v.Bars[2].Spent)

	rows, more := b.lockedRows()
	assert.Zero(t, more)
	require.Len(t, rows, 3)
	got := map[string][2]string{}
	for _, r := range rows {
		got[r.Origin] = [2]string{r.Takable, r.Rest}
	}
	assert.Equal(t, map[string][2]string{
		"https://one.example:443": {"0.0003 pathUSD", "0.0007 pathUSD"}, "https://two.example:443": {"0.0005 pathUSD", "0 pathUSD"}, "https://three.example:443": {"0.00005 pathUSD", "0.0006 pathUSD"},
	}, got)
}

// TestFees: what transactions cost is beside what was spent, once, at the time at which they were signed.
func TestFees(t *testing.T) {
	b := New(noonOfThe30th, currency)
	b.Channel(paidFrom(1, "https://one.example:443", 1000, 300))
	day := 24 * time.Hour
	fee := func(kind journal.Kind, tx byte, at time.Duration, f journal.Fee) {
		e := line(1, "https://one.example:443", 0, noonOfThe30th.Add(at))
		e.Kind, e.Transaction, e.Fee = kind, common.Hash{tx}, f
		b.Entry(e)
	}
	most := journal.Fee{Token: pathUSD, Max: voucher.Units(84)}
	known := most
	known.Charged, known.Known = voucher.Units(56), true
	never := most
	never.Known = true
	fee(journal.KindOpen, 1, -3*day, most)
	fee(journal.KindTopUp, 2, -2*day, most)
	fee(journal.KindFee, 1, 0, known)
	fee(journal.KindOpen, 1, 0, most) // by one who knows less
	fee(journal.KindTopUp, 3, 0, never)
	fee(journal.KindTopUp, 4, 0, journal.Fee{Sponsored: true})
	b.Entry(line(1, "https://one.example:443", 140, noonOfThe30th))

	page := written(t, b)
	for _, says := range []string{
		"<dt>Spent</dt><dd>0.00014 pathUSD</dd>", "<dt>Fees</dt><dd>0.00014 pathUSD</dd>", "fee paid by the payee", "fee 0.000056 pathUSD",
		"fee of at most 0.000084 pathUSD", "0.000084 pathUSD of the fees are the most that can be charged", "2026-11-27: 0.000056 of fees",
	} {
		assert.Contains(t, page, says)
	}
	views := b.assetViews()
	require.Len(t, views, 1)
	bars := views[0].Bars
	require.Len(t, bars, 4)
	got := [][3]int{}
	for _, bar := range bars {
		got = append(got, [3]int{bar.Height, bar.FeeHeight, bar.FeeY})
	}
	assert.Equal(t, [][3]int{{0, 40, 60}, {0, 60, 40}, {0, 0, 100}, {100, 0, 0}}, got)
	assert.Equal(t, []part{{"bar", 0, 500}, {"fee", 500, 500}}, views[0].Origins.Rows[0].Parts)
	assert.Equal(t, 1, views[0].Operations, "a line of a fee is none")
}

// TestAssetsAreNotAdded: each token of each chain has its own sums, and so have channels without a record.
func TestAssetsAreNotAdded(t *testing.T) {
	b := New(noonOfThe30th, currency)
	other, far := paidFrom(2, "https://a.example:443", 10, 10), paidFrom(3, "https://a.example:443", 10, 10)
	other.Descriptor.Token = common.Address{1}
	far.ChainID = 1
	for _, c := range []channel.Info{paidFrom(1, "https://a.example:443", 10, 10), other, far} {
		b.Channel(c)
	}
	for n := range byte(4) {
		b.Entry(line(n+1, "https://a.example:443", 10, noonOfThe30th))
	}
	views := b.assetViews()
	require.Len(t, views, 4)
	for _, v := range views {
		assert.Contains(t, []string{"0.00001 pathUSD", "10 base units"}, v.Spent, v.Title)
	}
	assert.Contains(t, written(t, b), "Spending from channels without a record")
}

// TestHostileText: what servers chose is text on the page, and cannot look like other text.
func TestHostileText(t *testing.T) {
	hostile := []string{
		`https://x.example:443"><script>alert(1)</script>`, `</style><img src=x onerror=alert(1)>`, `javascript:alert(1)`,
		"https://\u202egnp.exe:443", "a\x00b\x1b[31m\xff", `{{.Lines}}`, strings.Repeat("long", 1000), "</title></bdi></table>",
	}
	b := New(noonOfThe30th, currency)
	for i, text := range hostile {
		c := paidFrom(byte(i+1), text, 100, 10)
		b.Channel(c)
		e := line(byte(i+1), text, 10, noonOfThe30th)
		e.Kind, e.Outcome, e.Problem, e.Receipt = journal.Kind(text), text, text, "a receipt"
		b.Entry(e)
	}
	page := written(t, b)
	allowed := strings.Fields(`html head meta title style body main h1 h2 h3 p section table caption thead tbody tr th td bdi span svg rect
		desc dl div dt dd details summary br code`)
	elements, text := nodes(t, page)
	for _, n := range elements {
		assert.Contains(t, allowed, n.Data)
		for _, a := range n.Attr {
			assert.NotContains(t, []string{"href", "src", "style", "action"}, a.Key)
			assert.False(t, strings.HasPrefix(a.Key, "on"), a.Key)
		}
	}
	assert.Contains(t, text, hostile[0], "it is shown as it is")
	assert.Contains(t, text, `https://\u{202e}gnp.exe:443`)
	assert.Contains(t, text, `a\u{0}b\u{1b}[31m\xff`)
	assert.NotContains(t, text, strings.Repeat("long", 31))
	assert.NotContains(t, page, "a receipt")
	for _, r := range page {
		assert.True(t, r == '\n' || r >= ' ' && r != '\u202e', "%q", r)
	}
}

// TestPolicy: the page may use its style, of which the policy has the hash, and nothing else.
func TestPolicy(t *testing.T) {
	page := written(t, sample())
	_, style, _ := strings.Cut(page, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	hash := sha256.Sum256([]byte(style))
	elements, _ := nodes(t, page)
	i := slices.IndexFunc(elements, func(n *html.Node) bool { return n.Data == "meta" && n.Attr[0].Key == "http-equiv" })
	require.Positive(t, i)
	assert.Equal(t, "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-"+
		base64.StdEncoding.EncodeToString(hash[:])+"'", elements[i].Attr[1].Val)
	assert.NotContains(t, page, "://www.", "no address of others, not even of a name space")
	assert.NotRegexp(t, `url\(|@import|<script|<link`, page)
}

// TestAccessible: charts have titles, labels lead to what they name, and header cells say what they head.
func TestAccessible(t *testing.T) {
	elements, _ := nodes(t, written(t, sample()))
	ids := map[string]bool{}
	attr := func(n *html.Node, key string) string {
		for _, a := range n.Attr {
			if a.Key == key {
				return a.Val
			}
		}
		return ""
	}
	for _, n := range elements {
		if id := attr(n, "id"); id != "" {
			assert.False(t, ids[id], "%s is given twice", id)
			ids[id] = true
		}
	}
	charts := 0
	for _, n := range elements {
		for _, id := range strings.Fields(attr(n, "aria-labelledby")) {
			assert.True(t, ids[id], id)
		}
		switch n.Data {
		case "svg":
			charts++
			assert.True(t, attr(n, "aria-hidden") == "true" || attr(n, "role") == "img" && attr(n, "aria-labelledby") != "")
		case "th":
			assert.NotEmpty(t, attr(n, "scope"))
		case "table":
			assert.Equal(t, "caption", n.FirstChild.NextSibling.Data)
		}
	}
	assert.Greater(t, charts, 8)
}

// TestContrast: text has a contrast of 4.5 and what is drawn one of 3 (WCAG 2.2), light and dark.
func TestContrast(t *testing.T) {
	schemes := strings.SplitN(style, "prefers-color-scheme: dark", 2)
	require.Len(t, schemes, 2)
	for i, scheme := range schemes {
		colors := map[string]float64{}
		for _, m := range regexp.MustCompile(`--(\w+): #(..)(..)(..);`).FindAllStringSubmatch(scheme, -1) {
			for j, share := range []float64{0.2126, 0.7152, 0.0722} {
				n, err := strconv.ParseUint(m[j+2], 16, 8)
				require.NoError(t, err)
				c := float64(n) / 255
				if c <= 0.04045 {
					c /= 12.92
				} else {
					c = math.Pow((c+0.055)/1.055, 2.4)
				}
				colors[m[1]] += share * c
			}
		}
		contrast := func(a, b string) float64 {
			require.Contains(t, colors, a)
			require.Contains(t, colors, b)
			return (max(colors[a], colors[b]) + 0.05) / (min(colors[a], colors[b]) + 0.05)
		}
		for _, ground := range []string{"page", "card"} {
			for _, text := range []string{"text", "soft"} {
				assert.GreaterOrEqual(t, contrast(text, ground), 4.5, "scheme %d: %s on %s", i, text, ground)
			}
			for _, drawn := range []string{"bar", "near", "fee"} {
				assert.GreaterOrEqual(t, contrast(drawn, ground), 3.0, "scheme %d: %s on %s", i, drawn, ground)
			}
		}
		assert.GreaterOrEqual(t, contrast("bar", "rest"), 3.0, "scheme %d", i)
	}
}

// TestTimes: the bars are few, cover all times, and lose nothing.
func TestTimes(t *testing.T) {
	havana, err := time.LoadLocation("America/Havana") // its clocks skip midnight
	require.NoError(t, err)
	for _, one := range []struct {
		span  time.Duration
		step  string
		label string
	}{
		{0, "hour", "2026-11-30 12:00"},
		{40 * time.Hour, "hour", "2026-11-28 20:00"},
		{47 * 24 * time.Hour, "day", "2026-10-14"},
		{300 * 24 * time.Hour, "week", "2026-02-02"},
		{3 * 365 * 24 * time.Hour, "month", "2023-12"},
		{40 * 365 * 24 * time.Hour, "year", "1986"},
		{200 * 365 * 24 * time.Hour, "year", "1979"},
	} {
		for _, loc := range []*time.Location{time.UTC, havana, time.FixedZone("", 20700)} {
			b := New(noonOfThe30th.In(loc), currency)
			const n = 97
			for i := range n {
				b.Entry(line(1, "https://a.example:443", 1, noonOfThe30th.Add(-one.span/(n-1)*time.Duration(i))))
			}
			bars, name, before := periods(b.sums(channel.Asset{}).quarters, loc)
			assert.Equal(t, one.step, name)
			assert.LessOrEqual(t, len(bars), mostBars)
			if loc == time.UTC {
				assert.Equal(t, one.label, bars[0].label, "%s", one.span)
			}
			var all sum
			all.plus(before)
			labels := map[string]bool{}
			for _, p := range bars {
				all.plus(p.sum)
				labels[p.label] = true
			}
			assert.Equal(t, sum{spent: voucher.Units(n), operations: n}, all, "%s in %s", one.span, loc)
			assert.Len(t, labels, len(bars), "%s in %s: each time has a label of its own", one.span, loc)
		}
	}
}

// TestBounds: a long journal makes no long page.
func TestBounds(t *testing.T) {
	b := New(noonOfThe30th, currency)
	for i := range 300 {
		b.Channel(channel.Info{ID: common.BigToHash(voucher.Units(uint64(i + 1)).Big()), Phase: channel.Open, Deposit: voucher.Units(uint64(i))})
		e := line(byte(i), fmt.Sprintf("https://%d.example:443", i), uint64(i), noonOfThe30th.Add(time.Duration(i)*time.Second))
		e.Receipt = strings.Repeat("r", 1000)
		b.Entry(e)
	}
	ops := b.operations()
	require.Len(t, ops, Newest)
	assert.Equal(t, "https://299.example:443", ops[0].Origin)
	assert.Equal(t, "https://270.example:443", ops[Newest-1].Origin)
	rows, more := b.lockedRows()
	assert.Len(t, rows, mostRows)
	assert.Equal(t, 300-mostRows, more)
	page := written(t, b)
	assert.Contains(t, page, "279 others")
	assert.Less(t, len(page), 100_000)

	empty := written(t, New(noonOfThe30th, currency))
	for _, says := range []string{"Nothing was paid yet", "No channel on record holds money", "The journal has no lines", "No budget is set"} {
		assert.Contains(t, empty, says)
	}
	assert.ErrorIs(t, sample().Write(broken{}), io.ErrClosedPipe)
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestThousandths(t *testing.T) {
	most := voucher.MaxAmount
	for _, one := range []struct {
		a, whole voucher.Amount
		want     int
	}{
		{voucher.Units(0), voucher.Units(0), 0},
		{voucher.Units(5), voucher.Units(0), 0},
		{voucher.Units(0), voucher.Units(5), 0},
		{voucher.Units(5), voucher.Units(5), 1000},
		{voucher.Units(7), voucher.Units(5), 1000},
		{voucher.Units(1), most, 4},
		{most, most, 1000},
		{voucher.Units(1), voucher.Units(2), 500},
	} {
		assert.Equal(t, one.want, thousandths(one.a, one.whole), "%s of %s", one.a, one.whole)
	}
}
