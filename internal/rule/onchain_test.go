package rule_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestStateFollowsTheChain: the phases are read off the facts.
func TestStateFollowsTheChain(t *testing.T) {
	s := opening(t, 1000)
	assert.Equal(t, channel.Opening, s.Phase())
	assert.True(t, s.Payable())
	assert.True(t, s.HoldsMoney())

	assert.Equal(
		t, channel.Opening, s.Settle(rule.OnChain{Time: 1000}).Phase(), "it can still be mined",
	)
	missed := s.Settle(rule.OnChain{Time: 1001})
	assert.Equal(t, channel.NotSeen, missed.Phase(), "that a node does not show it proves nothing")
	assert.Equal(t, u(1000), missed.Deposit)
	assert.True(t, missed.HoldsMoney(), "it is listed, and read again")
	assert.True(t, missed.Lapsed())
	assert.False(t, missed.Payable(), "nothing more is signed on it")
	assert.Equal(t, channel.Open, missed.Settle(rule.OnChain{Exists: true, Deposit: u(1000), Time: 1002}).Phase())
	never := s.NeverSent()
	assert.Equal(t, channel.Closed, never.Phase())
	assert.True(t, never.Deposit.IsZero())
	assert.False(t, never.HoldsMoney())

	s = s.Settle(rule.OnChain{Exists: true, Deposit: u(1000), Time: 990})
	assert.Equal(t, channel.Open, s.Phase())
	assert.False(t, s.Opening.Pending())

	requested := s.Settle(rule.OnChain{Exists: true, Deposit: u(1000), CloseRequestedAt: 995})
	assert.Equal(t, channel.Closing, requested.Phase())
	assert.False(t, requested.Payable())
	assert.Equal(
		t, channel.Open, requested.Settle(rule.OnChain{Exists: true, Deposit: u(1000)}).Phase(),
		"a top-up canceled it",
	)

	closing := s.ClosingAt(u(10))
	assert.Equal(t, channel.Closing, closing.Phase())
	assert.True(t, closing.HoldsMoney())
	assert.Equal(t, channel.Open, closing.CloseRefused().Phase())
	closing = closing.CloseAcknowledged(common.Hash{1})
	assert.Equal(t, channel.Closing, closing.Phase(), "the chain has the last word")
	assert.Equal(t, channel.NotSeen, closing.Settle(rule.OnChain{}).Phase())
	assert.Equal(t, channel.Closed, closing.Settle(rule.OnChain{}).Settle(rule.OnChain{Ended: true}).Phase())
	assert.Equal(t, channel.Closing, closing.Settle(rule.OnChain{}).Settle(rule.OnChain{Exists: true, Deposit: u(1000)}).Phase())
	assert.Equal(t, channel.Closed, s.Settle(rule.OnChain{Exists: true, Finalized: true}).Phase())

	assert.Equal(t, channel.Unopened, rule.State{}.Phase())
	for p, name := range map[channel.Phase]string{
		channel.Unopened: "unopened", channel.Opening: "opening", channel.Open: "open",
		channel.Closing: "closing", channel.Closed: "closed", channel.NotSeen: "not seen", 99: "not seen",
	} {
		assert.Equal(t, name, p.String())
	}
}

// TestMinedFundingIsDecided: a receipt decides what the escrow's state does not show.
func TestMinedFundingIsDecided(t *testing.T) {
	tx := common.Hash{7}
	s := opening(t, 1000)
	s.Opening.Hash = tx
	undecided := rule.OnChain{Time: 990}
	require.Equal(t, tx, s.Settle(undecided).InDoubt())
	assert.Equal(t, s, s.Mined(common.Hash{8}, false), "another one's receipt")
	assert.Equal(t, s, s.Mined(common.Hash{}, false), "nobody's")

	reverted := s.Acknowledged().Mined(tx, false).Settle(undecided) // whatever the payee said
	assert.Equal(t, channel.Closed, reverted.Phase())
	assert.True(t, reverted.Deposit.IsZero(), "nothing left the wallet")
	assert.Zero(t, reverted.InDoubt())
	gone := s.Mined(tx, true).Settle(undecided)
	assert.Equal(t, channel.NotSeen, gone.Phase(), "it was there, and its close is not proved")
	closed := gone.Settle(rule.OnChain{Ended: true})
	assert.Equal(t, channel.Closed, closed.Phase())
	assert.Equal(t, u(1000), closed.Deposit)
	assert.Equal(t, channel.Closed, closed.Settle(rule.OnChain{Time: 2000}).Phase(), "proved once")
	assert.Equal(t, channel.Open, closed.Settle(rule.OnChain{Exists: true, Deposit: u(1000)}).Phase(), "ids are used once")
	there := s.Mined(tx, true).Settle(rule.OnChain{Exists: true, Deposit: u(1000), Time: 990})
	assert.Equal(t, channel.Open, there.Phase())
	assert.Zero(t, there.InDoubt())
	finalized := s.Settle(rule.OnChain{Exists: true, Finalized: true, Time: 990})
	assert.Equal(t, u(1000), finalized.Deposit, "a v1 escrow remembers that it was there")

	up := there.Funded(rule.Funding{Amount: u(50), Raw: []byte{1}, Hash: tx, ValidBefore: 1000})
	require.Equal(
		t, tx, up.Settle(rule.OnChain{Exists: true, Deposit: u(1000), Time: 990}).InDoubt(),
	)
	assert.False(t, up.Mined(tx, false).ToppingUp.Pending())
	assert.Equal(t, u(1000), up.Mined(tx, false).Deposit)
}

