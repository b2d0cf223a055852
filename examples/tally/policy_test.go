package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// policy puts the user under a policy, and takes the limits out of the environment.
func (s *shell) policy(text string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "policy.toml")
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
	for _, name := range []string{"TALLY_MAX_PRICE", "TALLY_MAX_DEPOSIT", "TALLY_MAX_STREAM"} {
		delete(s.env, name)
	}
	s.env["TALLY_POLICY"] = path
	return path
}

const enough = "limits.price = '0.001'\nlimits.deposit = '0.1'\nlimits.stream = '0.01'\n"

// TestPolicy: the file decides, flags lower it.
func TestPolicy(t *testing.T) {
	for _, one := range []struct {
		name, policy string
		args         []string
		code         int
		says         string
	}{
		{"enough", enough, []string{"/data"}, 0, ""},
		{
			"nothing", "",
			[]string{"/data"},
			exitRefused,
			"or --max-price, allows 0 as price and this needs 0.0001",
		},
		{
			"a low price", "limits = { price = '99u', deposit = '1' }",
			[]string{"/data"},
			exitRefused,
			"allows 0.000099 as price and this needs 0.0001",
		},
		{
			"a lower flag", enough,
			[]string{"--max-price", "99u", "/data"},
			exitRefused,
			"or --max-price, allows 0.000099 as price and this needs 0.0001",
		},
		{
			"a higher flag", enough,
			[]string{"--max-price", "0.002", "/data"},
			exitRefused,
			"--max-price is 0.002 and the policy ",
		},
		{"raised", enough + "[raise]\nprice = '0.002'", []string{
			"--max-price", "0.002",
			"/data?price=2000",
		}, 0, ""},
		{
			"not raised", enough + "[raise]\nprice = '0.002'",
			[]string{"/data?price=2000"},
			exitRefused, "allows 0.001 as price and this needs 0.002",
		},
		{
			"a flag of zero", enough,
			[]string{"--max-price", "0", "/data"},
			exitUsage,
			"--max-price is zero",
		},
		{
			"a low hour", "[limits]\nprice='0.001'\ndeposit='0.1'\nhour='99u'\n",
			[]string{"/data"},
			exitRefused, "allows 0.000099 as hour and this needs 0.0001",
		},
		{
			"a lower hour", enough,
			[]string{"--per-hour", "99u", "/data"},
			exitRefused,
			"or --per-hour, allows 0.000099 as hour",
		},
		{
			"a low day of the origin", enough + "limits.origin.day = '99u'\n",
			[]string{"/data"},
			exitRefused, "allows 0.000099 as origin.day",
		},
		{
			"denied", enough + "[tokens]\nallow = ['0x00000000000000000000000000000000000000aa']",
			[]string{"/data"},
			exitRefused, "is not on the list",
		},
		{
			"bootstrap", enough,
			[]string{"--bootstrap", "/data"},
			exitRefused,
			"--bootstrap: the policy ",
		},
		{
			"bootstrap allowed", "bootstrap = true\n" + enough,
			[]string{"--bootstrap", "/data"},
			0,
			"",
		},
		{"escrow", enough, []string{
			"--escrow", "0x00000000000000000000000000000000000000aa",
			"/data",
		}, exitRefused, "--escrow: the policy "},
		{
			"asked, and no terminal", "limits = { price = '0.001', deposit = '0.1', ask = '99u' }",
			[]string{"/data"},
			exitApproval, "there is no terminal to ask at",
		},
		{
			"read-only", "mode = 'read-only'\n" + enough,
			[]string{"/data"},
			exitRefused,
			"is read-only",
		},
		{"read-only and free", "mode = 'read-only'\n" + enough, []string{"/free"}, 0, ""},
		{
			"read-only close", "mode = 'read-only'\n" + enough,
			[]string{"close"},
			exitRefused,
			"nothing is signed",
		},
		{
			"bad", "[limits]\nprice = 1",
			[]string{"/data"},
			exitUsage,
			"policy.toml:2:9: limits.price is a number without quotes",
		},
	} {
		t.Run(one.name, func(t *testing.T) {
			s := newShell(t, clienttest.Config{})
			s.policy(one.policy)
			e := s.run(one.args...)
			assert.Equal(t, one.code, e.code, e.stderr)
			assert.Contains(t, e.stderr, one.says)
			if one.code == 0 {
				return
			}
			assert.Empty(t, s.srv.Accounts())
			for _, r := range s.srv.Requests() {
				assert.Empty(t, r.Action, "nothing was presented")
			}
		})
	}
	s := newShell(t, clienttest.Config{})
	path := s.policy(enough)
	delete(s.env, "TALLY_POLICY")
	s.ok("--policy", path, "/data")
	s.books(100)
	e := s.run("--policy", filepath.Join(t.TempDir(), "none"), "/data")
	assert.Equal(t, exitRead, e.code)
	assert.Contains(t, e.stderr, "no such file")
}

