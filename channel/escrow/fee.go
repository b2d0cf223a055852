package escrow

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// What funding transactions use, in gas. A new slot of state costs 250,000 on Tempo (TIP-1000). They
// are somewhat above what a transaction uses, as [Client.PrepareOpen] reserves somewhat more than that.
const (
	openGas   = 650_000
	openGasV1 = 2_000_000 // an allowance, and more slots
	topUpGas  = 130_000
	// topUpGasV1 is with an allowance that is as high as the top-up, and zero after it.
	topUpGasV1 = 430_000
)

// feeFor is how long a price of gas that was read serves [Client.FundingFee], and feeWait how long it
// waits for one.
const (
	feeFor  = 10 * time.Minute
	feeWait = 5 * time.Second
)

// FundingFee returns an estimate of the fees of opening a channel and of topping one up now, in base
// units of a fee token with 6 decimals. It is no bound: a transaction may be charged less or, if the
// price of gas rises, more. [OpenParams].Agree gets the bound. A price of gas is cached for ten minutes.
// The errors are [ErrChainID] and [ErrRPC].
func (c *Client) FundingFee(
	ctx context.Context, chainID uint64, p voucher.Protocol,
) (open, topUp voucher.Amount, err error) {
	price, err := c.gasPrice(ctx, chainID)
	if err != nil {
		return open, topUp, err
	}
	gas := [2]uint64{openGas, topUpGas}
	if p == voucher.V1 {
		gas = [2]uint64{openGasV1, topUpGasV1}
	}
	return feeOf(gas[0], price), feeOf(gas[1], price), nil
}

// gasPrice returns what gas costs, tips included, in attodollars.
func (c *Client) gasPrice(ctx context.Context, chainID uint64) (uint64, error) {
	c.mu.Lock()
	price, at := c.price, c.priceAt
	c.mu.Unlock()
	if !at.IsZero() && c.now().Sub(at) < feeFor {
		return price, nil
	}
	ctx, cancel := context.WithTimeout(ctx, feeWait)
	defer cancel()
	var h head
	if err := c.ask(ctx, chainID, h.questions()...); err != nil {
		return 0, fmt.Errorf("the price of gas: %w", err)
	}
	if err := h.check(); err != nil {
		return 0, err
	}
	price = min(max(h.gasPrice, h.baseFee), maxFeePerGas)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.price, c.priceAt = price, c.now()
	return price, nil
}
