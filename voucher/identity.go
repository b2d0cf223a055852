package voucher

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/ethereum/go-ethereum/common"
)

// identity is the public part of a signer: its address. Printing, logging and marshaling a signer
// of this package use these methods and show nothing else. They have value receivers, so that a
// signer that is printed by value is covered too.
type identity struct{ address common.Address }

// Address returns the address that this signer signs as. It never changes.
func (i identity) Address() common.Address { return i.address }

// String returns the address.
func (i identity) String() string { return i.address.Hex() }

// Format writes the address, whatever the verb and flags: %#v and %x show no key.
func (i identity) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, i.String()) }

// LogValue returns the address.
func (i identity) LogValue() slog.Value { return slog.StringValue(i.String()) }

// MarshalText returns the address, which is also the JSON form.
func (i identity) MarshalText() ([]byte, error) { return []byte(i.String()), nil }
