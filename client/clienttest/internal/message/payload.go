package message

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Payload is the payload of a session credential.
type Payload struct {
	Action           string
	ChannelID        common.Hash
	Transaction      []byte
	Signature        []byte
	Cumulative       voucher.Amount
	Additional       voucher.Amount
	Descriptor       *devchain.Descriptor // nil if absent
	AuthorizedSigner *common.Address      // nil if absent
}

// Signed returns the voucher in the payload.
func (p *Payload) Signed() voucher.Signed {
	return voucher.Signed{
		Voucher:   voucher.Voucher{ChannelID: p.ChannelID, Cumulative: p.Cumulative},
		Signature: p.Signature,
	}
}

// ReadPayload reads the fields that the action requires and ignores others.
func (o Object) ReadPayload() (*Payload, error) {
	p := &Payload{Action: o.Action()}
	f := Fields{O: o}
	p.ChannelID = f.Hash("channelId")
	switch p.Action {
	case "open", "topUp":
		if kind := f.Text("type"); kind != "transaction" {
			f.fail("type", errors.New(`want "transaction"`))
		}
		p.Transaction = f.Bytes("transaction")
	case "voucher", "close":
	default:
		return nil, fmt.Errorf("unknown action %q", p.Action)
	}
	if p.Action == "topUp" {
		p.Additional = f.Amount("additionalDeposit")
	} else {
		p.Cumulative, p.Signature = f.Amount("cumulativeAmount"), f.Bytes("signature")
	}
	if _, ok := o["authorizedSigner"]; ok && p.Action == "open" {
		a := f.Address("authorizedSigner")
		p.AuthorizedSigner = &a
	}
	if raw, ok := o["descriptor"]; ok {
		var inner Object
		if err := json.Unmarshal(raw, &inner); err != nil {
			return nil, errors.New("descriptor is not an object")
		}
		d := Fields{O: inner}
		p.Descriptor = &devchain.Descriptor{
			Payer: d.Address("payer"), Payee: d.Address("payee"), Operator: d.Address("operator"),
			Token: d.Address("token"),
			Salt:  d.Hash("salt"), AuthorizedSigner: d.Address("authorizedSigner"),
			ExpiringNonceHash: d.Hash("expiringNonceHash"),
		}
		f.fail("descriptor", d.Err)
	}
	return p, f.Err
}

// Fields reads the values of an object and keeps the first error.
type Fields struct {
	O   Object
	Err error
}

func (f *Fields) fail(key string, err error) {
	if f.Err == nil && err != nil {
		f.Err = fmt.Errorf("%s: %w", key, err)
	}
}

// Text returns the string under the key, or "".
func (f *Fields) Text(key string) string {
	s, err := f.O.Text(key)
	f.fail(key, err)
	return s
}

// Bytes returns the bytes of the 0x-prefixed string under the key, or nil.
func (f *Fields) Bytes(key string) []byte {
	b, err := hexutil.Decode(f.Text(key))
	f.fail(key, err)
	return b
}

// sized returns the n bytes under the key, or n zero bytes.
func (f *Fields) sized(key string, n int) []byte {
	b := f.Bytes(key)
	if len(b) != n {
		f.fail(key, fmt.Errorf("want %d bytes", n))
		return make([]byte, n)
	}
	return b
}

// Hash returns the 32 bytes under the key, or the zero hash.
func (f *Fields) Hash(key string) common.Hash {
	return common.Hash(f.sized(key, common.HashLength))
}

// Address returns the address under the key, or the zero address.
func (f *Fields) Address(key string) common.Address {
	return common.Address(f.sized(key, common.AddressLength))
}

// Amount returns the decimal amount under the key, or zero.
func (f *Fields) Amount(key string) voucher.Amount {
	a, err := voucher.ParseAmount(f.Text(key))
	f.fail(key, err)
	return a
}
