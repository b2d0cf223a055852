package channelsdb

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// newest is the highest supported version of a row.
const newest = 2

// row holds the columns of a row as text. Only descriptor may be NULL in the schema. Values of an
// unexpected type are read as text and refused by the parser.
type row struct {
	id, version, origin, url, chainID, escrow, token, payee, payer, signer, salt string
	deposit, cumulative, state, protocol, descriptor                             string
}

// descriptor is the JSON form of the descriptor of a v2 channel.
type descriptor struct {
	Payer             string `json:"payer"`
	Payee             string `json:"payee"`
	Operator          string `json:"operator"`
	Token             string `json:"token"`
	Salt              string `json:"salt"`
	AuthorizedSigner  string `json:"authorizedSigner"`
	ExpiringNonceHash string `json:"expiringNonceHash"`
}

// channel parses a row. The error names the column.
func (r row) channel() (Channel, error) {
	p := parser{}
	if v := p.number("version", r.version); p.err == nil && v > newest {
		return Channel{}, fmt.Errorf(
			"version %d is newer than %d, the highest that this program supports", v, newest,
		)
	}
	c := Channel{
		ID: p.hash("channel_id", r.id), ChainID: p.number("chain_id", r.chainID),
		Escrow: p.address("escrow_contract", r.escrow),
		Payer:  p.address("payer", r.payer), Payee: p.address("payee", r.payee),
		Token:            p.address("token", r.token),
		AuthorizedSigner: p.address("authorized_signer", r.signer), Salt: p.hash("salt", r.salt),
		Origin: r.origin, URL: r.url, State: r.state,
		Deposit:    p.amount("deposit", r.deposit),
		Cumulative: p.amount("cumulative_amount", r.cumulative),
	}
	switch r.protocol {
	case "v1":
		c.Protocol = voucher.V1
	case "v2":
		c.Protocol = voucher.V2
		p.describe(&c, r.descriptor)
	default:
		return Channel{}, fmt.Errorf("session_protocol %.20q is unknown", r.protocol)
	}
	if p.err != nil {
		return Channel{}, p.err
	}
	if most := c.Protocol.Max(); most.Less(c.Deposit) || most.Less(c.Cumulative) {
		return Channel{}, errors.New("an amount exceeds the maximum of the protocol")
	}
	return c, nil
}

// parser parses columns and keeps the first error.
type parser struct{ err error }

func (p *parser) fail(column, text string) {
	if p.err == nil {
		p.err = fmt.Errorf("invalid %s: %.80q", column, text)
	}
}

func (p *parser) bytes(column, text string, size int) []byte {
	digits, ok := strings.CutPrefix(text, "0x")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != size {
		p.fail(column, text)
		return make([]byte, size)
	}
	return b
}

func (p *parser) address(column, text string) common.Address {
	return common.Address(p.bytes(column, text, common.AddressLength))
}

func (p *parser) hash(column, text string) common.Hash {
	return common.Hash(p.bytes(column, text, common.HashLength))
}

func (p *parser) number(column, text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		p.fail(column, text)
	}
	return n
}

func (p *parser) amount(column, text string) voucher.Amount {
	a, err := voucher.ParseAmount(text)
	if err != nil {
		p.fail(column, text)
	}
	return a
}

// describe adds the fields of the descriptor to a v2 channel. The columns that repeat a part of the
// descriptor must be equal to it.
func (p *parser) describe(c *Channel, text string) {
	var d descriptor
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		p.fail("descriptor_json", text)
		return
	}
	c.Operator, c.ExpiringNonceHash = p.address(
		"operator", d.Operator,
	), p.hash(
		"expiringNonceHash", d.ExpiringNonceHash,
	)
	if p.address("descriptor's payer", d.Payer) != c.Payer ||
		p.address("descriptor's payee", d.Payee) != c.Payee ||
		p.address("descriptor's token", d.Token) != c.Token ||
		p.hash("descriptor's salt", d.Salt) != c.Salt ||
		p.address("descriptor's authorizedSigner", d.AuthorizedSigner) != c.AuthorizedSigner {
		p.fail("descriptor_json", "differs from the columns")
	}
}
