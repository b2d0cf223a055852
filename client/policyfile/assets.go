package policyfile

import (
	"bytes"
	"maps"
	"slices"
	"strconv"

	"github.com/ethereum/go-ethereum/common"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/seed-5fe1f529/tallystick/channel"
)

// asset is a table [asset."0x…"]. Its amounts can be read once its decimals are known, which may be
// written below them.
type asset struct {
	at      place
	given   map[string]bool // which keys of the currency are
	limits  channel.Limits
	amounts []assetAmount
}

type assetAmount struct {
	key   key
	full  string
	value value
}

// ofCurrency has the keys that name an asset. All are required.
var ofCurrency = []string{"chain", "symbol", "decimals"}

// assetTable returns the name of the section of an asset for messages.
func assetTable(token common.Address) string { return `asset."` + token.Hex() + `"` }

func (d *decoder) assetSection(path []string, at place) *section {
	token, ok := d.address("the name of the table", value{kind: unstable.String, text: path[1], at: at})
	if !ok {
		return nil
	}
	if d.assets[token] != nil {
		d.fail(at, "one table a token", "%s is written twice", dotted(path))
		return nil
	}
	own := &asset{at: at, given: map[string]bool{}}
	own.limits.Currency.Token = token
	d.assets[token] = own
	of := below("")
	return &section{
		assetTable(token),
		slices.Concat(ofCurrency, names(of), []string{pieceByPiece}),
		func(name, full string, v value) {
			c := &own.limits.Currency
			own.given[name] = true
			switch name {
			case "chain":
				c.ChainID = d.number(full, v, 64)
			case "symbol":
				c.Symbol, _ = d.text(full, `the token's symbol in quotes, as it is on the chain: "EURC.e"`, v)
			case "decimals":
				c.Decimals = uint8(d.number(full, v, 8)) //nolint:gosec // it has 8 bits
			case pieceByPiece:
				own.limits.PieceByPiece = d.boolean(full, v)
			}
			for _, k := range of {
				if k.name == name {
					own.amounts = append(own.amounts, assetAmount{k, full, v})
				}
			}
		},
	}
}

// number reads a whole number of so many bits.
func (d *decoder) number(full string, v value, bits int) uint64 {
	n, err := strconv.ParseUint(v.text, 10, bits)
	if v.kind != unstable.Integer || err != nil {
		d.fail(v.at, "a whole number, without quotes", "%s is not one", full)
	}
	return n
}

// finishAssets reads the amounts of the tables of assets and reports what is missing in them.
func (d *decoder) finishAssets() {
	for _, token := range slices.SortedFunc(maps.Keys(d.assets), common.Address.Cmp) {
		own := d.assets[token]
		table, c := assetTable(token), own.limits.Currency
		whole := true
		for _, name := range ofCurrency {
			if !own.given[name] {
				whole = false
				d.fail(own.at, "chain, symbol and decimals", "[%s] has no %s", table, name)
			}
		}
		if !whole {
			continue
		}
		if err := c.Check(); err != nil {
			d.fail(own.at, "the chain, symbol and decimals of a token", "[%s]: %s", table, err)
			continue
		}
		if _, known := channel.Dollar(c.Asset); known {
			d.fail(own.at, "no such table", "[%s] is for %s, a dollar token that [limits] are for", table, c)
			continue
		}
		if d.file.Tokens != nil && !slices.Contains(d.file.Tokens, token) {
			d.fail(own.at, "it on that list, or no such table", "[%s] has limits, and [tokens] allow does not have it", table)
		}
		for _, a := range own.amounts {
			*a.key.field(&own.limits) = d.amount(a.full, a.value, int(c.Decimals))
		}
		d.file.Assets = append(d.file.Assets, own.limits)
	}
}

// byToken sorts limits by the address of their token.
func byToken(a, b channel.Limits) int { return bytes.Compare(a.Currency.Token[:], b.Currency.Token[:]) }