// TestChannelThatIsThereAfterAll: a node that does not know the channel yet does not make us forget
// its money.
func TestChannelThatIsThereAfterAll(t *testing.T) {
	for name, s := range map[string]rule.State{"open": open(t, 1000), "opening": opening(t, 1000)} {
		s = s.Settle(rule.OnChain{Time: 1001})
		require.Equal(t, channel.NotSeen, s.Phase(), name)
		require.True(t, s.HoldsMoney(), name)
		require.Equal(t, u(1000), s.Deposit, name)
		require.Equal(t, s, s.Settle(rule.OnChain{Time: 5000}), "nothing new to write")
		data, err := s.Encode()
		require.NoError(t, err)
		stored, err := rule.Decode(data)
		require.NoError(t, err)
		require.Equal(t, s, stored, name)
		s = s.Settle(rule.OnChain{Exists: true, Deposit: u(1000), Time: 1002})
		assert.Equal(t, channel.Open, s.Phase(), name)
		assert.True(t, s.HoldsMoney(), name)
		assert.Equal(t, u(1000), s.Deposit, name)
		assert.Equal(
			t, channel.Closed, s.Settle(rule.OnChain{Exists: true, Finalized: true}).Phase(), name,
		)
	}
}

// TestSettledProvesOurSignature: the chain settles only what we signed, so a lost store learns it
// there.
func TestSettledProvesOurSignature(t *testing.T) {
	s := open(t, 1000).Settle(rule.OnChain{Exists: true, Deposit: u(900), Settled: u(300)})
	assert.Equal(t, u(300), s.Authorized())
	assert.Equal(t, u(300), s.Claimed)
	assert.Equal(t, u(900), s.Deposit, "the chain's deposit counts")
	_, _, due := pay(t, s, 100, wide)
	assert.Equal(t, u(400), due)
}

func TestTopUpCountsWhenConfirmed(t *testing.T) {
	f := rule.Funding{Amount: u(500), Raw: []byte{1}, ValidBefore: 50}
	s := open(t, 1000).Funded(f)
	assert.Equal(t, u(1000), s.Deposit, "not counted before it is confirmed")
	assert.Equal(t, u(1500), s.ToppedUp().Deposit)
	assert.Equal(t, u(1500), s.ToppedUp().ToppedUp().Deposit, "counted once")

	mined := s.Settle(rule.OnChain{Exists: true, Deposit: u(1500), Time: 40})
	assert.Equal(t, u(1500), mined.Deposit)
	assert.False(t, mined.ToppingUp.Pending())
	assert.True(
		t, s.Settle(rule.OnChain{Exists: true, Deposit: u(1000), Time: 40}).ToppingUp.Pending(),
		"undecided",
	)
	assert.False(
		t, s.Settle(rule.OnChain{Exists: true, Deposit: u(1000), Time: 51}).ToppingUp.Pending(),
		"expired",
	)
}

func TestRecordRoundTrip(t *testing.T) {
	s, _, _ := pay(t, open(t, 10_000), 100, ahead(wide, 50))
	s = s.Funded(
		rule.Funding{Amount: u(5), Raw: []byte{0x76, 2}, Hash: common.Hash{3}, ValidBefore: 7},
	)
	s.URL = "https://api.example.com/data"
	data, err := s.Encode()
	require.NoError(t, err)
	got, err := rule.Decode(data)
	require.NoError(t, err)
	assert.Equal(t, s, got)
}

