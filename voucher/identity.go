package voucher

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/ethereum/go-ethereum/common"
)

// identity is the side of a signer that may be seen: its address. Every way of printing, logging or
// marshaling a signer of this package ends here. The methods have value receivers, so that a signer
// that is printed by value is covered too.
type identity struct{ address common.Address }

// Address is the address that this signer signs as. It is constant.
func (i identity) Address() common.Address { return i.address }

// String is the address.
func (i identity) String() string { return i.address.Hex() }

// Format writes the address, whatever the verb and flags: %#v and %x show no key.
func (i identity) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, i.String()) }

// LogValue is the address.
func (i identity) LogValue() slog.Value { return slog.StringValue(i.String()) }

// MarshalText is the address, also in JSON.
func (i identity) MarshalText() ([]byte, error) { return []byte(i.String()), nil }
