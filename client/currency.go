package client

import (
	"context"
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/pins"
)

// limitsByAsset returns Config.Assets by their assets.
func limitsByAsset(given []channel.Limits) (map[channel.Asset]channel.Limits, error) {
	limits := make(map[channel.Asset]channel.Limits, len(given))
	for i, own := range given {
		c := own.Currency
		if err := c.Check(); err != nil {
			return nil, fmt.Errorf("client: Config.Assets[%d]: %w", i, err)
		}
		if _, known := channel.Dollar(c.Asset); known {
			return nil, fmt.Errorf("client: Config.Assets[%d]: %s is a known dollar token: Config.Limits are for it", i, c)
		}
		if _, twice := limits[c.Asset]; twice {
			return nil, fmt.Errorf("client: Config.Assets has limits of %s twice", c)
		}
		limits[c.Asset] = own
	}
	return limits, nil
}

// other returns the currency of an asset that is no known dollar token. Before anything is paid in it, it
// is compared with what the asset is called on the chain. The chain is asked once for a store.
//
// The errors are [channel.ErrAsset] for an asset that there are no limits for, or that is called otherwise,
// [ErrNoChain], the chain's and the store's.
func (s *Session) other(ctx context.Context, asset channel.Asset) (channel.Currency, error) {
	own, named := s.others[asset]
	if !named {
		return own.Currency, fmt.Errorf("%w: %s is no known dollar token: to pay in it, name it with "+
			"limits of its own (Config.Assets, [asset] in a policy file)", channel.ErrAsset, asset)
	}
	s.mu.Lock()
	done := s.checked[asset]
	s.mu.Unlock()
	if done {
		return own.Currency, nil
	}
	err := pins.New(s.cfg.Store).Currency(ctx, own.Currency, func(ctx context.Context) (channel.Currency, error) {
		if s.cfg.Chain == nil {
			return channel.Currency{}, fmt.Errorf("%w: the symbol and decimals of %s are compared with it", ErrNoChain, own.Currency)
		}
		return s.cfg.Chain.Currency(ctx, asset)
	})
	if err != nil {
		return channel.Currency{}, err
	}
	s.mu.Lock()
	s.checked[asset] = true
	s.mu.Unlock()
	return own.Currency, nil
}

// called returns an asset with the symbol that the limits have for it, if there are any.
func (s *Session) called(asset channel.Asset) channel.Currency {
	if c, dollar := s.dollars[asset]; dollar {
		return c
	}
	if own, ok := s.others[asset]; ok {
		return own.Currency
	}
	return channel.Currency{Asset: asset}
}

// currency is like other, for known dollar tokens as well.
func (s *Session) currency(ctx context.Context, asset channel.Asset) (channel.Currency, error) {
	if c, dollar := s.dollars[asset]; dollar {
		return c, nil
	}
	return s.other(ctx, asset)
}
