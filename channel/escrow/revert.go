package escrow

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"
)

// customErrors are the errors of the escrows and of TIP-20 tokens that a payer can meet.
var customErrors = []string{
	"ChannelAlreadyExists()", "ChannelNotFound()", "ChannelFinalized()", "NotPayer()", "InvalidPayee()", "InvalidToken()",
	"ZeroDeposit()", "DepositOverflow()", "CloseNotReady()", "ExpiringNonceHashNotSet()", "TokenCallFailed()", "TransferFailed()",
	"InsufficientBalance(uint256,uint256,address)", "InsufficientAllowance()", "PolicyForbids()", "ContractPaused()",
}

// errorString is the selector of Error(string).
var errorString = []byte{0x08, 0xc3, 0x79, 0xa0}

// asRevert turns the node's answer to an estimate into what it means: a [RevertError], a balance that
// is too low for the fee, or the error as it is.
func asRevert(err error) error {
	var node *nodeError
	if !errors.As(err, &node) {
		return err
	}
	text := strings.ToLower(node.message)
	switch {
	case node.code == 3 || strings.Contains(text, "revert"):
		return &RevertError{Kind: ErrWouldRevert, Reason: reason(node), Data: node.data}
	case strings.Contains(text, "insufficient"):
		return fmt.Errorf("%w: the node says %q", ErrInsufficientBalance, node.message)
	default:
		return err
	}
}

// reason finds the name of a custom error, the text of a require, or what the node has to say.
func reason(e *nodeError) string {
	if len(e.data) >= 4 {
		for _, signature := range customErrors {
			if bytes.Equal(crypto.Keccak256([]byte(signature))[:4], e.data[:4]) {
				name, _, _ := strings.Cut(signature, "(")
				return name
			}
		}
		if text, ok := requireText(e.data); ok {
			return text
		}
	}
	_, text, _ := strings.Cut(e.message, "execution reverted")
	if text = strings.TrimLeft(text, ": "); text != "" {
		return text
	}
	if len(e.data) >= 4 {
		return fmt.Sprintf("error 0x%x", e.data[:4])
	}
	return ""
}

// requireText reads Error(string): an offset of 32, a length, and that many bytes.
func requireText(data []byte) (string, bool) {
	body, ok := bytes.CutPrefix(data, errorString)
	if !ok || len(body) < 64 {
		return "", false
	}
	length := new(big.Int).SetBytes(body[32:64])
	if !length.IsUint64() || length.Uint64() > uint64(len(body)-64) {
		return "", false
	}
	return printable(string(body[64 : 64+length.Uint64()])), true
}
