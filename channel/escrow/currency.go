package escrow

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-5fe1f529/tallystick/channel"
)

// Currency reads the symbol and the decimals of a token. The result passes [channel.Currency.Check]. The
// errors are [ErrRPC], also for an asset that is no token, and [ErrChainID].
func (c *Client) Currency(ctx context.Context, asset channel.Asset) (channel.Currency, error) {
	var symbol, decimals hexutil.Bytes
	err := c.ask(ctx, asset.ChainID,
		ethCall(&symbol, asset.Token, calldata(selSymbol), "latest"),
		ethCall(&decimals, asset.Token, calldata(selDecimals), "latest"))
	if err != nil {
		return channel.Currency{}, err
	}
	number := &words{rest: decimals}
	out := channel.Currency{Asset: asset, Decimals: uint8(number.uint64(255))}
	text, ok := decodeString(symbol)
	out.Symbol = text
	if !ok || !number.done() || out.Check() != nil {
		return channel.Currency{}, fmt.Errorf(
			"%w: %s answers no symbol, no decimals, or what cannot be written: is it a token?", ErrRPC, asset)
	}
	return out, nil
}

// decodeString reads the ABI encoding of one string.
func decodeString(answer []byte) (string, bool) {
	r := &words{rest: answer}
	offset, size := r.uint64(1<<10), r.uint64(1<<10)
	padded := (size + 31) / 32 * 32
	if r.bad || offset != common.HashLength || uint64(len(r.rest)) != padded {
		return "", false
	}
	return string(r.rest[:size]), true
}
