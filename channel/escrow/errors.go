package escrow

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Errors of this package. Each is one decision that a caller can take.
var (
	// ErrChainID: the node is on another chain than the caller named. Nothing was signed.
	ErrChainID = errors.New("escrow: the RPC node is on another chain")
	// ErrParams: the parameters cannot make a transaction. Nothing was signed or sent.
	ErrParams = errors.New("escrow: parameters refused")
	// ErrWouldRevert: the chain would refuse the transaction now; see [RevertError]. Nothing was signed.
	ErrWouldRevert = errors.New("escrow: the transaction would revert")
	// ErrReverted: the transaction was mined, paid its fee and changed nothing else; see
	// [RevertError].
	ErrReverted = errors.New("escrow: the transaction was reverted")
	// ErrInsufficientBalance: the payer does not hold enough of a token; see [BalanceError]. Nothing was
	// signed.
	ErrInsufficientBalance = errors.New("escrow: balance too low")
	// ErrNoChannel: the escrow holds no such channel: never opened, or closed. Nothing was signed.
	ErrNoChannel = errors.New("escrow: no such open channel")
	// ErrFeeCap: the gas price or the gas needed is above what this package pays (at most 0.05 dollars
	// for a transaction), or what a sponsor accepts. Nothing was signed; try again later.
	ErrFeeCap = errors.New("escrow: fee above the cap")
	// ErrSignature: the signer returned bytes that are no signature of the payer.
	ErrSignature = errors.New("escrow: the signer's answer is not the payer's signature")
	// ErrNotSent: the node refused the transaction and the chain does not know it. It was not executed.
	ErrNotSent = errors.New("escrow: transaction refused by the node")
	// ErrExpired: the transaction was sent but not mined while it was valid, and never will be.
	ErrExpired = errors.New("escrow: transaction not mined in time")
	// ErrReplaced: the chain has another block in the place of one that was searched.
	ErrReplaced = errors.New("escrow: the chain replaced blocks")
	// ErrUnconfirmed: the transaction was sent and its result is not known yet. Call
	// [Client.Confirm] with [Receipt.TxHash] before sending another one.
	ErrUnconfirmed = errors.New("escrow: transaction sent, no receipt yet")
	// ErrRPC: the node could not be reached, or answered with an error or an invalid answer.
	ErrRPC = errors.New("escrow: RPC failed")
	// ErrTx: the bytes are not a Tempo transaction in its one canonical form.
	ErrTx = errors.New("escrow: not a canonical Tempo transaction")
)

// BalanceError reports how much of a token is missing. It wraps [ErrInsufficientBalance].
type BalanceError struct {
	// Token and Owner are the token, and the account whose balance is too low.
	Token, Owner common.Address
	// Have and Want are in base units. Want includes the highest possible fee if Token pays it.
	Have, Want voucher.Amount
}

// Error returns the account, both amounts and what to do.
func (e *BalanceError) Error() string {
	return fmt.Sprintf("%v: %s holds %s base units of token %s and needs %s base units; "+
		"send it more, or put less into a channel",
		ErrInsufficientBalance, e.Owner, e.Have, e.Token, e.Want)
}

// Unwrap returns [ErrInsufficientBalance].
func (e *BalanceError) Unwrap() error { return ErrInsufficientBalance }

// RevertError reports why the chain refused a transaction. It wraps [ErrWouldRevert] before the
// transaction is signed, and [ErrReverted] after it was mined.
type RevertError struct {
	// Kind is ErrWouldRevert or ErrReverted.
	Kind error
	// Reason is the name of the contract's error ("CloseNotReady"), its text, or the message of the
	// node. It is empty if the node reports none.
	Reason string
	// Data is what the contract returned, nil if the node does not report it.
	Data []byte
}

// Error returns Kind and the reason.
func (e *RevertError) Error() string {
	if e.Reason == "" {
		return e.Kind.Error()
	}
	return e.Kind.Error() + ": " + e.Reason
}

// Unwrap returns Kind.
func (e *RevertError) Unwrap() error { return e.Kind }
