package shared

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func u(n int) voucher.Amount { return voucher.Units(uint64(n)) }

// size is how many processes there are, and how many requests each pays for.
func size(t *testing.T) (processes, requests int) {
	t.Helper()
	text := os.Getenv("SHARED")
	if text == "" {
		return 4, 100
	}
	_, err := fmt.Sscanf(text, "%dx%d", &processes, &requests)
	require.NoError(t, err, "SHARED is %q, not like 16x1000", text)
	return processes, requests
}

// TestShared: many processes, one channel, and three books that agree to the base unit.
func TestShared(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		t.Run(name, func(t *testing.T) {
			empty := kinds[name].empties(t)
			for _, ahead := range []uint64{0, 256} {
				t.Run(fmt.Sprint("ahead ", ahead), func(t *testing.T) { together(t, place{name, empty(t)}, ahead, clienttest.EqualAccepted) })
			}
		})
	}
}

// TestSharedWhereEqualIsRefused: a payee that takes no voucher twice makes every request raise its own.
func TestSharedWhereEqualIsRefused(t *testing.T) {
	for _, ahead := range []uint64{0, 256} {
		t.Run(fmt.Sprint("ahead ", ahead), func(t *testing.T) { together(t, place{"file", t.TempDir()}, ahead, clienttest.EqualRefused) })
	}
}

func together(t *testing.T, at place, ahead uint64, equal clienttest.EqualRule) {
	processes, requests := size(t)
	srv := clienttest.New(t, clienttest.Config{
		TTL: time.Hour, Funds: voucher.Units(1 << 50), LowerVouchers: clienttest.LowerRefused, EqualVouchers: equal,
	})
	key := srv.Payer()
	payer, payee := srv.Chain.Balance(key.Address), srv.Chain.Balance(srv.Payee)
	p := part{
		Store: at, URL: srv.URL, RPC: srv.RPCURL, Key: key.Hex,
		Requests: requests, Together: 1, Ahead: ahead,
	}
	begin := time.Now()
	reports := p.start(t, processes)
	elapsed := time.Since(begin)

	all := voucher.Units(uint64(100 * processes * requests))
	require.Len(t, srv.Accounts(), 1, "one channel, one deposit")
	account := srv.Accounts()[0]
	s := p.ledger(t)
	assert.Equal(t, processes*requests, srv.Served("/data"))
	assert.Equal(t, all, account.Spent, "what was charged is what was bought")
	assert.Equal(t, all, s.Spent)
	assert.Equal(t, all, s.Claimed, "what is claimed is what was charged")
	assert.Equal(t, account.Accepted, s.Signed, "what was accepted is what was signed")
	assert.False(t, s.Authorized.Less(s.Signed))
	assert.False(t, s.Asked.AddCapped(u(100*int(ahead))).Less(s.Authorized), "authorized %s, asked for %s", s.Authorized, s.Asked)
	assert.Equal(t, srv.Chain.Channel(s.ID).Deposit, s.Deposit)
	assert.Empty(t, p.record(t, s.ID).Writers)
	assert.False(t, s.Untrusted)

	presented := p.tally(t, srv, reports, elapsed)
	// A request presents again while others overtake it, and three times for other reasons.
	assert.LessOrEqual(t, presented, processes*requests*(1+64+3))

	last, done, err := p.session(t.Context())
	require.NoError(t, err)
	defer done()
	require.NoError(t, last.Channels().Close(t.Context(), s.ID))
	assert.Equal(t, all, srv.Chain.Balance(srv.Payee).SubFloor(payee), "the payee has exactly what was bought")
	closed := p.ledger(t)
	assert.Equal(t, channel.Closed, closed.Phase)
	fee := payer.SubFloor(srv.Chain.Balance(key.Address)).SubFloor(all)
	assert.False(t, u(100_000).Less(fee), "the payer paid %s more than that, which is no fee", fee)
}

// start runs the processes, all at once, and returns what they say.
func (p part) start(t *testing.T, processes int) []report {
	t.Helper()
	return startAll(t, slices.Repeat([]part{p}, processes))
}

// startAll runs one process for each part, all at once, and returns what they say.
func startAll(t *testing.T, parts []part) []report {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	type child struct {
		cmd      *exec.Cmd
		out, err bytes.Buffer
		start    interface{ Close() error }
	}
	children := make([]*child, len(parts))
	for i := range children {
		text, err := json.Marshal(parts[i])
		require.NoError(t, err)
		c := &child{cmd: exec.CommandContext(t.Context(), self, "-test.run=^$")}
		c.cmd.Env = append(os.Environ(), partEnv+"="+string(text))
		c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.err
		c.start, err = c.cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, c.cmd.Start())
		children[i] = c
	}
	for _, c := range children {
		require.NoError(t, c.start.Close())
	}
	reports := make([]report, len(parts))
	for i, c := range children {
		assert.NoError(t, c.cmd.Wait(), "%s", c.err.Bytes())
		require.NoError(t, json.Unmarshal(c.out.Bytes(), &reports[i]), "%s", c.err.Bytes())
	}
	return reports
}

// record is what the store holds of a channel.
func (p part) record(t *testing.T, id common.Hash) rule.State {
	t.Helper()
	st, done, err := p.Store.open(t.Context())
	require.NoError(t, err)
	defer done()
	data, _, err := st.Get(t.Context(), rule.StateKey(id))
	require.NoError(t, err)
	s, err := rule.Decode(data)
	require.NoError(t, err)
	return s
}

// ledger is the one channel on record, read by a process that comes last.
func (p part) ledger(t *testing.T) channel.Info {
	t.Helper()
	s, done, err := p.session(t.Context())
	require.NoError(t, err)
	defer done()
	var all []channel.Info
	for c, err := range s.Channels().All(t.Context()) {
		require.NoError(t, err)
		if c.HoldsMoney() || !c.Deposit.IsZero() {
			all = append(all, c)
		}
	}
	require.Len(t, all, 1, "one channel with money")
	return all[0]
}

// tally logs what it cost, and returns how many credentials were presented.
func (p part) tally(t *testing.T, srv *clienttest.Server, reports []report, elapsed time.Duration) (presented int) {
	t.Helper()
	problems := map[string]int{}
	for _, r := range srv.Requests() {
		if r.Action == "" {
			continue
		}
		presented++
		if r.Status != http.StatusOK {
			problems[fmt.Sprint(r.Status, " ", r.Problem)]++
		}
	}
	var sum report
	for _, r := range reports {
		sum.Refused, sum.Failed, sum.Lies, sum.Paid = sum.Refused+r.Refused, sum.Failed+r.Failed, sum.Lies+r.Lies, sum.Paid+r.Paid
		if r.LastFail != "" {
			sum.LastFail = r.LastFail
		}
	}
	assert.Zero(t, sum.Lies, "an honest server was taken for a liar: %s", sum.LastFail)
	a := srv.Accounts()[0]
	t.Logf("%d processes, %d requests paid in %v (%.2f ms each): presented %d, again %.3f a request, refused %v; handed to callers: %d refusals, %d errors (%s); server accepted %s, spent %s",
		len(reports), sum.Paid, elapsed.Round(time.Millisecond), float64(elapsed.Microseconds())/1000/float64(max(sum.Paid, 1)), presented,
		float64(presented-sum.Paid)/float64(max(sum.Paid, 1)), problems, sum.Refused, sum.Failed, sum.LastFail, a.Accepted, a.Spent)
	return presented
}
