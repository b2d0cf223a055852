package clienttest_test

import (
	"io"
	"math/big"
	"net/http"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// lane is a channel of the payer.
type lane struct {
	proto voucher.Protocol
	id    common.Hash
	d     map[string]any // the descriptor; nil on v1
}

// voucher returns the payload of a voucher or close.
func (p *payer) voucher(c *lane, action string, amount uint64) map[string]any {
	out := map[string]any{
		"action": action, "channelId": c.id.Hex(),
		"cumulativeAmount": voucher.Units(amount).String(),
		"signature":        hexutil.Encode(p.sign(c.proto, c.id, amount)),
	}
	if c.d != nil {
		out["descriptor"] = c.d
	}
	return out
}

// tx is an unsigned Tempo transaction.
type tx struct {
	calls []callTo
	// sponsored: "", "0x76" (placeholder) or "0x78" (hand-off).
	sponsored  string
	sequential bool // nonce key 0, nonce 0, no validity window
	noAfter    bool // no validAfter
	gas        uint64
}

type callTo struct {
	To    common.Address
	Value *big.Int
	Data  []byte
}

// signed returns the signed transaction and its expiring nonce hash.
func (p *payer) signed(x tx) (raw []byte, nonceHash common.Hash) {
	now := uint64(p.srv.Chain.Now().Unix())
	nonceKey, before, after := common.MaxHash.Big(), now+25, now-1000
	if x.sequential {
		nonceKey, before, after = new(big.Int), 0, 0
	}
	if x.noAfter {
		after = 0
	}
	if x.gas == 0 {
		x.gas = 1_900_000
	}
	p.salt++ // makes each transaction differ
	price := new(big.Int).SetUint64(20_000_000_000 + uint64(p.salt))
	var feeToken, feePayer any = p.srv.Token, []byte{}
	if x.sponsored != "" {
		feeToken, feePayer = []byte{}, []byte{0}
	}
	fields := []any{
		p.srv.ChainID,
		uint64(1),
		price,
		x.gas,
		x.calls,
		[]any{},
		nonceKey,
		uint64(0),
		before,
		after,
		feeToken,
		feePayer,
		[]any{},
	}
	list := func(kind byte, fields []any) []byte {
		out, err := rlp.EncodeToBytes(fields)
		require.NoError(p.t, err)
		return append([]byte{kind}, out...)
	}
	preimage := list(0x76, fields)
	sig := p.signDigest(crypto.Keccak256Hash(preimage))
	if x.sponsored == "0x78" {
		fields[11] = p.addr
		return list(0x78, append(fields, sig)), crypto.Keccak256Hash(preimage, p.addr[:])
	}
	return list(0x76, append(fields, sig)), crypto.Keccak256Hash(preimage, p.addr[:])
}

// abi encodes a call of the function.
func abi(signature string, words ...any) []byte {
	out := crypto.Keccak256([]byte(signature))[:4]
	for _, w := range words {
		switch v := w.(type) {
		case common.Address:
			out = append(out, common.LeftPadBytes(v[:], 32)...)
		case common.Hash:
			out = append(out, v[:]...)
		case uint64:
			out = append(out, common.LeftPadBytes(new(big.Int).SetUint64(v).Bytes(), 32)...)
		}
	}
	return out
}

// open describes an open to build.
type open struct {
	tx
	deposit, amount uint64
	signer          *common.Address // in the calldata; nil is the payer
	payee           *common.Address // nil is Server.Payee
	mine            func(*tx)       // changes the transaction before it is signed
}

const openSignature = "open(address,address,address,uint96,bytes32,address)"

// opening returns the payload of an open and the channel that it opens.
func (p *payer) opening(proto voucher.Protocol, o open) (map[string]any, *lane) {
	p.salt++
	salt, signer := common.Hash{31: p.salt}, p.addr
	if o.signer != nil {
		signer = *o.signer
	}
	payee := p.srv.Payee
	if o.payee != nil {
		payee = *o.payee
	}
	escrow := p.srv.Escrow(proto)
	if proto == voucher.V2 {
		o.calls = []callTo{
			{
				escrow,
				new(big.Int),
				abi(openSignature, payee, common.Address{}, p.srv.Token, o.deposit, salt, signer),
			},
		}
	} else {
		o.calls = []callTo{
			{p.srv.Token, new(big.Int), abi("approve(address,uint256)", escrow, o.deposit)},
			{escrow, new(big.Int), abi("open(address,address,uint128,bytes32,address)",
				payee, p.srv.Token, o.deposit, salt, signer)},
		}
	}
	if o.mine != nil {
		o.mine(&o.tx)
	}
	raw, nonceHash := p.signed(o.tx)
	c := &lane{proto: proto}
	if proto == voucher.V2 {
		c.id = crypto.Keccak256Hash(
			abi("", p.addr, payee, common.Address{}, p.srv.Token, salt, signer, nonceHash,
				escrow, p.srv.ChainID)[4:],
		)
		c.d = map[string]any{
			"payer": p.addr.Hex(), "payee": payee.Hex(), "operator": common.Address{}.Hex(),
			"token": p.srv.Token.Hex(),
			"salt":  salt.Hex(), "authorizedSigner": signer.Hex(),
			"expiringNonceHash": nonceHash.Hex(),
		}
	} else {
		c.id = crypto.Keccak256Hash(abi("", p.addr, payee, p.srv.Token, salt, signer,
			escrow, p.srv.ChainID)[4:])
	}
	payload := p.voucher(c, "open", o.amount)
	payload["type"], payload["transaction"] = "transaction", hexutil.Encode(raw)
	payload["authorizedSigner"] = signer.Hex()
	return payload, c
}

// opened opens a channel with a deposit of 10,000 and pays one request.
func (p *payer) opened(proto voucher.Protocol, path string) *lane {
	p.t.Helper()
	payload, c := p.opening(proto, open{deposit: 10_000, amount: 100})
	r := p.pay("GET", path, p.ask(path), payload)
	require.Equal(p.t, http.StatusOK, r.status, r.detail)
	return c
}

// topUp returns the payload of a top-up.
func (p *payer) topUp(c *lane, extra uint64, x tx) map[string]any {
	escrow := p.srv.Escrow(c.proto)
	if c.proto == voucher.V2 {
		x.calls = []callTo{
			{
				escrow,
				new(big.Int),
				append(
					p.descriptor(
						"topUp((address,address,address,address,bytes32,address,bytes32),uint96)",
						c,
					),
					abi("", extra)[4:]...),
			},
		}
	} else {
		x.calls = []callTo{
			{p.srv.Token, new(big.Int), abi("approve(address,uint256)", escrow, extra)},
			{escrow, new(big.Int), abi("topUp(bytes32,uint256)", c.id, extra)},
		}
	}
	raw, _ := p.signed(x)
	out := map[string]any{
		"action": "topUp", "type": "transaction", "channelId": c.id.Hex(),
		"transaction":       hexutil.Encode(raw),
		"additionalDeposit": voucher.Units(extra).String(),
	}
	if c.d != nil {
		out["descriptor"] = c.d
	}
	return out
}

// descriptor encodes a call whose first argument is the descriptor.
func (p *payer) descriptor(signature string, c *lane) []byte {
	out := crypto.Keccak256([]byte(signature))[:4]
	for _, name := range []string{
		"payer", "payee", "operator", "token", "salt", "authorizedSigner", "expiringNonceHash",
	} {
		out = append(out, common.LeftPadBytes(common.FromHex(c.d[name].(string)), 32)...)
	}
	return out
}

// onChain sends a call from the payer over JSON-RPC, as a client does.
func (p *payer) onChain(to common.Address, data []byte) {
	p.t.Helper()
	raw, _ := p.signed(tx{calls: []callTo{{to, new(big.Int), data}}})
	body := `{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["` +
		hexutil.Encode(raw) + `"]}`
	res, err := http.Post(
		p.srv.RPCURL, "application/json", strings.NewReader(body),
	) //nolint:noctx // a test on loopback
	require.NoError(p.t, err)
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	require.NotContains(p.t, string(out), "error")
}

// requestClose sends the payer's requestClose to the escrow.
func (p *payer) requestClose(c *lane) {
	p.t.Helper()
	if c.proto == voucher.V2 {
		p.onChain(
			p.srv.Escrow(c.proto),
			p.descriptor(
				"requestClose((address,address,address,address,bytes32,address,bytes32))", c,
			),
		)
		return
	}
	p.onChain(p.srv.Escrow(c.proto), abi("requestClose(bytes32)", c.id))
}
