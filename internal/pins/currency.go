package pins

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/store"
)

// currency is the stored record of a token: what the chain said of it when it was first paid in.
type currency struct {
	Version  int            `json:"version"`
	ChainID  uint64         `json:"chainId"`
	Token    common.Address `json:"token"`
	Symbol   string         `json:"symbol"`
	Decimals uint8          `json:"decimals"`
	Since    time.Time      `json:"since"`
}

// currencyKeys is the prefix of the keys of these records.
const currencyKeys = "asset/"

func currencyKey(a channel.Asset) string {
	return fmt.Sprintf(currencyKeys+"%d/%x", a.ChainID, a.Token)
}

// Currency returns nil if a currency is what its token is called on the chain. read reads that, and is
// called once for a store: what it says is stored if it is the same, and never replaced.
//
// The errors are [channel.ErrAsset] if it is not the same, [channel.ErrRecord], the store's and read's.
func (b *Book) Currency(
	ctx context.Context, want channel.Currency, read func(context.Context) (channel.Currency, error),
) error {
	key := currencyKey(want.Asset)
	data, _, err := b.store.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		var found channel.Currency
		found, err = read(ctx)
		if err != nil {
			return err
		}
		if found != want {
			return differs(want, found, "its chain says")
		}
		data, err = json.Marshal(currency{1, want.ChainID, want.Token, want.Symbol, want.Decimals, time.Now().UTC()})
		if err != nil {
			return err
		}
		if _, err = b.store.Put(ctx, key, data, 0); !errors.Is(err, store.ErrConflict) {
			return err
		}
		data, _, err = b.store.Get(ctx, key) // another process was first
	}
	if err != nil {
		return err
	}
	pinned, err := decodeCurrency(key, data)
	if err == nil && pinned != want {
		err = differs(want, pinned, "it is stored as")
	}
	return err
}

func differs(want, found channel.Currency, who string) error {
	return fmt.Errorf("%w: the limits name %s with %d decimals, and %s %s with %d decimals: correct the limits, "+
		"or ask another node", channel.ErrAsset, want, want.Decimals, who, found, found.Decimals)
}

func decodeCurrency(key string, data []byte) (channel.Currency, error) {
	var c currency
	if err := strict(key, data, &c, &c.Version, 1); err != nil {
		return channel.Currency{}, err
	}
	out := channel.Currency{
		Asset: channel.Asset{ChainID: c.ChainID, Token: c.Token}, Symbol: c.Symbol, Decimals: c.Decimals,
	}
	if out.Check() != nil || currencyKey(out.Asset) != key {
		return channel.Currency{}, fmt.Errorf("%w: %s is no record of a token", channel.ErrRecord, key)
	}
	return out, nil
}

// Currencies yields the tokens that were paid in, but for the known dollar tokens, and how they are
// written. A record that cannot be read is yielded as an error, and the iteration goes on.
func (b *Book) Currencies(ctx context.Context) iter.Seq2[channel.Currency, error] {
	return func(yield func(channel.Currency, error) bool) {
		for e, err := range b.store.List(ctx, currencyKeys) {
			var c channel.Currency
			if err == nil {
				c, err = decodeCurrency(e.Key, e.Data)
			}
			if !yield(c, err) {
				return
			}
		}
	}
}
