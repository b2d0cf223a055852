package clienttest

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Lies about the price.
var (
	PriceRaised = lie("price-raised", "Whoever answers the challenge learns that it costs five times as much.",
		priced(func(_ *visit, price voucher.Amount) voucher.Amount { return fivefold(price) }))
	PriceRises = lie("price-rises", "Each answer to a challenge finds that the price has doubled.", priced(func(v *visit, price voucher.Amount) voucher.Amount {
		for range min(v.nth("doublings"), 60) {
			price = price.AddCapped(price)
		}
		return price
	}))
	PriceSeesaw = lie("price-seesaw", "Whoever answers the challenge learns that it costs one base unit, and then five times as much again.", priced(func(v *visit, price voucher.Amount) voucher.Amount {
		if v.nth("seesaw")%2 == 1 {
			return voucher.Units(1)
		}
		return fivefold(price)
	}))
	PriceFalls = lie("price-falls", "Whoever answers the challenge learns that it costs one base unit.",
		priced(func(*visit, voucher.Amount) voucher.Amount { return voucher.Units(1) }))
	PriceHuge     = lie("price-huge", "The price is all that a channel can hold.", asks(func(d, _ document) { d["amount"] = voucher.V2.Max().String() }))
	PriceTooWide  = lie("price-too-wide", "The price has eighty digits.", asks(func(d, _ document) { d["amount"] = strings.Repeat("9", 80) }))
	PriceZero     = lie("price-zero", "The price of a session is zero.", asks(func(d, _ document) { d["amount"] = "0" }))
	PriceNegative = lie("price-negative", "The price is below zero.", asks(func(d, _ document) { d["amount"] = "-100" }))
	PriceHex      = lie("price-hex", "The price is written in hexadecimal digits.", asks(func(d, _ document) { d["amount"] = "0x64" }))
	PriceNumber   = lie("price-number", "The price is a JSON number with an exponent.", asks(func(d, _ document) { d["amount"] = 1e20 }))
	PriceBlank    = lie("price-blank", "The price is the empty string.", asks(func(d, _ document) { d["amount"] = "" }))
	PriceTwice    = lie("price-twice", "The price is there twice, and differs.", rewritten(func(text string) string {
		return strings.Replace(text, `{"amount"`, `{"amount":"1","amount"`, 1)
	}))
	DepositHuge  = lie("deposit-huge", "The suggested deposit is all that a channel can hold.", asks(func(d, _ document) { d["suggestedDeposit"] = voucher.V2.Max().String() }))
	MinDeltaHuge = lie("min-delta-huge", "Vouchers have to grow by a million at least.", asks(func(_, m document) { m["minVoucherDelta"] = "1000000" }))
)

func fivefold(price voucher.Amount) voucher.Amount {
	return price.AddCapped(price.AddCapped(price)).AddCapped(price.AddCapped(price))
}

// priced changes the price once a challenge is answered.
func priced(price func(*visit, voucher.Amount) voucher.Amount) deed {
	return deed{terms: func(v *visit, t *Terms) {
		if v.paying() {
			t.Price = price(v, t.Price)
		}
	}}
}

// Lies about who gets the money, and where.
var (
	PayeeIsToken    = lie("payee-is-token", "The payee is the token.", asks(func(d, _ document) { d["recipient"] = d["currency"] }))
	PayeeIsZero     = lie("payee-is-zero", "The payee is the zero address.", asks(func(d, _ document) { d["recipient"] = common.Address{}.Hex() }))
	PayeeChanged    = lie("payee-changed", "The payee is another one than before.", asks(func(d, _ document) { d["recipient"] = stranger.Hex() }))
	TokenChanged    = lie("token-changed", "The token is another one than before.", asks(func(d, _ document) { d["currency"] = stranger.Hex() }))
	EscrowWrong     = lie("escrow-wrong", "The escrow is a contract of the server's own.", asks(func(_, m document) { m["escrowContract"] = stranger.Hex() }))
	EscrowTwofold   = lie("escrow-twofold", "The escrow and its old alias name two contracts.", asks(func(_, m document) { m["escrow"] = stranger.Hex() }))
	ChainWrong      = lie("chain-wrong", "The chain is another one.", asks(func(_, m document) { m["chainId"] = 4217 }))
	ChainMissing    = lie("chain-missing", "A v2 challenge names no chain.", asks(func(_, m document) { delete(m, "chainId") }))
	ProtocolUnknown = lie("protocol-unknown", "The session protocol is v3.", asks(func(_, m document) { m["sessionProtocol"] = "v3" }))
	ProtocolLowered = lie("protocol-lowered", "A v2 route asks for v1, at the escrow of v2.", asks(func(_, m document) { delete(m, "sessionProtocol") }))
	OperatorAppears = lie("operator-appears", "An operator of whom nobody has heard may act for the payee.", deed{terms: func(_ *visit, t *Terms) { t.Operator = stranger }})
	OperatorIsPayer = lie("operator-is-payer", "The operator is the payer.", deed{terms: func(v *visit, t *Terms) {
		t.Operator = common.HexToAddress(v.r.URL.Query().Get("payer"))
	}})
	FeeTokenWrong = lie("fee-token-wrong", "Fees are to be paid in a token that is none.", deed{terms: func(_ *visit, t *Terms) { t.FeeToken = stranger }})
	SponsorLies   = lie("sponsor-lies", "The server says that it pays the fees, and does not take such transactions.", asks(func(_, m document) { m["feePayer"] = true }))
)

// stranger is an address that nobody has the key of.
var stranger = common.BytesToAddress([]byte("a stranger"))

