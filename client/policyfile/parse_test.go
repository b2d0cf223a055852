package policyfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client/policyfile"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

const example = "testdata/policy.toml"

// TestDocumentedFile: the file that the documentation shows is read as its comments describe it.
func TestDocumentedFile(t *testing.T) {
	f, err := policyfile.Load(example)
	require.NoError(t, err)
	assert.Equal(t, &policyfile.File{
		Mode: policyfile.Pay, Pin: true,
		Limits: channel.Limits{
			Price: voucher.Units(2_000), Deposit: voucher.Units(1_000_000),
			Total: voucher.Units(5_000_000), Fund: voucher.Units(500_000),
			Stream: voucher.Units(100_000), Ahead: voucher.Units(10_000), Ask: voucher.Units(1_000),
			All: channel.Windows{
				Hour: voucher.Units(250_000), Day: voucher.Units(2_000_000),
				Month: voucher.Units(20_000_000),
			},
			Origin: channel.Windows{Day: voucher.Units(1_000_000)},
			Payee:  channel.Windows{Day: voucher.Units(1_000_000)},
			Fees:   channel.FeeLimits{Transaction: voucher.Units(50_000), Day: voucher.Units(200_000)},
		},
		Raise: channel.Limits{Price: voucher.Units(10_000)},
		Origins: map[string]channel.Limits{"https://maps.example.com:443": {
			Price: voucher.Units(50_000), Deposit: voucher.Units(2_000_000),
			Ask: voucher.Units(20_000), Origin: channel.Windows{Hour: voucher.Units(200_000)},
		}},
		Hosts: policyfile.List[string]{Allow: []string{
			"https://api.example.com:443",
			"https://maps.example.com:443",
		}},
		Payees: policyfile.List[common.Address]{Deny: []common.Address{common.HexToAddress("0xbb")}},
		Tokens: []common.Address{common.HexToAddress("0x20C0000000000000000000000000000000000000")},
	}, f)
	again, err := policyfile.Parse("printed", []byte(f.String()))
	require.NoError(t, err, f.String())
	assert.Equal(t, f, again)
	assert.Contains(t, f.String(), "# step: the price of one piece\n", "what is not set is said")

	page, err := os.ReadFile("../../docs/policy.md")
	require.NoError(t, err)
	text, err := os.ReadFile(example)
	require.NoError(t, err)
	assert.Contains(t, string(page), "```toml\n"+string(text)+"```\n",
		"the page shows the file as it is")
}

