package shared

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// hour is what all processes together may authorize in an hour, by the size of the test.
func hour(price, requests uint64) channel.Limits {
	return channel.Limits{
		Price: voucher.Units(price), Deposit: voucher.Units(1 << 40), Total: voucher.Units(1 << 40),
		All:   channel.Windows{Hour: voucher.Units(price*requests + price/2)},
		Payee: channel.Windows{Day: voucher.Units(price*requests + price/2)},
	}
}

// payment is one channel of a process: it authorizes prices on it until a limit over time refuses.
type payment struct {
	Channel  json.RawMessage // the record
	Price    uint64
	Requests uint64 // that the limit allows, of all processes that pay in this token together
}

// exhaust authorizes until a limit refuses, and returns how often.
func (p payment) exhaust(ctx context.Context, s store.Store, key string) (paid int, err error) {
	k, err := voucher.ParseKey(key)
	if err != nil {
		return 0, err
	}
	state, err := rule.Decode(p.Channel)
	if err != nil {
		return 0, err
	}
	limits := hour(p.Price, p.Requests)
	limits.Currency = channel.Currency{Asset: channel.Asset{ChainID: state.ChainID, Token: state.Scope.Token}, Symbol: "X", Decimals: 6}
	l := ledger.New(s, k, limits)
	a, _, err := l.Add(ctx, state, nil)
	if err != nil {
		return 0, err
	}
	for {
		terms := ledger.Terms{Limits: l.Limits()}
		r, _, err := a.Reserve(ctx, terms, rule.Request{Price: voucher.Units(p.Price)})
		if errors.Is(err, channel.ErrLimit) {
			return paid, l.Flush(ctx)
		}
		if err != nil {
			return paid, err
		}
		r.Keep()
		paid++
	}
}

// TestBudgetOfManyProcesses: processes with a channel each, on one store, reach a limit over time
// together within one price, and never pass it. Half of them pay in another token, and reach a limit
// of their own. SHARED says how many, and how often they pay.
func TestBudgetOfManyProcesses(t *testing.T) {
	processes, requests := size(t)
	requests /= 2 // in each token
	tokens := [2]common.Address{common.HexToAddress("0x20c0000000000000000000000000000000000000"), {77}}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		t.Run(name, func(t *testing.T) {
			key := "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d" // a public test key
			k, err := voucher.ParseKey(key)
			require.NoError(t, err)
			at := place{name, kinds[name].empties(t)(t)}
			parts := make([]part, processes)
			for i := range parts {
				d := channel.Descriptor{
					Payer: k.Address(), Payee: common.Address{1}, Token: tokens[i%2],
					Salt: common.Hash{byte(i), byte(i >> 8), 1}, AuthorizedSigner: k.Address(),
				}
				s, err := rule.New(voucher.V2, 42431, common.Address{3}, d, channel.Scope{
					Origin: fmt.Sprintf("https://%d.example:443", i), Protocol: voucher.V2, ChainID: 42431,
					Escrow: common.Address{3}, Payee: d.Payee, Token: d.Token, Payer: d.Payer, Signer: d.AuthorizedSigner,
				}, rule.Funding{Amount: voucher.Units(1 << 40), Raw: []byte{0x76}, ValidBefore: 100})
				require.NoError(t, err)
				data, err := s.Acknowledged().Encode()
				require.NoError(t, err)
				parts[i] = part{Store: at, Key: key, Payment: &payment{data, 100, uint64(requests)}}
			}
			reports := startAll(t, parts)
			paid := 0
			for _, r := range reports {
				paid += r.Paid
			}
			s, done, err := at.open(t.Context())
			require.NoError(t, err)
			defer done()
			sums := map[common.Address]voucher.Amount{}
			for e, err := range s.List(t.Context(), rule.ChannelKeys) {
				require.NoError(t, err)
				one, err := rule.Decode(e.Data)
				require.NoError(t, err)
				sums[one.Scope.Token] = sums[one.Scope.Token].AddCapped(one.Authorized())
			}
			most := voucher.Units(uint64(100 * requests))
			want := map[common.Address]voucher.Amount{tokens[0]: most, tokens[1]: most}
			assert.Equal(t, want, sums, "what fits into each limit, to the unit")
			assert.Equal(t, 2*requests, paid)
		})
	}
}
