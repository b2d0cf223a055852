package pins_test

import (
	"context"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/pins"
	"github.com/seed-5fe1f529/tallystick/store"
)

var euro = channel.Currency{
	Asset: channel.Asset{ChainID: 4217, Token: common.Address{0x20, 0xc0, 19: 1}}, Symbol: "EURC.e", Decimals: 6,
}

const euroKey = "asset/4217/20c0000000000000000000000000000000000001"

// TestCurrencyIsReadOnce, and what was read first stays.
func TestCurrencyIsReadOnce(t *testing.T) {
	s := store.NewMem()
	asked := 0
	says := func(c channel.Currency, err error) func(context.Context) (channel.Currency, error) {
		return func(context.Context) (channel.Currency, error) { asked++; return c, err }
	}
	away := errors.New("the node is away")
	lie := euro
	lie.Symbol = "USDC.e"
	require.ErrorIs(t, pins.New(s).Currency(t.Context(), euro, says(euro, away)), away)
	require.ErrorIs(t, pins.New(s).Currency(t.Context(), euro, says(lie, nil)), channel.ErrAsset)
	_, _, err := s.Get(t.Context(), euroKey)
	require.ErrorIs(t, err, store.ErrNotFound, "a lie is not stored")
	require.NoError(t, pins.New(s).Currency(t.Context(), euro, says(euro, nil)))
	require.NoError(t, pins.New(s).Currency(t.Context(), euro, says(lie, away)))
	require.ErrorIs(t, pins.New(s).Currency(t.Context(), lie, says(lie, nil)), channel.ErrAsset)
	assert.Equal(t, 3, asked)

	other := lie
	other.ChainID = 42431
	require.NoError(t, pins.New(s).Currency(t.Context(), other, says(other, nil)), "another chain, another token")
}

// TestCurrencyOfTwoProcesses: one stores it, and the other compares with that.
func TestCurrencyOfTwoProcesses(t *testing.T) {
	s := store.NewMem()
	other := euro
	other.Decimals = 2
	first := func(ctx context.Context) (channel.Currency, error) {
		return euro, pins.New(s).Currency(ctx, other, func(context.Context) (channel.Currency, error) { return other, nil })
	}
	err := pins.New(s).Currency(t.Context(), euro, first)
	require.ErrorIs(t, err, channel.ErrAsset)
	assert.ErrorContains(t, err, "with 6 decimals, and it is stored as EURC.e")
}

// TestCurrencyThatCannotBeRead is not replaced, and nothing is paid in it.
func TestCurrencyThatCannotBeRead(t *testing.T) {
	for _, data := range []string{
		"", "{}", `{"version":2}`, `{"version":1,"chainId":4217}`,
		`{"version":1,"chainId":4217,"token":"0x20c0000000000000000000000000000000000002","symbol":"EURC.e","decimals":6,"since":"2026-01-02T03:04:05Z"}`,
		`{"version":1,"chainId":4217,"token":"0x20c0000000000000000000000000000000000001","symbol":"E\u001b","decimals":6,"since":"2026-01-02T03:04:05Z"}`,
		`{"version":1,"chainId":4217,"token":"0x20c0000000000000000000000000000000000001","symbol":"EURC.e","decimals":6,"more":1,"since":"2026-01-02T03:04:05Z"}`,
	} {
		s := store.NewMem()
		_, err := s.Put(t.Context(), euroKey, []byte(data), 0)
		require.NoError(t, err)
		err = pins.New(s).Currency(t.Context(), euro, nil)
		assert.ErrorIs(t, err, channel.ErrRecord, data)
	}
}