// Lies about the challenge itself.
var (
	FreshChallenges = lie("fresh-challenges", "Every answer to a challenge was too late, and gets a fresh one.", deed{
		challenge: func(v *visit, c *challenge) {
			c.Opaque = base64.RawURLEncoding.EncodeToString([]byte(madeUp(v.r.RemoteAddr + time.Now().String()).Hex()))
		},
		take: func(*exchange, *payload) (bool, bool, error) { return true, false, expired("too late") },
	})
	SameChallenge = lie("same-challenge", "Every answer to a challenge gets the same challenge once more.", deed{
		challenge: func(v *visit, c *challenge) { *c = *v.s.deceit.same(c) },
		take:      func(*exchange, *payload) (bool, bool, error) { return true, false, expired("once more") },
	})
	EqualIDs = lie("equal-ids", "Two challenges with one id, of which the first is not the true one and costs five times as much.", deed{spell: func(_ *visit, c *challenge) []string {
		more := *c
		more.Request = recode(c.Request, func(text string) string { return strings.Replace(text, `"amount":"100"`, `"amount":"500"`, 1) })
		return []string{more.String(), c.String()}
	}})
	ManyChallenges = lie("many-challenges", "Two thousand challenges at once.", deed{spell: func(_ *visit, c *challenge) []string {
		lines := make([]string, 2000)
		for i := range lines {
			lines[i] = c.String()
		}
		return lines
	}})
	SplitChallenge = lie("split-challenge", "One challenge is split over two header lines, between two parameters.", deed{spell: func(_ *visit, c *challenge) []string {
		first, second, _ := strings.Cut(c.String(), ", intent=")
		return []string{first, "intent=" + second}
	}})
	Expired        = lie("expired", "The challenge expired an hour ago.", deed{challenge: func(_ *visit, c *challenge) { c.Expires = "2020-01-01T00:00:00Z" }})
	ExpiryWords    = lie("expiry-words", "The expiry of the challenge is no time.", deed{challenge: func(_ *visit, c *challenge) { c.Expires = "tomorrow" }})
	ExpiryFar      = lie("expiry-far", "The challenge lives for seven thousand years.", deed{challenge: func(_ *visit, c *challenge) { c.Expires = "9999-12-31T23:59:59Z" }})
	ParameterTwice = lie("parameter-twice", "The request is there twice, and differs.", spelled(func(text string) string {
		return text + `, request="e30"`
	}))
	QuoteOpen    = lie("quote-open", "The last quoted string of the challenge does not end.", spelled(func(text string) string { return strings.TrimSuffix(text, `"`) }))
	LineBreaks   = lie("line-breaks", "The opaque value has escaped line breaks and a header line in it.", deed{challenge: func(_ *visit, c *challenge) { c.Opaque = "a\r\nX-Owned: 1" }})
	IntoHost     = lie("into-host", "The credential is to go into the Host header.", spelled(func(text string) string { return text + `, header="Host"` }))
	IntoCookie   = lie("into-cookie", "The credential is to go into a cookie.", spelled(func(text string) string { return text + `, header="Cookie"` }))
	IntoTwoLines = lie("into-two-lines", "The credential is to go into a header whose name has a line break.", spelled(func(text string) string { return text + `, header="X\u000d\u000aY"` }))
	BodyDigest   = lie("body-digest", "The challenge is bound to a body that nobody sent.", deed{challenge: func(_ *visit, c *challenge) {
		c.Digest = "sha-256=:" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + ":"
	}})
	RequestHuge       = lie("request-huge", "The request of the challenge is as long as a book.", asks(func(d, _ document) { d["description"] = strings.Repeat("x", 100_000) }))
	ChallengeHuge     = lie("challenge-huge", "The challenge has half a megabyte of text for people.", spelled(func(text string) string { return text + `, description="` + strings.Repeat("x", 500_000) + `"` }))
	RequestNoJSON     = lie("request-no-json", "The request of the challenge is no JSON.", rewritten(func(string) string { return "amount=100" }))
	RequestDeep       = lie("request-deep", "The request of the challenge is nested two thousand deep.", rewritten(func(string) string { return strings.Repeat(`{"amount":`, 2000) + "1" + strings.Repeat("}", 2000) }))
	RealmOfAnother    = lie("realm-of-another", "Every challenge carries the realm of another service.", deed{challenge: func(_ *visit, c *challenge) { c.Realm = "bank.example.com" }})
	ChallengeOnAnswer = lie("challenge-on-answer", "Answers that are paid for carry another challenge.", paidAnswer(challengeOnAnswer))
)

// asks changes the request of session challenges.
func asks(change func(request, details document)) deed {
	return deed{request: func(_ *visit, request document) {
		if details, ok := request["methodDetails"].(document); ok && request["unitType"] != nil {
			change(request, details)
		}
	}}
}

// spelled changes the text of the challenge.
func spelled(change func(string) string) deed {
	return deed{spell: func(_ *visit, c *challenge) []string { return []string{change(c.String())} }}
}

// rewritten changes the JSON of the request, and keeps the id a true one.
func rewritten(change func(string) string) deed {
	return deed{challenge: func(_ *visit, c *challenge) { c.Request = recode(c.Request, change) }}
}

func recode(request string, change func(string) string) string {
	text, _ := base64.RawURLEncoding.DecodeString(request)
	return base64.RawURLEncoding.EncodeToString([]byte(change(string(text))))
}

// challengeOnAnswer is what ChallengeOnAnswer does.
func challengeOnAnswer(v *visit, h http.Header) int {
	h.Set("WWW-Authenticate", v.newChallenge("session", document{"amount": "1000000"}, "", 0).String())
	return http.StatusOK
}