// TestReadOnlyNeedsNoKey: the key is not even looked at, and the 402 is handed on as it is.
func TestReadOnlyNeedsNoKey(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.policy("mode = 'read-only'\n" + enough)
	s.srv.Handle("/priced", s.srv.Paid(clienttest.Terms{Price: voucher.Units(10)},
		http.NotFoundHandler()))
	s.env["TALLY_KEY_FILE"] = filepath.Join(t.TempDir(), "none")
	e := s.run("-i", "/priced")
	assert.Equal(t, exitRefused, e.code, e.stderr)
	assert.Contains(t, e.stdout, "HTTP/1.1 402 ")
	e = s.run("quote", "/priced")
	assert.Equal(t, exitRefused, e.code, e.stderr)
	assert.Contains(t, e.stdout, "price     0.00001")
	assert.Contains(t, e.stderr, "read-only")
}

func TestPolicyCheck(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	check := func(text string) ended {
		t.Chdir(filepath.Dir(s.policy(text)))
		return s.run("policy", "check", "policy.toml")
	}
	means := check("[limits]\nprice = '2000u'\ndeposit = '1'\n").stdout
	assert.Contains(t, means,
		`price = "0.002"        # the most that one request, or one piece of a stream, may cost`)
	assert.Contains(t, means, "# total: as deposit\n")
	assert.Equal(t, ended{0, means, ""}, check(means), "what it prints is such a file")
	e := check("[limits]\npric = '1'\ndeposit = 2\n")
	assert.Equal(t, exitUsage, e.code)
	assert.Equal(t,
		`tally: policy.toml:2:1: [limits] has no key "pric"; expected price (one of price, deposit, total, fund, stream, step, ahead, ask, hour, day, month, piece-by-piece)`+"\n"+
			`  policy.toml:3:11: limits.deposit is a number without quotes; expected an amount above zero in quotes: tokens ("0.25") or base units ("250000u")`+"\n", e.stderr)
	assert.Empty(t, e.stdout)
}

// TestBudget: the hour goes down over several runs of the program, and then nothing more is signed.
func TestBudget(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.env["TALLY_PER_HOUR"], s.env["TALLY_PER_DAY"] = "250u", "0.05"
	table := func() string { return regexp.MustCompile(` +`).ReplaceAllString(s.ok("budget"), " ") }
	assert.Equal(t,
		"WITHIN ALLOWED USED LEFT TOKEN\n60 minutes 0.00025 0 0.00025 dollars\n24 hours 0.05 0 0.05 dollars\n30 days 0.1 0 0.1 dollars\n", table())
	s.ok("/data")
	s.ok("/data")
	assert.Equal(t,
		"WITHIN ALLOWED USED LEFT TOKEN\n60 minutes 0.00025 0.0002 0.00005 dollars\n24 hours 0.05 0.0002 0.0498 dollars\n30 days 0.1 0.0002 0.0998 dollars\n", table())
	e := s.run("/data")
	assert.Equal(t, exitRefused, e.code, e.stderr)
	assert.Contains(t, e.stderr, "--per-hour is 0.00025 and this needs 0.0003")
	s.books(200)

	s.env["TALLY_PER_HOUR"], s.env["TALLY_PER_DAY"] = "", ""
	s.policy("[limits]\nprice = '0.001'\ndeposit = '0.1'\nday = '0.01'\n")
	assert.Contains(t, table(), "\n60 minutes 0.01 0.0002 0.0098 dollars\n")
	s.policy("[limits]\nprice = '0.001'\ndeposit = '0.1'\nday = '0.01'\n" +
		"[asset.'0x2222222222222222222222222222222222222222']\nchain = 42\nsymbol = 'EUR'\ndecimals = 2\nprice = '1'\ndeposit = '5'\nday = '3'\n")
	assert.Contains(t, table(), "\n60 minutes 0.01 0.0002 0.0098 dollars\n")
	assert.Contains(t, table(), "\n60 minutes 3 0 3 EUR\n24 hours 3 0 3 EUR\n30 days 5 0 5 EUR\n")
	assert.Contains(t, s.ok("ledger", "--html", "-"), "24 hours, EUR ")
	s.env["TALLY_PER_HOUR"] = "0.005"
	assert.Contains(t, table(), "\n60 minutes 0.005 0.0002 0.0048 dollars\n", "lower than the policy")
	assert.NotContains(t, table(), "EUR", "nothing is paid in it under limits in dollars")
	s.env["TALLY_PER_HOUR"] = "0.5"
	e = s.run("budget")
	assert.Equal(t, exitRefused, e.code)
	assert.Contains(t, e.stderr, "--per-hour is 0.5 and the policy ")
}

