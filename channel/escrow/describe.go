package escrow

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// String describes in one line, for a person who signs it, what the transaction does: every call,
// who pays which fee at most, and until when it can be mined. A call that is not exactly one of a
// session's is shown as unknown.
func (t *Tx) String() string {
	var b strings.Builder
	for i, c := range t.Calls {
		if i > 0 {
			b.WriteString(", then ")
		}
		b.WriteString(c.String())
	}
	if len(t.Calls) == 0 {
		b.WriteString("do nothing")
	}
	fmt.Fprintf(&b, "; chain %d; ", t.ChainID)
	switch {
	case t.Sponsored:
		b.WriteString("fee paid by a sponsor")
	case t.FeeToken == (common.Address{}):
		fmt.Fprintf(&b, "fee at most %s base units of the chain's choice of token", feeOf(t.Gas, t.MaxFeePerGas))
	default:
		fmt.Fprintf(&b, "fee at most %s base units of %s", feeOf(t.Gas, t.MaxFeePerGas), t.FeeToken)
	}
	if t.ValidBefore != 0 {
		fmt.Fprintf(&b, "; valid until %d", t.ValidBefore)
	}
	for _, extra := range []struct {
		name string
		set  bool
	}{{"an access list", t.AccessList != nil}, {"an authorization list", t.AuthorizationList != nil}, {"a key authorization", t.KeyAuthorization != nil}} {
		if extra.set {
			b.WriteString("; carries " + extra.name)
		}
	}
	return b.String()
}

// String describes what the call does.
func (c Call) String() string {
	if c.To != nil && (c.Value == nil || c.Value.Sign() == 0) && len(c.Data) >= 4 {
		if s, ok := describe(*c.To, c.Data); ok {
			return s
		}
	}
	to := "a new contract"
	if c.To != nil {
		to = c.To.Hex()
	}
	value := new(big.Int)
	if c.Value != nil {
		value = c.Value
	}
	return fmt.Sprintf("UNKNOWN CALL to %s with value %s and %d bytes 0x%x…", to, value, len(c.Data), c.Data[:min(4, len(c.Data))])
}

// describe puts a known call into words.
func describe(to common.Address, data []byte) (text string, known bool) {
	r := &words{rest: data[4:]}
	switch binary.BigEndian.Uint32(data) {
	case selApprove:
		spender, amount := r.address(), r.amount(voucher.MaxAmount)
		text = fmt.Sprintf("allow %s to take %s base units of token %s", spender, amount, to)
	case selOpenV1:
		payee, token, deposit := r.address(), r.address(), r.amount(voucher.V1.Max())
		salt, signer := r.next(), r.address()
		text = fmt.Sprintf("open a v1 channel in escrow %s: deposit %s base units of token %s for payee %s, vouchers signed by %s, salt %s", to, deposit, token, payee, signer, salt)
	case selOpenV2:
		payee, operator, token, deposit := r.address(), r.address(), r.address(), r.amount(voucher.V2.Max())
		salt, signer := r.next(), r.address()
		text = fmt.Sprintf("open a v2 channel in escrow %s: deposit %s base units of token %s for payee %s, operator %s, vouchers signed by %s, salt %s", to, deposit, token, payee, operator, signer, salt)
	case selTopUpV1:
		id, amount := r.next(), r.amount(voucher.V1.Max())
		text = fmt.Sprintf("top up v1 channel %s in escrow %s by %s base units", id, to, amount)
	case selTopUpV2:
		d, amount := r.descriptor(), r.amount(voucher.V2.Max())
		text = fmt.Sprintf("top up the v2 channel in escrow %s %s by %s base units", to, ofDescriptor(d), amount)
	case selCloseV1:
		text = fmt.Sprintf("request the close of v1 channel %s in escrow %s", r.next(), to)
	case selCloseV2:
		text = fmt.Sprintf("request the close of the v2 channel in escrow %s %s", to, ofDescriptor(r.descriptor()))
	case selWithdrawV1:
		text = fmt.Sprintf("withdraw from v1 channel %s in escrow %s", r.next(), to)
	case selWithdrawV2:
		text = fmt.Sprintf("withdraw from the v2 channel in escrow %s %s", to, ofDescriptor(r.descriptor()))
	}
	return text, text != "" && r.done()
}

func (r *words) descriptor() channel.Descriptor {
	return channel.Descriptor{
		Payer: r.address(), Payee: r.address(), Operator: r.address(), Token: r.address(),
		Salt: r.next(), AuthorizedSigner: r.address(), ExpiringNonceHash: r.next(),
	}
}

func ofDescriptor(d channel.Descriptor) string {
	return fmt.Sprintf("of payer %s with payee %s, token %s, salt %s", d.Payer, d.Payee, d.Token, d.Salt)
}
