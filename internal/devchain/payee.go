package devchain

import (
	"crypto/ecdsa"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Settle pays the voucher's amount, less what is settled already, to the channel's payee. It builds,
// signs and sends the transaction; the key is the payee's or, on v2, the operator's, and its account
// pays the fee. Where the escrow refuses, the receipt says so; the error is [Chain.SendRaw]'s.
func (c *Chain) Settle(key *ecdsa.PrivateKey, p voucher.Protocol, d Descriptor, v voucher.Signed) (*Receipt, error) {
	if p == voucher.V1 {
		id := streamID(&c.cfg, d)
		return c.Send(key, Call{c.cfg.StreamChannel, calldata("settle(bytes32,uint128,bytes)", words(id, v.Cumulative), v.Signature)})
	}
	return c.Send(key, Call{ReserveAddress, calldata("settle("+descriptorType+",uint96,bytes)", append(d.words(), words(v.Cumulative)...), v.Signature)})
}

// CloseChannel closes the channel for its payee and gives the rest of the deposit back to the payer.
// On v2 the payee gets capture in all, which the voucher must cover unless it is settled already. A
// v1 close always captures the whole voucher, so there capture is not looked at.
func (c *Chain) CloseChannel(key *ecdsa.PrivateKey, p voucher.Protocol, d Descriptor, v voucher.Signed, capture voucher.Amount) (*Receipt, error) {
	if p == voucher.V1 {
		id := streamID(&c.cfg, d)
		return c.Send(key, Call{c.cfg.StreamChannel, calldata("close(bytes32,uint128,bytes)", words(id, v.Cumulative), v.Signature)})
	}
	return c.Send(key, Call{ReserveAddress, calldata("close("+descriptorType+",uint96,uint96,bytes)", append(d.words(), words(v.Cumulative, capture)...), v.Signature)})
}

// calldata encodes static words followed by one dynamic byte string.
func calldata(signature string, static, dynamic []byte) []byte {
	out := append(selectorBytes(signature), static...)
	out = append(out, words(uint64(len(static)+32))...)
	return append(out, dynamicBytes(dynamic)...)
}

func selectorBytes(signature string) []byte {
	s := selectorOf(signature)
	return s[:]
}