func TestTOMLHasSeveralWaysToWriteTheSame(t *testing.T) {
	for _, text := range []string{
		"[limits]\nprice = '0.25'\norigin = { hour = \"100000u\" }\n",
		"limits.price = \"250000u\"\nlimits.origin.hour = \"0.1\"\n",
		"limits = { price = \"0.250\", origin.hour = \"0.1\" }\n",
		"[limits.origin]\nhour = \"0.100000\"\n[limits]\nprice = \"\"\"0.25\"\"\"\r\n",
	} {
		f, err := policyfile.Parse("policy.toml", []byte(text))
		require.NoError(t, err, text)
		want := channel.Limits{
			Price:  voucher.Units(250_000),
			Origin: channel.Windows{Hour: voucher.Units(100_000)},
		}
		assert.Equal(t, want, f.Limits, text)
	}
	f, err := policyfile.Parse("empty", nil)
	require.NoError(t, err)
	assert.Equal(t, &policyfile.File{Mode: policyfile.Pay, Pin: true}, f, "unset money is no money")
	f, err = policyfile.Parse("all",
		[]byte("mode='read-only'\npin=false\nbootstrap=true\nescrow='0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'\n"+
			"[origin.'HTTPS://API.example.com']\nday='1'\n[hosts]\nallow=['https://api.example.com:443','http://[0::2]:8080','B\u00fccher.example','b.example:8443']\n"+
			"deny=['c.example','https://d.example','::1','e.example:0443']\n"))
	require.NoError(t, err)
	assert.Equal(t, &policyfile.File{
		Mode: policyfile.ReadOnly, Bootstrap: true,
		Escrow:  common.HexToAddress("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
		Origins: map[string]channel.Limits{"https://api.example.com:443": {Origin: channel.Windows{Day: voucher.Units(1_000_000)}}},
		Hosts: policyfile.List[string]{
			Allow: []string{
				"https://api.example.com:443", "http://[::2]:8080",
				"https://xn--bcher-kva.example:443", "https://b.example:8443",
			},
			Deny: []string{"c.example", "https://d.example:443", "[::1]", "e.example:443"},
		},
	}, f)
}

// TestPieceByPiece: the switch is read for all origins or for one, printed, and read back.
func TestPieceByPiece(t *testing.T) {
	for _, c := range []struct {
		text        string
		all, origin bool
	}{
		{"", false, false},
		{"[limits]\npiece-by-piece = false\n", false, false},
		{"[limits]\nprice = '1u'\npiece-by-piece = true\n", true, false},
		{"[origin.'https://a.example']\npiece-by-piece = true\n", false, true},
		{"[origin.'https://a.example']\npiece-by-piece = false\n", false, false},
		{"limits.piece-by-piece = true\n[origin.'https://a.example']\npiece-by-piece = true\n", true, true},
	} {
		f, err := policyfile.Parse("policy.toml", []byte(c.text))
		require.NoError(t, err, c.text)
		assert.Equal(t, c.all, f.Limits.PieceByPiece, c.text)
		assert.Equal(t, c.origin, f.Origins["https://a.example:443"].PieceByPiece, c.text)
		assert.Equal(t, c.origin, f.Origins != nil, "%s: an origin without limits has no entry", c.text)
		again, err := policyfile.Parse("printed", []byte(f.String()))
		require.NoError(t, err, f.String())
		assert.Equal(t, f, again)
		assert.Equal(t, !c.all, strings.Contains(f.String(), "\n# piece-by-piece: false"), f)
	}
	f := &policyfile.File{Mode: policyfile.Pay, Raise: channel.Limits{PieceByPiece: true}}
	_, err := policyfile.Parse("printed", []byte(f.String()))
	assert.NoError(t, err, "no key of [raise]")
}

const (
	anAmount = `an amount above zero in quotes: tokens ("0.25") or base units ("250000u")`
	anOrigin = `an origin: "https://api.example.com", or with a port "https://api.example.com:8443"`
	aHost    = `a host: "api.example.com"; or an origin: "https://api.example.com"`
	anAddr   = "an address in quotes: 0x and 40 hexadecimal digits, in lower case, or in mixed case with their checksum"
	someTOML = `TOML 1.0: key = "value", with amounts, addresses and origins in quotes, every key once`
	amounts  = "one of price, deposit, total, fund, stream, step, ahead, ask, hour, day, month"
	limits   = amounts + ", piece-by-piece"
	owns     = "one of price, deposit, fund, stream, step, ahead, ask, hour, day, month, piece-by-piece"
	someTabs = "one of limits, raise, origin, asset, hosts, payees, tokens"
	less     = "at most that, or more of the other"
)

func TestMistakesAreReportedWithTheirPlace(t *testing.T) {
	const nothing = `; to pay nothing write mode = "read-only"; to pay an origin nothing list it under [hosts] deny`
	for _, one := range []struct{ text, problem string }{
		// What is not TOML.
		{
			"[limits]\nprice = 0.25.3\n",
			"2:13: toml: expected newline but got U+002E '.'; expected " + someTOML,
		},
		{
			"[limits]\nprice = $1\n",
			"2:9: toml: unexpected character U+0024 '$' at start of value; expected " + someTOML,
		},
		{"[limits]\nprice = \"1\n", "2:11: toml: basic strings cannot have new lines; expected " +
			someTOML},
		{"mode = \"pay\"\n\nmode = \"pay\"\n", "3:1: toml: key mode is already defined; expected " +
			someTOML},
		{
			"[limits]\nprice = \"1\"\nprice = \"2\"\n",
			"3:1: toml: key price is already defined; expected " + someTOML,
		},
		{"[limits]\n[hosts]\n[limits]\n", "3:2: toml: table limits already exists; expected " +
			someTOML},
		{
			"limits.price = \"1\"\n[limits]\n",
			"2:2: toml: table limits already exists as defined by a dotted key; expected " +
				someTOML,
		},
		{"[origin.https://x]\n", "1:14: toml: expected ']' to close table name; expected " +
			someTOML},
		{"# \xff\n", "1:3: toml: invalid UTF-8 character in comment; expected " + someTOML},
		// Keys that there are not.
		{
			"mod = \"read-only\"\n",
			`1:1: the top of the file has no key "mod"; expected mode (one of mode, pin, bootstrap, escrow)`,
		},
		{"[limits]\n\n pric = \"1\"\n", `3:2: [limits] has no key "pric"; expected price (` +
			limits + ")"},
		{"limits.hourly = \"1\"\n", `1:8: [limits] has no key "hourly"; expected hour (` + limits +
			")"},
		{
			"[limits]\nx = { y = 1 }\n",
			`2:1: there is no table [limits.x]; expected one of origin, payee, fees`,
		},
		{
			"[limits]\nmax_spend_per_request = \"1\"\n",
			`2:1: [limits] has no key "max_spend_per_request"; expected ` + limits,
		},
		{
			"[limits.origin]\nprice = \"1\"\n",
			`2:1: [limits.origin] has no key "price"; expected one of hour, day, month`,
		},
		{
			"[raise.payees]\nhour = \"1\"\n",
			`1:8: there is no table [raise.payees]; expected payee (one of origin, payee, fees)`,
		},
		{
			"[limit]\nprice = \"1\"\nday = \"1\"\n",
			`1:2: there is no table [limit]; expected limits (` + someTabs + ")",
		},
		{
			"[origin]\nprice = \"1\"\n",
			`2:1: [origin] has no keys of its own; expected [origin."https://api.example.com"] and its keys below`,
		},
		{
			"[origin.\"https://a.example\"]\ntotal = \"1\"\n",
			`2:1: [origin."https://a.example:443"] has no key "total"; expected ` + owns,
		},
		{
			"[origin.\"https://a.example\".limits]\nprice = \"1\"\n",
			`1:29: there is no table [origin."https://a.example".limits]; expected origin (` +
				someTabs + ")",
		},
		{
			"limits = \"1\"\n",
			"1:1: limits is a table, not a value; expected [limits] and its keys below",
		},
		{
			"[[limits]]\nprice = 1\n",
			"1:3: [[limits]] is a list of tables; expected the table once, in single brackets",
		},
		{
			"[hosts]\nallowed = []\n",
			`2:1: [hosts] has no key "allowed"; expected allow (one of allow, deny)`,
		},
		{"[tokens]\ndeny = []\n", `2:1: [tokens] has no key "deny"; expected allow`},
		{"a.b.c.d.e.f = 1\n", `1:11: there is no table [a.b.c]; expected ` + someTabs},
		{
			"\"a\\u0000b\" = 1\n",
			`1:1: the top of the file has no key "a\x00b"; expected one of mode, pin, bootstrap, escrow`,
		},
		// Amounts.
		{"[limits]\nprice = 0.25\n", "2:9: limits.price is a number without quotes; expected " +
			anAmount},
		{"[limits]\nprice = 250000\n", "2:9: limits.price is a number without quotes; expected " +
			anAmount},
		{"[limits]\nday = 1979-05-27\n", "2:7: limits.day is a date; expected " + anAmount},
		{"[limits]\nprice = true\n", "2:9: limits.price is true or false; expected " + anAmount},
		{"[limits]\nprice = [\"1\"]\n", "2:1: limits.price is a list; expected " + anAmount},
		{
			"[limits]\nprice = \"0.0000001\"\n",
			`2:9: limits.price: "0.0000001" has 7 decimals, a token has 6; expected ` + anAmount,
		},
		{"[limits]\nprice = \"-1\"\n", `2:9: limits.price: "-1" is negative; expected ` + anAmount},
		{"[limits]\nprice = \"\"\n", `2:9: limits.price: "" is not an amount; expected ` +
			anAmount},
		{"[limits]\nprice = \"$1\"\n", `2:9: limits.price: "$1" is not an amount; expected ` +
			anAmount},
		{"[limits]\nprice = \"1,5\"\n", `2:9: limits.price: "1,5" is not an amount; expected ` +
			anAmount},
		{"[limits]\nprice = \"1e3\"\n", `2:9: limits.price: "1e3" is not an amount; expected ` +
			anAmount},
		{"[limits]\nprice = \"+1\"\n", `2:9: limits.price: "+1" is not an amount; expected ` +
			anAmount},
		{"[limits]\nprice = \"1.5u\"\n", `2:9: limits.price: "1.5u" is not an amount; expected ` +
			anAmount},
		{
			"[limits]\nprice = \"340282366920938463463374607431768211456u\"\n",
			`2:9: limits.price: "340282366920938463463374607431768211456u" is more than any token has; expected ` + anAmount,
		},
		{"[limits]\nhour = \"0\"\n", "2:8: limits.hour is zero; expected " + anAmount + nothing},
		{
			"[origin.\"https://a.example\"]\nprice = \"0.0\"\n",
			`2:9: origin."https://a.example:443".price is zero; expected ` + anAmount + nothing,
		},
		// Modes and switches.
		{"mode = \"readonly\"\n", `1:8: mode is "readonly"; expected "pay" or "read-only"`},
		{"mode = true\n", `1:8: mode is true or false; expected "pay" or "read-only"`},
		{
			"[limits]\npiece-by-piece = \"true\"\n",
			"2:18: limits.piece-by-piece is text; expected true or false, without quotes",
		},
		{
			"[raise]\npiece-by-piece = true\n",
			`2:1: [raise] has no key "piece-by-piece"; expected ` + amounts,
		},
		{
			"[limits.origin]\npiece-by-piece = true\n",
			`2:1: [limits.origin] has no key "piece-by-piece"; expected one of hour, day, month`,
		},
		{
			"[limits]\npiece-by-piece = true\n[origin.\"https://a.example\"]\npiece-by-piece = false\n",
			`4:1: origin."https://a.example:443".piece-by-piece is false and changes nothing: ` +
				"limits.piece-by-piece is true; expected true, or no such line",
		},
		{"pin = \"false\"\n", "1:7: pin is text; expected true or false, without quotes"},
		{
			"bootstrap = 1\n",
			"1:13: bootstrap is a number without quotes; expected true or false, without quotes",
		},
		// Origins.
		{
			"[hosts]\nallow = [\n  \"https://a.example\",\n  \"*.b.example\",\n]\n",
			`4:3: hosts.allow: "*.b.example" is not a host: host "*.b.example" has characters that no host name has; expected ` + aHost,
		},
		{
			"[hosts]\nallow = [\"ftp://a.example\"]\n",
			`2:10: hosts.allow: "ftp://a.example" is not an origin: scheme "ftp" is not http or https; expected ` + aHost,
		},
		{
			"[hosts]\ndeny = [\"https://a.example/\"]\n",
			`2:9: hosts.deny: "https://a.example/" has more than a scheme, a host and a port; expected ` + aHost,
		},
		{
			"[hosts]\ndeny = [\"https://me@a.example\"]\n",
			`2:9: hosts.deny: "https://me@a.example" is not an origin: it has a user name; expected ` + aHost,
		},
		{
			"[hosts]\ndeny = [\"https://a.example?\"]\n",
			`2:9: hosts.deny: "https://a.example?" has more than a scheme, a host and a port; expected ` + aHost,
		},
		{
			"[hosts]\ndeny = [\"https://:443\"]\n",
			`2:9: hosts.deny: "https://:443" is not an origin: host ":443" has an empty part; expected ` + aHost,
		},
		{
			"[hosts]\ndeny = [\"10.0.0.0/8\"]\n",
			`2:9: hosts.deny: "10.0.0.0/8" is not a host; expected ` + aHost,
		},
		{
			"[hosts]\ndeny = [\"\"]\n",
			`2:9: hosts.deny: "" is not a host: host "" has an empty part; expected ` + aHost,
		},
		{"[hosts]\ndeny = [443]\n", "2:9: hosts.deny is a number without quotes; expected " +
			aHost},
		{
			"[hosts]\nallow = []\n",
			"2:1: hosts.allow is an empty list; expected at least one, or no such line",
		},
		{
			"[hosts]\nallow = \"https://a.example\"\n",
			"2:9: hosts.allow is text; expected a list in square brackets",
		},
		{
			"[origin.\"a.example\"]\nprice = \"1\"\nday = \"1\"\n",
			`1:9: the name of the table: "a.example" is not an origin: it has no scheme or no host; expected ` + anOrigin,
		},
		{"[origin.\"https://a.example\"]\nprice = \"1\"\n[origin.\"https://a.example:443\"]\nprice = \"2\"\n", `3:9: origin."https://a.example:443" is written twice; expected one table an origin`},
		{"[origin.\"https://b\u00fccher.example\"]\nprice = \"1\"\n[origin.\"https://xn--bcher-kva.example.:0443\"]\nprice = \"2\"\n", `3:9: origin."https://xn--bcher-kva.example.:0443" is written twice; expected one table an origin`},
		// Addresses.
		{
			"escrow = \"0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed\"\n",
			`1:10: escrow: "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed" has a wrong checksum; expected ` + anAddr,
		},
		{"escrow = \"0xabc\"\n", `1:10: escrow: "0xabc" has 3 digits; expected ` + anAddr},
		{
			"escrow = \"5aaeb6053f3e94c9b9a09f33669435e7ef1beaed\"\n",
			`1:10: escrow: "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed" does not begin with 0x; expected ` + anAddr,
		},
		{
			"escrow = \"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaeg\"\n",
			`1:10: escrow: "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaeg" is not hexadecimal; expected ` + anAddr,
		},
		{
			"escrow = \"0x0000000000000000000000000000000000000000\"\n",
			"1:10: escrow is the zero address; expected " + anAddr,
		},
		{"escrow = 0x5aaeb6053f\n", "1:10: escrow is a number without quotes; expected " + anAddr},
		{"[payees]\nallow = [\"0xabc\"]\n", `2:10: payees.allow: "0xabc" has 3 digits; expected ` +
			anAddr},
		{"[tokens]\nallow = [[]]\n", "2:1: tokens.allow is a list; expected " + anAddr},
		// Contradictions.
		{
			"[limits]\nfund = \"2\"\ndeposit = \"1\"\n",
			"2:1: limits.fund is 2 and can never be reached: deposit is 1; expected " + less,
		},
		{
			"[limits]\nprice = \"2\"\ndeposit = \"1\"\n",
			"2:1: limits.price is 2 and can never be reached: deposit is 1; expected " + less,
		},
		{
			"[limits]\ndeposit = \"3\"\ntotal = \"2\"\n",
			"2:1: limits.deposit is 3 and can never be reached: total is 2; expected " + less,
		},
		{
			"[limits]\nhour = \"3\"\nday = \"2\"\n",
			"2:1: limits.hour is 3 and can never be reached: day is 2; expected " + less,
		},
		{
			"[limits]\nhour = \"3\"\nmonth = \"2\"\n",
			"2:1: limits.hour is 3 and can never be reached: day is not set and so 2, as month; expected " + less,
		},
		{
			"[limits]\ndeposit = \"1\"\nday = \"5\"\n",
			"3:1: limits.day is 5 and can never be reached: month is not set and so 1, as deposit; expected " + less,
		},
		{
			"[limits]\nday = \"1\"\n[limits.origin]\nday = \"2\"\n",
			"4:1: limits.origin.day is 2 and can never be reached: day is 1; expected " + less,
		},
		{
			"[limits]\nhour = \"1\"\nmonth = \"9\"\n[limits.payee]\nhour = \"2\"\n",
			"5:1: limits.payee.hour is 2 and can never be reached: hour is 1; expected " + less,
		},
		{
			"[limits]\nday = \"1\"\n[limits.fees]\nhour = \"0.3\"\nday = \"0.2\"\n",
			"4:1: limits.fees.hour is 0.3 and can never be reached: fees.day is 0.2; expected " + less,
		},
		{
			"[limits]\ntotal = \"1\"\n[origin.\"https://a.example\"]\ndeposit = \"2\"\n",
			`4:1: origin."https://a.example:443".deposit is 2 and can never be reached: total is 1; expected ` + less,
		},
		{
			"[limits]\nday = \"1\"\n[origin.\"https://a.example\"]\nday = \"2\"\n",
			`4:1: origin."https://a.example:443".day is 2 and can never be reached: day is 1; expected ` + less,
		},
		{
			"[limits]\nprice = \"1\"\n[raise]\nprice = \"0.5\"\n",
			"4:1: raise.price is 0.5 and raises nothing: limits.price is 1; expected more, or no such line",
		},
		{
			"[limits]\ndeposit = \"1\"\n[raise]\nprice = \"2\"\n",
			"4:1: raise.price is 2 and can never be reached: deposit is 1; expected " + less,
		},
		{
			"[hosts]\nallow = [\"https://a.example\"]\ndeny = [\"https://a.example:443\"]\n",
			"3:1: [hosts] allows and denies https://a.example:443; expected it in one of the two lists",
		},
		{
			"[hosts]\ndeny = [\"https://a.example\"]\n[origin.\"https://a.example\"]\nprice = \"1\"\n",
			"4:1: https://a.example:443 has limits, and [hosts] deny has it; expected one of the two",
		},
		{
			"[hosts]\ndeny = [\"A.example.\"]\n[origin.\"http://a.example:8080\"]\nprice = \"1\"\n",
			"4:1: http://a.example:8080 has limits, and [hosts] deny has it; expected one of the two",
		},
		{
			"[hosts]\nallow = [\"a.example\"]\ndeny = [\"a.example\"]\n",
			"3:1: [hosts] allows and denies https://a.example:443; expected it in one of the two lists",
		},
		{"[hosts]\nallow = [\"https://a.example\"]\n[origin.\"https://b.example\"]\nprice = \"1\"\n", "4:1: https://b.example:443 has limits, and [hosts] allow does not have it; expected it on that list, or no such table"},
		{"[payees]\nallow = [\"0x00000000000000000000000000000000000000bb\"]\ndeny = [\"0x00000000000000000000000000000000000000bb\"]\n", "3:1: [payees] allows and denies 0x00000000000000000000000000000000000000bb; expected it in one of the two lists"},
	} {
		f, err := policyfile.Parse("policy.toml", []byte(one.text))
		assert.Nil(t, f, one.text)
		assert.EqualError(t, err, "policy.toml:"+one.problem, one.text)
		var typed *policyfile.Error
		assert.ErrorAs(t, err, &typed)
	}
}

// TestAllMistakesAreReportedTogether, from top to bottom, and at most twenty.
func TestAllMistakesAreReportedTogether(t *testing.T) {
	_, err := policyfile.Parse("p",
		[]byte("mode = 1\n[limits]\nprice = 2\nday = \"-3\"\n[nobody]\n"))
	require.Error(t, err)
	assert.Equal(t, []string{"p:1:8", "p:3:9", "p:4:7", "p:5:2"}, places(err))
	_, err = policyfile.Parse("p", []byte(strings.Repeat("[limits]\n", 1)+numbered(1000)))
	assert.Len(t, places(err), 20)
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d = 1\n", i)
	}
	return b.String()
}

