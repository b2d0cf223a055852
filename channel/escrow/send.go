package escrow

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Receipt is the result of a transaction.
type Receipt struct {
	// TxHash is the transaction's hash, also if nothing else is known.
	TxHash common.Hash
	// Success is false for a transaction that was mined and reverted.
	Success bool
	// BlockNumber is the block that it was mined in.
	BlockNumber uint64
	// GasUsed is the gas that was used. It is zero if the node does not report it.
	GasUsed uint64
	// Fee is what FeePayer was charged: GasUsed times its price, rounded up to base units of the fee
	// token, which has 6 decimals. A reverted transaction is charged too. FeeKnown is false, and both are
	// zero, if the node does not report the gas, its price or the payer of the fee. Compare FeePayer with
	// the payer, because a sponsor may have paid. The receipt does not name the token: see [Fee.Token].
	FeePayer common.Address
	Fee      voucher.Amount
	FeeKnown bool
	// Time is set if the node has no receipt: the time (Unix seconds) of its newest block. From
	// [Fee.ValidBefore] on the transaction can no longer be mined. It is zero if there is a receipt.
	Time uint64

	logs []receiptLog
}

// Closes reports whether the transaction closed the channel: its escrow logged that.
func (r Receipt) Closes(ref Ref) bool {
	return r.Success && slices.ContainsFunc(r.logs, func(l receiptLog) bool { return l.closes(ref) })
}

// receiptLog is a log as receipts have it.
type receiptLog struct {
	Address common.Address `json:"address"`
	Topics  []common.Hash  `json:"topics"`
	Removed bool           `json:"removed"`
}

func (l receiptLog) closes(ref Ref) bool {
	return !l.Removed && l.Address == ref.Escrow && len(l.Topics) == 4 &&
		l.Topics[0] == closedTopic(ref.Protocol) && l.Topics[1] == ref.ChannelID
}

// receiptJSON is a receipt as nodes have it.
type receiptJSON struct {
	TxHash      *common.Hash    `json:"transactionHash"`
	Status      *hexutil.Uint64 `json:"status"`
	BlockNumber *hexutil.Uint64 `json:"blockNumber"`
	GasUsed     *hexutil.Uint64 `json:"gasUsed"`
	GasPrice    *hexutil.Big    `json:"effectiveGasPrice"`
	FeePayer    *common.Address `json:"feePayer"`
	Logs        []receiptLog    `json:"logs"`
}

// charged fills in what the transaction was charged, if the node tells.
func (r *Receipt) charged(j *receiptJSON) {
	if j.GasUsed != nil {
		r.GasUsed = uint64(*j.GasUsed)
	}
	if j.GasUsed == nil || j.GasPrice == nil || j.FeePayer == nil || *j.FeePayer == (common.Address{}) {
		return
	}
	price := uint64(math.MaxUint64)
	if p := j.GasPrice.ToInt(); p.IsUint64() {
		price = p.Uint64()
	}
	r.Fee, r.FeePayer, r.FeeKnown = feeOf(r.GasUsed, price), *j.FeePayer, true
}

// Confirm returns the receipt of a transaction. found is false if the node has none: the transaction was
// not mined, or the node lags. r then has only TxHash and Time. The error is [ErrRPC].
func (c *Client) Confirm(ctx context.Context, txHash common.Hash) (r Receipt, found bool, err error) {
	err = c.anyNode(ctx, func(n *node) error {
		r, found, _, err = n.lookUp(ctx, c.chain.Load(), txHash)
		return err
	})
	return r, found, err
}

// lookUp asks one node for a receipt, and for the time of its newest block before that. The block to come
// does not count: its time is the clock of a node that may lag, and have missed the block of the transaction.
func (n *node) lookUp(ctx context.Context, chainID uint64, hash common.Hash) (r Receipt, found bool, now uint64, err error) {
	var (
		h    head
		json *receiptJSON
	)
	r.TxHash = hash
	questions := []rpcCall{h.latest(), {Method: "eth_getTransactionReceipt", Args: []any{hash}, Result: &json}}
	if err = n.ask(ctx, chainID, questions); err == nil {
		err = firstError(questions)
	}
	if err == nil {
		err = h.block.check()
	}
	if err != nil {
		return r, false, 0, err
	}
	now = uint64(*h.block.Timestamp)
	if json == nil || json.BlockNumber == nil {
		r.Time = now
		return r, false, now, nil // a receipt without a block is of a transaction that waits
	}
	if json.Status == nil || *json.Status > 1 || json.TxHash != nil && *json.TxHash != hash {
		return r, false, now, fmt.Errorf("%w: the receipt of %s has no status, or is of another transaction", ErrRPC, hash)
	}
	r.Success, r.BlockNumber, r.logs = *json.Status == 1, uint64(*json.BlockNumber), json.Logs
	r.charged(json)
	return r, true, now, nil
}

