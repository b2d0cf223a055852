package lies

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Lies about terms that change within one request. "Takes" means that the payment is accepted and
// charged, and then refused all the same.
const (
	// FlipProtocol takes every payment and asks for the other protocol version.
	FlipProtocol Lie = "flip-protocol"
	// FlipProtocolOnce takes v2 payments and asks for v1, which it serves.
	FlipProtocolOnce Lie = "flip-protocol-once"
	// FlipPayee takes every payment and asks for the other payee.
	FlipPayee Lie = "flip-payee"
	// FlipPayeeOnce takes payments to the first payee and asks for the other, whom it serves.
	FlipPayeeOnce Lie = "flip-payee-once"
	// FlipErratic takes payments, and then flips the version, calls them unverified or redirects.
	FlipErratic Lie = "flip-erratic"
	// FlipStrangers takes every payment and asks for a new payee each time.
	FlipStrangers Lie = "flip-strangers"
	// FlipEscrow takes every payment and leaves escrow and chain out of every second refusal.
	FlipEscrow Lie = "flip-escrow"
	// UnitBecomesChunk offers a stream at one price, and after a retry at a price for each chunk.
	UnitBecomesChunk Lie = "unit-becomes-chunk"
	// FeeTokenFlips refuses a transaction as too late and asks for its fees in another token.
	FeeTokenFlips Lie = "fee-token-flips"
	// SponsorVanishes offers to pay the fees, and no longer once a transaction comes.
	SponsorVanishes Lie = "sponsor-vanishes"
	// SponsorAppears offers to pay the fees once a transaction comes.
	SponsorAppears Lie = "sponsor-appears"
	// PriceClimbs doubles the price at the first two answers to a request and serves the third.
	PriceClimbs Lie = "price-climbs"
)

var flipTable = table{
	FlipProtocol: flips(always, otherProtocol),
	FlipProtocolOnce: flips(
		func(_ hook.Request, t hook.Terms) bool { return t.Protocol == voucher.V2 },
		otherProtocol,
	),
	FlipPayee: flips(always, otherPayee),
	FlipPayeeOnce: flips(func(r hook.Request, t hook.Terms) bool {
		return t.Payee != r.Server().OtherPayee
	}, otherPayee),
	FlipErratic:   erratic(),
	FlipStrangers: strangers(),
	FlipEscrow: {
		AnyTerms: true,
		Request: func(r hook.Request, request message.Document) {
			details, ok := request["methodDetails"].(message.Document)
			if ok && r.Paying() && r.Count("escrows")%2 == 1 {
				delete(details, "escrowContract")
				delete(details, "chainId")
			}
		},
		Take: taken(always),
	},
	UnitBecomesChunk: {
		AnyTerms: true,
		Fresh: func(r hook.Request, t *hook.Terms) {
			if !r.Paying() {
				t.Unit = "request"
			}
		},
		Take: tooLate(func(t hook.Terms) bool { return t.Unit == "request" }),
	},
	FeeTokenFlips: {
		AnyTerms: true,
		Fresh: func(r hook.Request, t *hook.Terms) {
			if moves(r) {
				t.FeeToken = r.Server().OtherToken
			}
		},
		Take: tooLate(
			func(t hook.Terms) bool { return t.FeeToken == (common.Address{}) },
			"open",
			"topUp",
		),
	},
	SponsorVanishes: sponsors(true),
	SponsorAppears:  sponsors(false),
	PriceClimbs: {
		AnyTerms: true,
		Terms:    asAnswered,
		Fresh: func(r hook.Request, t *hook.Terms) {
			if r.Paying() {
				t.Price = t.Price.AddCapped(t.Price)
			}
		},
		Challenge: func(r hook.Request, c *message.Challenge) {
			c.Opaque = climbs[min(climbed(r)+1, len(climbs)-1)]
		},
		Take: func(x hook.Payment, p *message.Payload) (bool, bool, error) {
			if p.Action == "close" || climbed(x) >= 2 {
				return false, false, nil
			}
			return true, false, message.PaymentRequired("it costs more by now").On(p.ChannelID)
		},
	},
}

// erratic flips the protocol at every second refusal and redirects every fifth payment to itself.
func erratic() hook.Hooks {
	h := flips(always, func(r hook.Request, t *hook.Terms) {
		if r.Count("flips")%2 == 1 {
			otherProtocol(r, t)
		}
	})
	h.Instead = redirect(http.StatusFound, func(r hook.Request) bool {
		return r.Paying() && r.Count("bounces")%5 == 0
	}, itself).Instead
	take := h.Take
	h.Take = func(x hook.Payment, p *message.Payload) (bool, bool, error) {
		done, content, err := take(x, p)
		if done && x.Count("reasons")%2 == 0 {
			err = message.VerificationFailed("that is not right").On(p.ChannelID)
		}
		return done, content, err
	}
	return h
}