// withOther sets a policy with limits of the server's other token.
func (s *shell) withOther() {
	s.policy("pin = false\n[limits]\nprice = '0.001'\ndeposit = '0.1'\n[asset.'" + s.srv.OtherToken.Hex() + "']\n" +
		"chain = 42431\nsymbol = 'otherUSD'\ndecimals = 6\nprice = '0.001'\ndeposit = '0.2'\nday = '0.00012'\n")
}

// TestTokenOfAPolicy: what a policy has limits for is paid in, unless flags, which are in dollars, lower them.
func TestTokenOfAPolicy(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.withOther()
	s.srv.Token = s.srv.OtherToken
	e := s.run("--max-price", "0.0005", "/data")
	assert.Equal(t, exitRefused, e.code)
	assert.Contains(t, e.stderr, "there are no limits for this asset")
	s.ok("/data")
}

// TestBudgetsOfTokens: a token with limits of its own is shown by itself, unless flags leave none of it.
func TestBudgetsOfTokens(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.withOther()
	table := func() string { return regexp.MustCompile(` +`).ReplaceAllString(s.ok("budget"), " ") }
	s.ok("/data")
	s.srv.Token = s.srv.OtherToken
	s.ok("/data")
	dollars := "WITHIN ALLOWED USED LEFT TOKEN\n60 minutes 0.1 0.0001 0.0999 dollars\n24 hours 0.1 0.0001 0.0999 dollars\n30 days 0.1 0.0001 0.0999 dollars\n"
	assert.Equal(t, dollars+"60 minutes 0.00012 0.0001 0.00002 otherUSD\n24 hours 0.00012 0.0001 0.00002 otherUSD\n"+
		"30 days 0.2 0.0001 0.1999 otherUSD\n", table())
	assert.Contains(t, s.run("doctor").stdout, "0.00002 of 0.00012 otherUSD are left within 60 minutes")
	page := s.ok("ledger", "--html=-")
	for _, says := range []string{"24 hours, otherUSD", ">0.00002<"} {
		assert.Contains(t, page, says)
	}
	s.env["TALLY_PER_HOUR"] = "0.01"
	assert.Equal(t, strings.Replace(dollars, "60 minutes 0.1 0.0001 0.0999", "60 minutes 0.01 0.0001 0.0099", 1), table())
}

// TestMessagesOfSmallLimits: the arithmetic of a small deposit is in tokens, and errormsg is one line.
func TestMessagesOfSmallLimits(t *testing.T) {
	s := newShell(t, clienttest.Config{BaseFee: 20_000_000_000})
	delete(s.env, "TALLY_FUND_AS_NEEDED")
	costly := s.run("-v", "--max-deposit", "0.001", "/data").stderr
	assert.Contains(t, costly, "the limits allow a deposit of 0.0001 pathUSD, less than 20 requests of 0.0001 pathUSD, "+
		"and the fee of each such deposit is about 0.0026 pathUSD: with 0.26 pathUSD in --max-deposit, the policy's total "+
		"and, if it is set, --fund, fees are about 1%")
	refused := s.run("-s", "-w", "%{errormsg}\n", "--max-price", "0.00001", "/data").stdout
	assert.Equal(t, "refused: --max-price is 0.00001 and this needs 0.0001 pathUSD; nothing was signed for it; "+
		"to allow it: --max-price 0.0001\n", refused)
}

