package voucher

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/ethereum/go-ethereum/common"
)

// identity is the side of a signer that may be seen: its address. Every way of printing, logging or
// marshaling a signer of this package ends here. The key itself lies in a closure, where printers that
// walk fields by reflection do not come.
type identity struct{ address common.Address }

// Address is the address that this signer signs as. It is constant.
func (i identity) Address() common.Address { return i.address }

// String is the address.
func (i identity) String() string { return i.address.Hex() }

// GoString is the address, so that %#v shows no key.
func (i identity) GoString() string { return "voucher.Signer(" + i.address.Hex() + ")" }

// Format writes the address for every verb.
func (i identity) Format(s fmt.State, verb rune) {
	if verb == 'v' && s.Flag('#') {
		_, _ = io.WriteString(s, i.GoString())
		return
	}
	_, _ = io.WriteString(s, i.String())
}

// LogValue is the address.
func (i identity) LogValue() slog.Value { return slog.StringValue(i.String()) }

// MarshalText is the address, also in JSON.
func (i identity) MarshalText() ([]byte, error) { return []byte(i.String()), nil }
