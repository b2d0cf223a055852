package escrow

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Errors of this package. Each stands for one decision that a caller can take.
var (
	// ErrChainID: the node is on another chain than the caller means. Nothing was signed.
	ErrChainID = errors.New("escrow: the RPC node is on another chain")
	// ErrParams: the parameters cannot make a transaction. Nothing was signed or asked.
	ErrParams = errors.New("escrow: parameters refused")
	// ErrWouldRevert: the chain would refuse the transaction now; see [RevertError]. Nothing was signed.
	ErrWouldRevert = errors.New("escrow: the transaction would revert")
	// ErrReverted: the transaction was mined and did nothing but pay its fee; see [RevertError].
	ErrReverted = errors.New("escrow: the transaction was reverted")
	// ErrInsufficientBalance: the payer does not hold enough of a token; see [BalanceError]. Nothing was
	// signed.
	ErrInsufficientBalance = errors.New("escrow: balance too low")
	// ErrNoChannel: the escrow holds no such channel: never opened, or closed. Nothing was signed.
	ErrNoChannel = errors.New("escrow: no such open channel")
	// ErrFeeCap: gas is dearer, or more of it is needed, than this package pays for or a sponsor accepts.
	// Nothing was signed; try again later.
	ErrFeeCap = errors.New("escrow: fee above the cap")
	// ErrSignature: the signer returned bytes that are no signature of the payer.
	ErrSignature = errors.New("escrow: the signer's answer is not the payer's signature")
	// ErrNotSent: the node refused the transaction and the chain does not know it. It was not executed.
	ErrNotSent = errors.New("escrow: transaction refused by the node")
	// ErrExpired: the transaction was sent but not mined while it was valid, and never will be.
	ErrExpired = errors.New("escrow: transaction not mined in time")
	// ErrUnconfirmed: the transaction was sent and its fate is not known yet. Ask [Client.Confirm] with
	// [Receipt.TxHash] before doing anything again.
	ErrUnconfirmed = errors.New("escrow: transaction sent, no receipt yet")
	// ErrRPC: the node could not be reached, or answered with an error or with nonsense.
	ErrRPC = errors.New("escrow: RPC failed")
	// ErrTx: the bytes are not a Tempo transaction in its one canonical form.
	ErrTx = errors.New("escrow: not a canonical Tempo transaction")
)

// BalanceError says how much of a token is missing. It is [ErrInsufficientBalance].
type BalanceError struct {
	// Token and Owner say whose balance of what.
	Token, Owner common.Address
	// Have and Want are in base units. Want includes the highest possible fee where Token pays it.
	Have, Want voucher.Amount
}

// Error is a sentence with both amounts.
func (e *BalanceError) Error() string {
	return fmt.Sprintf("%v: %s holds %s base units of token %s and needs %s; "+
		"send it more, or put less into a channel", ErrInsufficientBalance, e.Owner, e.Have, e.Token, e.Want)
}

// Unwrap is [ErrInsufficientBalance].
func (e *BalanceError) Unwrap() error { return ErrInsufficientBalance }

// RevertError says why the chain refused. It is [ErrWouldRevert] before a transaction is signed, and
// [ErrReverted] after it was mined.
type RevertError struct {
	// Kind is ErrWouldRevert or ErrReverted.
	Kind error
	// Reason is the name of the contract's error ("CloseNotReady"), its text, or the node's own words. It
	// is empty where the chain does not tell.
	Reason string
	// Data is what the contract returned, nil where the node does not tell.
	Data []byte
}

// Error is Kind with the reason.
func (e *RevertError) Error() string {
	if e.Reason == "" {
		return e.Kind.Error()
	}
	return e.Kind.Error() + ": " + e.Reason
}

// Unwrap is Kind.
func (e *RevertError) Unwrap() error { return e.Kind }