// TestQuote says what it would cost, and signs nothing.
func TestQuote(t *testing.T) {
	s := newShell(t, clienttest.Config{BaseFee: 20_000_000_000})
	e := s.run("quote", "/data")
	require.Equal(t, 0, e.code, e.stderr)
	for _, says := range []string{`price     0.0001 pathUSD per "request"`, "payee     " +
		s.srv.Payee.Hex(), "token     " + s.srv.Token.Hex(), "on chain", "decision  allow: "} {
		assert.Contains(t, e.stdout, says)
	}
	assert.Equal(t, e.stdout, s.ok("quote", "-X", "POST", "-d", "x", "/data"))
	assert.Contains(t, e.stdout, "deposit   0.01 pathUSD is put into a channel first, for 100 requests; "+
		"the rest comes back when it is closed; its fee is at most 0.01 pathUSD\n")
	delete(s.env, "TALLY_FUND_AS_NEEDED")
	assert.Contains(t, s.ok("quote", "/data"), "deposit   0.087 pathUSD is put into a channel first, for 870 requests; "+
		"the rest comes back when it is closed; its fee is about 0.013, and the limits allow 0.01 pathUSD: see fees\n")
	s.env["TALLY_MAX_DEPOSIT"] = "0.2"
	assert.Contains(t, s.ok("quote", "/data"), "; its fee is about 0.013, at most 0.02 pathUSD\n")
	s.env["TALLY_MAX_DEPOSIT"] = "0.1"
	assert.Contains(t, s.ok("quote", "/sponsored"), "deposit   0.01 pathUSD is put into a channel first, for 100 requests; "+
		"the rest comes back when it is closed; the payee pays its fee\n")
	assert.Contains(t, s.ok("quote", "--fund", "0.0001", "/data"), "for 1 request; ")
	s.env["TALLY_FUND_AS_NEEDED"] = "true"
	keyFile := s.env["TALLY_KEY_FILE"]
	delete(s.env, "TALLY_KEY_FILE")
	assert.Equal(t, e.stdout, s.ok("quote", "/data"), "no key is needed")
	s.env["TALLY_KEY_FILE"] = keyFile
	e = s.run("quote", "--max-price", "99u", "/data")
	assert.Equal(t, exitRefused, e.code)
	assert.Contains(t, e.stdout, "decision  deny: Price allows 0.000099 pathUSD\n")
	assert.Contains(t, e.stderr, "to allow it: --max-price 0.0001")
	assert.Contains(t, s.ok("quote", "/free"), "nothing: the answer has status 200")
	s.srv.Handle("/other", http.HandlerFunc(func(w http.ResponseWriter,
		_ *http.Request,
	) {
		w.WriteHeader(http.StatusPaymentRequired)
	}))
	assert.Equal(t, exitNothing, s.run("quote", "/other").code)
	s.policy("limits = { price = '0.001', deposit = '0.1', ask = '99u' }")
	assert.Contains(t, s.ok("quote", "/data"), "decision  ask: the price is above 0.000099 pathUSD\n")
	s.policy(enough + "[hosts]\nallow = ['https://other.example']\n")
	e = s.run("quote", "/data")
	assert.Equal(t, exitRefused, e.code)
	assert.Contains(t, e.stdout, "decision  deny: not with them")
	assert.Contains(t, e.stderr, "is not on the list")
	for _, r := range s.srv.Requests() {
		assert.Empty(t, r.Action, "nothing was presented")
	}
	assert.Equal(t, 1, strings.Count(s.ok("trust"), "\n"), "nobody is remembered for a quote")
	s.policy(enough + "limits.fees.transaction = '0.02'\n")
	s.ok("/data")
	assert.Contains(t, s.ok("quote", "/data"), "leaves 0.087733 pathUSD of 0.1 pathUSD\n",
		"the channel that is there counts, and its fee")
	assert.Empty(t, s.srv.Accounts()[1:])
}