func TestDecodeRefuses(t *testing.T) {
	s, _, _ := pay(t, open(t, 10_000), 100, wide)
	data, err := s.Encode()
	require.NoError(t, err)
	replace := func(old, new string) string {
		out := string(data)
		require.Contains(t, out, old)
		return string(replaceOnce(out, old, new))
	}
	for name, text := range map[string]string{
		"newer version":       replace(`"version":1`, `"version":2`),
		"not JSON":            `{"version":1`,
		"signed above":        replace(`"authorized":"100"`, `"authorized":"99"`),
		"another payee":       replace(`"payee":"0x70997970`, `"payee":"0x70997971`),
		"a negative amount":   replace(`"claimed":"100"`, `"claimed":"-1"`),
		"another channel's":   replace(s.ID.Hex(), common.Hash{1}.Hex()),
		"an amount in number": replace(`"claimed":"100"`, `"claimed":100`),
	} {
		_, err := rule.Decode([]byte(text))
		assert.ErrorIs(t, err, channel.ErrRecord, name)
	}
}

func replaceOnce(s, old, new string) []byte {
	for i := 0; i+len(old) <= len(s); i++ {
		if s[i:i+len(old)] == old {
			return []byte(s[:i] + new + s[i+len(old):])
		}
	}
	return []byte(s)
}

func TestNewRefusesAnotherScope(t *testing.T) {
	for name, change := range map[string]func(*channel.Scope){
		"payer":    func(s *channel.Scope) { s.Payer[0]++ },
		"payee":    func(s *channel.Scope) { s.Payee[0]++ },
		"operator": func(s *channel.Scope) { s.Operator[0]++ },
		"token":    func(s *channel.Scope) { s.Token[0]++ },
		"signer":   func(s *channel.Scope) { s.Signer[0]++ },
		"escrow":   func(s *channel.Scope) { s.Escrow[0]++ },
		"chain":    func(s *channel.Scope) { s.ChainID++ },
		"protocol": func(s *channel.Scope) { s.Protocol = voucher.V1 },
	} {
		sc := scope(t)
		key := rule.ScopeKey(sc)
		change(&sc)
		assert.NotEqual(t, key, rule.ScopeKey(sc), name)
		_, err := rule.New(
			voucher.V2, chainID, escrow, descriptor(t), sc, rule.Funding{Amount: u(1)},
		)
		assert.ErrorIs(t, err, channel.ErrNotOurs, name)
		assert.Equal(
			t, sc.Holds(descriptor(t)), name == "escrow" || name == "chain" || name == "protocol",
			name,
		)
	}
}

// TestReadingsOfANodeThatLags: a reading that is older than the one that showed a top-up, or the request of a
// close, changes neither. One that is newer does, and so does one that is much older: the time of the one
// before may have been a lie.
func TestReadingsOfANodeThatLags(t *testing.T) {
	const at = 1_700_000_000
	had := rule.OnChain{Exists: true, Deposit: u(1000), Time: at - 30}
	now := rule.OnChain{Exists: true, Deposit: u(1500), Settled: u(100), CloseRequestedAt: 7, Time: at}
	f := rule.Funding{Amount: u(500), Raw: []byte{1}, ValidBefore: at + 20}
	s := open(t, 1000).Settle(had).Funded(f).ToppedUp().Settle(now)
	data, err := s.Encode()
	require.NoError(t, err)
	s, err = rule.Decode(data)
	require.NoError(t, err)
	require.False(t, s.ToppingUp.Pending())

	old := s.Settle(had)
	assert.Equal(t, u(1500), old.Deposit)
	assert.EqualValues(t, 7, old.CloseRequestedAt)
	next := s.Funded(rule.Funding{Amount: u(500), Raw: []byte{2}, ValidBefore: at - 20})
	assert.True(t, next.Settle(had).ToppingUp.Pending())

	later := now
	later.Time, later.Deposit, later.CloseRequestedAt = at+1, u(1400), 0
	newer := s.Settle(later)
	assert.Equal(t, u(1400), newer.Deposit)
	assert.Zero(t, newer.CloseRequestedAt)
	for _, unordered := range []uint64{0, at - 3600} {
		had.Time = unordered
		assert.Equal(t, u(1000), s.Settle(had).Deposit)
	}
}
