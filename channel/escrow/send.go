package escrow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// Receipt is what became of a transaction.
type Receipt struct {
	// TxHash is the transaction's hash, also if nothing else is known.
	TxHash common.Hash
	// Success is false for a transaction that was mined and reverted.
	Success bool
	// BlockNumber is the block that it was mined in.
	BlockNumber uint64
	// GasUsed is in gas.
	GasUsed uint64
}

// receiptJSON is a receipt as nodes have it.
type receiptJSON struct {
	Status      *hexutil.Uint64 `json:"status"`
	BlockNumber *hexutil.Uint64 `json:"blockNumber"`
	GasUsed     hexutil.Uint64  `json:"gasUsed"`
}

// Confirm returns the receipt of a transaction. found is false if the chain has not mined it: after
// [Opening.ValidBefore] it never will. The error is [ErrRPC].
func (c *Client) Confirm(ctx context.Context, txHash common.Hash) (r Receipt, found bool, err error) {
	r, found, _, err = c.lookUp(ctx, txHash)
	return r, found, err
}

// lookUp is Confirm, and says the newest block's time.
func (c *Client) lookUp(ctx context.Context, hash common.Hash) (r Receipt, found bool, now uint64, err error) {
	var (
		h    head
		json *receiptJSON
	)
	r.TxHash = hash
	err = c.ask(ctx, 0, h.latest(), rpc.BatchElem{Method: "eth_getTransactionReceipt", Args: []any{hash}, Result: &json})
	now = uint64(h.block.Timestamp)
	if err != nil || json == nil || json.BlockNumber == nil {
		return r, false, now, err // a receipt without a block is of a transaction that waits
	}
	if json.Status == nil || *json.Status > 1 {
		return r, false, now, fmt.Errorf("%w: the receipt of %s has no status", ErrRPC, hash)
	}
	r.Success, r.BlockNumber, r.GasUsed = *json.Status == 1, uint64(*json.BlockNumber), uint64(json.GasUsed)
	return r, true, now, nil
}

// refusedLookUps is how often a transaction is looked up that the node has refused: an earlier copy of the
// same send may have been taken.
const refusedLookUps = 5

// broadcast sends a signed transaction and waits until its fate is known. What the node answers to
// the send decides nothing: an answer may be lost, and a copy of the same bytes is refused as known. The
// chain is asked by the hash that we compute. It gives up when the context ends, when the transaction
// has expired in chain time, and after a minute.
func (c *Client) broadcast(ctx context.Context, t *Tx) (Receipt, error) {
	hash := t.Hash()
	var ignored common.Hash
	sendErr := c.ask(ctx, t.ChainID, rpc.BatchElem{Method: "eth_sendRawTransaction", Args: []any{hexutil.Bytes(t.Serialize())}, Result: &ignored})
	refused := isRefusal(sendErr)
	until := c.now().Add(c.waits.confirm)
	for tries := 1; ; tries++ {
		r, found, now, err := c.lookUp(ctx, hash)
		if err == nil && !found && now >= t.ValidBefore {
			// Only a look-up that follows the time can say that it never came.
			if r, found, _, err = c.lookUp(ctx, hash); err == nil && !found {
				return r, fmt.Errorf("%w: %s", ErrExpired, because(sendErr, "it was valid for too short a time"))
			}
		}
		switch {
		case found && !r.Success:
			return r, &RevertError{Kind: ErrReverted}
		case found:
			return r, nil
		case refused && err == nil && tries >= refusedLookUps:
			return r, fmt.Errorf("%w: %w", ErrNotSent, sendErr)
		case ctx.Err() != nil:
			return r, fmt.Errorf("%w: %s: %w", ErrUnconfirmed, hash, ctx.Err())
		case !c.now().Before(until):
			return r, fmt.Errorf("%w: %s: %s", ErrUnconfirmed, hash, because(errors.Join(sendErr, err), "the chain stands still"))
		}
		c.pause(ctx)
	}
}

// pause waits a little, or until the context ends.
func (c *Client) pause(ctx context.Context) {
	timer := time.NewTimer(c.waits.poll)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// isRefusal reports whether the node said no for a reason other than that it has the transaction.
func isRefusal(err error) bool {
	var node *nodeError
	if !errors.As(err, &node) {
		return false
	}
	text := strings.ToLower(node.message)
	for _, has := range []string{"already", "known", "nonce too low", "replay"} {
		if strings.Contains(text, has) {
			return false
		}
	}
	return true
}

// because is the text of the error, or what is to be said without one.
func because(err error, otherwise string) string {
	if err == nil {
		return otherwise
	}
	return err.Error()
}
