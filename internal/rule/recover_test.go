package rule_test

import (
	"context"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

var onChain = rule.OnChain{Exists: true, Deposit: u(1000), Settled: u(50), Time: 100}

func TestFindVerifiesTheParties(t *testing.T) {
	d := descriptor(t)
	id := d.ID(voucher.V2, escrow, chainID)
	s, err := rule.Find(voucher.V2, chainID, escrow, id, d, scope(t), onChain)
	require.NoError(t, err)
	assert.Equal(t, channel.Open, s.Phase())
	assert.Equal(t, u(50), s.Authorized(), "what was settled was signed")

	other := d
	other.Salt[0]++
	foreign := scope(t)
	foreign.Payee[0]++
	for name, c := range map[string]struct {
		d     channel.Descriptor
		scope channel.Scope
		chain rule.OnChain
	}{
		"another descriptor": {other, scope(t), onChain},
		"another payee":      {d, foreign, onChain},
		"gone":               {d, scope(t), rule.OnChain{}},
		"finalized": {
			d, scope(t), rule.OnChain{Exists: true, Finalized: true, Deposit: u(1)},
		},
		"empty": {d, scope(t), rule.OnChain{Exists: true}},
		"closing": {
			d, scope(t), rule.OnChain{Exists: true, Deposit: u(1), CloseRequestedAt: 5},
		},
	} {
		_, err := rule.Find(voucher.V2, chainID, escrow, id, c.d, c.scope, c.chain)
		assert.ErrorIs(t, err, channel.ErrNotOurs, name)
	}
}

// TestFindV1 has no salt: the escrow's own record says who the parties are.
func TestFindV1(t *testing.T) {
	sc := scope(t)
	sc.Protocol = voucher.V1
	c := onChain
	c.Payer, c.Payee, c.Token, c.Signer = sc.Payer, sc.Payee, sc.Token, sc.Signer
	s, err := rule.Find(voucher.V1, chainID, escrow, common.Hash{7}, channel.Descriptor{}, sc, c)
	require.NoError(t, err)
	assert.Equal(t, common.Hash{7}, s.ID)
	data, err := s.Encode()
	require.NoError(t, err)
	_, err = rule.Decode(data)
	require.NoError(t, err)
	c.Payee[0]++
	_, err = rule.Find(voucher.V1, chainID, escrow, common.Hash{7}, channel.Descriptor{}, sc, c)
	assert.ErrorIs(t, err, channel.ErrNotOurs)
}

// TestRecoverNeedsOurSignature: only our own signature proves what we signed.
func TestRecoverNeedsOurSignature(t *testing.T) {
	s := open(t, 1000)
	mine := func(id common.Hash, amount uint64) voucher.Signed {
		v := voucher.Voucher{ChannelID: id, Cumulative: u(amount)}
		sig, err := signer(t).SignVoucher(context.Background(), s.Domain(), v)
		require.NoError(t, err)
		return voucher.Signed{Voucher: v, Signature: sig}
	}
	got, err := s.Recover(mine(s.ID, 400))
	require.NoError(t, err)
	assert.Equal(t, u(400), got.Authorized())
	assert.Equal(t, u(400), got.Signed)
	_, _, due := pay(t, got, 10, wide)
	assert.Equal(t, u(410), due)

	same, err := got.Recover(mine(s.ID, 300))
	require.NoError(t, err)
	assert.Equal(t, got, same, "an older one changes nothing")

	stranger, err := voucher.ParseKey(
		"0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
	)
	require.NoError(t, err)
	v := voucher.Voucher{ChannelID: s.ID, Cumulative: u(400)}
	forged, err := stranger.SignVoucher(context.Background(), s.Domain(), v)
	require.NoError(t, err)
	raised := mine(s.ID, 400)
	raised.Cumulative = u(900)
	for name, v := range map[string]voucher.Signed{
		"another key":       {Voucher: v, Signature: forged},
		"another amount":    raised,
		"another channel":   mine(common.Hash{1}, 400),
		"no signature":      {Voucher: v},
		"above the deposit": mine(s.ID, 1001),
	} {
		next, err := s.Recover(v)
		assert.ErrorIs(t, err, channel.ErrNotOurs, name)
		assert.Equal(t, s, next, name)
	}
}

func TestPlanPaymentSizesDeposits(t *testing.T) {
	spent, _, _ := pay(t, open(t, 150), 100, wide)
	small := rule.Of(channel.Limits{Price: u(1000), Deposit: u(500)})
	fund := small
	fund.Fund = u(300)
	total := small
	total.Total = u(120)
	roomy := small
	roomy.Total = u(100_000)
	for name, c := range map[string]struct {
		state     *rule.State
		req       rule.Request
		suggested uint64
		funded    uint64
		lim       rule.Limits
		want      rule.Plan
		err       error
	}{
		"open for the bare need": {
			nil,
			rule.Request{Price: u(100)},
			0, 0, small,
			rule.Plan{Step: rule.Fund, Amount: u(100)},
			nil,
		},
		"open as suggested": {
			nil,
			rule.Request{Price: u(100)},
			200, 0, small,
			rule.Plan{Step: rule.Fund, Amount: u(200)},
			nil,
		},
		"a suggestion is no limit": {
			nil,
			rule.Request{Price: u(100)},
			9999, 0, small,
			rule.Plan{Step: rule.Fund, Amount: u(500)},
			nil,
		},
		"whatever the total": {
			nil,
			rule.Request{Price: u(100)},
			9999, 0, roomy,
			rule.Plan{Step: rule.Fund, Amount: u(500)},
			nil,
		},
		"Fund beats the suggestion": {
			nil,
			rule.Request{Price: u(100)},
			200, 0, fund,
			rule.Plan{Step: rule.Fund, Amount: u(300)},
			nil,
		},
		"Fund below the price": {
			nil,
			rule.Request{Price: u(400)},
			0, 0, fund,
			rule.Plan{Step: rule.Fund, Amount: u(400)},
			nil,
		},
		"price above the deposit limit": {
			nil, rule.Request{Price: u(501)}, 0, 0, small, rule.Plan{}, channel.ErrLimit,
		},
		"price above the price limit": {
			nil, rule.Request{Price: u(1001)}, 0, 0, small, rule.Plan{}, channel.ErrLimit,
		},
		"total": {
			nil,
			rule.Request{Price: u(100)},
			500, 0, total,
			rule.Plan{Step: rule.Fund, Amount: u(120)},
			nil,
		},
		"total used": {
			nil, rule.Request{Price: u(100)}, 500, 21, total, rule.Plan{}, channel.ErrLimit,
		},
		"zero total is one deposit": {
			nil, rule.Request{Price: u(100)}, 0, 401, small, rule.Plan{}, channel.ErrLimit,
		},
		"covered": {
			&spent, rule.Request{Price: u(50)}, 0, 0, small, rule.Plan{Step: rule.Pay}, nil,
		},
		"the exact shortfall": {
			&spent,
			rule.Request{Price: u(60)},
			0, 150, small,
			rule.Plan{Step: rule.TopUp, Amount: u(10)},
			nil,
		},
		"as suggested again": {
			&spent,
			rule.Request{Price: u(60)},
			100, 150, small,
			rule.Plan{Step: rule.TopUp, Amount: u(100)},
			nil,
		},
		"up to the limit": {
			&spent,
			rule.Request{Price: u(60)},
			1000, 150, small,
			rule.Plan{Step: rule.TopUp, Amount: u(350)},
			nil,
		},
		"and not above it": {
			&spent,
			rule.Request{Price: u(60)},
			1000, 150, roomy,
			rule.Plan{Step: rule.TopUp, Amount: u(350)},
			nil,
		},
		"past the limit": {
			&spent, rule.Request{Price: u(401)}, 0, 150, small, rule.Plan{}, channel.ErrLimit,
		},
		"a step needs more": {
			&spent,
			rule.Request{Price: u(10), MinDelta: u(60)},
			0, 150, ahead(small, 50),
			rule.Plan{Step: rule.TopUp, Amount: u(10)},
			nil,
		},
		"raised elsewhere": {
			nil,
			rule.Request{Price: u(100), Elsewhere: u(1)},
			0, 0, small,
			rule.Plan{},
			channel.ErrRaised,
		},
		"or ahead of it": {
			nil,
			rule.Request{Price: u(100), Elsewhere: u(10)},
			0, 0, ahead(small, 10),
			rule.Plan{Step: rule.Fund, Amount: u(100)},
			nil,
		},
		"no top-up for it": {
			&spent,
			rule.Request{Price: u(60), Elsewhere: u(60)},
			0, 150, small,
			rule.Plan{},
			channel.ErrRaised,
		},
		"the deposit covers it": {
			&spent,
			rule.Request{Price: u(50), Elsewhere: u(50)},
			0, 150, small,
			rule.Plan{Step: rule.Pay},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := rule.PlanPayment(c.state, c.req, rule.Wish{Suggested: u(c.suggested), Exact: true}, u(c.funded), c.lim)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}