func places(err error) (out []string) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		out = append(out, strings.Join(strings.SplitN(line, ":", 4)[:3], ":"))
	}
	return out
}

func TestFilesThatAreTooLong(t *testing.T) {
	fits := strings.Repeat("#\n", policyfile.MaxSize/2)
	_, err := policyfile.Parse("p", []byte(fits))
	require.NoError(t, err)
	_, err = policyfile.Parse("p", []byte(fits+"#"))
	assert.EqualError(t, err, "p:32769:1: the file is too long; expected at most 65536 bytes")
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.toml")
	require.NoError(t, os.WriteFile(path, []byte(fits+"#"), 0o600))
	_, err = policyfile.Load(path)
	assert.ErrorContains(t, err, "expected at most 65536 bytes")
	_, err = policyfile.Load(filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = policyfile.Load(dir)
	assert.Error(t, err)
}

// TestFileThatOthersMayWrite is refused: whoever can write to it decides what is spent. Who can write to
// its directory can put another one there.
func TestFileThatOthersMayWrite(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // its files have no such bits
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.toml")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	for _, c := range []struct {
		dir, file os.FileMode
		says      string
	}{
		{0o700, 0o600, ""},
		{0o755, 0o644, ""},
		{0o700, 0o646, "others may change it: it has mode 0646: run chmod go-w on it"},
		{0o700, 0o664, "others may change it: it has mode 0664: run chmod go-w on it"},
		{0o777, 0o600, dir + " has mode 0777: run chmod go-w on it"},
		{0o770, 0o600, dir + " has mode 0770: run chmod go-w on it"},
	} {
		require.NoError(t, os.Chmod(dir, c.dir))
		require.NoError(t, os.Chmod(path, c.file))
		_, err := policyfile.Load(path)
		if c.says == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, c.says)
	}
}

// TestEveryLimitHasAKey: every field of channel.Limits can be set by the file.
func TestEveryLimitHasAKey(t *testing.T) {
	var all []string
	var walk func(v reflect.Type, prefix string)
	walk = func(v reflect.Type, prefix string) {
		for i := range v.NumField() {
			switch field := v.Field(i); field.Type {
			case reflect.TypeFor[voucher.Amount]():
				all = append(all, prefix+field.Name)
			case reflect.TypeFor[channel.Windows]():
				walk(field.Type, field.Name+".")
			}
		}
	}
	walk(reflect.TypeFor[channel.Limits](), "")
	require.Len(t, all, 17)
	for i, limit := range all {
		key := policyfile.Key(limit)
		require.NotEmpty(t, key, limit)
		f, err := policyfile.Parse("p", []byte(fmt.Sprintf("limits.%s = \"%du\"\n", key, i+1)))
		require.NoError(t, err)
		var want channel.Limits
		require.NoError(t, want.Set(limit, voucher.Units(uint64(i+1))))
		assert.Equal(t, want, f.Limits)
	}
	assert.Empty(t, policyfile.Key("WithBudget"))
}
