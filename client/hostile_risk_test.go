package client_test

import (
	"net/url"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// atRisk asserts the bounds that hold for every server: on signatures and deposits, on where
// credentials were sent, and that all are on record.
func (p *victim) atRisk(agreed int, more ...uint64) {
	t := p.t
	t.Helper()
	most := u(uint64(agreed))
	if p.most != nil {
		most = u(*p.most)
	}
	sum := most
	if p.sum != nil {
		sum = u(*p.sum)
	}
	for _, one := range more {
		most, sum = most.AddCapped(u(one)), sum.AddCapped(u(one))
	}
	signed := map[common.Hash]voucher.Amount{}
	for _, s := range p.wire.paid("") {
		where, err := url.Parse(s.URL)
		require.NoError(t, err)
		assert.Equal(t, p.home, where.Scheme+"://"+where.Host, "a credential at a foreign origin")
		if payload := s.Paid.Payload; payload.Action != "" {
			signed[payload.ChannelID] = signed[payload.ChannelID].Max(payload.CumulativeAmount)
		}
	}
	for _, s := range p.wire.all() {
		if where, err := url.Parse(s.URL); err == nil && where.Scheme+"://"+where.Host == p.home {
			continue
		}
		for name, values := range s.Header {
			assert.NotContains(
				t, strings.Join(values, " "), "Payment ", "%s at a foreign origin", name,
			)
		}
		assert.Empty(t, s.Header.Get("Payment-Session"), "the other origin learns of no channel")
	}

	proofs := p.wire.paid("proof")
	sessions := 1
	if p.lost {
		sessions++
	}
	assert.LessOrEqual(t, len(proofs), sessions, "one proof is enough")
	for _, s := range proofs {
		c := s.Paid.Challenge
		r, err := c.SessionRequest()
		require.NoError(t, err)
		assert.True(t, r.Amount.IsZero(), "a proof for %s", r.Amount)
		assert.Equal(t, p.srv.ChainID, *r.MethodDetails.ChainID, "a proof for another chain")
		assert.Equal(t, "clienttest", c.Realm, "a proof for another realm")
		until, _, err := c.ExpiresAt()
		require.NoError(t, err)
		assert.True(t, time.Now().Before(until), "a proof for a challenge of the past")
	}

	records := map[common.Hash]channel.Info{}
	for _, s := range p.channels() {
		records[s.ID] = s
	}
	var all, deposits voucher.Amount
	for id, highest := range signed {
		all = all.AddCapped(highest)
		assert.False(
			t, most.Less(highest), "signed %s on one channel, agreed to at most %s", highest, most,
		)
		onChain := p.srv.Chain.Channel(id)
		deposits = deposits.AddCapped(onChain.Deposit)
		assert.False(
			t, hostileLimits.Deposit.Less(onChain.Deposit), "a deposit of %s", onChain.Deposit,
		)
		record, ok := records[id]
		if !ok {
			assert.True(t, p.lost, "channel %s was paid from and is not on record", id)
			continue
		}
		if onChain.Exists {
			assert.True(
				t, record.HoldsMoney(), "channel %s holds %s and its record says %s", id,
				onChain.Deposit, record.Phase,
			)
		}
		assert.False(t, record.Authorized.Less(highest), "more was signed than the record knows")
	}
	assert.False(t, sum.Less(all), "signed %s on all channels, agreed to at most %s", all, sum)
	total := hostileLimits.Total
	if p.lost {
		total = total.AddCapped(u(10_000)) // the deposits of the session before
	}
	assert.False(t, total.Less(deposits), "deposited %s in all", deposits)
	lost := p.began.SubFloor(p.srv.Chain.Balance(p.key.Address))
	assert.False(
		t, total.AddCapped(u(500_000)).Less(lost), "the wallet lost %s, fees included", lost,
	)
}