// broadcast sends a signed transaction and waits until its fate is known. What the node answers to
// the send decides nothing: an answer may be lost, and a copy of the same bytes is refused as known. The
// chain is asked by the hash that we compute, until the transaction can no longer be mined by the chain's
// time. It gives up when the context ends, and after a minute.
func (c *Client) broadcast(ctx context.Context, t *Tx) (Receipt, error) {
	hash, none := t.Hash(), Receipt{TxHash: t.Hash()}
	sendErr := c.send(ctx, t)
	until := c.now().Add(c.waits.confirm)
	for {
		var now uint64
		var found bool
		r := none
		err := c.anyNode(ctx, func(n *node) (err error) {
			r, found, now, err = n.lookUp(ctx, t.ChainID, hash)
			return err
		})
		if err == nil && !found && now >= t.ValidBefore {
			// Only look-ups that follow the time can say that it never came.
			if r, found, err = c.lookUpEverywhere(ctx, t.ChainID, hash, t.ValidBefore); err == nil && !found {
				return none, neverMined(sendErr)
			}
		}
		switch {
		case found && !r.Success:
			return r, &RevertError{Kind: ErrReverted}
		case found:
			return r, nil
		case ctx.Err() != nil:
			return none, fmt.Errorf("%w: %s: %w", ErrUnconfirmed, hash, ctx.Err())
		case !c.now().Before(until):
			return none, fmt.Errorf("%w: %s: %s", ErrUnconfirmed, hash, because(errors.Join(sendErr, err), "the chain stands still"))
		}
		c.pause(ctx)
	}
}

// send gives a transaction to the nodes, until one takes it.
func (c *Client) send(ctx context.Context, t *Tx) (err error) {
	raw := hexutil.Bytes(t.Serialize())
	for _, n := range c.nodes {
		var ignored common.Hash
		question := []rpcCall{{Method: "eth_sendRawTransaction", Args: []any{raw}, Result: &ignored}}
		next := n.ask(ctx, t.ChainID, question)
		if next == nil {
			next = firstError(question)
		}
		if err == nil || next == nil || isAnswer(next) {
			err = next
		}
		if err == nil || isKnown(err) {
			return err
		}
	}
	return err
}

// lookUpEverywhere asks all nodes for a receipt. It is missing if none of those that answer has it, and one
// of them has a block of the time from which the transaction cannot be mined: one that lags does not know.
func (c *Client) lookUpEverywhere(
	ctx context.Context, chainID uint64, hash common.Hash, from uint64,
) (Receipt, bool, error) {
	var errs []error
	knows := false
	for _, n := range c.nodes {
		r, found, now, err := n.lookUp(ctx, chainID, hash)
		switch {
		case found:
			return r, true, nil
		case err != nil:
			errs = append(errs, err)
		case now >= from:
			knows = true
		}
	}
	switch none := (Receipt{TxHash: hash}); {
	case knows:
		return none, false, nil
	case len(errs) == 0:
		return none, false, fmt.Errorf("%w: eth_getTransactionReceipt: %w", ErrRPC, errLags)
	default:
		return none, false, joined(errs)
	}
}

// neverMined is the error for a transaction that can no longer be mined: sent is what the node answered to
// the send.
func neverMined(sent error) error {
	if isAnswer(sent) && !isKnown(sent) {
		return fmt.Errorf("%w: %w", ErrNotSent, sent)
	}
	return fmt.Errorf("%w: %s", ErrExpired, because(sent, "it was valid for too short a time"))
}

// pause waits a little, or until the context ends.
func (c *Client) pause(ctx context.Context) { sleep(ctx, c.waits.poll) }

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// knownTo are the words of nodes for a transaction that they have already, in lower case. Some put the hash
// after them, or a kind before.
var knownTo = []string{
	"already known", "alreadyknown", "already imported", "already in pool", "already exists",
	"known transaction", "transaction already known", "transaction already imported", "transaction already in pool",
	"transaction already exists", "transaction with the same hash was already imported", "tx already known",
	"tx already in mempool", "tx already exists in cache", "nonce too low",
	"already executed", "transaction already executed", "expiring nonce replay",
	"a transaction with this expiring nonce hash was executed",
}

// isKnown reports whether the node has the transaction already, or has mined it. A refusal that only has such
// a word in it is a refusal.
func isKnown(err error) bool {
	var e *nodeError
	if !errors.As(err, &e) {
		return false
	}
	text := strings.TrimRight(strings.ToLower(strings.TrimSpace(e.message)), ".!")
	if at := strings.LastIndex(text, "0x"); at > 0 && len(text)-at == 2+2*common.HashLength {
		text = strings.TrimRight(text[:at], ": (")
	}
	_, last, _ := strings.Cut(text, ": ")
	return slices.Contains(knownTo, text) || slices.Contains(knownTo, last)
}

// because is the text of the error, or what is to be said without one.
func because(err error, otherwise string) string {
	if err == nil {
		return otherwise
	}
	return err.Error()
}
