package wire

import (
	"encoding/base64"
	"strconv"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Descriptor is the descriptor of a v2 channel (TIP-1034). Its fields are those of
// channel.Descriptor in the same order, so that one can be converted to the other.
type Descriptor struct {
	Payer, Payee, Operator, Token common.Address
	Salt                          common.Hash
	AuthorizedSigner              common.Address
	ExpiringNonceHash             common.Hash
}

func descriptor(v Value) (Descriptor, error) {
	o, err := v.Object()
	if err != nil {
		return Descriptor{}, err
	}
	d := Descriptor{
		Payer:             Required(o, "payer", Value.Address),
		Payee:             Required(o, "payee", Value.Address),
		Operator:          Required(o, "operator", Value.Address),
		Token:             Required(o, "token", Value.Address),
		Salt:              Required(o, "salt", Value.Hash),
		AuthorizedSigner:  Required(o, "authorizedSigner", Value.Address),
		ExpiringNonceHash: Required(o, "expiringNonceHash", Value.Hash),
	}
	return d, o.Err()
}

func (d *Descriptor) append(dst []byte) []byte {
	dst = appendHex(append(dst, `{"payer":`...), d.Payer[:])
	dst = appendHex(append(dst, `,"payee":`...), d.Payee[:])
	dst = appendHex(append(dst, `,"operator":`...), d.Operator[:])
	dst = appendHex(append(dst, `,"token":`...), d.Token[:])
	dst = appendHex(append(dst, `,"salt":`...), d.Salt[:])
	dst = appendHex(append(dst, `,"authorizedSigner":`...), d.AuthorizedSigner[:])
	dst = appendHex(append(dst, `,"expiringNonceHash":`...), d.ExpiringNonceHash[:])
	return append(dst, '}')
}

// Snapshot is a server's record of a reusable channel, in a challenge or in a
// Payment-Session-Snapshot header. Amounts are in base units. Nothing in it is verified.
type Snapshot struct {
	ChainID    uint64
	ChannelID  common.Hash
	Descriptor Descriptor
	Escrow     common.Address

	AcceptedCumulative, RequiredCumulative, Spent, Deposit, Settled voucher.Amount
	// Units is the number of charged units. Zero means absent.
	Units uint64
	// CloseRequestedAt is Unix time. Zero means that no close was requested.
	CloseRequestedAt uint64
	// HighestVoucher is the voucher for AcceptedCumulative. Nil means absent.
	HighestVoucher *SignedVoucher
}

// SignedVoucher is a voucher in a snapshot. Its signature is not verified.
type SignedVoucher struct {
	ChannelID        common.Hash
	CumulativeAmount voucher.Amount
	Signature        []byte
}

// ParseSnapshotHeader reads a Payment-Session-Snapshot value in either base64 alphabet, padded or
// not. The error is [ErrMalformed]; a caller can continue without a snapshot.
func ParseSnapshotHeader(s string) (Snapshot, error) {
	text, err := DecodeText(s, MaxDocument)
	if err != nil {
		return Snapshot{}, err
	}
	o, err := ParseObject(text)
	if err != nil {
		return Snapshot{}, err
	}
	return snapshotOf(o)
}

func snapshot(v Value) (Snapshot, error) {
	o, err := v.Object()
	if err != nil {
		return Snapshot{}, err
	}
	return snapshotOf(o)
}

func snapshotOf(o *Object) (Snapshot, error) {
	s := Snapshot{
		ChainID:            Required(o, "chainId", Value.Uint64),
		ChannelID:          Required(o, "channelId", Value.Hash),
		Descriptor:         Required(o, "descriptor", descriptor),
		Escrow:             Required(o, "escrow", Value.Address),
		AcceptedCumulative: Required(o, "acceptedCumulative", Value.Amount),
		RequiredCumulative: Required(o, "requiredCumulative", Value.Amount),
		Spent:              Required(o, "spent", Value.Amount),
		Deposit:            Required(o, "deposit", Value.Amount),
		Settled:            Required(o, "settled", Value.Amount),
		Units:              Optional(o, "units", Value.Uint64),
		CloseRequestedAt:   Optional(o, "closeRequestedAt", Value.Seconds),
		HighestVoucher:     Pointer(o, "highestVoucher", signedVoucher),
	}
	if err := o.Err(); err != nil {
		return Snapshot{}, err
	}
	return s, nil
}

func signedVoucher(v Value) (SignedVoucher, error) {
	o, err := v.Object()
	if err != nil {
		return SignedVoucher{}, err
	}
	s := SignedVoucher{
		ChannelID:        Required(o, "channelId", Value.Hash),
		CumulativeAmount: Required(o, "cumulativeAmount", Value.Amount),
		Signature:        Required(o, "signature", Value.Bytes),
	}
	return s, o.Err()
}

// Header returns the snapshot as a header value in standard base64 with padding, as implementations
// write it. Only servers need it.
func (s Snapshot) Header() string {
	dst := appendAmount(append([]byte(nil), `{"acceptedCumulative":`...), s.AcceptedCumulative)
	dst = strconv.AppendUint(append(dst, `,"chainId":`...), s.ChainID, 10)
	dst = appendHex(append(dst, `,"channelId":`...), s.ChannelID[:])
	if s.CloseRequestedAt != 0 {
		dst = appendAmount(
			append(dst, `,"closeRequestedAt":`...), voucher.Units(s.CloseRequestedAt),
		)
	}
	dst = appendAmount(append(dst, `,"deposit":`...), s.Deposit)
	dst = s.Descriptor.append(append(dst, `,"descriptor":`...))
	dst = appendHex(append(dst, `,"escrow":`...), s.Escrow[:])
	if v := s.HighestVoucher; v != nil {
		dst = appendHex(append(dst, `,"highestVoucher":{"channelId":`...), v.ChannelID[:])
		dst = appendAmount(append(dst, `,"cumulativeAmount":`...), v.CumulativeAmount)
		dst = append(appendHex(append(dst, `,"signature":`...), v.Signature), '}')
	}
	dst = appendAmount(append(dst, `,"requiredCumulative":`...), s.RequiredCumulative)
	dst = appendAmount(append(dst, `,"settled":`...), s.Settled)
	dst = appendAmount(append(dst, `,"spent":`...), s.Spent)
	if s.Units != 0 {
		dst = strconv.AppendUint(append(dst, `,"units":`...), s.Units, 10)
	}
	return base64.StdEncoding.EncodeToString(append(dst, '}'))
}
