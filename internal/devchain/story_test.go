package devchain

import (
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Whatever anybody sends, no base unit is made or lost, and the escrows can always pay what they owe.
func TestSupplyIsConserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := New(Config{})
		defer c.Close()
		parties := []party{payer, payee, operator, stranger}
		for _, p := range parties {
			c.Mint(PathUSD, p.addr, voucher.Units(rapid.Uint64Range(0, 3_000_000).Draw(t, "funds")))
		}
		type opened struct {
			p  voucher.Protocol
			d  Descriptor
			id common.Hash
		}
		var channels []opened
		spent := map[common.Hash]uint64{} // largest settled per channel
		amount := rapid.OneOf(rapid.Uint64Range(0, 2000), rapid.Uint64Range(0, 4_000_000))
		send := func(from party, calls ...Call) *Receipt {
			r, err := c.Send(from.key, calls...)
			var refusal *RefusedError
			if err != nil {
				require.ErrorAs(t, err, &refusal)
				return &Receipt{}
			}
			return r
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			from := rapid.SampledFrom(parties).Draw(t, "from")
			n := amount.Draw(t, "amount")
			var ch opened
			if len(channels) > 0 {
				ch = rapid.SampledFrom(channels).Draw(t, "channel")
			}
			signed := signVoucher(c, ch.p, payer, ch.id, n)
			v1 := ch.p == voucher.V1
			pick := func(one, two Call) Call {
				if v1 {
					return one
				}
				return two
			}
			switch rapid.SampledFrom([]string{"open", "openV1", "topUp", "settle", "close", "request", "withdraw", "wait", "transfer"}).Draw(t, "action") {
			case "open":
				d := Descriptor{Payer: from.addr, Payee: payee.addr, Operator: operator.addr, Token: PathUSD}
				if r := send(from, reserveOpening(d, n)); r.Success {
					d.ExpiringNonceHash = r.ExpiringNonceHash
					channels = append(channels, opened{voucher.V2, d, c.ChannelID(voucher.V2, d)})
				}
			case "openV1":
				d := Descriptor{Payer: from.addr, Payee: payee.addr, Token: PathUSD, Salt: common.Hash{byte(len(channels))}}
				if r := send(from, approve(amount.Draw(t, "allowance")), streamOpening(d, n)); r.Success {
					channels = append(channels, opened{voucher.V1, d, c.ChannelID(voucher.V1, d)})
				}
			case "topUp":
				send(from, approve(n), pick(sTopUp(ch.id, n), rTopUp(ch.d, n)))
			case "settle":
				if r := send(from, pick(sSettle(ch.id, n, signed.Signature), rSettle(ch.d, n, signed.Signature))); r.Success {
					assert.Greater(t, n, spent[ch.id], "settlement only grows")
					spent[ch.id] = n
					assert.Equal(t, voucher.Units(n), c.ChannelState(ch.id).Settled)
				}
			case "close":
				send(from, pick(sClose(ch.id, n, signed.Signature), rClose(ch.d, n, amount.Draw(t, "capture"), signed.Signature)))
			case "request":
				send(from, pick(sRequest(ch.id), rRequest(ch.d)))
			case "withdraw":
				send(from, pick(sWithdraw(ch.id), rWithdraw(ch.d)))
			case "wait":
				c.Advance(time.Duration(rapid.IntRange(1, 1000).Draw(t, "seconds")) * time.Second)
			case "transfer":
				send(from, on(PathUSD, "transfer(address,uint256)", rapid.SampledFrom(append(parties, party{addr: ReserveAddress})).Draw(t, "to").addr, n))
			}
			require.NoError(t, c.CheckSupply())
			state := c.ChannelState(ch.id)
			require.False(t, state.Deposit.Less(state.Settled))
		}
	})
}

func TestCheckSupplyNotices(t *testing.T) {
	c := New(Config{})
	defer c.Close()
	c.Mint(PathUSD, payer.addr, voucher.Units(10_000_000))
	d, id := openReserve(t, c, nil)
	_, stream := openStream(t, c, nil)
	require.NoError(t, c.CheckSupply())
	c.state.balances[holding{PathUSD, payer.addr}] = voucher.Units(1)
	require.ErrorContains(t, c.CheckSupply(), "balances add up to")
	missing, err := voucher.Units(10_000_000).Sub(c.Balance(PathUSD, ReserveAddress).AddCapped(c.Balance(PathUSD, StreamChannelAddress)).AddCapped(c.Balance(PathUSD, FeeCollector)))
	require.NoError(t, err)
	c.state.balances[holding{PathUSD, payer.addr}] = missing
	require.NoError(t, c.CheckSupply())
	owed := c.state.reserve[id]
	owed.deposit = voucher.Units(1001)
	c.state.reserve[id] = owed
	require.ErrorContains(t, c.CheckSupply(), d.Token.Hex())
	delete(c.state.reserve, id)
	require.NoError(t, c.CheckSupply(), "lost tokens are nobody's debt")
	closed := c.state.streams[stream]
	closed.deposit = voucher.Units(1002)
	c.state.streams[stream] = closed
	require.ErrorContains(t, c.CheckSupply(), "owes 1002")
}

func TestClockOfItsOwn(t *testing.T) {
	wall := time.Date(2026, 5, 1, 12, 0, 0, 500_000_000, time.UTC)
	c := New(Config{Clock: func() time.Time { return wall }})
	defer c.Close()
	assert.Equal(t, wall.Truncate(time.Second), c.Now())
	wall = wall.Add(999 * time.Millisecond)
	assert.Len(t, c.blocks, 1)
	wall = wall.Add(time.Millisecond)
	assert.Equal(t, time.Date(2026, 5, 1, 12, 0, 1, 0, time.UTC), c.Now(), "it passes by itself")
	assert.Len(t, c.blocks, 2)
	c.Advance(time.Hour)
	assert.Equal(t, time.Date(2026, 5, 1, 13, 0, 1, 0, time.UTC), c.Now())
	wall = wall.Add(-time.Minute)
	assert.Equal(t, time.Date(2026, 5, 1, 13, 0, 1, 0, time.UTC), c.Now(), "and never goes back")
	assert.Equal(t, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), New(Config{}).Now())
}

func TestConcurrentUse(t *testing.T) {
	c := testChain(t)
	done := make(chan error)
	const senders, each = 4, 25
	for i := range senders {
		go func() {
			from := []party{payer, payee, operator, stranger}[i]
			for range each {
				if _, err := c.Transfer(from.key, PathUSD, delegate.addr, voucher.Units(1)); err != nil {
					done <- err
					return
				}
				c.Balance(PathUSD, from.addr)
			}
			done <- nil
		}()
	}
	for range senders {
		require.NoError(t, <-done)
	}
	assert.Equal(t, voucher.Units(100_000_000+senders*each), c.Balance(PathUSD, delegate.addr))
}

// What a test pays for one transaction: building, signing, decoding, recovering, executing.
func BenchmarkTransfer(b *testing.B) {
	c := New(Config{})
	defer c.Close()
	c.Mint(PathUSD, payer.addr, voucher.MaxAmount)
	for b.Loop() {
		if _, err := c.Transfer(payer.key, PathUSD, payee.addr, voucher.Units(1)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		New(Config{}).Close()
	}
}