// strangers asks for another made-up payee in each refusal of a payment.
func strangers() hook.Hooks {
	return flips(always, func(r hook.Request, t *hook.Terms) {
		t.Payee = common.BigToAddress(big.NewInt(int64(0xabc000 + r.Count("strangers"))))
	})
}

// climbs are the opaque values of challenges: how often the price has risen.
var climbs = []string{"bm90aGluZw", "b25jZQ", "dHdpY2U"}

// climbed returns how often the price had risen in the challenge that the request answers; -1
// without one.
func climbed(r hook.Request) int {
	if c := r.CredentialChallenge(); c != nil {
		return slices.Index(climbs, c.Opaque)
	}
	return -1
}

func always(hook.Request, hook.Terms) bool { return true }

func otherProtocol(
	_ hook.Request,
	t *hook.Terms,
) {
	t.Protocol = voucher.V1 + voucher.V2 - t.Protocol
}

func otherPayee(r hook.Request, t *hook.Terms) {
	if t.Payee == r.Server().OtherPayee {
		t.Payee = r.Server().Payee
	} else {
		t.Payee = r.Server().OtherPayee
	}
}

// flips takes payments for which when returns true and asks for other terms.
func flips(
	when func(hook.Request, hook.Terms) bool,
	change func(hook.Request, *hook.Terms),
) hook.Hooks {
	return hook.Hooks{
		AnyTerms: true,
		Terms:    asAnswered,
		Fresh: func(r hook.Request, t *hook.Terms) {
			if r.Paying() {
				change(r, t)
			}
		},
		Take: taken(when),
	}
}

// taken does what an honest server does with a payment and then refuses it, if when returns true.
func taken(
	when func(hook.Request, hook.Terms) bool,
) func(hook.Payment, *message.Payload) (bool, bool, error) {
	return func(x hook.Payment, p *message.Payload) (bool, bool, error) {
		if p.Action == "close" || !when(x, answered(x)) {
			return false, false, nil
		}
		if _, err := x.Do(p); err != nil {
			return true, false, err
		}
		return true, false, message.PaymentRequired("that is not what it costs").On(p.ChannelID)
	}
}

// tooLate refuses payments of these actions (any without one) whose challenge has such terms, as if
// it had expired.
func tooLate(
	when func(hook.Terms) bool,
	actions ...string,
) func(hook.Payment, *message.Payload) (bool, bool, error) {
	return func(x hook.Payment, p *message.Payload) (bool, bool, error) {
		if len(actions) > 0 && !slices.Contains(actions, p.Action) || !when(answered(x)) {
			return false, false, nil
		}
		return true, false, message.PaymentExpired("too late")
	}
}

// sponsors refuses the transactions of those who were offered sponsorship, or were not, and offers
// the opposite then.
func sponsors(first bool) hook.Hooks {
	return hook.Hooks{
		AnyTerms: true,
		Terms: func(r hook.Request, t *hook.Terms) {
			t.Sponsored = first
			if moves(r) {
				t.Sponsored = answered(r).Sponsored
			}
		},
		Fresh: func(r hook.Request, t *hook.Terms) { t.Sponsored = first != moves(r) },
		Take:  tooLate(func(t hook.Terms) bool { return t.Sponsored == first }, "open", "topUp"),
	}
}

// moves reports whether the request carries a transaction.
func moves(r hook.Request) bool { return r.Action() == "open" || r.Action() == "topUp" }

// asAnswered makes the terms of the route those of the challenge that is answered.
func asAnswered(r hook.Request, t *hook.Terms) {
	if r.Paying() {
		was := answered(r)
		t.Price, t.Protocol, t.Payee = was.Price, was.Protocol, was.Payee
	}
}

// answered returns the terms of the challenge that the credential echoes.
func answered(r hook.Request) hook.Terms {
	var request struct {
		Amount, UnitType string
		Recipient        common.Address
		MethodDetails    struct {
			SessionProtocol string
			FeeToken        common.Address
			FeePayer        bool
		}
	}
	if c := r.CredentialChallenge(); c != nil {
		text, _ := base64.RawURLEncoding.DecodeString(c.Request)
		_ = json.Unmarshal(text, &request) // the server's own
	}
	t := hook.Terms{
		Unit: request.UnitType, Protocol: voucher.V1, Payee: request.Recipient,
		FeeToken: request.MethodDetails.FeeToken, Sponsored: request.MethodDetails.FeePayer,
	}
	t.Price, _ = voucher.ParseAmount(request.Amount)
	if request.MethodDetails.SessionProtocol == "v2" {
		t.Protocol = voucher.V2
	}
	return t
}