// TestTrust: a payee that changes is refused, shown, and accepted by a person.
func TestTrust(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	assert.Equal(t, 1, strings.Count(s.ok("trust"), "\n"), "nobody yet")
	e := s.run("trust", "accept", "/free")
	assert.Equal(t, exitUsage, e.code)
	assert.Contains(t, e.stderr, "no payment is asked for there")

	payee := s.srv.Payee.Hex()
	s.ok("/data")
	assert.Contains(t, s.ok("trust"), payee)
	assert.Contains(t, s.ok("trust", "accept", "/data"), payee+" is trusted",
		"as it was: nothing is asked")

	s.srv.Lie(lies.PayeeChanged)
	e = s.run("/data")
	assert.Equal(t, exitRefused, e.code, e.stderr)
	assert.Contains(t, e.stderr, "tally trust accept")
	e = s.run("quote", "/data")
	assert.Equal(t, exitRefused, e.code)
	assert.Contains(t, e.stdout, "decision  deny: not with them, or not on these terms")
	e = s.run("trust", "accept", "/data")
	assert.Equal(t, exitApproval, e.code, e.stderr)
	shown := regexp.MustCompile(`(?s)  accepted since .*: payee (0x\w+), .*\n  accepted for this route: charged by the "request"\n` +
		`  named now: payee (0x\w+), .*, charged by the "request"\n`).FindStringSubmatch(e.stderr)
	require.NotNil(t, shown, e.stderr)
	assert.Equal(t, payee, shown[1])
	assert.NotEqual(t, payee, shown[2])
	assert.Contains(t, e.stderr, "not accepted: there is no terminal to ask at")
	assert.NotContains(t, s.ok("trust"), shown[2])

	assert.Contains(t, s.ok("trust", "accept", "--yes", "/data"), shown[2]+" is trusted")
	assert.Contains(t, s.ok("trust"), shown[2])
	assert.Contains(t, s.ok("trust"), payee, "what was accepted before stays accepted")
	s.srv.Lie()
	s.ok("/data")
	s.books(200)

	s.env["TALLY_STORE"] = filepath.Join(t.TempDir(), "empty")
	e = s.run("trust", "accept", "/data")
	assert.Equal(t, exitApproval, e.code)
	assert.Contains(t, e.stderr, "are accepted yet")
	assert.NotContains(t, s.ok("trust"), payee)
	s.ok("trust", "accept", "--yes", "/data")
	assert.Contains(t, s.ok("trust"), payee)
}

// TestPieceByPiece: by flag, environment or policy, nothing is signed ahead of a stream. No flag
// turns off what the policy sets.
func TestPieceByPiece(t *testing.T) {
	const set = enough + "limits.piece-by-piece = true\n"
	for _, c := range []struct {
		name, policy, env string
		flag              []string
		ahead             uint64
	}{
		{"not set", "", "", nil, 90},
		{"flag", "", "", []string{"--piece-by-piece"}, 0},
		{"environment", "", "true", nil, 0},
		{"policy", set, "", nil, 0},
		{"flag under a policy", enough, "", []string{"--piece-by-piece"}, 0},
		{"off where it is off", enough, "", []string{"--piece-by-piece=false"}, 90},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShell(t, clienttest.Config{})
			if s.env["TALLY_PIECE_BY_PIECE"] = c.env; c.policy != "" {
				s.policy(c.policy)
			}
			assert.Equal(t, frames(50), s.ok(append(c.flag, "/stream/50/10")...))
			s.booksAhead(500, c.ahead)
		})
	}
	s := newShell(t, clienttest.Config{})
	s.policy(set)
	e := s.run("--piece-by-piece=false", "/stream/50/10")
	assert.Equal(t, exitUsage, e.code)
	assert.Contains(t, e.stderr, "--piece-by-piece=false has no effect: the policy ")
	assert.Empty(t, s.srv.Accounts())
}

// TestAfterTwoDashesIsAURL: what looks like a subcommand or a flag is neither there.
func TestAfterTwoDashesIsAURL(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	for _, word := range []string{"policy://x", "-y://x", "--help://x"} {
		e := s.run("--policy", s.policy(enough), "--", word)
		assert.Contains(t, []int{exitURL, exitScheme}, e.code, "%s: %s", word, e.stderr)
		assert.Empty(t, e.stdout, word)
	}
	e := s.run("-m", "1e-300", "--", "trust") // no name is looked up in that time
	assert.Equal(t, exitTimeout, e.code, e.stderr)
	assert.Empty(t, e.stdout)
}
