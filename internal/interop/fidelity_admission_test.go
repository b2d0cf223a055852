package interop

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
)

// highS is the other signature of the same key over the same digest.
func highS(sig []byte) []byte {
	out := append([]byte{}, sig...)
	s := new(big.Int).Sub(crypto.S256().Params().N, new(big.Int).SetBytes(sig[32:64]))
	s.FillBytes(out[32:64])
	out[64] = 55 - sig[64]
	return out
}

// admission is what a chain takes and what it refuses before anything is executed.
func (p *pair) admission() {
	pay := onToken("transfer(address,uint256)", address(p.payee), uint64(1))
	plain := p.tx(p.payer, nil, pay)
	p.send("sent once", plain)
	p.send("sent twice", plain)
	for name, change := range map[string]func(*escrow.Tx){
		"another chain":                    func(x *escrow.Tx) { x.ChainID = 1 },
		"expired":                          func(x *escrow.Tx) { x.ValidBefore = p.now() - 1 },
		"expires too late":                 func(x *escrow.Tx) { x.ValidBefore = p.now() + 120 },
		"an expiring nonce without expiry": func(x *escrow.Tx) { x.ValidBefore = 0 },
		"an expiring nonce that counts":    func(x *escrow.Tx) { x.Nonce = 1 },
		"not valid yet":                    func(x *escrow.Tx) { x.ValidAfter = p.now() + 10 },
		"a fee cap below the base fee":     func(x *escrow.Tx) { x.MaxFeePerGas = 1 },
		"a tip above the fee cap":          func(x *escrow.Tx) { x.MaxPriorityFeePerGas = x.MaxFeePerGas + 1 },
		"gas below the intrinsic":          func(x *escrow.Tx) { x.Gas = 20_000 },
		"no calls":                         func(x *escrow.Tx) { x.Calls = nil },
		"a sponsor who has not signed":     func(x *escrow.Tx) { x.Sponsored, x.FeeToken = true, common.Address{} },
		"no fee token":                     func(x *escrow.Tx) { x.FeeToken = common.Address{} },
		"a fee token that is none":         func(x *escrow.Tx) { x.FeeToken = address(p.stranger) },
		"value":                            func(x *escrow.Tx) { x.Calls[0].Value = big.NewInt(1) },
	} {
		p.send(name, p.tx(p.payer, change, pay))
	}
	counted := func(key common.Hash, nonce uint64) func(*escrow.Tx) {
		return func(x *escrow.Tx) { x.NonceKey, x.Nonce, x.ValidBefore, x.ValidAfter = key, nonce, 0, 0 }
	}
	p.send("nonce 0 of key 0", p.tx(p.operator, counted(common.Hash{}, 0), pay))
	p.send("nonce 0 of key 0 again", p.tx(p.operator, counted(common.Hash{}, 0), pay, pay))
	p.send("nonce 1 of key 0", p.tx(p.operator, counted(common.Hash{}, 1), pay))
	p.send("nonce 0 of key 5", p.tx(p.operator, counted(common.Hash{31: 5}, 0), pay))
	p.send("nonce 0 of key 5 again", p.tx(p.operator, counted(common.Hash{31: 5}, 0), pay, pay))

	poor := newKey(p.t)
	p.send("a sender without money", p.tx(poor, nil, pay))
	x, err := escrow.DecodeTx(p.tx(p.payer, nil, pay))
	require.NoError(p.t, err)
	x.Signature = highS(x.Signature)
	p.send("a high s", x.Serialize())
	x, err = escrow.DecodeTx(p.tx(p.payer, nil, onToken("approve(address,uint256)", address(p.payee), uint64(1))))
	require.NoError(p.t, err)
	x.Signature[64] -= 27
	p.send("v of 0 or 1", x.Serialize())
	p.send("no transaction", []byte{0x76, 0xc0})

	sponsored := func(change func(*escrow.Tx)) []byte {
		return p.tx(poor, func(x *escrow.Tx) {
			x.Sponsored, x.FeeToken, x.Gas, x.MaxFeePerGas = true, common.Address{}, 2_000_000, 24_000_000_000
			if change != nil {
				change(x)
			}
		}, onToken("approve(address,uint256)", address(p.payee), uint64(1)))
	}
	whole, err := p.mem.Cosign(sponsored(nil), p.sponsor, devchain.PathUSD)
	require.NoError(p.t, err)
	p.send("sponsored", whole)
	p.send("sponsored, again", whole)
	broke := newKey(p.t)
	whole, err = p.mem.Cosign(sponsored(nil), broke, devchain.PathUSD)
	require.NoError(p.t, err)
	p.send("a sponsor without money", whole)
	hand, err := escrow.DecodeTx(sponsored(nil))
	require.NoError(p.t, err)
	hand.Sender = address(poor)
	p.send("the hand-off form", hand.Handoff())
}
